import { join } from 'node:path';
import { resolveCheckOptions } from './checking.js';
import { systemClock, type Clock } from './clock.js';
import { HoldfastError } from './errors.js';
import { checkDirectory, checkFile, createDirectory, createPrivateFile, isMissing } from './files.js';
import { boolean, functionOf, knownKeys, milliseconds, oneOf, shown, type Duration } from './options.js';
import { applicationId, migrations, refuseNewer, schemaVersion } from './schema.js';
import { backUp, pathOf, resolveCopyOptions } from './sqlite-backup.js';
import { EmbeddedCheck } from './sqlite-check.js';
import { compactStore } from './sqlite-compact.js';
import { Connection, sqliteVersion } from './sqlite-connection.js';
import { EmbeddedEngine } from './sqlite.js';
import { register, type Store } from './store.js';

/** Options of {@link open}. */
export interface OpenOptions {
  /**
   * What a committed change survives: `'process'`, the death of the process; `'power'`, the loss of power too, at about ten
   * times the cost of a commit.
   * @defaultValue `'process'`
   */
  readonly durability?: 'process' | 'power' | undefined;
  /**
   * How long a call waits for another process that is writing; then it throws `ERR_BUSY`. The wait blocks the event loop.
   * At most an hour.
   * @defaultValue `'5s'`
   */
  readonly busyTimeout?: Duration | undefined;
  /** Only reads; writing throws `ERR_READONLY`. The store must exist. @defaultValue `false` */
  readonly readonly?: boolean | undefined;
  /** Whether a missing store is created, with the directories above it; else `ERR_NOT_FOUND`. @defaultValue `true` */
  readonly create?: boolean | undefined;
  /** Where the time is taken from: for tests. @defaultValue the machine's clocks */
  readonly clock?: Clock | undefined;
}

export interface ResolvedOptions {
  readonly directory: string;
  readonly durability: 'process' | 'power';
  readonly busyTimeout: number;
  readonly readonly: boolean;
  readonly create: boolean;
  readonly clock: Clock;
}

/** Options of {@link open}, checked. */
export function resolveOptions(directory: string | URL, given: OpenOptions): ResolvedOptions {
  const path = pathOf('directory', directory);
  knownKeys('options of open()', given, ['durability', 'busyTimeout', 'readonly', 'create', 'clock']);
  const {
    durability = 'process',
    busyTimeout = '5s',
    readonly = false,
    create = !readonly,
    clock = systemClock,
  } = given;
  oneOf('durability', durability, ['process', 'power'] as const);
  boolean('readonly', readonly);
  boolean('create', create);
  clockOf(clock);
  if (readonly && create) throw new TypeError('readonly: true and create: true exclude each other');
  return {
    directory: path,
    durability,
    busyTimeout: milliseconds('busyTimeout', busyTimeout, 3_600_000),
    readonly,
    create,
    clock,
  };
}

function clockOf(clock: unknown): void {
  if (typeof clock !== 'object' || clock === null)
    throw new TypeError(`clock must be an object, not ${shown(clock)}`);
  for (const method of ['wall', 'monotonic', 'boot'])
    functionOf(`clock.${method}`, Reflect.get(clock, method));
}

/** The oldest SQLite that is safe here: before it, a race when the log starts over could lose commits of other processes. */
const oldestSqlite = [3, 51, 3];

/**
 * Opens the store in `directory`; creates it, and the directories above it, where it is missing. Any number of processes and
 * threads may have it open at once. Its files can be read by their owner alone.
 *
 * @param directory - A path, or a `file:` URL. It must be on a local disk: SQLite's log doesn't work over a network.
 * @throws {@link HoldfastError} `ERR_NOT_FOUND` with `create: false` or `readonly: true` when there is no store;
 * `ERR_NOT_A_STORE` when a file is in the way, or the database belongs to something else; `ERR_PERMISSION`, `ERR_READONLY` when
 * the system denies access; `ERR_CORRUPT` when the database is garbled; `ERR_SCHEMA_TOO_NEW` when a newer version wrote it;
 * `ERR_NATIVE_MODULE` when better-sqlite3 lacks its compiled part; `ERR_UNSUPPORTED_SQLITE`; `ERR_FULL`; `ERR_BUSY`. In each case
 * what is there is left as it was.
 * @example
 * using store = open('./data');
 */
export function open(directory: string | URL, options: OpenOptions = {}): Store {
  const resolved = resolveOptions(directory, options);
  return embeddedStore(resolved, openEngine(resolved));
}

/** What stands behind a store in a directory. */
export function openEngine(resolved: ResolvedOptions): EmbeddedEngine {
  checkSqlite();
  const path = prepareFiles(resolved);
  const connection = new Connection(path, resolved.readonly, resolved.busyTimeout, resolved.clock);
  try {
    const isNew = checkContents(connection, path);
    if (resolved.readonly && isNew) throw missing(resolved.directory);
    if (!resolved.readonly) configure(connection, path, resolved);
  } catch (error) {
    connection.close();
    throw error;
  }
  const openInside = (inside: string, create: boolean): EmbeddedEngine =>
    openEngine({
      ...resolved,
      create: create && !resolved.readonly,
      directory: join(resolved.directory, inside),
    });
  const durable = resolved.durability === 'power';
  return new EmbeddedEngine({ ...resolved, connection, durable, openInside });
}

