import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StructureRef } from './catalog.js';
import { HoldfastError, driverCode, translated, translating } from './errors.js';
import { cancel } from './postgres-cancel.js';
import type { Queries } from './postgres-driver.js';
import { type PgClient, type OpenPool, type PgQuery, type PgResult } from './postgres-driver.js';

/** How often a transaction that conflicts is tried, and the pauses between, in milliseconds: some seconds in all. */
const mostTries = 40;
/** After as many, and as many again, a user's transaction tries to run while no other does: else one that is long would lose against short ones for ever. */
const triesBeside = 5;
/** After as many, and as many again, while nobody writes at all: else it would lose against many who join lines and leave them, say. */
const triesBesideWrites = 10;
/** For how long it may keep all others from writing, in milliseconds: its work may wait for what another writes. One that takes longer is not tried so again. */
const aloneFor = 1_000;
const firstPause = 1;
const longestPause = 100;

/** SQLSTATEs after which a transaction may simply be run again. */
export const conflicts: ReadonlySet<string> = new Set([
  '40001' /* serialization_failure */,
  '40P01' /* deadlock_detected */,
]);
/** In a serializable transaction also two rows with one key: it could not see the other's. */
const serializableConflicts = new Set([...conflicts, '23505' /* unique_violation */]);

/** What came of a try; `stopped`: it kept others from writing for too long. */
type Outcome<T> = { readonly value: T } | { readonly conflict: unknown; readonly stopped?: boolean };

/** What may be under way beside a user's transaction. */
type Company = 'all' | 'no transaction' | 'nothing';

function companyOf(tries: number, isLong: boolean): Company {
  if (tries % triesBesideWrites === 0 && !isLong) return 'nothing';
  return tries % triesBeside === 0 ? 'no transaction' : 'all';
}

/**
 * How long the server waits for the next statement of a script before it ends the connection: a process that was stopped inside of one, or whose machine
 * was, would keep all others from writing. A user's transaction may take its time.
 */
const longestIdle = '10s';

/** How a transaction is begun. */
export interface TransactionOptions {
  /**
   * READ COMMITTED: each statement sees what was committed before it; what must not change is locked. REPEATABLE READ: all see
   * one state. SERIALIZABLE: as if nobody else were there.
   */
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
  /** A statement to go with the begin. */
  readonly begin?: string;
}

/** A transaction that is open on a connection of its own, or a savepoint in it. */
interface Session {
  readonly client: PgClient;
  readonly serializable: boolean;
  /** Statements and savepoints of one session must not overlap: each waits for the one before. */
  tail: Promise<unknown>;
  ended: boolean;
  /** The conflict that has doomed it, even if whoever called has caught the error. */
  conflict: unknown;
  undo: (() => void)[];
  done: (() => void)[];
  /** Numbers of structures that it has read, or made: known to others only once it is committed. */
  readonly ids: Map<StructureRef, number>;
}

/** The connections and transactions of a server store. A transaction is found again through the async context. */
export class Sessions {
  readonly queries: Queries;
  readonly #pool: OpenPool;
  readonly #where: string;
  #rollbacks = 0;
  readonly #current = new AsyncLocalStorage<Session>();
  /** Connections whose transaction was rolled back since it kept others from writing for too long. */
  readonly #stopped = new WeakSet<PgClient>();

  constructor(pool: OpenPool, queries: Queries, where: string) {
    this.#pool = pool;
    this.queries = queries;
    this.#where = where;
  }

  /** How often something was rolled back: what was read before that may be of no more worth. */
  get rollbacks(): number {
    return this.#rollbacks;
  }

  /** Whether the caller is inside a transaction. */
  get open(): boolean {
    // What a transaction has started, and goes on after it, is not inside it.
    return this.#current.getStore()?.ended === false;
  }

  /** The same, also of what a transaction has started and that goes on after it. */
  get within(): boolean {
    return this.#current.getStore() !== undefined;
  }

  /** Whether the caller is inside a serializable transaction. */
  get serializable(): boolean {
    return this.#current.getStore()?.serializable === true;
  }

  /** Dooms the transaction around the caller: it is to be run again, on what was committed meanwhile. */
  outdated(): HoldfastError {
    const error = new HoldfastError(
      'ERR_CONFLICT',
      `${this.#where}: something was committed after the transaction began`,
    );
    const session = this.#current.getStore();
    if (session !== undefined) session.conflict ??= error;
    return error;
  }

  /** The number of a structure, as far as the transaction around the caller knows. */
  idOf(ref: StructureRef): number | undefined {
    return ref.id ?? this.#current.getStore()?.ids.get(ref);
  }

