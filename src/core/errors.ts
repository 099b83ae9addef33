/** Every error code of the library. A code is stable across versions; a message is not. */
export type ErrorCode =
  /** The function given to `transaction` is asynchronous, or returned a promise, on an embedded store. Nothing was changed. */
  | 'ERR_ASYNC_TRANSACTION'
  /** A barrier's round was broken: one that waited died or gave up, or the barrier was reset. */
  | 'ERR_BROKEN'
  /** Another process held the write lock longer than `busyTimeout`. Nothing was changed; safe to try again. */
  | 'ERR_BUSY'
  /** The job was cancelled. */
  | 'ERR_CANCELLED'
  /** A job that this one was to run after has failed, or was cancelled. */
  | 'ERR_CHILD_FAILED'
  /** The store was closed before or during the call. */
  | 'ERR_CLOSED'
  /** A value was stored with a codec that is not the one of this object, or that can’t read it; or it is, or was to be, compressed in a way that this Node lacks. */
  | 'ERR_CODEC'
  /** A transaction on a server conflicted with others each of the many times it was tried. Nothing was changed. */
  | 'ERR_CONFLICT'
  /** The server can't be reached, or the connection was lost. A write under way may or may not have happened. */
  | 'ERR_CONNECTION'
  /** What was read is not what this library writes: a garbled file, or a value of a newer version. */
  | 'ERR_CORRUPT'
  /** The call would wait for what its own asynchronous context holds. */
  | 'ERR_DEADLOCK'
  /** A job with the same key is there already. */
  | 'ERR_DUPLICATE'
  /** Some events of those that were asked for are not there any more. */
  | 'ERR_EVENTS_MISSED'
  /** Something is where a backup was to be written. It was left as it is. */
  | 'ERR_EXISTS'
  /** The job was not started before its `expires`. It is the `cause` of an `ERR_CANCELLED`. */
  | 'ERR_EXPIRED'
  /** The disk, the space that the store may use, or a cache that evicts nothing is full. Nothing was changed. */
  | 'ERR_FULL'
  /** The call can't be made inside a transaction: it waits, streams, closes, checks or copies the store, or writes to a cache with shards. */
  | 'ERR_IN_TRANSACTION'
  /** The data of a job are not as the schema of the queue says. The issues are the `cause`. */
  | 'ERR_INVALID_DATA'
  /** The operating system or the database server reported a failure that has no code of its own. See `cause`. */
  | 'ERR_IO'
  /** The process of a job died while it ran, as often as `maxDeaths` says. */
  | 'ERR_JOB_DEATHS'
  /** The compiled part of better-sqlite3 is missing or doesn't fit this Node. The message has the command that mends it. */
  | 'ERR_NATIVE_MODULE'
  /** The path, or the database in it, is something else than a store of this library. */
  | 'ERR_NOT_A_STORE'
  /** The module of a queue’s handler can't be loaded, or has no default function. Its worker has stopped; no job was tried. See `cause`. */
  | 'ERR_NO_HANDLER'
  /** There is no store, and it was not to be created; or a job is not there (any more). */
  | 'ERR_NOT_FOUND'
  /** The grant does not hold any more: it was released, its lease ran out, or it was released by force. Or a run does not have its job any more. */
  | 'ERR_NOT_OWNER'
  /** The operating system or the server denies access. */
  | 'ERR_PERMISSION'
  /** The store was opened with `readonly`, or lies where nothing can be written. */
  | 'ERR_READONLY'
  /** The store was written by a newer version of this library. It was left untouched. */
  | 'ERR_SCHEMA_TOO_NEW'
  /** A cache has another number of shards than was given; or it got another while it was iterated over, or a stream was written to it: do that again. Nothing was changed. */
  | 'ERR_SHARDS'
  /** The thread in which a job ran ended: it exited, threw outside of the handler, or used up its memory. See `cause`. */
  | 'ERR_THREAD'
  /** The time given as `timeout` ran out: of a call that waits, or of an attempt of a job. */
  | 'ERR_TIMEOUT'
  /**
   * A value is larger than the whole cache may be; or it has 2 GiB or more, and can only be read as a stream; or more than 250 MB on a server, in any
   * structure. Nothing was changed.
   */
  | 'ERR_TOO_LARGE'
  /** A call that belongs to a transaction on a server came when that had ended: one inside was not awaited. */
  | 'ERR_TRANSACTION_ENDED'
  /** The SQLite in use is older than 3.51.3, whose WAL could lose commits made by several processes. */
  | 'ERR_UNSUPPORTED_SQLITE';

