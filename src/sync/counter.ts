import { finiteNumber } from '../core/options.js';
import { get, type Script } from '../core/script.js';
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
import { add, sql } from './totals/scripts.js';

/** What {@link Counter} and {@link AsyncCounter} have in common. */
class CounterOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Counter' });
  }

  readonly #scope: Scope<S>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string) {
    this.#scope = scopeOf(store, { kind: 'counter', name, places: false });
    this.name = name;
  }

  /**
   * Adds `n`, which may be negative or a fraction. Sums of whole numbers are exact up to 2^53 - 1; beyond, and with fractions, they are rounded as
   * in JavaScript.
   *
   * @returns The new sum.
   * @throws `TypeError` when `n` is no number; `RangeError` when it is not finite, or the sum would not be.
   */
  add(n = 1): Result<S, number> {
    return this.#scope.write(
      () => finiteNumber('n', n),
      (structure) => this.#add(structure, n),
    );
  }

  /** The sum; 0 when nothing was added. */
  get(): Result<S, number> {
    return this.#scope.one(
      sql.total,
      nothing,
      (structure) => [structure],
      (total) => total?.[1] ?? 0,
    );
  }

  /** Returns the sum, and begins again at 0: nothing that others add is lost, or returned twice. */
  pop(): Result<S, number> {
    return this.#scope.quickRemove(
      sql.pop,
      (structure) => [structure],
      ([, sum]) => sum,
      (structure) => this.#pop(structure),
    );
  }

  *#add(structure: number, n: number): Script<number> {
    const [, sum] = yield* add(structure, 'n', n);
    return sum;
  }

  *#pop(structure: number): Script<number> {
    return (yield* get(sql.pop, structure))?.[1] ?? 0;
  }
}

/** A counter in an embedded store. */
export interface Counter extends CounterOf<'embedded'> {}

/** A counter in a server store. */
export interface AsyncCounter extends CounterOf<'server'> {}

/**
 * The counter `name`: a {@link Counter} in an embedded store, an {@link AsyncCounter} in a server store. It keeps a running sum, to which any
 * number of processes may add; what they add is never lost.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const requests = new Counter(store, 'requests');
 * requests.add();
 * const sinceLastTime = requests.pop();
 */
export const Counter: {
  new (store: Store, name: string): Counter;
  new (store: AsyncStore, name: string): AsyncCounter;
} = CounterOf;
