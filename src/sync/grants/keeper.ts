import { HoldfastError } from '../../core/errors.js';
import { outside } from '../../core/outside.js';
import { get, type Script } from '../../core/script.js';
import { heard, unheard } from '../../core/signals.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import { identityOf, renewing, type Held, type Holding } from './holding.js';
import { notOwner } from './options.js';
import { whenEnded } from './results.js';
import { sql } from './statements.js';

/** When to try again to release what nobody will ask for again, in milliseconds. */
const releaseAgain = 500;

/** A timer can't hold more, in milliseconds; asked for more, it would ring at once. */
const longestTimer = 2 ** 31 - 1;

/** What a {@link Keeper} keeps, and how it ends. */
export interface KeeperParts<S extends Kind> {
  readonly scope: Scope<S>;
  readonly holding: Holding<S>;
  readonly held: Held;
  /** What it is called in errors. */
  readonly what: string;
  /** Milliseconds; `null` without. */
  readonly lease: number | null;
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
  /** By `performance.now()`. */
  #until: number;
  #renewal: NodeJS.Timeout | undefined;
  #renewing = false;
  /** How many calls are under way that give back or exchange what is held: what is read meanwhile may be of before or after, and says nothing. */
  #changing = 0;
  #controller: AbortController | undefined;
  #unwatch: (() => void) | undefined;

  /** @param asked - When it was asked for, by `performance.now()`: from then on the lease may count. */
  constructor({ scope, holding, held, what, lease }: KeeperParts<S>, asked: number) {
    this.scope = scope;
    this.held = held;
    this.what = what;
    this.#holding = holding;
    this.#until = asked + (lease ?? Infinity);
    if (lease !== null)
      this.#renewal = setInterval(() => void this.#renew(lease), Math.min(lease / 3, longestTimer)).unref();
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
      this.scope.after(this.#holding.release(this.held), (released) => this.released(released)),
    );
  }

  /** Runs what gives back or exchanges what is held. */
  changing<R>(work: () => R): R {
    this.#changing++;
    return whenEnded(work, () => this.#changing--);
  }

  /** Whether the store still has it. Otherwise it is lost from now on. */
  isHeld(): Result<S, boolean> {
    const { held, scope } = this;
    const row = scope.read(nothing, () => get(sql.holds, ...identityOf(held))[Symbol.iterator]());
    return scope.after(row, (still) => {
      if (still?.[0] !== 1 && this.#changing === 0 && this.held === held) this.#lose(this.#gone());
      return this.depth > 0;
    });
  }

  /** Gives it back, in a transaction that may do more; to be followed by {@link released}. */
  *releasing(): Script<boolean> {
    return yield* this.#holding.releasing(this.held.structure, this.held);
  }

  /** @throws {@link HoldfastError} `ERR_NOT_OWNER` unless it is still held; it stays so until the transaction ends. */
  *guarding(): Script<void> {
    const row = yield* get(sql.guard, ...identityOf(this.held));
    if (this.depth === 0 || row?.[0] !== 1) throw notOwner(this.what, 'this grant was released or lost');
  }

  /** The same without blocking the event loop, and however long it takes. */
  async releaseSoon(): Promise<void> {
    // What the closing of a store has released need not be.
    if (this.depth === 0 || this.scope.closing.aborted) return;
    if (this.depth > 1) {
      this.depth--;
      return;
    }
    await this.changing(async () => {
      this.released(await this.#holding.releaseSoon(this.held));
    });
  }

  /** Where it could not be released, and nobody will ask for it again: its lease is to run out, and until then it is tried again. */
  abandon(): void {
    clearInterval(this.#renewal);
    if (this.depth === 0) return;
    outside(() =>
      setTimeout(() => void this.releaseSoon().catch(() => this.abandon()), releaseAgain).unref(),
    );
  }

  /** That it was given back, if it was still held; tells whether it was. */
  released(released: boolean): boolean {
    if (released) this.#end();
    else this.#lose(this.#gone());
    return this.lost === undefined;
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
    await this.isHeld();
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
      else if (this.#changing === 0 && this.held === held) this.#lose(this.#gone());
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
  }
}

/** Whether something is kept in a store of this kind. */
export function isKeeperOf<S extends Kind>(value: unknown, kind: S): value is Keeper<S> {
  return value instanceof Keeper && value.scope.kind === kind;
}
