import type { Script } from '../../core/script.js';
import type { Kind, Result, Scope } from '../../core/store.js';
import { Grant } from '../grants/grant.js';
import type { Keeper } from '../grants/keeper.js';

/** That several locks are held: see {@link Grant}. */
export class GrantSet<S extends Kind = 'embedded'> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'GrantSet' });
  }

  readonly #scope: Scope<S>;
  readonly #keepers: readonly Keeper<S>[];
  #signal: AbortSignal | undefined;

  /** The grants of the single locks, in the order in which those were given: each has a fence of its own. */
  readonly grants: readonly Grant<S>[];

  constructor(scope: Scope<S>, keepers: readonly Keeper<S>[]) {
    this.#scope = scope;
    this.#keepers = keepers;
    this.grants = keepers.map((keeper) => new Grant(keeper, false));
  }

  /** Aborted as soon as one of the grants is known to be lost, with the reason: see {@link Grant.signal}. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any(this.grants.map(({ signal }) => signal));
    return this.#signal;
  }

  /**
   * Gives back all of them, in one transaction. Tells whether all were still held.
   *
   * @throws {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction; `ERR_BUSY` (they are held still); `ERR_CLOSED`.
   */
  release(): Result<S, boolean> {
    return this.#changing(() => {
      const released = this.#scope.write(
        () => this.#scope.refuseInTransaction('release()'),
        () => this.#releasing(),
      );
      return this.#scope.after(released, (each) => this.#released(each));
    });
  }

  /**
   * Called inside `store.transaction`: throws unless all of the grants still hold. See {@link Grant.guard}.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when one was released or lost; `TypeError` outside of a transaction of their store.
   */
  guard(): Result<S, void> {
    return this.#scope.write(
      () => this.#scope.requireTransaction('guard()'),
      () => this.#guarding(),
    );
  }

  /** Releases those that are still held. (On a server in the background: `await using` waits for it.) */
  [Symbol.dispose](): void {
    if (this.#isOver()) return;
    const released: unknown = this.release();
    Promise.resolve(released).catch(() => this.#abandon());
  }

  /** Releases those that are still held, without blocking the event loop while others write. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver()) return;
    try {
      // It would be undone with the transaction, and nobody would release it any more.
      this.#scope.refuseInTransaction('to dispose of what is held');
      await this.#changing(async () => this.#released(await this.#scope.soon(() => this.#releasing())));
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  #isOver(): boolean {
    return this.#scope.closing.aborted || this.#keepers.every(({ depth }) => depth === 0);
  }

  #changing<R>(work: () => R): R {
    return this.#keepers.reduce((inner, keeper) => () => keeper.changing(inner), work)();
  }

  #abandon(): void {
    for (const keeper of this.#keepers) keeper.abandon();
  }

  /** In the order in which all lock; tells which were still held. */
  *#releasing(): Script<ReadonlySet<Keeper<S>>> {
    const released = new Set<Keeper<S>>();
    for (const keeper of this.#keepers.toSorted((a, b) => a.held.structure - b.held.structure)) {
      if (yield* keeper.releasing()) released.add(keeper);
    }
    return released;
  }

  #released(released: ReadonlySet<Keeper<S>>): boolean {
    const still = this.#keepers.map((keeper) => keeper.depth > 0 && keeper.released(released.has(keeper)));
    return still.every(Boolean);
  }

  *#guarding(): Script<void> {
    for (const keeper of this.#keepers) yield* keeper.guarding();
  }
}

/** That several locks are held, in a server store. */
export type AsyncGrantSet = GrantSet<'server'>;
