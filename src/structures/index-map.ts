import type { Key, KeyRange, StoredKey } from '../core/key.js';
import { places } from '../core/schema.js';
import {
  abortSignal,
  functionOf,
  knownKeys,
  oneOf,
  resolveReverse,
  type IterationOptions,
} from '../core/options.js';
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
import { keyObservation, rangeObservation } from './index-map/observations.js';
import {
  everything,
  insertionPages,
  keyPages,
  resolveRange,
  type PageColumns,
  type RangeOptions,
} from './index-map/reader.js';
import { IndexScripts, type Clearing } from './index-map/scripts.js';
import { byKey, byPlace, sql, type EntryRow } from './index-map/statements.js';

export type { RangeOptions } from './index-map/reader.js';

/** Options of {@link Index}. */
export interface IndexOptions {
  /**
   * The order of iteration, and of `first last popFirst popLast`: `'insertion'`, where setting an existing key keeps its place;
   * or `'key'`. It belongs to this object, not to the data.
   * @defaultValue `'insertion'`
   */
  readonly order?: 'insertion' | 'key' | undefined;
}

/** What {@link Index} and {@link AsyncIndex} have in common. */
class IndexOf<S extends Kind, K extends Key, V> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Index' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: IndexScripts<K, V>;
  readonly #order: 'insertion' | 'key';

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: IndexOptions = {}) {
    knownKeys('options of Index', options, ['order']);
    const { order = 'insertion' } = options;
    oneOf('order', order, ['insertion', 'key'] as const);
    this.#scope = scopeOf(store, { kind: 'index', name });
    this.#scripts = new IndexScripts(this.#scope.kind, order);
    this.#order = order;
    this.name = name;
  }

  /** How many entries there are. Costs the same for any number of them. */
  get size(): Result<S, number> {
    return this.#scope.one(
      sql.size,
      nothing,
      (structure) => [structure],
      (row) => row?.[0] ?? 0,
    );
  }

  /** The value of `key`, a copy; `undefined` when there is none. @throws `TypeError`, `RangeError` when `key` is none. */
  get(key: K): Result<S, V | undefined> {
    return this.#scope.one(
      sql.get,
      () => this.#scripts.key(key),
      (structure, column) => [structure, column],
      (row) => row && this.#scripts.value(row),
    );
  }

  /** Whether there is an entry for `key`; its value may be `undefined`. */
  has(key: K): Result<S, boolean> {
    return this.#scope.one(
      sql.has,
      () => this.#scripts.key(key),
      (structure, column) => [structure, column],
      (row) => row !== undefined,
    );
  }

  /** The values of `keys`, in their order, from one state of the store; `undefined` where there is none. */
  getMany(keys: Iterable<K>): Result<S, (V | undefined)[]> {
    return this.#scope.read(
      () => this.#scripts.encodedKeys(keys),
      (structure, columns) => this.#scripts.getMany(structure, columns),
    );
  }

  /**
   * Stores `value` under `key`: a copy. A key that is there keeps its place in the order of insertion.
   *
   * @throws `TypeError` when something in `value` can't be stored, naming the path to it; `TypeError`, `RangeError` when `key` is
   * no key. The old value stays.
   */
  set(key: K, value: V): Result<S, void> {
    return this.#scope.quick(
      sql.setUnwatched,
      () => this.#scripts.encoded(this.#scripts.key(key), value),
      (structure, entry) => this.#scripts.row(structure, entry),
      nothing,
      (structure, entry) => this.#scripts.put(structure, entry),
    );
  }

  /** Stores many entries, all or none. */
  setMany(entries: Iterable<readonly [K, V]>): Result<S, void> {
    return this.#scope.write(
      () => this.#scripts.encodedEntries(entries),
      (structure, all) => this.#scripts.setMany(structure, all),
    );
  }

  /**
   * The value of `key`, a copy; if there is none, it is set to `value` first. A function is called only then; it must be pure, since
   * on a server it may be called again after a conflict. A plain value is checked and encoded at each call: give a function where that costs.
   *
   * @throws `TypeError` when something in `value` can't be stored, naming the path to it; `TypeError`, `RangeError` when `key` is no key.
   */
  setDefault(key: K, value: V | (() => V)): Result<S, V> {
    return this.#scope.write(
      () => this.#scripts.defaultOf(key, value),
      (structure, given) => this.#scripts.setDefault(structure, given),
    );
  }

  /**
   * Replaces the value of `key` by `change` of it, in one step that nothing comes between. `change` gets `undefined` when there
   * is no value; returning `undefined` deletes the entry. It must be pure, and not async: on a server it may be called again.
   *
   * @returns What `change` returned. @throws `TypeError` when that is a promise.
   */
  update(key: K, change: (current: V | undefined) => V | undefined): Result<S, V | undefined> {
    return this.#scope.write(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.update(structure, column, change),
    );
  }

  /** Deletes the entry of `key`; tells whether there was one. */
  delete(key: K): Result<S, boolean> {
    return this.#scope.quick(
      sql.deleteUnwatched,
      () => this.#scripts.key(key),
      (structure, column) => [structure, column, structure],
      () => true,
      (structure, column) => this.#scripts.delete(structure, column),
    );
  }

  /** Deletes many entries, all or none; tells how many there were. */
  deleteMany(keys: Iterable<K>): Result<S, number> {
    return this.#scope.write(
      () => this.#scripts.encodedKeys(keys),
      (structure, columns) => this.#scripts.deleteMany(structure, columns),
    );
  }

  /**
   * Deletes the entries of a range of keys; tells how many there were. Many are deleted in batches, each a transaction of its
   * own, so that others can write in between; inside `store.transaction` all at once.
   *
   * @throws `TypeError` when a bound is undefined: it would delete more than was meant.
   */
  deleteRange(range: KeyRange<K>): Result<S, number> {
    return this.#scope.repeat(
      () => this.#scripts.bounds(range),
      (structure, state: Clearing | undefined, bounds) => this.#scripts.deleteRange(structure, state, bounds),
      (state) => state?.count ?? 0,
    );
  }

  /** Deletes all entries that are there when it begins, in batches like {@link deleteRange}; tells how many there were. */
  clear(): Result<S, number> {
    return this.#scope.repeat(
      nothing,
      (structure, state: Clearing | undefined) => this.#scripts.clear(structure, state),
      (state) => state?.count ?? 0,
    );
  }

  /** Deletes the entry of `key` and returns its value; `undefined` when there is none. */
  pop(key: K): Result<S, V | undefined> {
    return this.#scope.write(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.pop(structure, column),
    );
  }

  /** The first entry in the order of iteration, or `undefined`. */
  first(): Result<S, [StoredKey<K>, V] | undefined> {
    return this.#end(false);
  }

  /** The last entry in the order of iteration, or `undefined`. */
  last(): Result<S, [StoredKey<K>, V] | undefined> {
    return this.#end(true);
  }

  /** Deletes and returns the first entry in the order of iteration, or `undefined`. */
  popFirst(): Result<S, [StoredKey<K>, V] | undefined> {
    return this.#scope.write(nothing, (structure) => this.#scripts.popEnd(structure, false));
  }

  /** Deletes and returns the last entry in the order of iteration, or `undefined`. */
  popLast(): Result<S, [StoredKey<K>, V] | undefined> {
    return this.#scope.write(nothing, (structure) => this.#scripts.popEnd(structure, true));
  }

  /**
   * Iterates over the keys. Others, and the loop itself, may write meanwhile: what is deleted ahead is not yielded, what is added
   * behind is, and nothing is yielded twice, unless it is deleted and set again. Reads in batches. (On a server what other processes deleted in the last 5 ms
   * may still be yielded.)
   */
  keys(options?: IterationOptions): Sequence<S, StoredKey<K>> {
    return this.#iterate('keys', options, (row) => this.#scripts.storedKey(row));
  }

  /** Iterates over the values, like {@link keys}. */
  values(options?: IterationOptions): Sequence<S, V> {
    return this.#iterate('entries', options, (row) => this.#scripts.entryValue(row));
  }

  /** Iterates over the entries, like {@link keys}. */
  entries(options?: IterationOptions): Sequence<S, [StoredKey<K>, V]> {
    return this.#iterate('entries', options, (row) => this.#scripts.entry(row));
  }

  /** Iterates over the entries. On a server store: with `for await`. */
  [Symbol.iterator](): SyncSequence<S, [StoredKey<K>, V]> {
    return syncSequence(this.#scope, this.entries());
  }

  /** Iterates over the entries with `for await`, on both kinds of store. */
  [Symbol.asyncIterator](): AsyncIterableIterator<[StoredKey<K>, V]> {
    return asyncSequence(this.entries());
  }

  /** Calls `callback` for each entry, in the order of iteration. */
  forEach(callback: (value: V, key: StoredKey<K>) => void, options?: IterationOptions): Result<S, undefined> {
    const entries = (): Sequence<S, [StoredKey<K>, V]> => {
      functionOf('callback', callback);
      return this.entries(options);
    };
    return this.#scope.fold(entries, undefined, (_, [key, value]: [StoredKey<K>, V]) => {
      callback(value, key);
      return undefined;
    });
  }

  /** All entries as a Map, in the order of iteration. Takes memory for all of them. */
  toMap(): Result<S, Map<StoredKey<K>, V>> {
    return this.#scope.fold(
      () => this.entries(),
      new Map<StoredKey<K>, V>(),
      (map, [key, value]) => map.set(key, value),
    );
  }

  /**
   * Iterates over the entries of a range in the order of keys, whatever the order of the index. Safe against writing like
   * {@link keys}.
   *
   * @throws `TypeError` when both `gt` and `gte`, or both `lt` and `lte`, are given; `TypeError`, `RangeError` for a bound that
   * is no key, or a `limit` below 1.
   */
  range(options: RangeOptions<K> = {}): Sequence<S, [StoredKey<K>, V]> {
    const { bounds, reverse, limit } = resolveRange(options, this.#scope.kind);
    const next = keyPages('entries', bounds, reverse);
    return this.#scope.pages(next, (row) => this.#scripts.entry(row), limit);
  }

  /**
   * Yields the value of `key`, or `undefined`: the present one at once, then each later one. Changes in quick succession may be
   * folded into the last, which is never missed. Ends by `break`, or by throwing the signal's reason or `ERR_CLOSED`.
   */
  watch(
    key: K,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<V | undefined>;
  /** The same for the entries of a range, as an array in the order of keys. */
  watch(
    range: RangeOptions<K>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<[StoredKey<K>, V][]>;
  watch(
    what: K | RangeOptions<K>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncIterableIterator<V | undefined> | AsyncIterableIterator<[StoredKey<K>, V][]> {
    knownKeys('options of watch()', options, ['signal']);
    const { signal } = options;
    abortSignal('signal', signal);
    return isRange(what)
      ? this.#scope.watch(rangeObservation(this.#scripts, resolveRange(what, this.#scope.kind)), signal)
      : this.#scope.watch(keyObservation(this.#scripts, what), signal);
  }

  #end(reverse: boolean): Result<S, [StoredKey<K>, V] | undefined> {
    const read = (row: EntryRow | undefined): [StoredKey<K>, V] | undefined =>
      row && this.#scripts.entry(row);
    return this.#order === 'key'
      ? this.#scope.one(byKey('entries', everything, reverse), nothing, (structure) => [structure, 1], read)
      : this.#scope.one(
          byPlace.entries[reverse ? 'reverse' : 'forward'],
          nothing,
          (structure) => [structure, reverse ? places : 0, structure, 1],
          read,
        );
  }

  #iterate<T>(
    columns: PageColumns,
    options: IterationOptions | undefined,
    read: (row: EntryRow) => T,
  ): Sequence<S, T> {
    const reverse = resolveReverse(options);
    return this.#order === 'key'
      ? this.#scope.pages(keyPages(columns, everything, reverse), read)
      : this.#scope.pages(insertionPages(columns, reverse), read);
  }
}

