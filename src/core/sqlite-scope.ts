import type { StructureRef } from './catalog.js';
import type { Guard, InnerStores } from './inner.js';
import type { Gathering } from './gatherer.js';
import type { WaitOptions } from './options.js';
import type { Script } from './script.js';
import type { EmbeddedEngine } from './sqlite.js';
import { pagesOf } from './sqlite-pages.js';
import type { Row, Statement, Value } from './statement.js';
import {
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
import { rereading, type ValueFiles } from './value-files.js';
import { watchChanges } from './watching.js';

/** How often whoever is first in line asks whether those who hold live, in milliseconds. To ask takes 50 µs. */
const probing = 10;

/** The embedded engine as one structure sees it. */
export class EmbeddedScope implements Scope<'embedded'> {
  readonly kind = 'embedded';
  readonly #engine: EmbeddedEngine;
  readonly #ref: StructureRef;
  readonly #guard: Guard | undefined;
  readonly #ready: ScopeOptions['ready'];
  #setup: ScopeOptions['setup'];

  constructor(engine: EmbeddedEngine, ref: StructureRef, { setup, ready, guard }: Partial<ScopeOptions>) {
    this.#engine = engine;
    this.#ref = ref;
    this.#guard = guard;
    this.#ready = ready;
    this.#setup = engine.readonly ? undefined : setup;
  }

  get inner(): InnerStores<'embedded'> {
    return this.#engine.inner;
  }

  one<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R | undefined) => T,
  ): T {
    const prepared = prepare();
    if (this.#guard?.always === true) this.#guard.check(false);
    const values = params(this.#find(), prepared);
    return rereading(() => {
      const row = this.#engine.get(statement, values);
      if (row === undefined && this.#guard?.always === false) this.#guard.check(false);
      return read(row);
    });
  }

  change<A, P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    read: (row: R, prepared: A) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): T {
    const prepared = prepare();
    const ask = (structure: number): R | undefined =>
      this.#engine.get(statement, params(structure, prepared));
    const structure = this.#find();
    const row = structure === 0 ? this.#transact(() => ask(this.#ensure())) : ask(structure);
    return row === undefined ? this.#engine.drive(otherwise(this.#find(), prepared)) : read(row, prepared);
  }

  async attempt<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
  ): Promise<T | undefined> {
    const structure = this.#find();
    const row = structure === 0 ? undefined : this.#engine.tryGet(statement, params(structure));
    return row && read(row);
  }

  async directly(): Promise<undefined> {
    return undefined;
  }

  quick<A, P extends readonly Value[], T>(
    statement: Statement<P>,
    prepare: () => A,
    params: (structure: number, prepared: A) => P,
    done: (changes: number) => T,
    otherwise: (structure: number, prepared: A) => Script<T>,
  ): T {
    const prepared = prepare();
    const ask = (structure: number): number => this.#engine.run(statement, params(structure, prepared));
    if (this.#guard?.always === true)
      return this.#guarded((structure) => {
        const changes = ask(structure);
        return changes > 0 ? done(changes) : this.#engine.drive(otherwise(structure, prepared));
      });
    const changes = ask(this.#find());
    return changes > 0 ? done(changes) : this.#run((structure) => otherwise(structure, prepared));
  }

  quickRemove<P extends readonly Value[], R extends Row, T>(
    statement: Statement<P, R>,
    params: (structure: number) => P,
    read: (row: R) => T,
    otherwise: (structure: number) => Script<T>,
  ): T {
    const row = this.#engine.get(statement, params(this.#find()));
    return row === undefined ? this.#transact(() => this.#engine.drive(otherwise(this.#find()))) : read(row);
  }

  read<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): T {
    const prepared = prepare();
    this.#engine.check(true);
    // Set up before, since inside a read nothing can be written.
    this.#find();
    return rereading(() =>
      this.#engine.transactions.read(() => {
        this.#guard?.check(false);
        return this.#engine.drive(script(this.#find(), prepared));
      }),
    );
  }

  write<A, T>(prepare: () => A, script: (structure: number, prepared: A) => Script<T>): T {
    const prepared = prepare();
    return this.#run((structure) => script(structure, prepared));
  }

  together<A, P extends readonly Value[], R extends Row, T>(
    { quick }: Gathering<A, P, R, T>,
    script: (structure: number, prepared: A) => Script<T>,
  ): (prepare: () => A) => T {
    return (prepare) => {
      const prepared = prepare();
      const asked = quick(this.#find(), prepared);
      const row = asked && this.#engine.get(asked.statement, asked.params);
      if (asked === undefined || row === undefined)
        return this.#run((structure) => script(structure, prepared));
      const next = asked.next(row);
      if (next !== undefined) this.#engine.follow(next);
      return asked.read(row);
    };
  }

  transaction<T>(work: () => T): T {
    return this.#engine.transaction(work);
  }

  repeat<A, S, T>(
    prepare: () => A,
    script: (structure: number, state: S | undefined, prepared: A) => Script<S | undefined>,
    done: (state: S | undefined) => T,
  ): T {
    const prepared = prepare();
    let last: S | undefined;
    for (;;) {
      const state: S | undefined = this.#run((structure) => script(structure, last, prepared));
      if (state === undefined) return done(last);
      last = state;
    }
  }

  fold<T, A>(sequence: () => Iterable<T>, start: A, step: (sum: A, item: T) => A): A {
    let sum = start;
    for (const item of sequence()) sum = step(sum, item);
    return sum;
  }

  *pages<C, R, T>(
    next: (structure: number, cursor: C | undefined, limit: number) => Script<Page<C, R>>,
    read: (row: R) => T,
    most = Infinity,
  ): IterableIterator<T> {
    const structure = (): number => {
      this.#guard?.check(false);
      return this.#find();
    };
    try {
      yield* pagesOf(this.#engine, structure, next, read, most);
    } catch (error) {
      // It may be closed since the structure was moved, which says more.
      this.#guard?.check(false);
      throw error;
    }
  }

  tryTurn<T>(prepare: () => Turn<T>, what: string): T | undefined {
    this.refuseInTransaction(what);
    const turn = prepare();
    const quick = turn.hold?.quick;
    const value = quick && this.#attempt(quick, (statement, params) => this.#engine.get(statement, params));
    if (value !== undefined) return value;
    // Reads first: to be refused should not keep others from writing.
    if (!this.read(nothing, (structure) => mayTakeNow(turn, structure))) return undefined;
    return this.#run((structure) => takeNow(turn, structure))?.value;
  }

  async wait<T>(turn: Turn<T>, what: string, options?: WaitOptions): Promise<T> {
    this.refuseInTransaction(what);
    const patience = resolvePatience(this.closing, what, options);
    const quick = turn.hold?.quick;
    const value =
      quick && this.#attempt(quick, (statement, params) => this.#engine.tryGet(statement, params));
    return value === undefined ? waitForTurn(this.#waitable(), turn, patience) : value;
  }

  watch<R, T>(observation: Observation<R, T>, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    this.refuseInTransaction('watch()');
    return watchChanges(this.#waitable(), observation, signal);
  }

  soon<T>(script: (structure: number) => Script<T>, wanted: () => void = nothing): Promise<T> {
    return this.#soon((structure) => {
      this.#guard?.check(true);
      return script(structure);
    }, wanted);
  }

  async quickSoon<P extends readonly Value[], T>(
    statement: Statement<P>,
    params: P,
    done: () => T,
    otherwise: (structure: number) => Script<T>,
  ): Promise<T> {
    const changes = this.#engine.tryRun(statement, params) ?? 0;
    return changes > 0 ? done() : this.#soon(otherwise, nothing);
  }

  settled<T>(work: () => T): T {
    return work();
  }

  between<T>(_before: Promise<unknown> | undefined, work: () => T, last: () => void): T {
    try {
      return work();
    } finally {
      last();
    }
  }

  after<T, U>(result: T, next: (value: T) => U): U {
    return next(result);
  }

  chain<T, U>(result: T, next: (value: T) => U): U {
    return next(result);
  }

  aside(script: (structure: number) => Script<void>): boolean {
    if (this.#engine.transactions.open) return false;
    this.#soon(script).catch(nothing);
    return true;
  }

  onClose(script: (structure: number) => Script<unknown>): () => void {
    return this.#engine.onClose(() => this.#run(script));
  }

  checkWritable(): void {
    this.#engine.check(false);
    if (this.#guard?.always === true) this.#guard.check(true);
  }

  refuseInTransaction(what: string, why?: string): void {
    refuseInTransaction(this.#engine.transactions.open, what, why);
  }

  requireTransaction(what: string): void {
    requireTransaction(this.#engine.transactions.open, what);
  }

  overhear(listener: (rung: boolean) => void): () => void {
    return this.#engine.presence.overhear(listener);
  }

  get readonly(): boolean {
    return this.#engine.readonly;
  }

  get files(): ValueFiles {
    return this.#engine.files;
  }

  get owner(): number | undefined {
    return this.#engine.presence.known;
  }

  get closing(): AbortSignal {
    return this.#engine.closing;
  }

  /** Where this store has no number yet, or the structure has none, it takes a transaction. */
  #attempt<T>(
    { statement, params, read }: QuickTake<T>,
    ask: (statement: Statement, params: readonly Value[]) => Row | undefined,
  ): T | undefined {
    const { owner } = this;
    const structure = this.#find();
    if (owner === undefined || structure === 0) return undefined;
    const row = ask(statement, params(structure, owner));
    return row && read(row, structure, owner);
  }

  #soon<T>(script: (structure: number) => Script<T>, wanted?: () => void): Promise<T> {
    const engine = this.#engine;
    const work = (): T => engine.drive(script(this.#ensure()));
    return engine.transactions.writeSoon(work, () => engine.check(false), wanted);
  }

  #run<T>(script: (structure: number) => Script<T>): T {
    return this.#guarded((structure) => this.#engine.drive(script(structure)));
  }

  #guarded<T>(work: (structure: number) => T): T {
    return this.#transact(() => {
      const structure = this.#ensure();
      this.#guard?.check(true);
      return work(structure);
    });
  }

  #transact<T>(work: () => T): T {
    this.#engine.check(false);
    return this.#engine.transactions.write(work);
  }

  /** The structure's number, set up; 0 as long as it has none. */
  #find(): number {
    if (this.#setup !== undefined && !this.#isReady()) this.#transact(() => this.#ensure());
    return this.#engine.find(this.#ref);
  }

  /** The structure's number, set up; inside a transaction. */
  #ensure(): number {
    const structure = this.#engine.ensure(this.#ref);
    const setup = this.#setup;
    if (setup !== undefined) {
      this.#engine.drive(setup(structure));
      this.#isSetUp();
    }
    return structure;
  }

  #isReady(): boolean {
    const structure = this.#ready === undefined ? 0 : this.#engine.find(this.#ref);
    if (structure === 0 || this.#ready === undefined) return false;
    const ready = this.#engine.drive(this.#ready(structure));
    if (ready) this.#isSetUp();
    return ready;
  }

  #isSetUp(): void {
    const setup = this.#setup;
    this.#setup = undefined;
    this.#engine.transactions.afterRollback(() => (this.#setup = setup));
  }

  #waitable(): Waitable {
    const engine = this.#engine;
    return {
      readonly: engine.readonly,
      closing: engine.closing,
      line: this.#ref,
      probing,
      soon: (script, wanted) => this.#soon(script, wanted),
      look: (script) => this.read(nothing, script),
      listen: async (line, listener) => engine.presence.listen(line, listener),
      get alone() {
        return engine.presence.listeners.alone;
      },
      version: () => `${engine.dataVersion()} ${engine.writes}`,
      renew: nothing,
    };
  }
}
