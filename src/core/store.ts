import type { Guard, InnerStores } from './inner.js';
import type { Gathering } from './gatherer.js';
import type { Script } from './script.js';
import type { Row, Statement, Value } from './statement.js';
import { nameString, type WaitOptions } from './options.js';
import type { AsyncUpkeep, Upkeep } from './upkeep.js';
import type { ValueFiles } from './value-files.js';

/** Where the data lives: in a directory of this machine, or behind a PostgreSQL server. */
export type Kind = 'embedded' | 'server';

/** The value itself on an embedded store; a promise of it on a server store. */
export type Result<K extends Kind, T> = { embedded: T; server: Promise<T> }[K];

/** What is iterated with `for…of` on an embedded store, with `for await…of` on a server store. */
export type Sequence<K extends Kind, T> = {
  embedded: IterableIterator<T>;
  server: AsyncIterableIterator<T>;
}[K];

/** {@link Sequence} where only the embedded kind has one: what `[Symbol.iterator]` returns. */
export type SyncSequence<K extends Kind, T> = { embedded: IterableIterator<T>; server: undefined }[K];

/** One structure of a store, as {@link Store.structures} lists it. */
export interface StructureInfo {
  /** What it is: `'index'`, `'deque'`, … */
  readonly kind: string;
  /** The name it was constructed with. */
  readonly name: string;
  /** How many entries it has. */
  readonly entries: number;
  /** How many bytes its keys and values take, without the database's own overhead. */
  readonly bytes: number;
}

/** A store in a directory, opened with {@link open}. */
export interface Store extends Upkeep, Disposable {
  readonly kind: 'embedded';
  /** The absolute path of its directory. */
  readonly directory: string;
  /**
   * Runs `work` in one ACID transaction over all structures of the store: all of its changes happen, or none.
   *
   * A transaction inside another is a savepoint: when it throws and the throw is caught, only its own changes are undone.
   * `work` runs at once, on the caller's turn, while other processes wait to write: keep it short.
   *
   * @returns What `work` returns.
   * @throws {@link HoldfastError} `ERR_ASYNC_TRANSACTION` when `work` is async or returns a promise (nothing is left of it),
   * `ERR_BUSY` when another process held the write lock longer than `busyTimeout`, `ERR_READONLY`, `ERR_FULL`, `ERR_CLOSED`;
   * whatever `work` throws.
   */
  transaction<T>(work: () => T extends PromiseLike<unknown> ? never : T): T;
  /** Every structure that was ever written to, by kind and name; a cache with those of its shards. @throws {@link HoldfastError} `ERR_CLOSED` */
  structures(): StructureInfo[];
  /**
   * Closes the store, and ends every call that waits with `ERR_CLOSED`. Closing again does nothing.
   *
   * @throws {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction.
   */
  close(): void;
}

/** A store on a PostgreSQL server, opened with `connect` from `holdfast/postgres`. Time and order are the server's. */
export interface AsyncStore extends AsyncUpkeep, AsyncDisposable {
  readonly kind: 'server';
  /** The schema that holds its tables. */
  readonly schema: string;
  /**
   * Runs `work` in one ACID transaction (SERIALIZABLE) over all structures of the store: all of its changes happen, or none.
   * What is called inside, also through other functions, takes part: the connection is found through the async context.
   *
   * After a conflict with concurrent transactions `work` is run again, so it should have no effect outside the store. A
   * transaction inside another is a savepoint. Await each call made inside.
   *
   * @throws {@link HoldfastError} `ERR_CONFLICT` when it kept conflicting, `ERR_CONNECTION` when the connection was lost,
   * `ERR_TRANSACTION_ENDED` in a call that was not awaited, `ERR_CLOSED`; whatever `work` throws.
   */
  transaction<T>(work: () => T | PromiseLike<T>): Promise<T>;
  /** Every structure that was ever written to, by kind and name. @throws {@link HoldfastError} `ERR_CONNECTION`, `ERR_CLOSED` */
  structures(): Promise<StructureInfo[]>;
  /**
   * Closes the store, and ends every call that waits with `ERR_CLOSED`. Closing again does nothing.
   *
   * A statement that is under way is given a second; then the server is asked to cancel it, and its call rejects with `ERR_CLOSED`: it may wait for a
   * lock that somebody else holds. What does not end by that either, a transaction or a server that does not answer, is cut off, so that nobody knows
   * what came of it: closing takes some seconds at most.
   *
   * @throws {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction.
   */
  close(): Promise<void>;
}