/** An error of this library. Tell errors apart by {@link HoldfastError.code}, never by the message. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';

  constructor(
    /** Which error it is. */
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What the drivers' and the system's own codes mean here, by their longest prefix. */
const meanings: readonly (readonly [prefix: string, code: ErrorCode, advice: string])[] = [
  ['SQLITE_BUSY', 'ERR_BUSY', 'another process holds the database; try again'],
  ['SQLITE_LOCKED', 'ERR_BUSY', 'another connection holds the database; try again'],
  ['SQLITE_FULL', 'ERR_FULL', 'the disk is full; free some space'],
  [
    'SQLITE_READONLY',
    'ERR_READONLY',
    'the database can only be read; check the permissions of its directory and files',
  ],
  ['SQLITE_CORRUPT', 'ERR_CORRUPT', 'the database is damaged; restore it from a backup'],
  [
    'SQLITE_NOTADB',
    'ERR_CORRUPT',
    'the file is no SQLite database; move it away, or restore it from a backup',
  ],
  ['SQLITE_CANTOPEN', 'ERR_PERMISSION', 'the file can’t be opened; check the permissions of its directory'],
  ['SQLITE_PERM', 'ERR_PERMISSION', 'access is denied; check the permissions of its directory'],
  ['SQLITE_AUTH', 'ERR_PERMISSION', 'access is denied'],
  ['SQLITE_', 'ERR_IO', 'SQLite failed'],
  ['ENOSPC', 'ERR_FULL', 'the disk is full; free some space'],
  ['EDQUOT', 'ERR_FULL', 'the disk quota is used up; free some space'],
  ['EROFS', 'ERR_READONLY', 'the disk can only be read; mount it for writing, or choose another directory'],
  ['EACCES', 'ERR_PERMISSION', 'access is denied; check the owner and the permissions'],
  ['EPERM', 'ERR_PERMISSION', 'access is denied; check the owner and the permissions'],
  [
    'ENOTDIR',
    'ERR_NOT_A_STORE',
    'a file is where a directory should be; move it away, or choose another directory',
  ],
  [
    'EEXIST',
    'ERR_NOT_A_STORE',
    'a file is where a directory should be; move it away, or choose another directory',
  ],
  ['ENOENT', 'ERR_NOT_FOUND', 'there is no such file or directory'],
  // PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
  ['40001', 'ERR_CONFLICT', 'concurrent transactions conflicted'],
  ['40P01', 'ERR_CONFLICT', 'concurrent transactions waited for each other'],
  ['55P03', 'ERR_BUSY', 'another session holds a lock; try again'],
  ['57014', 'ERR_BUSY', 'the server cancelled the statement; try again'],
  ['25006', 'ERR_READONLY', 'the server is read-only; connect to the primary'],
  ['53100', 'ERR_FULL', 'the server’s disk is full'],
  ['42501', 'ERR_PERMISSION', 'the server denies access; grant the user its rights on the schema'],
  ['28', 'ERR_PERMISSION', 'the server refused the user name or password'],
  ['3D000', 'ERR_NOT_FOUND', 'there is no such database on the server; create it'],
  ['XX001', 'ERR_CORRUPT', 'the server found damaged data'],
  ['XX002', 'ERR_CORRUPT', 'the server found a damaged index'],
  ['08', 'ERR_CONNECTION', 'the connection to the server was lost'],
  ['57P0', 'ERR_CONNECTION', 'the server is shutting down or ended the session'],
  [
    '25P03',
    'ERR_CONNECTION',
    'the server ended the session, which did nothing inside a transaction for too long',
  ],
  [
    '53300',
    'ERR_CONNECTION',
    'the server has no connection left; lower the pool’s size, or raise max_connections',
  ],
  ['ECONN', 'ERR_CONNECTION', 'the server can’t be reached'],
  ['EPIPE', 'ERR_CONNECTION', 'the connection to the server was lost'],
  ['ETIMEDOUT', 'ERR_CONNECTION', 'the server can’t be reached'],
  ['EHOSTUNREACH', 'ERR_CONNECTION', 'the server can’t be reached'],
  ['ENOTFOUND', 'ERR_CONNECTION', 'the server’s name is unknown'],
  ['EAI_AGAIN', 'ERR_CONNECTION', 'the server’s name can’t be looked up'],
];

/** The code that a driver or the operating system put on an error, or `undefined`. */
export function driverCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/**
 * What a driver or the operating system threw, as an error of this library; anything else as it is.
 * The only place that knows codes of SQLite, PostgreSQL and the operating system.
 *
 * @param where - The path or server that the message names.
 */
export function translated(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || error instanceof HoldfastError) return error;
  const code = driverCode(error) ?? lostConnection(error);
  const meaning = meanings.find(([prefix]) => code?.startsWith(prefix));
  if (meaning === undefined)
    return isSqlState(code) || 'syscall' in error
      ? new HoldfastError('ERR_IO', `${where}: ${error.message}`, { cause: error })
      : error;
  const [, meant, advice] = meaning;
  return new HoldfastError(meant, `${where}: ${advice} (${error.message})`, { cause: error });
}

/** What `work` gives; what it rejects with, {@link translated}. */
export async function translating<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, where);
  }
}

const isSqlState = (code: string | undefined): boolean => code !== undefined && /^[0-9A-Z]{5}$/.test(code);

/** Whether nobody knows what was done: the server has not said what it could not do. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof HoldfastError)
    return error.code === 'ERR_CONNECTION' || !isSqlState(driverCode(error.cause));
  return !isSqlState(driverCode(error));
}

/** The `pg` driver reports some lost connections in words only. */
function lostConnection(error: Error): string | undefined {
  return /connection (terminated|error)|not queryable|query read timeout|timeout exceeded when trying to connect|client (was|has) (been )?closed/i.test(
    error.message,
  )
    ? 'ECONN'
    : undefined;
}