  /** Keeps the number of a structure; for all, once the transaction around the caller is committed. */
  keepId(ref: StructureRef, id: number): void {
    const session = this.#current.getStore();
    if (session === undefined) ref.id = id;
    else session.ids.set(ref, id);
  }

  /** To be done if the transaction around the caller is rolled back. */
  afterRollback(action: () => void): void {
    this.#current.getStore()?.undo.push(action);
  }

  /** To be done once the transaction around the caller is committed. */
  afterCommit(action: () => void): void {
    this.#current.getStore()?.done.push(action);
  }

  /** Asks within the transaction around the caller, or on any connection. */
  async query(query: PgQuery): Promise<PgResult> {
    const session = this.#current.getStore();
    if (session === undefined) return this.#again(() => this.#alone(query));
    return this.#inTurn(session, () => this.#ask(session, query));
  }

  /** Runs `work` in a transaction, or in a savepoint of the one that is open. */
  async transact<T>(work: () => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const session = this.#current.getStore();
    if (session !== undefined)
      return this.#inTurn(session, () => this.#savepoint(session, work, options.begin));
    let isLong = false;
    return this.#again(async (tries) => {
      const outcome = await this.#try(work, options, companyOf(tries, isLong));
      isLong ||= 'stopped' in outcome && outcome.stopped;
      return outcome;
    });
  }

  /** Tries until there is no conflict. */
  async #again<T>(attempt: (tries: number) => Promise<Outcome<T>>): Promise<T> {
    let pause = firstPause;
    for (let tries = 1; ; tries++) {
      const outcome = await attempt(tries);
      if ('value' in outcome) return outcome.value;
      if (tries >= mostTries) {
        const message = `${this.#where}: the transaction conflicted with others ${tries} times; keep it shorter, or try again`;
        throw new HoldfastError('ERR_CONFLICT', message, { cause: outcome.conflict });
      }
      await sleep(pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, longestPause);
    }
  }

  /** A statement that is a transaction of its own: after a conflict it has done nothing. */
  async #alone(query: PgQuery): Promise<Outcome<PgResult>> {
    try {
      return { value: await this.#pool.query(query) };
    } catch (error) {
      this.#pool.check();
      if (conflicts.has(driverCode(error) ?? '')) return { conflict: error };
      throw translated(error, this.#where);
    }
  }

  async #try<T>(work: () => Promise<T>, options: TransactionOptions, company: Company): Promise<Outcome<T>> {
    const client = await translating(this.#where, () => this.#pool.connect());
    const session = newSession(client, options.isolation === 'SERIALIZABLE');
    let broken = false;
    let timer: NodeJS.Timeout | undefined;
    try {
      const began = await this.#begin(session, options, company);
      if (began === 'nothing') timer = setTimeout(() => void this.#stop(session), aloneFor);
      const value = await this.#current.run(session, work);
      await this.#end(session);
      const { command } = await this.#ask(session, this.queries.plain('COMMIT'));
      // So the server answers when an earlier failure, which somebody caught, had ended the transaction.
      if (command === 'ROLLBACK')
        throw new HoldfastError(
          'ERR_IO',
          `${this.#where}: an earlier failure has rolled back the transaction`,
        );
      for (const [ref, id] of session.ids) ref.id = id;
      for (const action of session.done) action();
      return { value };
    } catch (error) {
      await this.#end(session);
      broken = !(await this.#tell(session, 'ROLLBACK'));
      for (const action of session.undo) action();
      this.#rollbacks++;
      // Where the event loop was blocked meanwhile it was the server that has ended it.
      const isEnded = company === 'nothing' && isTooIdle(error);
      if (isEnded) session.conflict ??= error;
      if (session.conflict === undefined) throw error;
      return { conflict: session.conflict, stopped: isEnded || this.#stopped.has(client) };
    } finally {
      clearTimeout(timer);
      // What was to cancel a statement may come late, and would cancel another's.
      this.#pool.release(client, broken || this.#stopped.has(client));
    }
  }

  /** Gives back what goes on beside it. */
  async #begin(
    session: Session,
    { isolation = 'READ COMMITTED', begin = '' }: TransactionOptions,
    company: Company,
  ): Promise<Company> {
    if (session.serializable && (await this.#beginInTurn(session, company))) return company;
    const limit = session.serializable ? '' : idleLimit(longestIdle);
    await this.#ask(session, this.queries.plain(`BEGIN ISOLATION LEVEL ${isolation};${limit}${begin}`));
    return 'all';
  }

  /**
   * Begins a user's transaction: beside others, or while no other is open, or while nobody writes, since whoever does locks the row of a structure. LOCK
   * TABLE takes no snapshot, so that what was committed while it waited is seen; and the locks go with the transaction. Nobody waits for long, since the
   * work of one may wait for another that begins; and who may not lock needs no turn.
   */
  async #beginInTurn(session: Session, company: Company): Promise<boolean> {
    const mode = company === 'all' ? 'ROW SHARE' : 'EXCLUSIVE';
    // Whoever writes waits behind who waits for this lock. The limit is for a process that is stopped meanwhile: one that lives stops by itself.
    const writes = `SET LOCAL lock_timeout = '200ms'; ${idleLimit('2s')} LOCK TABLE structures IN EXCLUSIVE MODE;`;
    const lock = `SET LOCAL lock_timeout = '1s'; LOCK TABLE migrations IN ${mode} MODE; ${company === 'nothing' ? writes : ''} SET LOCAL lock_timeout = DEFAULT`;
    if (await this.#tell(session, `BEGIN ISOLATION LEVEL SERIALIZABLE; ${lock}`)) return true;
    await this.#tell(session, 'ROLLBACK');
    return false;
  }

  /** Lets the others write; what the transaction does from here on fails, and it is run again. */
  async #stop(session: Session): Promise<void> {
    // It is about to be committed.
    if (session.ended) return;
    this.#stopped.add(session.client);
    await Promise.all([this.#tell(session, 'ROLLBACK'), cancel(session.client)]);
  }

  async #savepoint<T>(outer: Session, work: () => Promise<T>, begin = ''): Promise<T> {
    const session = newSession(outer.client, outer.serializable);
    await this.#ask(outer, this.queries.plain('SAVEPOINT nested'));
    try {
      if (begin !== '') await this.#ask(session, this.queries.plain(begin));
      const value = await this.#current.run(session, work);
      await this.#end(session);
      await this.#ask(session, this.queries.plain('RELEASE nested'));
      outer.undo.push(...session.undo);
      outer.done.push(...session.done);
      for (const [ref, id] of session.ids) outer.ids.set(ref, id);
      return value;
    } catch (error) {
      await this.#end(session);
      for (const action of session.undo) action();
      this.#rollbacks++;
      if (session.conflict === undefined)
        await this.#ask(session, this.queries.plain('ROLLBACK TO nested; RELEASE nested'));
      throw error;
    } finally {
      outer.conflict ??= session.conflict;
    }
  }

  /** Waits for calls that nobody awaited; later ones are refused. */
  async #end(session: Session): Promise<void> {
    while (!session.ended) {
      const { tail } = session;
      await tail;
      if (session.tail === tail) session.ended = true;
    }
  }

  #inTurn<T>(session: Session, work: () => Promise<T>): Promise<T> {
    if (session.ended) {
      throw new HoldfastError(
        'ERR_TRANSACTION_ENDED',
        'the transaction around this call has ended: await each call inside a transaction',
      );
    }
    const turn = session.tail.then(work);
    session.tail = turn.catch(() => undefined);
    return turn;
  }

  async #ask(session: Session, query: PgQuery): Promise<PgResult> {
    try {
      if (!this.#stopped.has(session.client)) return await session.client.query(query);
    } catch (error) {
      if (this.#stopped.has(session.client)) throw this.#kept(session);
      // Whatever a connection says that is being closed.
      this.#pool.check();
      const known = session.serializable ? serializableConflicts : conflicts;
      if (known.has(driverCode(error) ?? '')) session.conflict ??= error;
      throw translated(error, this.#where);
    }
    throw this.#kept(session);
  }

  #kept(session: Session): HoldfastError {
    const message = `${this.#where}: the transaction kept others from writing for too long`;
    const error = new HoldfastError('ERR_CONFLICT', message);
    session.conflict ??= error;
    return error;
  }

  /** Whether the server did it. If not, the connection may be gone, and with it transaction and locks: other errors say more. */
  async #tell({ client }: Session, sql: string): Promise<boolean> {
    try {
      await client.query(this.queries.plain(sql));
      return true;
    } catch {
      return false;
    }
  }
}

const idleLimit = (limit: string): string => `SET LOCAL idle_in_transaction_session_timeout = '${limit}';`;

/** Whether the server has ended a session for that. */
const isTooIdle = (error: unknown): boolean =>
  error instanceof HoldfastError && driverCode(error.cause) === '25P03';

function newSession(client: PgClient, serializable: boolean): Session {
  return {
    client,
    serializable,
    tail: Promise.resolve(),
    ended: false,
    conflict: undefined,
    undo: [],
    done: [],
    ids: new Map(),
  };
}
