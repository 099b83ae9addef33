import type { StructureRef } from './catalog.js';
import { HoldfastError, isUnanswered } from './errors.js';
import { Gatherer, type Gathering } from './gatherer.js';
import type { WaitOptions } from './options.js';
import type { ServerEngine } from './postgres.js';
import type { Script } from './script.js';
import type { Row, Statement, Value } from './statement.js';
import {
  firstPage,
  largestPage,
  nothing,
  type Observation,
  type Page,
  type QuickTake,
  type Scope,
  type ScopeOptions,
  type Turn,
} from './store.js';
import {
  mayTakeNow,
  refuseInTransaction,
  requireTransaction,
  resolvePatience,
  takeNow,
  waitForTurn,
  type Waitable,
} from './waiting.js';
import { watchChanges } from './watching.js';

/** How long what was read ahead is taken for fresh, in milliseconds: some round trips. */
const freshness = 5;
/** How often whoever is first in line asks whether those who hold live, in milliseconds. */
const probing = 100;
/** Waits for locks in short turns. */
const lockShortly = "SET LOCAL lock_timeout = '200ms';";

/** The server engine as one structure sees it. */
export class ServerScope implements Scope<'server'> {
  readonly kind = 'server';
  readonly readonly = false;
  readonly files = undefined;
  readonly inner = undefined;
  readonly closing: AbortSignal;
  readonly #engine: ServerEngine;
  readonly #ref: StructureRef;
  #setup: ScopeOptions['setup'];

  constructor(engine: ServerEngine, ref: StructureRef, setup: ScopeOptions['setup']) {
    this.#engine = engine;
    this.closing = engine.closing;
    this.#ref = ref;
    this.#setup = setup;
  }

