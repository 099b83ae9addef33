import {
  knownKeys,
  resolveReverse,
  wholeNumber,
  type IterationOptions,
  type WaitOptions,
} from '../core/options.js';
import { places } from '../core/schema.js';
import {
  asyncSequence,
  nothing,
  scopeOf,
  syncSequence,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Sequence,
  type Store,
  type StoreOf,
  type SyncSequence,
} from '../core/store.js';
import { DequeScripts, type End } from './deque/scripts.js';
import { pages } from './deque/reader.js';
import { sql } from './deque/statements.js';

/** Options of {@link Deque}. */
export interface DequeOptions {
  /**
   * The most items it keeps: 1 or more. A push beyond it drops items from the far end. It is stored with the data and holds for
   * every process: a lower one trims from the left at the first call, `Infinity` removes it.
   * @defaultValue what is stored; at first no bound
   */
  readonly maxLength?: number | undefined;
}

/** What {@link Deque} and {@link AsyncDeque} have in common. */
class DequeOf<S extends Kind, T> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Deque' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: DequeScripts<T>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: DequeOptions = {}) {
    knownKeys('options of Deque', options, ['maxLength']);
    const { maxLength } = options;
    if (maxLength !== undefined && maxLength !== Infinity) wholeNumber('maxLength', maxLength, 1);
    const setup =
      maxLength === undefined ? undefined : (structure: number) => this.#scripts.bound(structure, maxLength);
    this.#scope = scopeOf(store, { kind: 'deque', name, setup });
    this.#scripts = new DequeScripts(this.#scope.kind);
    this.name = name;
  }

  /** How many items there are. Costs the same for any number of them. */
  get size(): Result<S, number> {
    return this.#scope.one(
      sql.ends,
      nothing,
      (structure) => [structure, structure, structure, structure],
      (row) => (row ? row[1] - row[0] + 1 : 0),
    );
  }

  /**
   * Adds items at the right, in order, all or none; beyond `maxLength` items are dropped from the left. Wakes who waits in
   * {@link take} or {@link takeLast}. For very many items, which JavaScript can't pass as arguments, there is {@link pushMany}.
   *
   * @throws `TypeError` when something in an item can't be stored, naming the path to it.
   */
  push(...items: T[]): Result<S, void> {
    return this.#add('last', items);
  }

  /** Adds items at the left, so that the first one given comes first, like {@link push}; drops items from the right. */
  unshift(...items: T[]): Result<S, void> {
    return this.#add('first', items);
  }

  /**
   * Adds the items of an iterable at the right, like {@link push}: in one transaction, with all of them in memory.
   *
   * @throws `TypeError` when `items` can't be iterated or is a string, or when something in an item can't be stored.
   */
  pushMany(items: Iterable<T>): Result<S, void> {
    return this.#addMany('last', items);
  }

  /** Adds the items of an iterable at the left, so that the first one given comes first, like {@link pushMany}. */
  unshiftMany(items: Iterable<T>): Result<S, void> {
    return this.#addMany('first', items);
  }

  /** Removes and returns the leftmost item; `undefined` when there is none. */
  shift(): Result<S, T | undefined> {
    return this.#remove('first');
  }

  /** Removes and returns the rightmost item; `undefined` when there is none. */
  pop(): Result<S, T | undefined> {
    return this.#remove('last');
  }

  /**
   * Removes and returns up to `count` items from the left, the leftmost first, in one transaction.
   *
   * @throws `RangeError` when `count` is not a whole number of 1 or more.
   */
  shiftMany(count: number): Result<S, T[]> {
    return this.#scope.write(nothing, (structure) => this.#scripts.removeMany(structure, 'first', count));
  }

  /** Removes and returns up to `count` items from the right, the rightmost first, like {@link shiftMany}. */
  popMany(count: number): Result<S, T[]> {
    return this.#scope.write(nothing, (structure) => this.#scripts.removeMany(structure, 'last', count));
  }

  /**
   * Removes and returns the leftmost item; waits for one if there is none. Those who wait are served in the order in which they
   * came, across processes, each item going to one of them; `shift` and `pop` don't queue.
   *
   * An item is gone from the deque when the promise resolves: what must survive the death of whoever took it belongs in a queue
   * with acknowledgements.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION`
   * inside a transaction; the signal's reason when it aborts.
   */
  take(options?: WaitOptions): Promise<T> {
    return this.#scope.wait(this.#scripts.turn('first'), 'take()', options);
  }

  /** Removes and returns the rightmost item, like {@link take}. Both wait in one line. */
  takeLast(options?: WaitOptions): Promise<T> {
    return this.#scope.wait(this.#scripts.turn('last'), 'takeLast()', options);
  }

  /**
   * The item at `index`, from 0 at the left, or from -1 at the right; `undefined` when there is none. Costs O(log n) anywhere.
   *
   * @throws `RangeError` when `index` is not a whole number.
   */
  at(index: number): Result<S, T | undefined> {
    return this.#scope.one(
      typeof index === 'number' && index < 0 ? sql.fromLast : sql.fromFirst,
      () => wholeNumber('index', index, Number.MIN_SAFE_INTEGER),
      (structure) => [structure, structure, Math.max(-places, Math.min(index, places)), structure],
      (row) => row && this.#scripts.value(row[0]),
    );
  }

  /**
   * Replaces the item at `index`, which counts as in {@link at}. Costs O(log n).
   *
   * @throws `RangeError` when there is no item at `index`; `TypeError` when something in `item` can't be stored.
   */
  set(index: number, item: T): Result<S, void> {
    return this.#scope.write(
      () => this.#scripts.encoded(item),
      (structure, encoded) => this.#scripts.set(structure, index, encoded),
    );
  }

  /** The leftmost item, or `undefined`. */
  first(): Result<S, T | undefined> {
    return this.at(0);
  }

  /** The rightmost item, or `undefined`. */
  last(): Result<S, T | undefined> {
    return this.at(-1);
  }

  /** Whether an item equals `item`: both are stored the same. Goes through the items, O(n). */
  includes(item: T): Result<S, boolean> {
    return this.#scope.read(
      () => this.#scripts.encoded(item),
      (structure, encoded) => this.#scripts.includes(structure, encoded),
    );
  }

  /** The index of the leftmost item that equals `item`, as in {@link includes}; -1 when none does. O(n). */
  indexOf(item: T): Result<S, number> {
    return this.#scope.read(
      () => this.#scripts.encoded(item),
      (structure, encoded) => this.#scripts.indexOf(structure, encoded),
    );
  }

  /** How many items equal `item`, as in {@link includes}. O(n). */
  count(item: T): Result<S, number> {
    return this.#scope.read(
      () => this.#scripts.encoded(item),
      (structure, encoded) => this.#scripts.count(structure, encoded),
    );
  }

  /**
   * Removes the leftmost item that equals `item`, as in {@link includes}; tells whether there was one. Goes through the items to find
   * it, and moves those on its shorter side, O(n), in one transaction.
   */
  remove(item: T): Result<S, boolean> {
    return this.#scope.write(
      () => this.#scripts.encoded(item),
      (structure, encoded) => this.#scripts.remove(structure, encoded),
    );
  }

  /**
   * Turns the deque by `steps` to the right (the last item becomes the first), by a negative number to the left; in one
   * transaction. Moves as many items as it turns, or the rest if they are fewer: O(n).
   *
   * @throws `RangeError` when `steps` is not a whole number.
   */
  rotate(steps = 1): Result<S, void> {
    return this.#scope.write(nothing, (structure) => this.#scripts.rotate(structure, steps));
  }

  /** Reverses the order of the items, in one transaction. Rewrites each: O(n), during which nobody else writes. */
  reverse(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => this.#scripts.reverse(structure));
  }

  /**
   * Removes all items that are there when it begins; tells how many it removed. Many are removed in batches, each a
   * transaction of its own, so that others can write in between; inside `store.transaction` all at once. (If others meanwhile
   * take all that is left, and push, what they pushed may go too.)
   */
  clear(): Result<S, number> {
    return this.#scope.repeat(
      nothing,
      (structure, state: readonly [last: number, count: number] | undefined) =>
        this.#scripts.clear(structure, state),
      (state) => state?.[1] ?? 0,
    );
  }

  /**
   * Iterates over the items, from the left or in reverse. Others, and the loop itself, may push and take at both ends meanwhile: what
   * is removed ahead is not yielded, and nothing is yielded twice. As in an array, what moves items (`remove` in the middle,
   * `rotate`, `reverse`) may make the iteration skip one or yield one again. Reads in batches. (On a server what other processes
   * removed in the last 5 ms may still be yielded.)
   */
  values(options?: IterationOptions): Sequence<S, T> {
    return this.#scope.pages(pages(resolveReverse(options)), ([, value]) => this.#scripts.value(value));
  }

  /** Iterates over the items. On a server store: with `for await`. */
  [Symbol.iterator](): SyncSequence<S, T> {
    return syncSequence(this.#scope, this.values());
  }

  /** Iterates over the items with `for await`, on both kinds of store. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return asyncSequence(this.values());
  }

  /** All items, from the left. Takes memory for all of them. */
  toArray(): Result<S, T[]> {
    return this.#scope.fold<T, T[]>(
      () => this.values(),
      [],
      (array, item) => {
        array.push(item);
        return array;
      },
    );
  }

  #remove(end: End): Result<S, T | undefined> {
    const script = (structure: number) => this.#scripts.removeEnd(structure, end);
    if (!this.#scripts.scalars) return this.#scope.write(nothing, script);
    return this.#scope.quickRemove(
      end === 'first' ? sql.shiftScalar : sql.popScalar,
      (structure) => [structure, structure],
      ([column]) => this.#scripts.value(column),
      script,
    );
  }

  /** One item, where nobody waits and there is no bound, is one statement. */
  #add(end: End, items: readonly T[]): Result<S, void> {
    if (!isSingle(items)) return this.#addMany(end, items);
    return this.#scope.quick(
      end === 'first' ? sql.unshiftUnwatched : sql.pushUnwatched,
      () => this.#scripts.encoded(items[0]),
      (structure, item) => this.#scripts.row(structure, item),
      nothing,
      (structure, item) => this.#scripts.add(structure, end, [item]),
    );
  }

  #addMany(end: End, items: Iterable<T>): Result<S, void> {
    return this.#scope.write(
      () => this.#scripts.encodedItems(items),
      (structure, all) => this.#scripts.add(structure, end, all),
    );
  }
}

const isSingle = <T>(items: readonly T[]): items is readonly [T] => items.length === 1;

/** A double-ended queue in an embedded store. */
export interface Deque<T> extends DequeOf<'embedded', T> {
  /** How many items there are. Costs the same for any number of them. */
  readonly size: number;
}

/** A double-ended queue in a server store. */
export interface AsyncDeque<T> extends DequeOf<'server', T> {
  /** How many items there are. Costs the same for any number of them. */
  readonly size: Promise<number>;
}

/**
 * The double-ended queue `name`: a {@link Deque} in an embedded store, an {@link AsyncDeque} in a server store. It has the methods of
 * an `Array` that work at its ends, and `take`, which waits.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const tasks = new Deque<string>(store, 'tasks');
 * tasks.push('first', 'second');
 * const task = await tasks.take({ timeout: '30s' });
 */
export const Deque: {
  new <T>(store: Store, name: string, options?: DequeOptions): Deque<T>;
  new <T>(store: AsyncStore, name: string, options?: DequeOptions): AsyncDeque<T>;
} = DequeOf;