/** The store of each kind. */
export type StoreOf<K extends Kind> = { embedded: Store; server: AsyncStore }[K];

/** How many rows the first page of an iteration has, and the largest one. */
export const firstPage = 16;
export const largestPage = 256;

/** A page of a structure, in order: where each row lies, and the row. */
export type Page<C, R> = readonly (readonly [cursor: C, row: R])[];

/** On a server, what a waiter would look at, in one row. */
export type WaitState = Statement<[structure: number, waiter: number], [state: string]>;

/** For how many milliseconds, `time`, nothing comes by itself but what {@link Turn.within} tells, while nobody writes; on a server, while `state` is the same. */
export interface Quiet {
  readonly time: number;
  readonly state: WaitState;
}

/** How a structure waits for its turn. Each script runs in a transaction of its own; `waiter` is this waiter's place in the line. */
export interface Turn<T> {
  /**
   * Kept with the waiter for others to see: what it waits for, 0 or more. Less is for observers, who stand in no one's way. A script, where
   * joining the line changes something itself: it runs behind {@link Turn.take} in the transaction that joins, with the structure locked.
   */
  readonly mode: number | ((structure: number) => Script<number>);
  /** Kept with the waiter for people to read. */
  readonly label?: string | undefined;
  /** For how many milliseconds the first in line waits for a bell, before it looks by itself. Without it, where there is a `hold`, the engine knows. */
  readonly within?: () => number;
  /** When the first in line need not look by itself. Without it, it does each time. */
  readonly quiet?: Quiet;
  /** What a turn has that gives the owner something to hold. */
  readonly hold?: Hold<T>;
  /** Whether {@link Turn.take} might succeed; only reads. */
  ready(structure: number, waiter: number): Script<boolean>;
  /** Takes what is waited for, or answers `undefined`. A waiter not in line yet comes after all: `waiter` is greater than every other. */
  take(structure: number, waiter: number): Script<{ readonly value: T } | undefined>;
  /** After a waiter left the line without its turn, or died: wakes who may go now. */
  passOn(structure: number): Script<void>;
  /**
   * Runs where the place in line was taken away, say by who took this store for dead: what the wait comes to then. Without it, or where it
   * answers `undefined`, the waiter joins again.
   */
  readonly lost?: (structure: number) => Script<{ readonly value: T } | undefined>;
  /** Whom a waiter looks after. Without it: the one ahead of it; the first in line those who hold what is waited for. */
  readonly peers?: (structure: number, waiter: number) => Script<readonly OwnerRow[]>;
  /**
   * Whether others go by what has come: then whoever gives up, in the transaction in which it leaves, takes it if it is there, and has not
   * given up.
   */
  readonly binding?: boolean;
}

/** What a {@link Turn} has that gives the owner something to hold: it needs this store's number, and to look after those who hold. */
export interface Hold<T> {
  /** One statement that takes it where it is free and nobody waits, and answers no row otherwise. */
  readonly quick?: QuickTake<T>;
  /** Who holds what is waited for: whoever is first in line buries the dead among them. */
  holders(structure: number): Script<readonly OwnerRow[]>;
}

/** See {@link Hold.quick}. */
export interface QuickTake<T> {
  readonly statement: Statement;
  readonly params: (structure: number, owner: number) => readonly Value[];
  readonly read: (row: Row, structure: number, owner: number) => T;
}

/** An owner, as {@link alive} wants to know it. */
export type OwnerRow = readonly [owner: number, token: string];

/** What is kept with a waiter: what it waits for. An observer hears of keys from `low` to `high`, both inclusive; `null` is unbounded. */
export interface Interest {
  readonly mode: number;
  readonly low: Value;
  readonly high: Value;
  readonly label?: string | undefined;
}

/** How a structure is observed. */
export interface Observation<R, T> {
  interest(): Interest;
  /** Reads the present state. */
  read(structure: number): Script<R>;
  /** Whether two states are the same. */
  same(a: R, b: R): boolean;
  /** The state for the user. */
  show(state: R): T;
}

/** For a call that has nothing to prepare. */
export const nothing = (): void => undefined;

/**
 * Everything a structure may ask of a store: the engine as one structure sees it. Each function gets the structure's number.
 *
 * `prepare` checks and encodes what the user gave, at the call, before anything is awaited and outside of any transaction: what the
 * call means is what was given then, also when a script runs again. What it throws is thrown (embedded) or rejected with (server).
 */
