import { HoldfastError } from '../../core/errors.js';
import { get } from '../../core/script.js';
import { heard, unheard } from '../../core/signals.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import { identityOf, renewing, type Held, type Holding } from './holding.js';
import { notOwner } from './options.js';
import { sql } from './statements.js';

/** What a {@link Keeper} keeps, and how it ends. */
export interface KeeperParts<S extends Kind> {
  readonly scope: Scope<S>;
  readonly holding: Holding<S>;
  readonly held: Held;
  /** What it is called in errors. */
  readonly what: string;
  /** Milliseconds; `null` without. */
  readonly lease: number | null;
  /** Called once it is released, or known to be lost. */
  readonly ended: () => void;
}

/** Keeps what was granted: renews its lease, notices when it is lost, and releases it when the last of its grants is. */
export class Keeper<S extends Kind> {
  readonly scope: Scope<S>;
  held: Held;
  readonly what: string;
  /** How often it is held: more than once only where it is re-entrant. */
  depth = 1;
  lost: unknown;
  readonly #holding: Holding<S>;
  readonly #ended: () => void;
  /** By `performance.now()`. */
  #until: number;
  #renewal: NodeJS.Timeout | undefined;
  #renewing = false;
  /** While it is given back or exchanged, that it is not held as it was is no loss: who waits here is rung before the answer is known. */
  #changing = false;
  #controller: AbortController | undefined;
  #unwatch: (() => void) | undefined;

  /** @param asked - When it was asked for, by `performance.now()`: from then on the lease may count. */
  constructor({ scope, holding, held, what, lease, ended }: KeeperParts<S>, asked: number) {
    this.scope = scope;
    this.held = held;
    this.what = what;
    this.#holding = holding;
    this.#ended = ended;
    this.#until = asked + (lease ?? Infinity);
    if (lease !== null) this.#renewal = setInterval(() => void this.#renew(lease), lease / 3).unref();
  }

  /** Holds it once more. */
  again(): this {
    if (this.lost !== undefined) throw this.#gone();
    this.depth++;
    return this;
  }

  /** Made, and listened for, only when somebody asks for it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.lost !== undefined) this.#controller.abort(this.lost);
      else if (this.depth > 0) this.#watch();
    }
    return this.#controller.signal;
  }

  release(): Result<S, boolean> {
    if (this.depth > 1) {
      this.depth--;
      return this.scope.settled(() => this.lost === undefined);
    }
    return this.changing(() =>
      this.scope.after(this.#holding.release(this.held), (released) => this.#released(released)),
    );
  }

  /** Runs what gives it back, or exchanges it. Where that fails, it is held still. */
  changing<T>(change: () => Result<S, T>): Result<S, T> {
    this.#changing = true;
    const done = (): void => void (this.#changing = false);
    let changed: Result<S, T> | undefined;
    try {
      changed = change();
      return changed;
    } finally {
      if (changed instanceof Promise) changed.then(done, done);
      else done();
    }
  }

  /** The same without blocking the event loop, and however long it takes. */
  async releaseSoon(): Promise<void> {
    // What the closing of a store has released need not be.
    if (this.depth === 0 || this.scope.closing.aborted) return;
    if (this.depth > 1) this.depth--;
    else await this.#releaseSoon();
  }

  async #releaseSoon(): Promise<void> {
    this.#changing = true;
    try {
      this.#released(await this.scope.soon((structure) => this.#holding.releasing(structure, this.held)));
    } finally {
      this.#changing = false;
    }
  }

  #released(released: boolean): boolean {
    this.#end();
    return released && this.lost === undefined;
  }

  #watch(): void {
    const { scope } = this;
    const closed = (): void => this.#lose(scope.closing.reason);
    if (scope.closing.aborted) {
      closed();
      return;
    }
    heard(scope.closing, closed);
    const stop = scope.overhear(() => this.#check());
    this.#unwatch = () => {
      unheard(scope.closing, closed);
      stop();
    };
    this.#check();
  }

  /** Failing to look says nothing of what is held. */
  #check(): void {
    this.#look().catch(nothing);
  }

  async #look(): Promise<void> {
    if (this.scope.owner !== this.held.owner) {
      const message = `${this.what}: the connection that stood for this grant was lost`;
      this.#lose(new HoldfastError('ERR_CONNECTION', message));
      return;
    }
    const { held } = this;
    const row = this.scope.read(nothing, () => get(sql.holds, ...identityOf(held))[Symbol.iterator]());
    await this.scope.after(row, (still) => {
      if (still?.[0] !== 1) this.#miss(held);
    });
  }

  /** What was held is held no more. */
  #miss(held: Held): void {
    if (!this.#changing && held === this.held) this.#lose(this.#gone());
  }

  /** Where it fails, it is tried again at the next turn, as long as the lease lasts. */
  async #renew(lease: number): Promise<void> {
    const asked = performance.now();
    if (asked > this.#until) this.#lose(this.#gone());
    if (this.#renewing || this.depth === 0) return;
    this.#renewing = true;
    const { held } = this;
    try {
      const renewed = await this.scope.soon(() => renewing(held, lease));
      if (renewed) this.#until = asked + lease;
      else this.#miss(held);
    } catch (error) {
      if (performance.now() > this.#until) this.#lose(error);
    } finally {
      this.#renewing = false;
    }
  }

  #gone(): HoldfastError {
    return notOwner(this.what, 'its lease ran out, or it was released by force');
  }

  #lose(reason: unknown): void {
    if (this.depth === 0) return;
    this.lost = reason;
    this.#end();
    this.#controller?.abort(reason);
  }

  #end(): void {
    if (this.depth === 0) return;
    this.depth = 0;
    clearInterval(this.#renewal);
    this.#unwatch?.();
    this.#ended();
  }
}

/** Whether something is kept in a store of this kind. */
export function isKeeperOf<S extends Kind>(value: unknown, kind: S): value is Keeper<S> {
  return value instanceof Keeper && value.scope.kind === kind;
}
