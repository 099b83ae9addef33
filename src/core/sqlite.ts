import { hostname } from 'node:os';
import { isAsyncFunction, isGeneratorFunction } from 'node:util/types';
import { threadId } from 'node:worker_threads';
import { Bells } from './bells.js';
import { catalog, checkNumber, structureInfo, type StructureRef } from './catalog.js';
import type { Clock } from './clock.js';
import { HoldfastError } from './errors.js';
import { Owners } from './owners.js';
import type { Script, Step } from './script.js';
import type { Connection } from './sqlite-connection.js';
import { EmbeddedScope } from './sqlite-scope.js';
import { Transactions } from './sqlite-transactions.js';
import type { Row, Statement, Value } from './statement.js';
import type { Engine, Scope, ScopeOptions, StructureInfo } from './store.js';

/** How often at most an owner that is rung is asked whether it lives, in milliseconds. */
const probeInterval = 100;

/** What an embedded engine is made of. */
export interface EmbeddedParts {
  readonly directory: string;
  readonly connection: Connection;
  readonly readonly: boolean;
  /** Milliseconds. */
  readonly busyTimeout: number;
  readonly clock: Clock;
}

/** The engine on SQLite: every answer is at hand when the call returns. */
export class EmbeddedEngine implements Engine<'embedded'> {
  readonly readonly: boolean;
  readonly transactions: Transactions;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #bells: Bells;
  readonly #owners: Owners;
  readonly #closing = new AbortController();
  readonly #structures = new Map<string, StructureRef>();
  readonly #tokens = new Map<number, { readonly token: string; probedAt: number }>();
  #closed = false;
  #ownId: number | undefined;
  #writes = 0;

  constructor({ directory, connection, readonly, busyTimeout, clock }: EmbeddedParts) {
    this.readonly = readonly;
    this.transactions = new Transactions(connection, directory, busyTimeout);
    this.#directory = directory;
    this.#connection = connection;
    this.#clock = clock;
    this.#bells = new Bells(directory);
    this.#owners = new Owners(directory);
  }

  /** Aborted when the store closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  scope({ kind, name, setup }: ScopeOptions): Scope<'embedded'> {
    const key = `${kind}\0${name}`;
    let ref = this.#structures.get(key);
    if (ref === undefined) {
      ref = { kind, name, id: undefined };
      this.#structures.set(key, ref);
    }
    return new EmbeddedScope(this, ref, setup);
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
    this.run(catalog.create, [ref.kind, ref.name]);
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

  /** The user's transaction. */
  transaction<T>(work: () => T): T {
    if (typeof work !== 'function') throw new TypeError(`transaction takes a function, not ${typeof work}`);
    // Before it is called: what an async function does after its first await could no more be undone.
    if (isAsyncFunction(work)) throw asyncTransaction();
    if (isGeneratorFunction(work))
      throw new TypeError('transaction takes a function that runs at once, not a generator');
    this.check(false);
    return this.transactions.write(() => {
      const result = work();
      if (isThenable(result)) {
        // What it is rejected with is nobody's business any more; unhandled it would end the process.
        Promise.resolve(result).catch(() => undefined);
        throw asyncTransaction();
      }
      return result;
    });
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

  structures(): StructureInfo[] {
    return this.all(catalog.list, []).map(structureInfo);
  }

  /** How many listen for this store's bell. */
  get listeners(): number {
    return this.#bells.listeners;
  }

  listen(listener: (rung: boolean) => void): () => void {
    this.check(true);
    // Where nothing can be written there is no bell to ring: the poll has to do.
    return this.#bells.listen(this.readonly ? undefined : this.#owners.token(), listener);
  }

  /** Whether an owner lives. The files of a dead one are removed: nobody needs them. */
  isAlive(token: string): boolean {
    const alive = this.#owners.isAlive(token);
    if (!alive) {
      this.#owners.forget(token);
      this.#bells.forget(token);
    }
    return alive;
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
      throw new HoldfastError('ERR_READONLY', `${this.#directory}: the store was opened with readonly: true`);
    this.#writes++;
  }

  close(): void {
    if (this.#closed) return;
    if (this.transactions.open)
      throw new HoldfastError('ERR_IN_TRANSACTION', 'a store cannot be closed inside a transaction');
    try {
      if (this.#ownId !== undefined) this.run(catalog.removeOwner, [this.#ownId]);
    } catch {
      // A full disk, or a lock that does not come free: others will find this owner dead, and do it.
    } finally {
      this.#closed = true;
      this.#closing.abort(new HoldfastError('ERR_CLOSED', `${this.#directory}: the store is closed`));
      this.#bells.close();
      this.#owners.close();
      this.#connection.close();
    }
  }

  #answer(step: Step<unknown>): unknown {
    if (step.statement === undefined) return this.#ask(step);
    if (step.kind === 'get') return this.get(step.statement, step.params);
    if (step.kind === 'all') return this.all(step.statement, step.params);
    return this.run(step.statement, step.params);
  }

  #ask({ kind, params }: Step<unknown>): unknown {
    if (kind === 'owner') return this.#own();
    // The write lock that the transaction holds is all the lock there is.
    if (kind === 'lock') return undefined;
    const owner = Number(params[0]);
    this.transactions.afterCommit(() => {
      this.#ring(owner);
    });
    return undefined;
  }

  #own(): number {
    if (this.#ownId !== undefined) return this.#ownId;
    const token = this.#owners.token();
    this.#buryTheDead();
    this.run(catalog.addOwner, [token, hostname(), process.pid, threadId, this.#clock.wall()]);
    const id = Number(this.get(catalog.ownerOf, [token])?.[0]);
    this.#ownId = id;
    this.transactions.afterRollback(() => (this.#ownId = undefined));
    return id;
  }

  /** Whoever waits for the first time looks once after all who waited before. */
  #buryTheDead(): void {
    for (const [id, token] of this.all(catalog.owners, [])) {
      if (!this.isAlive(token)) this.#bury(id);
    }
  }

  #bury(id: number): void {
    this.run(catalog.removeOwner, [id]);
    this.#tokens.delete(id);
  }

  /** After a commit: a failure to ring is no failure of what was committed; the poll of whoever waits stands behind it. */
  #ring(owner: number): void {
    if (owner === this.#ownId) {
      this.#bells.ringOwn();
      return;
    }
    try {
      const known = this.#tokenOf(owner);
      if (known === undefined) return;
      const now = performance.now();
      const rung = this.#bells.ring(known.token);
      if (rung && now - known.probedAt < probeInterval) return;
      known.probedAt = now;
      if (this.isAlive(known.token)) return;
      // Later, since whoever rang should not wait for the lock once more.
      const bury = (): void => this.#bury(owner);
      this.transactions.writeSoon(bury, () => this.check(false)).catch(() => undefined);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  #tokenOf(owner: number): { readonly token: string; probedAt: number } | undefined {
    let known = this.#tokens.get(owner);
    if (known === undefined) {
      const row = this.get(catalog.tokenOf, [owner]);
      if (row === undefined) return undefined;
      known = { token: row[0], probedAt: -Infinity };
      this.#tokens.set(owner, known);
    }
    return known;
  }
}

const asyncTransaction = (): HoldfastError =>
  new HoldfastError(
    'ERR_ASYNC_TRANSACTION',
    'a transaction of an embedded store runs at once: give it a function that is not async and returns no promise',
  );

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
