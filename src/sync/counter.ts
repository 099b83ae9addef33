import { finiteNumber } from '../core/options.js';
import { get, lock, run, type Script } from '../core/script.js';
import { Statement } from '../core/statement.js';
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

const sql = {
  sum: new Statement<[structure: number], [sum: number]>('SELECT sum FROM totals WHERE structure = ?'),
  /**
   * Changes nothing where the sum would overflow, which halves don't. No upsert: `RETURNING` makes those slower with each call on SQLite.
   */
  add: new Statement<[n: number, structure: number, n: number], [sum: number]>(
    `UPDATE totals SET sum = sum + CAST(? AS double precision), count = count + 1
     WHERE structure = ? AND abs(sum / 2 + CAST(? AS double precision) / 2) <= ${Number.MAX_VALUE / 2} RETURNING sum`,
  ),
  start: new Statement<[structure: number]>(
    'INSERT INTO totals (structure, count, sum) VALUES (?, 0, 0) ON CONFLICT (structure) DO NOTHING',
  ),
  pop: new Statement<[structure: number], [sum: number]>(
    'DELETE FROM totals WHERE structure = ? RETURNING sum',
  ),
};

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
      sql.sum,
      nothing,
      (structure) => [structure],
      (row) => row?.[0] ?? 0,
    );
  }

  /** Returns the sum, and begins again at 0: nothing that others add is lost, or returned twice. */
  pop(): Result<S, number> {
    return this.#scope.quickRemove(
      sql.pop,
      (structure) => [structure],
      ([sum]) => sum,
      (structure) => this.#pop(structure),
    );
  }

  *#add(structure: number, n: number): Script<number> {
    const row = (yield* get(sql.add, n, structure, n)) ?? (yield* this.#addFirst(structure, n));
    if (row === undefined)
      throw new RangeError(`n is ${n}: the sum would be beyond ±${Number.MAX_VALUE}, the largest number`);
    return row[0];
  }

  *#addFirst(structure: number, n: number): Script<readonly [sum: number] | undefined> {
    // Else somebody could pop it in between.
    yield* lock(structure);
    yield* run(sql.start, structure);
    return yield* get(sql.add, n, structure, n);
  }

  *#pop(structure: number): Script<number> {
    return (yield* get(sql.pop, structure))?.[0] ?? 0;
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
