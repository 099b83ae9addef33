import { isAsyncFunction, isGeneratorFunction } from 'node:util/types';
import { catalog, checkNumber, structureInfo, StructureRefs, type StructureRef } from './catalog.js';
import type { Clock } from './clock.js';
import { HoldfastError } from './errors.js';
import { syncDirectory } from './files.js';
import { atOnce } from './options.js';
import { Inner } from './sqlite-inner.js';
import type { Script, Step } from './script.js';
import type { Connection } from './sqlite-connection.js';
import { EmbeddedPresence } from './sqlite-presence.js';
import { EmbeddedScope } from './sqlite-scope.js';
import { whileInPlace } from './sqlite-spread.js';
import { Transactions } from './sqlite-transactions.js';
import { Trash } from './sqlite-trash.js';
import type { Row, Statement, Value } from './statement.js';
import type { Engine, Scope, ScopeOptions, StructureInfo } from './store.js';
import { ValueFiles } from './value-files.js';

/** What an embedded engine is made of. */
export interface EmbeddedParts {
  readonly directory: string;
  readonly connection: Connection;
  readonly readonly: boolean;
  /** Milliseconds. */
  readonly busyTimeout: number;
  readonly clock: Clock;
  /** Whether what is committed survives the loss of power. */
  readonly durable: boolean;
  /**
   * Opens a store of its own in a directory below this one, with the same options; this one once more for ''. One that is missing is made with
   * `create`, unless nothing can be written.
   */
  readonly openInside: (path: string, create: boolean) => EmbeddedEngine;
}

/** The engine on SQLite: every answer is at hand when the call returns. */
export class EmbeddedEngine implements Engine<'embedded'> {
  readonly readonly: boolean;
  readonly transactions: Transactions;
  readonly presence: EmbeddedPresence;
  readonly files: ValueFiles;
  readonly trash: Trash;
  readonly openInside: EmbeddedParts['openInside'];
  /** The stores inside this one. */
  readonly inner: Inner;
  readonly #connection: Connection;
  readonly directory: string;
  readonly #closing = new AbortController();
  readonly #refs = new StructureRefs();
  readonly #onClose = new Set<() => void>();
  #closed = false;
  #writes = 0;

  constructor({ directory, connection, readonly, busyTimeout, clock, durable, openInside }: EmbeddedParts) {
    this.readonly = readonly;
    this.transactions = new Transactions(connection, directory, busyTimeout);
    this.directory = directory;
    this.#connection = connection;
    this.presence = new EmbeddedPresence(this, directory, clock);
    this.files = new ValueFiles(directory, {
      durable,
      token: () => {
        this.check(false);
        return this.presence.token();
      },
      used: () => this.trash.watch(),
      sweep: () => this.trash.sweep(),
    });
    this.trash = new Trash(this, this.files);
    connection.onWritten = () => this.trash.written();
    this.openInside = openInside;
    this.inner = new Inner(this);
  }

  /** Aborted when the store closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  scope(options: ScopeOptions): Scope<'embedded'> {
    return new EmbeddedScope(this, this.refOf(options), options);
  }

  refOf({ kind, name, places = true }: ScopeOptions): StructureRef {
    return this.#refs.of(kind, name, places);
  }

  /** Has `action` done when the store closes, until the function that is returned is called. */
  onClose(action: () => void): () => void {
    this.#onClose.add(action);
    return () => this.#onClose.delete(action);
  }

  /** How much this store has written. */
  get writes(): number {
    return this.#writes + this.transactions.rollbacks;
  }

  /** Changes whenever another has committed something. */
  dataVersion(): number {
    this.check(true);
    return this.#connection.dataVersion;
  }

  /** The structure's number, or 0 as long as it has none. */
  find(ref: StructureRef): number {
    if (ref.id !== undefined) return ref.id;
    const row = this.get(catalog.find, [ref.kind, ref.name]);
    if (row === undefined) return 0;
    ref.id = row[0];
    this.transactions.afterRollback(() => (ref.id = undefined));
    return row[0];
  }

  /** The structure's number; it gets one if it has none. */
  ensure(ref: StructureRef): number {
    const known = this.find(ref);
    if (known !== 0) return known;
    this.run(ref.places ? catalog.create : catalog.createWithoutPlaces, [ref.kind, ref.name]);
    return checkNumber(this.find(ref));
  }

  get<P extends readonly Value[], R extends Row>(statement: Statement<P, R>, params: P): R | undefined {
    this.check(statement.reads);
    return this.#connection.get(statement, params) as R | undefined;
  }

  all<P extends readonly Value[], R extends Row>(statement: Statement<P, R>, params: P): R[] {
    this.check(statement.reads);
    return this.#connection.all(statement, params) as R[];
  }

  run<P extends readonly Value[]>(statement: Statement<P>, params: P): number {
    this.check(false);
    return this.#connection.run(statement, params);
  }

  /** Asks once, without waiting for the write lock; `undefined` where there is no row, or another process is writing. */
  tryGet<P extends readonly Value[], R extends Row>(statement: Statement<P, R>, params: P): R | undefined {
    this.check(false);
    return this.#connection.tryAll(statement, params)?.[0] as R | undefined;
  }

  /** How many rows changed, without waiting for the write lock; `undefined` where another process is writing. */
  tryRun<P extends readonly Value[]>(statement: Statement<P>, params: P): number | undefined {
    this.check(false);
    return this.#connection.tryRun(statement, params);
  }

