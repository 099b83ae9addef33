import type { StructureRef } from './catalog.js';
import { HoldfastError } from './errors.js';
import type { WaitOptions } from './options.js';
import type { ServerEngine } from './postgres.js';
import type { Script } from './script.js';
import type { Row, Statement, Value } from './statement.js';
import type { Observation, Page, Scope, ScopeOptions, Turn } from './store.js';
import { refuseInTransaction, waitForTurn, watchChanges, type Waitable } from './waiting.js';

/** How long what was read ahead is taken for fresh, in milliseconds: some round trips. */
const freshness = 5;
const firstPage = 16;
const largestPage = 256;

/** The server engine as one structure sees it. */
export class ServerScope implements Scope<'server'> {
  readonly kind = 'server';
  readonly #engine: ServerEngine;
  readonly #ref: StructureRef;
  #setup: ScopeOptions['setup'];

  constructor(engine: ServerEngine, ref: StructureRef, setup: ScopeOptions['setup']) {
    this.#engine = engine;
    this.#ref = ref;
    this.#setup = setup;
  }

  async one<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R | undefined) => T,
  ): Promise<T> {
    const structure = await this.#find();
    return read(await this.#engine.get(statement, params(structure)));
  }

  async remove<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
  ): Promise<T | undefined> {
    const structure = await this.#find();
    // Read inside the transaction: what can't be read must not be gone.
    return this.#engine.exclusively(structure, async () => {
      const row = await this.#engine.get(statement, params(structure));
      return row && read(row);
    });
  }

  async quick<P extends readonly Value[], T>(
    statement: Statement<P>,
    params: (structure: number) => P,
    done: (changes: number) => T,
    otherwise: (structure: number) => Script<T>,
    prepare?: () => unknown,
  ): Promise<T> {
    prepare?.();
    const structure = await this.#find();
    const values = params(structure);
    if (structure === 0) return this.write(otherwise);
    const run = () => this.#engine.run(statement, values);
    const changes = await (statement.exclusive ? this.#engine.exclusively(structure, run) : run());
    return changes > 0 ? done(changes) : this.write(otherwise);
  }

  async read<T>(script: (structure: number) => Script<T>): Promise<T> {
    const structure = await this.#find();
    if (this.#engine.sessions.open) return this.#engine.drive(script(structure));
    return this.#engine.sessions.transact(() => this.#engine.drive(script(structure)), {
      isolation: 'REPEATABLE READ',
    });
  }

  async write<T>(script: (structure: number) => Script<T>, prepare?: () => unknown): Promise<T> {
    prepare?.();
    this.#engine.check();
    return this.#engine.sessions.transact(async () => this.#engine.drive(script(await this.#ensure())));
  }

  async repeat<S, T>(
    script: (structure: number, state: S | undefined) => Script<S | undefined>,
    done: (state: S | undefined) => T,
  ): Promise<T> {
    let last: S | undefined;
    for (;;) {
      const state: S | undefined = await this.write((structure) => script(structure, last));
      if (state === undefined) return done(last);
      last = state;
    }
  }

  async fold<T, A>(sequence: () => AsyncIterable<T>, start: A, step: (sum: A, item: T) => A): Promise<A> {
    let sum = start;
    for await (const item of sequence()) sum = step(sum, item);
    return sum;
  }

  async *pages<C, R, T>(
    next: (structure: number, cursor: C | undefined, limit: number) => Script<Page<C, R>>,
    read: (row: R) => T,
    most = Infinity,
  ): AsyncIterableIterator<T> {
    let cursor: C | undefined;
    let limit = firstPage;
    for (let left = most; left > 0;) {
      const { writes } = this.#engine;
      const begun = performance.now();
      const page = await this.#page((structure) => next(structure, cursor, Math.min(limit, left)));
      if (page.length === 0) return;
      let fresh = true;
      for (const [at, row] of page) {
        // At least one each time, or nothing would ever come over a slow connection.
        fresh =
          at === page[0]?.[0] || (this.#engine.writes === writes && performance.now() - begun < freshness);
        if (!fresh) break;
        this.#engine.check();
        cursor = at;
        left--;
        yield read(row);
      }
      limit = fresh ? Math.min(limit * 2, largestPage) : firstPage;
    }
  }

  async wait<T>(turn: Turn<T>, what: string, options?: WaitOptions): Promise<T> {
    refuseInTransaction(this.#engine.sessions.open, what);
    return waitForTurn(this.#waitable(), turn, what, options);
  }

  watch<R, T>(observation: Observation<R, T>, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    refuseInTransaction(this.#engine.sessions.open, 'watch()');
    return watchChanges(this.#waitable(), observation, signal);
  }

  /** A page is one statement, which needs no transaction. */
  async #page<T>(script: (structure: number) => Script<T>): Promise<T> {
    const structure = await this.#find();
    return this.#engine.drive(script(structure));
  }

  /** The structure's number, set up; 0 as long as it has none. */
  async #find(): Promise<number> {
    this.#engine.check();
    if (this.#setup !== undefined) await this.#engine.sessions.transact(() => this.#ensure());
    return this.#engine.find(this.#ref);
  }

  /** The structure's number, set up; inside a transaction. */
  async #ensure(): Promise<number> {
    const structure = await this.#engine.ensure(this.#ref);
    const setup = this.#setup;
    if (setup !== undefined) {
      await this.#engine.drive(setup(structure));
      this.#setup = undefined;
      this.#engine.sessions.afterRollback(() => (this.#setup = setup));
    }
    return structure;
  }

  /** Waits for locks in short turns, to see in between whether anybody still waits for the outcome. */
  async #whileWanted<T>(script: (structure: number) => Script<T>, wanted: () => void): Promise<T> {
    const work = async (): Promise<T> => this.#engine.drive(script(await this.#ensure()));
    for (;;) {
      wanted();
      this.#engine.check();
      try {
        return await this.#engine.sessions.transact(work, { begin: "SET LOCAL lock_timeout = '200ms'" });
      } catch (error) {
        if (!(error instanceof HoldfastError && error.code === 'ERR_BUSY')) throw error;
      }
    }
  }

  #waitable(): Waitable {
    const engine = this.#engine;
    return {
      readonly: false,
      closing: engine.closing,
      soon: (script, wanted) =>
        wanted === undefined ? this.write(script) : this.#whileWanted(script, wanted),
      renew: () => engine.presence.renew(),
      look: (script) => this.read(script),
      listen: (listener) => engine.presence.listen(listener),
      get alone() {
        return engine.presence.listeners === 1;
      },
      isAlive: (owner) => engine.presence.isAlive(owner),
    };
  }
}