export interface Scope<K extends Kind> {
  readonly kind: K;
  /** Asks one statement that reads for one row, and reads it. */
  one<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R | undefined) => T,
  ): Result<K, T>;
  /**
   * Asks one statement that writes for its row, and reads it; where it has none, runs `otherwise`, each of its statements by itself.
   * The structure has a number by then.
   */
  change<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R, prepared: A) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): Result<K, T>;
  /** Asks one statement that writes for its row, once, without blocking the event loop; `undefined` where it has none, or can't be asked at once. */
  attempt<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
  ): Promise<T | undefined>;
  /** Asks one statement that writes for its rows, as a transaction of its own; `undefined` where it has none. Only a server has such statements: embedded, it is not asked. */
  directly<P extends readonly Value[], R extends Row>(
    statement: Statement<P, R>,
    params: (structure: number, owner: number) => P,
  ): Promise<R[] | undefined>;
  /** Runs one statement that writes; where it changed nothing, `otherwise` runs in a transaction to find out why, and do it. */
  quick<A, P extends readonly Value[], T>(
    statement: Statement<P>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    done: (changes: number) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): Result<K, T>;
  /**
   * Removes one row by one statement, and reads it; where it removed none, `otherwise` does, in a transaction and with the structure to
   * itself. What the statement removes is gone before it is read: it must be sure to be readable.
   */
  quickRemove<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
    otherwise: (structure: number) => Script<T>,
  ): Result<K, T>;
  /** Runs a script that only reads, on one state of the store. The structure's number is 0 as long as nothing was written to it. */
  read<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): Result<K, T>;
  /** The user's transaction: see {@link Store.transaction}. */
  transaction<T>(work: () => Result<K, T>): Result<K, T>;
  /** Runs a script in a transaction, inside the one already open here, if any. */
  write<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): Result<K, T>;
  /**
   * A call like {@link Scope.write}, by one statement where that can do it. On a server, outside of transactions, one statement does what those want who call while the
   * one before is under way, in their order.
   */
  together<A, P extends readonly Value[], R extends Row, T>(
    gathering: Gathering<A, P, R, T>,
    script: (structure: number, prepared: A) => Script<T>,
  ): (prepare: () => A) => Result<K, T>;
  /**
   * Runs a script again and again, each time in a transaction of its own, until it answers `undefined`: what touches many rows
   * then never holds the write lock for long. It gets what it answered before. Inside a transaction it is all one.
   */
  repeat<A, S, T>(
    prepare: () => A,
    script: (structure: number, state: S | undefined, prepared: A) => Script<S | undefined>,
    done: (state: S | undefined) => T,
  ): Result<K, T>;
  /** Goes through a sequence. What making it throws is thrown (embedded) or rejected with (server). */
  fold<T, A>(sequence: () => Sequence<K, T>, start: A, step: (sum: A, item: T) => A): Result<K, A>;
  /**
   * Iterates over pages: `next` reads, in one statement, up to `limit` rows behind `cursor`, `read` makes an item of a row, `most` is how many items
   * there may be. What was read ahead is dropped when the store has changed.
   */
  pages<C, R, T>(
    next: (structure: number, cursor: C | undefined, limit: number) => Script<Page<C, R>>,
    read: (row: R) => T,
    most?: number,
  ): Sequence<K, T>;
  /** Takes a turn at once, or answers `undefined`. What the dead held is free. */
  tryTurn<T>(prepare: () => Turn<T>, what: string): Result<K, T | undefined>;
  /** Waits in line for a turn. */
  wait<T>(turn: Turn<T>, what: string, options?: WaitOptions): Promise<T>;
  /** Yields what is read, now and after each change that is watched, whenever it differs from what was yielded last. */
  watch<R, T>(observation: Observation<R, T>, signal: AbortSignal | undefined): AsyncIterableIterator<T>;
  /**
   * Runs a script in a transaction that is begun without blocking the event loop, however long it takes. `wanted` throws when nobody waits
   * for that any more.
   */
  soon<T>(script: (structure: number) => Script<T>, wanted?: () => void): Promise<T>;
  /** The same, where one statement that changes something may do. */
  quickSoon<P extends readonly Value[], T>(
    statement: Statement<P>,
    params: P,
    done: () => T,
    otherwise: (structure: number) => Script<T>,
  ): Promise<T>;
  /** What `work` gives or throws, as a result. */
  settled<T>(work: () => T): Result<K, T>;
  /** Runs `work` when `before`, which must not reject, has settled: only a server waits for that. Then `last` runs, however it has ended. */
  between<T>(before: Promise<unknown> | undefined, work: () => Result<K, T>, last: () => void): Result<K, T>;
  /** What comes of a result, when it is there. */
  after<T, U>(result: Result<K, T>, next: (value: T) => U): Result<K, U>;
  /** The same, where what comes of it is a result itself. */
  chain<T, U>(result: Result<K, T>, next: (value: T) => Result<K, U>): Result<K, U>;
  /** Runs a script like {@link Scope.soon}, and nobody learns what came of it: for what can as well be done later. Does nothing inside a transaction, and tells so by `false`. */
  aside(script: (structure: number) => Script<void>): boolean;
  /**
   * Runs a script when the store closes, the last one given first, unless the function that is returned was called before. On a server `pending`, what is
   * still under way and must not reject, is awaited first.
   */
  onClose(script: (structure: number) => Script<unknown>, pending?: () => Promise<unknown>): () => void;
  /**
   * For what only reads where nothing is to be changed, and is to be refused then as well: a server can't tell before. @throws {@link HoldfastError}
   * what writing would throw here.
   */
  checkWritable(): void;
  /** @throws {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction. */
  refuseInTransaction(what: string, why?: string): void;
  /** @throws `TypeError` outside of a transaction of this store. */
  requireTransaction(what: string): void;
  /** Calls `listener` whenever this store is rung, and at a slow poll, until the function that is returned is called. Keeps no process alive. */
  overhear(listener: (rung: boolean) => void): () => void;
  /** Whether nothing can be written, as the store was opened. */
  readonly readonly: boolean;
  /** Files beside the database, for values too large for a row. Only an embedded store has them. */
  readonly files: ValueFiles | undefined;
  /** This store's number among the owners, as far as it has one now. */
  readonly owner: number | undefined;
  /** Aborted, with `ERR_CLOSED`, when the store closes. */
  readonly closing: AbortSignal;
  /** The stores inside this one; a server has none. */
  readonly inner: InnerStores<K> | undefined;
}

