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
import { add, sql, type Total } from './totals/scripts.js';

const mean = ([count, sum]: Total): number => sum / count;

/** What {@link Averager} and {@link AsyncAverager} have in common. */
class AveragerOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Averager' });
  }

  readonly #scope: Scope<S>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string) {
    this.#scope = scopeOf(store, { kind: 'averager', name, places: false });
    this.name = name;
  }

  /** How many values were added. */
  get count(): Result<S, number> {
    return this.#read((total) => total?.[0] ?? 0);
  }

  /** The sum of the values: exact up to 2^53 - 1 where all are whole numbers, else rounded as in JavaScript. 0 when there are none. */
  get sum(): Result<S, number> {
    return this.#read((total) => total?.[1] ?? 0);
  }

  /**
   * Adds a value.
   *
   * @returns The new mean.
   * @throws `TypeError` when `value` is no number; `RangeError` when it is not finite, or the sum of all values would not be.
   */
  add(value: number): Result<S, number> {
    return this.#scope.write(
      () => finiteNumber('value', value),
      (structure) => this.#add(structure, value),
    );
  }

  /** The mean of the values; `undefined` when there are none. */
  get(): Result<S, number | undefined> {
    return this.#read((total) => total && mean(total));
  }

  /** Returns the mean, and begins again with no values: none that others add is lost, or counted twice. */
  pop(): Result<S, number | undefined> {
    return this.#scope.quickRemove(
      sql.pop,
      (structure) => [structure],
      (total): number | undefined => mean(total),
      (structure) => this.#pop(structure),
    );
  }

  #read<T>(read: (total: Total | undefined) => T): Result<S, T> {
    return this.#scope.one(sql.total, nothing, (structure) => [structure], read);
  }

  *#add(structure: number, value: number): Script<number> {
    return mean(yield* add(structure, 'value', value));
  }

  *#pop(structure: number): Script<number | undefined> {
    const total = yield* get(sql.pop, structure);
    return total && mean(total);
  }
}

/** An averager in an embedded store. */
export interface Averager extends AveragerOf<'embedded'> {
  /** How many values were added. */
  readonly count: number;
  /** The sum of the values. */
  readonly sum: number;
}

/** An averager in a server store. */
export interface AsyncAverager extends AveragerOf<'server'> {
  /** How many values were added. */
  readonly count: Promise<number>;
  /** The sum of the values. */
  readonly sum: Promise<number>;
}

/**
 * The averager `name`: an {@link Averager} in an embedded store, an {@link AsyncAverager} in a server store. It keeps the mean of values that any
 * number of processes may add.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const latency = new Averager(store, 'latency');
 * latency.add(12.5);
 * const mean = latency.get(); // undefined when nothing was added
 */
export const Averager: {
  new (store: Store, name: string): Averager;
  new (store: AsyncStore, name: string): AsyncAverager;
} = AveragerOf;