function isRange<K extends Key>(what: K | RangeOptions<K>): what is RangeOptions<K> {
  return typeof what === 'object' && !Array.isArray(what) && !(what instanceof Uint8Array);
}

/** An ordered map in an embedded store. */
export interface Index<K extends Key, V> extends IndexOf<'embedded', K, V> {
  /** How many entries there are. Costs the same for any number of them. */
  readonly size: number;
}

/** An ordered map in a server store. */
export interface AsyncIndex<K extends Key, V> extends IndexOf<'server', K, V> {
  /** How many entries there are. Costs the same for any number of them. */
  readonly size: Promise<number>;
}

/**
 * The ordered map `name`: an {@link Index} in an embedded store, an {@link AsyncIndex} in a server store. It reads like a `Map`,
 * is iterated in the order of insertion, and has ranges in the order of keys.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const users = new Index<string, User>(store, 'users');
 * users.set('ada', { name: 'Ada' });
 * for (const [key, user] of users.range({ gte: 'a', lt: 'b' })) console.log(key, user);
 */
export const Index: {
  new <K extends Key, V>(store: Store, name: string, options?: IndexOptions): Index<K, V>;
  new <K extends Key, V>(store: AsyncStore, name: string, options?: IndexOptions): AsyncIndex<K, V>;
} = IndexOf;
