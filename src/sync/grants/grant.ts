import type { Script } from '../../core/script.js';
import type { Kind, Result } from '../../core/store.js';
import type { Held } from './holding.js';
import type { Keeper } from './keeper.js';
import { notOwner } from './options.js';
import { whenEnded } from './results.js';

/** That something is held, until it is released or lost. */
export class Grant<S extends Kind = 'embedded'> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Grant' });
  }

  readonly #keeper: Keeper<S>;
  readonly #once: boolean;
  #released = false;

  /** Which grant of its name this is: 1, 2, 3 … It only ever grows, through releases, crashes and restarts. */
  readonly fence: bigint;

  /** @param once - Whether to release it twice is a mistake. */
  constructor(keeper: Keeper<S>, once: boolean) {
    this.#keeper = keeper;
    this.#once = once;
    this.fence = BigInt(keeper.held.fence);
  }

  /**
   * Aborted as soon as this grant is known to be lost, with the reason: `ERR_NOT_OWNER` when its lease has run out or it was released by force,
   * `ERR_CONNECTION` when the connection that stood for it was lost, `ERR_CLOSED` when the store was closed. Not aborted by {@link release}.
   */
  get signal(): AbortSignal {
    return this.#keeper.signal;
  }

  /**
   * Gives back what was granted, and wakes who waits for it. Tells whether it was still held: `false` when it was released before, or
   * lost. It never frees what others hold by now.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when permits, or what is re-entrant, are released twice; `ERR_IN_TRANSACTION` inside a
   * transaction; `ERR_BUSY` (it is held still); `ERR_CLOSED`.
   */
  release(): Result<S, boolean> {
    const { scope } = this.#keeper;
    if (this.#released) return scope.settled(() => this.#releaseAgain());
    // Before the answer is there: what is released twice at once must not be taken off twice.
    this.#released = true;
    return whenEnded(
      () => this.#keeper.release(),
      (failed) => (this.#released = !failed),
    );
  }

  /**
   * Called inside `store.transaction`: throws unless this grant still holds, so that what the transaction changes is changed by the holder or
   * not at all, even if it was stopped for a long time. (For what lies outside the store there is {@link fence}.)
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when it was released or lost; `TypeError` outside of a transaction of its store.
   */
  guard(): Result<S, void> {
    const { scope } = this.#keeper;
    return scope.write(
      () => scope.requireTransaction('guard()'),
      () => this.#guard(),
    );
  }

  /** Releases it, if it is still held. (On a server in the background: `await using` waits for it.) */
  [Symbol.dispose](): void {
    if (this.#released || this.#keeper.depth === 0 || this.#keeper.scope.closing.aborted) return;
    const released: unknown = this.release();
    Promise.resolve(released).catch(() => this.#keeper.abandon());
  }

  /** Releases it, if it is still held, without blocking the event loop while others write. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    try {
      // It would be undone with the transaction, and nobody would release it any more.
      this.#keeper.scope.refuseInTransaction(this.#keeper.what);
      await this.#keeper.releaseSoon();
    } catch (error) {
      this.#released = false;
      this.#keeper.abandon();
      throw error;
    }
  }

  /**
   * What is held becomes something else, and this grant has nothing more to release.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when it was released or lost.
   */
  protected exchange<G>(
    exchange: (structure: number, held: Held) => Script<Held | undefined>,
    next: (keeper: Keeper<S>) => G,
  ): Result<S, G | undefined> {
    const keeper = this.#keeper;
    let exchanged = this.#released;
    const begin = (): void => {
      this.#refuseEnded();
      this.#released = true;
    };
    const script = (structure: number) => exchange(structure, keeper.held);
    return whenEnded(
      () =>
        keeper.changing(() =>
          keeper.scope.after(keeper.scope.write(begin, script), (held) => {
            if (held === undefined) return undefined;
            keeper.held = held;
            exchanged = true;
            return next(keeper);
          }),
        ),
      () => (this.#released = exchanged),
    );
  }

  #refuseEnded(): void {
    const { scope, what, lost } = this.#keeper;
    scope.refuseInTransaction(what);
    if (this.#released || lost !== undefined) throw notOwner(what, 'this grant was released or lost');
  }

  #releaseAgain(): boolean {
    if (this.#once) throw notOwner(this.#keeper.what, 'this grant was released before');
    return false;
  }

  *#guard(): Script<void> {
    if (this.#released) throw notOwner(this.#keeper.what, 'this grant was released');
    yield* this.#keeper.guarding();
  }
}

/** That something is held, in a server store, until it is released or its lease runs out. */
export type AsyncGrant = Grant<'server'>;
