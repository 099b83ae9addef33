import type { WaitOptions } from '../../core/options.js';
import { nothing, type Kind, type Result, type Scope, type Turn } from '../../core/store.js';
import { Acquiring, type Acquired } from './acquiring.js';
import { heldHere, type Subject } from './context.js';
import type { Grant } from './grant.js';
import { timed, type Held, type Holding } from './holding.js';
import { isKeeperOf, Keeper } from './keeper.js';
import {
  deadlock,
  resolveAcquireOptions,
  waiting,
  type AcquireOptions,
  type Asked,
  type Options,
} from './options.js';
import { holderOf, holders, waiterOf, waiters, type Holder, type Waiter } from './people.js';

/** What it means to acquire again what this asynchronous context holds already: it would wait for itself, is counted, or is let in past all who wait. */
export type Again = 'refused' | 'counted' | 'let in';

/** What an {@link Acquirer} is made of. */
export interface AcquirerParts<S extends Kind, G> {
  readonly scope: Scope<S>;
  readonly holding: Holding<S>;
  readonly subject: Subject;
  /** Milliseconds; `null` without. */
  readonly lease: number | null;
  /** How much is taken; where it is for the user to say, a function that checks it. @defaultValue `1` */
  readonly weight?: number | ((given: number | undefined) => number);
  /** Without it, it is like any other. */
  readonly again?: (held: Held) => Again;
  /** What its user gets. */
  readonly grant: (keeper: Keeper<S>) => G;
  /** What a weight says of who holds or waits, beyond how much. */
  readonly person?: (weight: number) => Partial<Waiter>;
}

/** Takes grants, the same way for all that gives them out. */
export class Acquirer<
  S extends Kind,
  G extends Grant<S> = Grant<S>,
  O extends AcquireOptions = AcquireOptions,
> extends Acquiring<G, O> {
  readonly #parts: AcquirerParts<S, G>;
  /** What it is called in errors. */
  readonly #what: string;

  constructor(parts: AcquirerParts<S, G>) {
    super(parts.subject);
    this.#parts = parts;
    this.#what = `${parts.subject.kind} ${JSON.stringify(parts.subject.name)}`;
  }

  /**
   * Acquires it, if that is possible now; `undefined` otherwise, also inside of `use` of the same {@link Lock}. Never waits for who holds it; what the
   * dead held is free. On an embedded store it may block for a moment while another process writes, at most for `busyTimeout`.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense; {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction.
   */
  tryAcquire(options?: Omit<O, keyof WaitOptions>): Result<S, G | undefined> {
    const known = this.#heldHere();
    if (known === undefined) return this.#tryTake(options, undefined);
    const { scope } = this.#parts;
    return scope.after(this.#stillHeld(known), (held) =>
      held !== undefined && this.#again(held) === 'counted'
        ? this.#countAgain(held, options)
        : this.#tryTake(options, held),
    ) as Result<S, G | undefined>;
  }

  /** Who holds it, the longest first. */
  holders(): Result<S, Holder[]> {
    const { scope } = this.#parts;
    return scope.after(scope.read(nothing, holders), (rows) =>
      rows.map((row) => ({ ...holderOf(row), ...this.#parts.person?.(row[7]) })),
    );
  }

  /** Who waits for it, in line. */
  waiters(): Result<S, Waiter[]> {
    const { scope } = this.#parts;
    return scope.after(scope.read(nothing, waiters), (rows) =>
      rows.map((row) => ({ ...waiterOf(row), ...this.#parts.person?.(row[7]) })),
    );
  }

  /**
   * Takes it from whoever holds it, and gives it to who waits: for people who know better than the program. The signals of the grants
   * that are lost abort. Inside a transaction it is done when that is committed.
   *
   * @returns How many grants there were.
   */
  forceRelease(): Result<S, number> {
    return this.#parts.scope.write(nothing, (structure) => this.#parts.holding.force(structure));
  }

  protected override async take(what: string, options: O | undefined): Promise<Acquired<G>> {
    const known = this.#heldHere();
    const request = this.#resolve(what, options);
    const held = known && (await this.#stillHeld(known));
    const { turn, askedAt } = timed(this.#turn(request, held));
    const again = held && this.#again(held);
    if (again === 'refused') throw deadlock(this.#what);
    if (held !== undefined && again === 'counted') return this.#acquired(held.again());
    const taken = await this.#parts.scope.wait(turn, this.#what, request.wait);
    return this.#acquired(this.#keep(taken, askedAt()));
  }

  protected override check(what: string, options: O | undefined): void {
    this.#weight(this.#resolve(what, options));
  }

  #resolve(what: string, options: O | undefined): Asked {
    return resolveAcquireOptions(what, options, [...waiting, ...this.#known]);
  }

  #acquired(keeper: Keeper<S>): Acquired<G> {
    const grant = this.#parts.grant(keeper);
    const release = async (): Promise<void> => {
      await grant[Symbol.asyncDispose]();
      // What it was exchanged for. (What is counted is given back by each of its grants.)
      if (this.#again(keeper) !== 'counted') await keeper.releaseSoon();
    };
    return { grant, held: [keeper], release };
  }

  #tryTake(options: Options | undefined, held: Keeper<S> | undefined): Result<S, G | undefined> {
    const { scope } = this.#parts;
    const asked = performance.now();
    const taken = scope.tryTurn(
      () => this.#turn(resolveAcquireOptions('tryAcquire()', options, this.#known), held),
      this.#what,
    );
    return scope.after(taken, (given) => given && this.#parts.grant(this.#keep(given, asked)));
  }

  #turn(asked: Asked, held: Keeper<S> | undefined): Turn<Held> {
    return this.#parts.holding.turn({
      weight: this.#weight(asked),
      label: asked.label,
      overtakes: held !== undefined && this.#again(held) === 'let in',
    });
  }

  /** @throws `TypeError` or `RangeError` for a weight that makes no sense. */
  #weight(asked: Asked): number {
    const { weight = 1 } = this.#parts;
    return typeof weight === 'number' ? weight : weight(asked.weight);
  }

  get #known(): readonly string[] {
    return typeof this.#parts.weight === 'function' ? ['weight'] : [];
  }

  #heldHere(): Keeper<S> | undefined {
    const { again, subject, scope } = this.#parts;
    const held = again && heldHere(subject);
    return isKeeperOf(held, scope.kind) ? held : undefined;
  }

  /** What was taken away in the meantime is no reason to refuse it, or to count it. */
  #stillHeld(keeper: Keeper<S>): Result<S, Keeper<S> | undefined> {
    return this.#parts.scope.after(keeper.isHeld(), (still) => (still ? keeper : undefined));
  }

  #again(keeper: Keeper<S>): Again | undefined {
    return this.#parts.again?.(keeper.held);
  }

  #countAgain(keeper: Keeper<S>, options: Options | undefined): G {
    resolveAcquireOptions('tryAcquire()', options, this.#known);
    return this.#parts.grant(keeper.again());
  }

  #keep(held: Held, asked: number): Keeper<S> {
    const { scope, holding, lease } = this.#parts;
    return new Keeper({ scope, holding, held, what: this.#what, lease }, asked);
  }
}