  async one<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R | undefined) => T,
  ): Promise<T> {
    const prepared = prepare();
    const structure = await this.#find();
    return read(await this.#engine.get(statement, params(structure, prepared)));
  }

  async change<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R, prepared: A) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): Promise<T> {
    const prepared = prepare();
    const ask = (structure: number): Promise<R | undefined> =>
      this.#engine.get(statement, params(structure, prepared));
    const structure = await this.#known();
    const row = await ask(structure);
    return row === undefined ? this.#engine.drive(otherwise(structure, prepared)) : read(row, prepared);
  }

  async attempt<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
  ): Promise<T | undefined> {
    const row = await this.#engine.get(statement, params(await this.#known()));
    return row && read(row);
  }

  async directly<P extends readonly Value[], R extends Row>(
    statement: Statement<P, R>,
    params: (structure: number, owner: number) => P,
  ): Promise<R[] | undefined> {
    const owner = await this.#engine.presence.id();
    const rows = await this.#engine.all(statement, params(await this.#known(), owner));
    return rows.length === 0 ? undefined : rows;
  }

  async quick<A, P extends readonly Value[], T>(
    statement: Statement<P>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    done: (changes: number) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): Promise<T> {
    const prepared = prepare();
    const structure = await this.#find();
    const script = (number: number) => otherwise(number, prepared);
    if (structure === 0) return this.#run(script);
    const values = params(structure, prepared);
    const run = () => this.#engine.run(statement, values);
    const changes = await (statement.exclusive ? this.#engine.exclusively(structure, run) : run());
    return changes > 0 ? done(changes) : this.#run(script);
  }

  /** In a transaction anyway: it locks first. */
  async quickRemove<P extends readonly Value[], R extends Row, T>(
    _statement: Statement<P, R>,
    _params: (structure: number) => P,
    _read: (row: R) => T,
    otherwise: (structure: number) => Script<T>,
  ): Promise<T> {
    const structure = await this.#find();
    return this.#engine.exclusively(structure, () => this.#engine.drive(otherwise(structure)));
  }

  async read<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): Promise<T> {
    const prepared = prepare();
    const structure = await this.#find();
    const drive = () => this.#engine.drive(script(structure, prepared));
    if (this.#engine.sessions.open) return drive();
    return this.#engine.sessions.transact(drive, { isolation: 'REPEATABLE READ' });
  }

  async write<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): Promise<T> {
    const prepared = prepare();
    return this.#run((structure) => script(structure, prepared));
  }

  together<A, P extends readonly Value[], R extends Row, T>(
    gathering: Gathering<A, P, R, T>,
    script: (structure: number, prepared: A) => Script<T>,
  ): (prepare: () => A) => Promise<T> {
    const alone = (prepared: A): Promise<T> => this.#run((structure) => script(structure, prepared));
    const gatherer = new Gatherer<A, T>({
      weight: (prepared) => gathering.weight(prepared),
      together: (all) => this.#together(gathering, all),
      alone,
      isLost: isUnanswered,
    });
    return async (prepare) => {
      const prepared = prepare();
      const byItself = this.#engine.sessions.within || !gathering.fits(prepared);
      return byItself ? alone(prepared) : gatherer.add(prepared);
    };
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    return this.#engine.transaction(work);
  }

  async repeat<A, S, T>(
    prepare: () => A,
    script: (structure: number, state: S | undefined, prepared: A) => Script<S | undefined>,
    done: (state: S | undefined) => T,
  ): Promise<T> {
    const prepared = prepare();
    let last: S | undefined;
    for (;;) {
      const state: S | undefined = await this.#run((structure) => script(structure, last, prepared));
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
      // A page is one statement, which needs no transaction.
      const page = await this.#engine.drive(next(await this.#find(), cursor, Math.min(limit, left)));
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

  async tryTurn<T>(prepare: () => Turn<T>, what: string): Promise<T | undefined> {
    this.refuseInTransaction(what);
    const turn = prepare();
    await this.#engine.presence.id();
    const quick = turn.hold?.quick;
    const value = quick && (await this.#attempt(quick));
    if (value !== undefined) return value;
    if (!(await this.read(nothing, (structure) => mayTakeNow(turn, structure)))) return undefined;
    return (await this.#run((structure) => takeNow(turn, structure)))?.value;
  }

  async wait<T>(turn: Turn<T>, what: string, options?: WaitOptions): Promise<T> {
    this.refuseInTransaction(what);
    const patience = resolvePatience(this.closing, what, options);
    if (turn.hold !== undefined) await this.#engine.presence.id();
    const quick = turn.hold?.quick;
    const value = quick && (await this.#attemptShortly(quick));
    return value === undefined ? waitForTurn(this.#waitable(), turn, patience) : value;
  }

  watch<R, T>(observation: Observation<R, T>, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    this.refuseInTransaction('watch()');
    return watchChanges(this.#waitable(), observation, signal);
  }

  async soon<T>(script: (structure: number) => Script<T>, wanted: () => void = nothing): Promise<T> {
    // A script may ask for the number, and could not wait for it then. A transaction must not, either: for a connection beside its own.
    if (!this.#engine.sessions.open) await this.#engine.presence.id();
    return this.#whileWanted(script, wanted);
  }

  async quickSoon<P extends readonly Value[], T>(
    statement: Statement<P>,
    params: P,
    done: () => T,
    otherwise: (structure: number) => Script<T>,
  ): Promise<T> {
    const structure = await this.#find();
    const changes = await this.#engine.exclusively(structure, () => this.#engine.run(statement, params));
    return changes > 0 ? done() : this.#whileWanted(otherwise, nothing);
  }

  async settled<T>(work: () => T): Promise<T> {
    return work();
  }

  async between<T>(
    before: Promise<unknown> | undefined,
    work: () => Promise<T>,
    last: () => void,
  ): Promise<T> {
    try {
      await before;
      return await work();
    } finally {
      last();
    }
  }

  async after<T, U>(result: Promise<T>, next: (value: T) => U): Promise<U> {
    return next(await result);
  }

  async chain<T, U>(result: Promise<T>, next: (value: T) => Promise<U>): Promise<U> {
    return next(await result);
  }

  aside(script: (structure: number) => Script<void>): boolean {
    if (!this.#engine.sessions.open) this.#run(script).catch(nothing);
    return !this.#engine.sessions.open;
  }

  onClose(script: (structure: number) => Script<unknown>, pending?: () => Promise<unknown>): () => void {
    return this.#engine.onClose(async () => {
      await pending?.();
      await this.#run(script);
    });
  }

  checkWritable(): void {
    this.#engine.check();
  }

  refuseInTransaction(what: string, why?: string): void {
    refuseInTransaction(this.#engine.sessions.open, what, why);
  }

  requireTransaction(what: string): void {
    requireTransaction(this.#engine.sessions.open, what);
  }

  overhear(listener: (rung: boolean) => void): () => void {
    return this.#engine.presence.overhear(listener);
  }

  get owner(): number | undefined {
    return this.#engine.presence.number;
  }

  /** Not for longer than a moment: whoever changes it at this moment may be stopped, and the caller has a deadline. */
  async #attemptShortly<T>(quick: QuickTake<T>): Promise<T | undefined> {
    try {
      return await this.#attempt(quick, lockShortly);
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'ERR_BUSY')) throw error;
      return undefined;
    }
  }

  async #attempt<T>({ statement, params, read }: QuickTake<T>, begin = ''): Promise<T | undefined> {
    const structure = await this.#find();
    const { owner } = this;
    if (owner === undefined || structure === 0) return undefined;
    const ask = () => this.#engine.get(statement, params(structure, owner));
    const row = await this.#engine.exclusively(structure, ask, begin);
    return row && read(row, structure, owner);
  }

  async #together<A, P extends readonly Value[], R extends Row, T>(
    { statement, params, read }: Gathering<A, P, R, T>,
    all: readonly A[],
  ): Promise<readonly T[] | undefined> {
    return read(await this.#engine.get(statement, params(await this.#known(), all)), all);
  }

  async #run<T>(script: (structure: number) => Script<T>): Promise<T> {
    this.#engine.check();
    return this.#engine.sessions.transact(async () => this.#engine.drive(script(await this.#ensure())));
  }

  /** The structure's number, set up; 0 as long as it has none. */
  async #find(): Promise<number> {
    this.#engine.check();
    if (this.#setup !== undefined) await this.#engine.sessions.transact(() => this.#ensure());
    return this.#engine.find(this.#ref);
  }

  /** The structure's number, set up; it gets one if it has none. */
  async #known(): Promise<number> {
    const structure = await this.#find();
    return structure === 0 ? this.#engine.sessions.transact(() => this.#ensure()) : structure;
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
        return await this.#engine.sessions.transact(work, { begin: lockShortly });
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
        wanted === undefined ? this.#run(script) : this.#whileWanted(script, wanted),
      version: async (state, waiter) => {
        const row = await engine.get(state, [await this.#find(), waiter]);
        return row?.[0] ?? '';
      },
      renew: () => engine.presence.renew(),
      look: (script) => this.read(nothing, script),
      line: this.#ref,
      probing,
      listen: (line, listener) => engine.presence.listen(line, listener),
      get alone() {
        return engine.presence.listeners.alone;
      },
    };
  }
}
