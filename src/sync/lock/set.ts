import { structureNumber } from '../../core/catalog.js';
import { resolveWaitOptions, type WaitOptions } from '../../core/options.js';
import { all, lock, type Script } from '../../core/script.js';
import type { Kind, Result, Turn } from '../../core/store.js';
import { bury, deadInTheWay, endOfLine, ringAll } from '../../core/waiting.js';
import { Acquiring, type Acquired } from '../grants/acquiring.js';
import { heldHere } from '../grants/context.js';
import type { Exclusive } from '../grants/exclusive.js';
import { holdingOwners, timed, type Held } from '../grants/holding.js';
import { isKeeperOf, Keeper } from '../grants/keeper.js';
import {
  deadlock,
  resolveAcquireOptions,
  waiting,
  type AcquireOptions,
  type TryAcquireOptions,
} from '../grants/options.js';
import type { Granting } from '../grants/parts.js';
import { sql } from '../grants/statements.js';
import { GrantSet } from './grant-set.js';

/** One lock of several. */
export interface One<S extends Kind> extends Granting<S> {
  readonly holding: Exclusive<S>;
}

/** What came of a try: all are held, in the order in which they were given; or one is not free. */
type Outcome = { readonly held: readonly Held[] } | { readonly blocked: number };

/** Several locks, to be acquired as one: see {@link Lock.all}. */
export class LockSet<S extends Kind = 'embedded'> extends Acquiring<GrantSet<S>, AcquireOptions> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'LockSet' });
  }

  readonly #locks: readonly One<S>[];
  readonly #first: One<S>;
  /** What it is called in errors. */
  readonly #what: string;

  constructor(locks: readonly One<S>[]) {
    super(...locks.map(({ subject }) => subject));
    const [first] = locks;
    if (first === undefined) throw new RangeError('Lock.all() takes one lock or more');
    if (locks.some(({ subject }) => subject.store !== first.subject.store))
      throw new TypeError('Lock.all() takes locks of one store');
    const names = locks.map(({ subject }) => subject.name);
    if (new Set(names).size < names.length) throw new RangeError('Lock.all() takes each lock once');
    this.#locks = locks;
    this.#first = first;
    this.#what = `locks ${names.map((name) => JSON.stringify(name)).join(', ')}`;
  }

  /**
   * Acquires all, if that is possible now; `undefined` otherwise. See `tryAcquire` of {@link Lock}.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense; {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction.
   */
  tryAcquire(options?: TryAcquireOptions): Result<S, GrantSet<S> | undefined> {
    const { scope } = this.#first;
    const asked = performance.now();
    const prepare = (): Turn<Outcome> => {
      const { label } = resolveAcquireOptions('tryAcquire()', options);
      return { ...this.#turn(0, label), take: () => this.#takeOrBury(label) };
    };
    return scope.after(scope.tryTurn(prepare, this.#what), (outcome) =>
      outcome === undefined || 'blocked' in outcome ? undefined : this.#acquired(outcome.held, asked).grant,
    );
  }

  /**
   * Waits in the line of one lock that is not free; when it has its turn there, but another is not free, in that one's. It is the way of
   * C++'s `std::lock` to avoid deadlock: nothing is held while it waits.
   */
  protected override async take(
    what: string,
    options: AcquireOptions | undefined,
  ): Promise<Acquired<GrantSet<S>>> {
    const { wait, label } = resolveAcquireOptions(what, options, waiting);
    if (await this.#anyHeldHere()) throw deadlock(this.#what);
    const { timeout, signal } = resolveWaitOptions(what, wait);
    const deadline = performance.now() + timeout;
    for (let at = 0; ;) {
      const left: WaitOptions = { timeout: Math.max(0, deadline - performance.now()), signal };
      const { turn, askedAt } = timed(this.#turn(at, label));
      const outcome = await this.#of(at).scope.wait(turn, this.#what, left);
      if ('held' in outcome) return this.#acquired(outcome.held, askedAt());
      at = outcome.blocked;
    }
  }

  protected override check(what: string, options: AcquireOptions | undefined): void {
    resolveAcquireOptions(what, options, waiting);
  }

  /** What was released, or taken away, in the meantime is no reason to refuse. */
  async #anyHeldHere(): Promise<boolean> {
    for (const { subject, scope } of this.#locks) {
      const held = heldHere(subject);
      if (isKeeperOf(held, scope.kind) && (await held.isHeld())) return true;
    }
    return false;
  }

  #of(index: number): One<S> {
    return this.#locks[index] ?? this.#first;
  }

  #turn(at: number, label: string | undefined): Turn<Outcome> {
    const { holding } = this.#of(at);
    return {
      mode: 1,
      label,
      ready: (structure, waiter) => holding.isFree(structure, waiter),
      take: (structure, waiter) => this.#takeAt(structure, waiter, label),
      passOn: (structure) => holding.passOn(structure),
      hold: { holders: holdingOwners },
    };
  }

  /** With its turn in one line, it takes all, or leaves that line for another. */
  *#takeAt(
    structure: number,
    waiter: number,
    label: string | undefined,
  ): Script<{ readonly value: Outcome } | undefined> {
    const numbers = yield* this.#lockAll();
    const at = numbers.indexOf(structure);
    if (!(yield* this.#of(at).holding.isFree(structure, waiter))) return undefined;
    for (const [i, number] of numbers.entries()) {
      if (i === at || (yield* this.#of(i).holding.isFree(number, endOfLine))) continue;
      // Those who come next, since this one goes.
      yield* ringAll(yield* all(sql.line, structure, 2));
      return { value: { blocked: i } };
    }
    return { value: { held: yield* this.#takeAll(numbers, label) } };
  }

  /** Takes all, or tells which is not free, though nobody dead is in the way. */
  *#takeOrBury(label: string | undefined): Script<{ readonly value: Outcome }> {
    const numbers = yield* this.#lockAll();
    for (const [i, number] of numbers.entries()) {
      while (!(yield* this.#of(i).holding.isFree(number, endOfLine))) {
        const dead = yield* deadInTheWay(this.#turn(i, label), number);
        if (dead.length === 0) return { value: { blocked: i } };
        for (const one of dead) yield* bury(one);
      }
    }
    return { value: { held: yield* this.#takeAll(numbers, label) } };
  }

  *#takeAll(numbers: readonly number[], label: string | undefined): Script<Held[]> {
    const held: Held[] = [];
    for (const [i, number] of numbers.entries())
      held.push(yield* this.#of(i).holding.takeFree(number, label));
    return held;
  }

  /** The locks' structures, in the order in which they were given. Others are kept from changing them, in one order for all. */
  *#lockAll(): Script<number[]> {
    const numbers: number[] = [];
    for (const { subject } of this.#locks) numbers.push(yield* structureNumber(subject.kind, subject.name));
    for (const number of numbers.toSorted((a, b) => a - b)) yield* lock(number);
    return numbers;
  }

  #acquired(held: readonly Held[], asked: number): Acquired<GrantSet<S>> {
    const keepers = held.map((one, i) => {
      const { scope, holding, lease } = this.#of(i);
      return new Keeper({ scope, holding, held: one, what: this.#what, lease }, asked);
    });
    const grant = new GrantSet(this.#first.scope, keepers);
    return { grant, held: keepers, release: () => grant[Symbol.asyncDispose]() };
  }
}

/** Several locks of a server store, as one. */
export type AsyncLockSet = LockSet<'server'>;