  /** Runs SQL of the engine's own, without parameters, once. */
  exec(sql: string): void {
    this.check(false);
    this.#connection.exec(sql);
  }

  /** The user's transaction. */
  transaction<T>(work: () => T): T {
    if (typeof work !== 'function') throw new TypeError(`transaction takes a function, not ${typeof work}`);
    // Before it is called: what an async function does after its first await could no more be undone.
    if (isAsyncFunction(work)) throw asyncTransaction();
    if (isGeneratorFunction(work))
      throw new TypeError('transaction takes a function that runs at once, not a generator');
    this.check(false);
    return this.transactions.write(() => atOnce(work(), asyncTransaction));
  }

  /** Runs a script to its end, in the transaction that is open. */
  drive<T>(script: Script<T>): T {
    let turn = script.next();
    while (turn.done !== true) {
      let answer: unknown;
      try {
        answer = this.#answer(turn.value as Step<unknown>);
      } catch (error) {
        turn = script.throw(error);
        continue;
      }
      turn = script.next(answer);
    }
    return turn.value;
  }

  /** Runs a script that asks one question and rings. What it follows is committed, unless a transaction is open. */
  follow(script: Script<void>): void {
    if (this.transactions.open) {
      this.drive(script);
      return;
    }
    try {
      this.drive(script);
    } catch {
      // What was committed is: who waits looks by itself in a while.
    }
    this.transactions.follow();
  }

  /** @throws {@link HoldfastError} `ERR_IN_TRANSACTION`, `ERR_CLOSED`, and `ERR_READONLY` where it is to write. */
  checkOutside(what: string, reads: boolean): void {
    this.check(reads);
    if (this.transactions.open)
      throw new HoldfastError('ERR_IN_TRANSACTION', `${what} can’t be called inside a transaction`);
  }

  structures(): StructureInfo[] {
    return whileInPlace(this, (caches) => {
      const sums = new Map(caches.map((cache) => [cache.name, this.inner.sumOf(cache)]));
      return this.all(catalog.list, []).map(([kind, name, entries, bytes]) => {
        const inside = kind === 'cache' ? sums.get(name) : undefined;
        return structureInfo([kind, name, entries + (inside?.entries ?? 0), bytes + (inside?.bytes ?? 0)]);
      });
    });
  }

  /** @throws {@link HoldfastError} `ERR_CLOSED`, `ERR_READONLY`, or what ended the open transaction. */
  check(reads: boolean): void {
    if (this.#closed) throw this.#closing.signal.reason;
    if (reads) {
      this.transactions.checkAlive();
      return;
    }
    this.transactions.checkWritable();
    if (this.readonly)
      throw new HoldfastError('ERR_READONLY', `${this.directory}: the store was opened with readonly: true`);
    this.#writes++;
  }

  /** Whether somebody else of this process holds the write lock, and needs the event loop to let go of it: to wait, blocking that, would be in vain. */
  set held(held: boolean) {
    this.#connection.held = held;
  }

  /** Does something, and waits for no lock for longer than so many milliseconds: `undefined` where one does not come free by then. */
  within<T>(milliseconds: number, work: () => T): T | undefined {
    try {
      return this.#connection.within(milliseconds, work);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== 'ERR_BUSY') throw error;
      return undefined;
    }
  }

  /** Has all that was committed on the disk, whatever the durability. */
  settle(): void {
    this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    syncDirectory(this.directory);
  }

  close(): void {
    if (this.#closed) return;
    if (this.transactions.open)
      throw new HoldfastError('ERR_IN_TRANSACTION', 'a store cannot be closed inside a transaction');
    this.inner.close();
    for (const action of [...this.#onClose].reverse()) {
      try {
        action();
      } catch {
        // A full disk, or a lock that does not come free: it is left as it would be if the process had been killed.
      }
    }
    try {
      this.trash.close();
      this.presence.leave();
    } catch {
      // A full disk, or a lock that does not come free: others will find this owner dead, and do it.
    } finally {
      this.#closed = true;
      this.#closing.abort(new HoldfastError('ERR_CLOSED', `${this.directory}: the store is closed`));
      this.presence.close();
      this.#connection.close();
    }
  }

  #answer(step: Step<unknown>): unknown {
    if (step.statement === undefined) return this.#ask(step);
    if (step.kind === 'get') return this.get(step.statement, step.params);
    if (step.kind === 'all') return this.all(step.statement, step.params);
    if (step.kind === 'each') return this.#each(step.statement, step.rows);
    return this.run(step.statement, step.params);
  }

  #each(statement: Statement, rows: readonly (readonly Value[])[]): Row[] {
    this.check(statement.reads);
    return this.#connection.each(statement, rows);
  }

  #ask({ kind, params, action }: Step<unknown>): unknown {
    if (action !== undefined) {
      if (kind === 'undone') this.transactions.afterRollback(action);
      else this.transactions.afterCommit(action);
      return undefined;
    }
    if (kind === 'owner') return this.presence.id();
    // The write lock that the transaction holds is all the lock there is.
    if (kind === 'lock') return undefined;
    if (kind === 'alive') return this.presence.isAlive(String(params[1]));
    const owner = Number(params[0]);
    this.transactions.afterCommit(() => {
      this.presence.ring(owner);
    });
    return undefined;
  }
}

const asyncTransaction = (): HoldfastError =>
  new HoldfastError(
    'ERR_ASYNC_TRANSACTION',
    'a transaction of an embedded store runs at once: give it a function that is not async and returns no promise',
  );
