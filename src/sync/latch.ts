import { knownKeys, wholeNumber, type WaitOptions } from '../core/options.js';
import {
  nothing,
  scopeOf,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { LatchScripts } from './latch/scripts.js';
import { sql } from './latch/statements.js';

/** Options of {@link Latch}. */
export interface LatchOptions {
  /**
   * From what it counts down: 0 or more. The first call on a latch of that name, by any process, stores it; from then on the count is what is
   * stored, and the option is what `reset()` puts it back to.
   */
  readonly count: number;
}

/** What {@link Latch} and {@link AsyncLatch} have in common. */
class LatchOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Latch' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: LatchScripts;
  readonly #count: number;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: LatchOptions) {
    knownKeys('options of Latch', options, ['count']);
    const { count } = options;
    wholeNumber('count', count, 0);
    this.#count = count;
    this.#scripts = new LatchScripts(count);
    this.#scope = scopeOf(store, {
      kind: 'latch',
      name,
      places: false,
      setup: (structure) => this.#scripts.start(structure),
    });
    this.name = name;
  }

  /** How much is left to count down; 0 when those who wait may go. */
  get count(): Result<S, number> {
    return this.#scope.one(
      sql.state,
      nothing,
      (structure) => [structure],
      (row) => row?.[0] ?? this.#count,
    );
  }

  /**
   * Counts down by `n`, but never below 0. When 0 is reached, all who wait may go, once that is committed.
   *
   * @returns What is left.
   * @throws `RangeError` when `n` is not a whole number of 1 or more, `TypeError` when it is no number.
   */
  countDown(n = 1): Result<S, number> {
    return this.#scope.write(nothing, (structure) => this.#scripts.countDown(structure, n));
  }

  /**
   * Waits until the count is 0; resolves at once when it is. Any number may wait, in any number of processes. Who waited when 0 was
   * reached goes, even if the latch is reset before it gets to know.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION`
   * inside a transaction; the signal's reason when it aborts. The count stays as it is.
   */
  wait(options?: WaitOptions): Promise<void> {
    return this.#scope.wait(this.#scripts.turn(), 'wait()', options);
  }

  /** Puts the count back to the option `count` of this object. Who waits, and has not seen 0 reached, waits on. */
  reset(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => this.#scripts.reset(structure));
  }
}

/** A latch in an embedded store. */
export interface Latch extends LatchOf<'embedded'> {
  /** How much is left to count down; 0 when those who wait may go. */
  readonly count: number;
}

/** A latch in a server store. */
export interface AsyncLatch extends LatchOf<'server'> {
  /** How much is left to count down; 0 when those who wait may go. */
  readonly count: Promise<number>;
}

/**
 * The latch `name`: a {@link Latch} in an embedded store, an {@link AsyncLatch} in a server store. Processes wait until a count has come down
 * to 0, as with `java.util.concurrent.CountDownLatch`.
 *
 * The count outlives the processes, as all data do: a latch that is at 0 stays so, and lets everybody pass, until `reset()`. What is to
 * be waited for once more gets a name of its own, say with the number of the run in it. Whoever dies has counted down what it has counted down.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const ready = new Latch(store, 'ready', { count: 3 });
 * ready.countDown(); // each of three workers, when it has warmed up
 * await ready.wait({ timeout: '1m' }); // whoever needs all of them
 */
export const Latch: {
  new (store: Store, name: string, options: LatchOptions): Latch;
  new (store: AsyncStore, name: string, options: LatchOptions): AsyncLatch;
} = LatchOf;