/** What stands behind a store. */
export interface Engine<K extends Kind> {
  scope(ref: ScopeOptions): Scope<K>;
}

/** Which structure a {@link Scope} is of. */
export interface ScopeOptions {
  readonly kind: string;
  readonly name: string;
  /** Whether it has entries or items. What has none can have as many names as one likes. @defaultValue `true` */
  readonly places?: boolean;
  /** Runs once, in a transaction before the first call, unless the store is read-only: stores what belongs to the data. */
  readonly setup?: ((structure: number) => Script<void>) | undefined;
  /** Embedded only: tells, and only reads, whether there is nothing to set up. Without it, each first call waits for the write lock. */
  readonly ready?: ((structure: number) => Script<boolean>) | undefined;
  readonly guard?: Guard | undefined;
}

const engines = new WeakMap<object, Engine<Kind>>();

/** Makes `engine` known as what stands behind `store`. */
export function register<K extends Kind>(store: StoreOf<K>, engine: Engine<K>): void {
  engines.set(store, engine);
}

/**
 * The store as one of its structures sees it.
 *
 * @throws `TypeError` when `store` isn't one, or the name isn't a string of 1 to 512 characters.
 */
export function scopeOf<K extends Kind>(store: StoreOf<K>, options: ScopeOptions): Scope<K> {
  const engine = typeof store === 'object' ? engines.get(store) : undefined;
  if (engine === undefined) {
    throw new TypeError('store must be what open() or connect() returned; is this library installed twice?');
  }
  nameString('name', options.name);
  return (engine as Engine<K>).scope(options);
}

/** The sequence for `[Symbol.iterator]`, which only the embedded kind has. */
export function syncSequence<K extends Kind, T>(
  scope: Scope<K>,
  sequence: Sequence<K, T>,
): SyncSequence<K, T> {
  if (scope.kind === 'server')
    throw new TypeError('iterate over a structure of a server store with for await…of');
  return sequence as unknown as SyncSequence<K, T>;
}

/** A sequence for `for await`, of either kind. */
export async function* asyncSequence<T>(
  sequence: Iterable<T> | AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  for await (const item of sequence) yield item;
}