/** The files, made or checked; gives back the path of the database. */
function prepareFiles({ directory, readonly, create }: ResolvedOptions): string {
  const path = join(directory, 'holdfast.db');
  if (create) createDirectory(directory);
  else if (isMissing(path)) throw missing(directory);
  checkDirectory(directory, !readonly);
  if (create) createPrivateFile(path);
  checkFile(path, !readonly);
  return path;
}

const missing = (directory: string): HoldfastError =>
  new HoldfastError(
    'ERR_NOT_FOUND',
    `${directory}: there is no store; open it without readonly and create: false to make one`,
  );

/** Before any file is made: nothing is to be left where nothing can work. */
function checkSqlite(): void {
  const version = sqliteVersion();
  const numbers = version.split('.').map(Number);
  const differing = oldestSqlite.findIndex((part, i) => part !== numbers[i]);
  if (differing === -1 || (numbers[differing] ?? 0) > (oldestSqlite[differing] ?? 0)) return;
  throw new HoldfastError(
    'ERR_UNSUPPORTED_SQLITE',
    `SQLite ${version} can lose commits when several processes write; update better-sqlite3 to one with SQLite ${oldestSqlite.join('.')} or newer`,
  );
}

/** Refuses what is not ours, or too new; tells whether there is nothing yet. Only reads. */
function checkContents(connection: Connection, path: string): boolean {
  // In this order: another process may create the tables and the mark, in one transaction, between the two questions.
  const tables = connection.value("SELECT count(*) FROM sqlite_schema WHERE type = 'table'");
  const id = connection.value('PRAGMA application_id');
  if (id === 0 && tables === 0) return true;
  if (id !== applicationId) {
    throw new HoldfastError(
      'ERR_NOT_A_STORE',
      `${path}: this database belongs to something else; choose another directory`,
    );
  }
  refuseNewer(
    { newest: 0, breaking: Number(connection.value('SELECT max(id) FROM migrations WHERE breaking = 1')) },
    path,
  );
  return false;
}

function configure(connection: Connection, path: string, { durability }: ResolvedOptions): void {
  const mode = connection.value('PRAGMA journal_mode = WAL');
  if (mode !== 'wal') {
    throw new HoldfastError(
      'ERR_IO',
      `${path}: this file system can't share a log between processes; use a local disk`,
    );
  }
  connection.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  // See `Log`. What one large transaction has made of the log is cut when it starts again.
  connection.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864');
  if (newest(connection) >= schemaVersion.newest) return;
  connection.begin();
  try {
    // Another process may have migrated while this one waited; one with newer code even further.
    if (!checkContents(connection, path)) applyMigrations(connection, newest(connection));
    else applyMigrations(connection, 0);
    connection.commit();
  } catch (error) {
    connection.rollback();
    throw error;
  }
}

function newest(connection: Connection): number {
  const exists = connection.value("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'");
  return exists === 0 ? 0 : Number(connection.value('SELECT max(id) FROM migrations'));
}

function applyMigrations(connection: Connection, done: number): void {
  if (done === 0) {
    connection.exec(`PRAGMA application_id = ${applicationId}`);
    connection.exec('CREATE TABLE migrations (id INTEGER PRIMARY KEY, breaking INTEGER NOT NULL) STRICT');
  }
  for (const [i, { sqlite, breaking }] of migrations.entries()) {
    if (i < done) continue;
    connection.exec(sqlite);
    connection.exec(`INSERT INTO migrations (id, breaking) VALUES (${i + 1}, ${breaking ? 1 : 0})`);
  }
}

function embeddedStore(resolved: ResolvedOptions, engine: EmbeddedEngine): Store {
  const { directory, busyTimeout } = resolved;
  const store: Store = {
    kind: 'embedded',
    directory,
    transaction: <T>(work: () => T extends PromiseLike<unknown> ? never : T) => engine.transaction<T>(work),
    structures: () => engine.structures(),
    check: (options = {}) => {
      const { repair } = resolveCheckOptions(options);
      engine.checkOutside('check()', !repair);
      return new EmbeddedCheck(engine, repair).run();
    },
    backup: async (to, options = {}) => {
      const resolved = resolveCopyOptions('backup()', options);
      const path = pathOf('directory', to);
      engine.checkOutside('backup()', true);
      return backUp(directory, path, resolved);
    },
    compact: async () => {
      engine.checkOutside('compact()', false);
      return compactStore(engine, busyTimeout);
    },
    close: () => {
      engine.close();
    },
    [Symbol.dispose]: () => {
      engine.close();
    },
  };
  register(store, engine);
  return store;
}
