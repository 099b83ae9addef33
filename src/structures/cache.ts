import { closing, type ByteSource, type Stream } from '../core/byte-streams.js';
import type { Key, StoredKey } from '../core/key.js';
import { functionOf, resolveReverse, type Duration, type IterationOptions } from '../core/options.js';
import {
  asyncSequence,
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
import type { Produce } from './cache/parts.js';
import {
  decorate,
  memoize,
  type Memoized,
  type MemoizeDecorator,
  type MemoizeOptions,
  type Memory,
} from './cache/memoize.js';
import {
  lasting,
  once,
  resolveCache,
  resolveKeys,
  resolveProducing,
  resolveTags,
  summed,
  type CacheKeysOptions,
  type CacheOptions,
  type CacheStats,
  type GetOrSetOptions,
  type IncrementOptions,
  type SetOptions,
  type WriteOptions,
} from './cache/options.js';
import type { CacheEntry } from './cache/scripts.js';
import type { ReshardOptions } from './cache/resharding.js';
import { Shards } from './cache/shards.js';

/** What {@link Cache} and {@link AsyncCache} have in common: each call goes to the shards that it is about. */
class CacheOf<S extends Kind, V, K extends Key> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Cache' });
  }

  readonly #scope: Scope<S>;
  readonly #shards: Shards<S, V, K>;
  readonly #memory: Memory<S, V>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: CacheOptions<V> = {}) {
    const resolved = resolveCache(options);
    this.#scope = scopeOf(store, { kind: 'cache', name });
    this.#shards = new Shards(store, name, resolved);
    this.#memory = this.#asMemory(resolved.ttl);
    this.name = name;
  }

  /** How many entries there are, with those that have expired and were not removed yet. Costs the same for any number of them. */
  get size(): Result<S, number> {
    return this.#shards.sum((shard) => shard.size);
  }

  /** How many bytes their keys and values take, without the database's own overhead. Costs the same for any number of them. */
  get bytes(): Result<S, number> {
    return this.#shards.sum((shard) => shard.bytes);
  }

  /**
   * The value of `key`, a copy; `undefined` when there is none, or it has expired: {@link has} and {@link entry} tell that from a stored `undefined`.
   *
   * @throws `TypeError`, `RangeError` when `key` is none; {@link HoldfastError} `ERR_CODEC`, `ERR_TOO_LARGE`: see {@link Cache}.
   */
  get(key: K): Result<S, V | undefined> {
    return this.#shards.at(key, (shard) => shard.get(key));
  }

  /** Whether there is an entry for `key` that has not expired; its value may be `undefined`. It does not count as reading it. @throws `TypeError`, `RangeError` when `key` is none. */
  has(key: K): Result<S, boolean> {
    return this.#shards.at(key, (shard) => shard.has(key));
  }

  /** The values of `keys`, in their order, from one state of the store (of a cache with shards: of each shard); `undefined` where there is none. @throws `TypeError`, `RangeError` when one of `keys` is none; what {@link get} throws. */
  getMany(keys: Iterable<K>): Result<S, (V | undefined)[]> {
    return this.#shards.getMany(keys);
  }

  /** What is known of the entry of `key`; `undefined` when there is none, or it has expired. It does not count as reading it. @throws What {@link get} throws. */
  entry(key: K): Result<S, CacheEntry<V> | undefined> {
    return this.#shards.at(key, (shard) => shard.entry(key));
  }

  /**
   * What was counted since the counts were reset; in a store that is only read, as far as it was written. Hits and misses stay 0 where no cache was made with `statistics: true`.
   *
   * @param options - `reset` has all counts begin at 0 again. @defaultValue `false`
   * @throws `TypeError` for options that don't exist; {@link HoldfastError} `ERR_READONLY` with `reset` in a store that is only read.
   */
  stats(options: { readonly reset?: boolean | undefined } = {}): Result<S, CacheStats> {
    return this.#scope.after(
      this.#shards.all((shard) => shard.stats(options)),
      summed,
    );
  }

  /** Removes what has expired; tells how many entries that were. It is done by itself, too, a few seconds later. Many are removed in batches, each a transaction of its own. */
  expire(): Result<S, number> {
    return this.#shards.count((shard) => shard.expire());
  }

  /** Removes what has expired, and what there is too much of, say since the limits are lower now; tells how many entries that were. In batches, like {@link expire}. */
  cull(): Result<S, number> {
    return this.#shards.count((shard) => shard.cull());
  }

  /**
   * Removes the entries that have one of some tags; tells how many there were. In batches, like {@link expire}. What is being worked out for such tags is not stored any more: see {@link getOrSet}.
   *
   * @param tags - Strings of 1 to 512 characters. @throws `TypeError`, `RangeError` for others.
   */
  invalidate(tags: string | Iterable<string>): Result<S, number> {
    const all = once(() => resolveTags(typeof tags === 'string' ? [tags] : tags));
    return this.#shards.count((shard) => shard.invalidate(all));
  }

  /** Removes all entries that are there when it begins; tells how many there were. In batches, like {@link expire}. What is being worked out is not stored any more: see {@link getOrSet}. */
  clear(): Result<S, number> {
    return this.#shards.count((shard) => shard.clear());
  }

  /**
   * Iterates over the keys of what has not expired, in the order of insertion. Others, and the loop itself, may write meanwhile: what is deleted ahead is not yielded, what is added
   * behind is, and nothing is yielded twice, unless it is deleted and set again. Reads in batches. It does not count as reading the entries.
   *
   * Of a cache with shards: one shard after the other, each in the order of insertion; keys with a prefix in the order of keys all the same.
   *
   * @throws `TypeError` when both a tag and a prefix are given; {@link HoldfastError} `ERR_SHARDS`, while iterating, when the cache was given another number of shards meanwhile.
   */
  keys(options?: CacheKeysOptions): Sequence<S, StoredKey<K>> {
    return this.#shards.keys(resolveKeys(options));
  }

  /** Iterates over the values, like {@link keys}. */
  values(options?: IterationOptions): Sequence<S, V> {
    const reverse = resolveReverse(options);
    return this.#shards.sequence((shard) => shard.values(reverse));
  }

  /** Iterates over the entries, like {@link keys}. */
  entries(options?: IterationOptions): Sequence<S, [StoredKey<K>, V]> {
    const reverse = resolveReverse(options);
    return this.#shards.sequence((shard) => shard.entries(reverse));
  }

  /** Iterates over the entries. On a server store: with `for await`. */
  [Symbol.iterator](): SyncSequence<S, [StoredKey<K>, V]> {
    return syncSequence(this.#scope, this.entries());
  }

  /** Iterates over the entries with `for await`, on both kinds of store. */
  [Symbol.asyncIterator](): AsyncIterableIterator<[StoredKey<K>, V]> {
    return asyncSequence(this.entries());
  }

  /**
   * Stores `value` under `key`: a copy. Where there is no room for it, others go, as `eviction` says. A key that is there keeps its place in the order of insertion; its time, its tags and its uses begin anew.
   *
   * @throws `TypeError` when something in `value` can't be stored, naming the path to it; `TypeError`, `RangeError` when `key` is no key, or for options that make no
   * sense; {@link HoldfastError} `ERR_TOO_LARGE` when it takes more bytes than the whole cache may, or its shard; `ERR_FULL` when there is no room, and `eviction` is `'none'`. The old value stays.
   */
  set(key: K, value: V, options?: SetOptions): Result<S, void> {
    const kept = lasting(options);
    return this.#shards.at(key, (shard) => shard.set(key, value, kept));
  }

  /** Stores many entries, all or none (of a cache with shards: of those in one shard), like {@link set}: in one transaction, with all that goes for them. Give it some thousands at a time: others wait to write meanwhile. */
  setMany(entries: Iterable<readonly [K, V]>, options?: SetOptions): Result<S, void> {
    return this.#shards.setMany(entries, options);
  }

  /** Stores `value` under `key` unless there is an entry that has not expired; tells whether it did. Of many processes that do so at once, one does. @throws What {@link set} throws. */
  add(key: K, value: V, options?: SetOptions): Result<S, boolean> {
    const kept = lasting(options);
    return this.#shards.at(key, (shard) => shard.add(key, value, kept));
  }

  /** Has the entry of `key` last for `ttl` from now on: up to 100 years, or `Infinity`; without it, for the `ttl` of the cache. Tells whether there is one. @throws `TypeError`, `RangeError` when `key` or `ttl` is none. */
  touch(key: K, ttl?: Duration): Result<S, boolean> {
    return this.#shards.at(key, (shard) => shard.touch(key, ttl));
  }

  /** Deletes the entry of `key`, like {@link delete}, and returns its value; `undefined` when there is none. @throws `TypeError`, `RangeError` when `key` is none. */
  pop(key: K): Result<S, V | undefined> {
    return this.#shards.at(key, (shard) => shard.pop(key));
  }

  /** Deletes the entry of `key`; tells whether there was one that had not expired. What is being worked out for `key` is not stored any more: see {@link getOrSet}. @throws `TypeError`, `RangeError` when `key` is none. */
  delete(key: K): Result<S, boolean> {
    return this.#shards.at(key, (shard) => shard.delete(key));
  }

  /** Deletes many entries, like {@link delete}, all or none (of a cache with shards: of those in one shard); tells how many there were. In one transaction: give it some thousands at a time. @throws `TypeError`, `RangeError` when one of `keys` is none. */
  deleteMany(keys: Iterable<K>): Result<S, number> {
    return this.#shards.deleteMany(keys);
  }

  /**
   * Adds `by` to the number under `key`, which is `initial` where there is none, in one step that nothing comes between. What is there keeps its time and its tags.
   *
   * @param by - A finite number. @defaultValue 1
   * @returns The new number.
   * @throws `TypeError` when the value is no number, `RangeError` when a number can't hold the sum; what {@link set} throws.
   */
  increment(key: K, by = 1, options?: IncrementOptions): Result<S, number> {
    const kept = lasting(options);
    return this.#shards.at(key, (shard) => shard.increment(key, by, kept));
  }

  /** Subtracts `by` from a number: see {@link increment}. */
  decrement(key: K, by = 1, options?: IncrementOptions): Result<S, number> {
    const kept = lasting(options);
    return this.#shards.at(key, (shard) => shard.decrement(key, by, kept));
  }

  /**
   * Replaces the value of `key` by `change` of it, in one step that nothing comes between. `change` gets `undefined` when there is no value; returning `undefined` deletes the entry. It
   * must be pure, and not async: it may be called again. What is there keeps its time and its tags; `options` hold for an entry that is new.
   *
   * @returns What `change` returned. @throws What {@link set} throws; whatever `change` throws; `TypeError` when it returns a promise.
   */
  update(
    key: K,
    change: (current: V | undefined) => V | undefined,
    options?: SetOptions,
  ): Result<S, V | undefined> {
    const kept = lasting(options);
    return this.#shards.at(key, (shard) => shard.update(key, change, kept));
  }

  /**
   * The value of `key`; where there is none, what `produce` gives, which is stored. One caller works it out, in this process and across all of them; the others wait for that. Should it die, another
   * takes over at once. If `produce` throws, those who wait get the error, and nothing is stored.
   *
   * `produce` gets `{ signal }`, which aborts when the store closes, and not when a caller stops waiting. One that never ends holds up all who ask for the key, until that is deleted: give the work a limit of its own.
   *
   * {@link delete}, {@link pop}, {@link invalidate} and {@link clear} cancel what is being worked out: it is not stored, and who asks later does not get it; who had asked before, in the same process, does. A value that is {@link set} meanwhile stays.
   *
   * @throws Whatever `produce` throws (in other processes: an `Error` with its name, message, stack and code); what {@link set} throws; {@link HoldfastError} `ERR_TIMEOUT` when it takes longer than `timeout`, and the signal's reason when that
   * aborts: it is worked out all the same, for the others; `ERR_IN_TRANSACTION` inside a transaction; `ERR_DEADLOCK` when `produce` asks for its own key, also by way of others.
   * @example
   * const answer = await answers.getOrSet(prompt, () => ask(prompt), { ttl: '1d', staleFor: '1h' });
   */
  async getOrSet(key: K, produce: Produce<V>, options?: GetOrSetOptions): Promise<V> {
    const { ttl, getOrSet } = this.#memory;
    return getOrSet(key, produce, resolveProducing(options, ttl));
  }

  /**
   * Stores the bytes of `source`, piece by piece, without having all of them in memory: a `Uint8Array` then, for {@link get}. It is stored when the source has ended; until then, and should it fail, what was there stays. Whatever it fails for, the source is closed then. The codec of the cache is not asked; with `compress` it
   * is compressed where its first 64 KiB become smaller. On an embedded store more than `fileThreshold` bytes are a file, on a server chunks in rows.
   *
   * @param source - A stream of Node or of the web, or any iterable of bytes; strings are stored as UTF-8.
   * @throws Whatever the source throws; `TypeError` when it gives something else; `TypeError`, `RangeError` for a key or options that make no sense; the signal's reason; {@link HoldfastError} `ERR_TOO_LARGE`, `ERR_FULL` like {@link set};
   * `ERR_IN_TRANSACTION` inside a transaction; `ERR_SHARDS` when the cache was moved to other shards meanwhile: then it is to be written again.
   * @example
   * await files.write('video', createReadStream('video.mp4'), { ttl: '1d' });
   */
  write(key: K, source: ByteSource, options?: WriteOptions): Promise<void> {
    const written = this.#shards.atOnce(key, (shard) => shard.streams.write(key, source, options));
    return closing(source, written);
  }

  /**
   * A stream of the bytes that are stored under `key`, or of the UTF-8 of a string, without having all of them in memory; `undefined` when there is none. It goes on with what it has begun, whatever becomes of the entry. Read it
   * to its end, or `destroy()` it.
   *
   * @throws `TypeError` when the value is something else; `TypeError`, `RangeError` when `key` is none; {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction. The stream fails with `ERR_CORRUPT`, `ERR_IO`; on a server with `ERR_CONNECTION`.
   */
  read(key: K): Result<S, Stream | undefined> {
    return this.#shards.at(key, (shard) => shard.streams.read(key));
  }

  /**
   * A function that gives what is in the cache for its arguments, and calls `fn` where there is nothing: an `async` one once in all processes, like {@link getOrSet}. One that is not `async` stays so on an embedded store; each that finds nothing calls it then, and what is stale, or to be refreshed ahead, one caller works out in its own call. The arguments may be what can
   * be stored; properties of plain objects count in any order. It has `key`, `forget`, `refresh` and `original`.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense, and for a function without a name; in a call, what {@link getOrSet} throws, and on an embedded store where a function that is not `async` gives a promise: it
   * needs `async: true`, as one does that a compiler has made of an `async` one.
   * @example
   * const price = prices.memoize(async (item: string) => ask(item), { name: 'price', ttl: '5m' });
   * await price('tea');
   * price.forget('tea');
   */
  memoize<T, A extends unknown[]>(
    fn: (this: T, ...args: A) => Promise<V>,
    options?: MemoizeOptions<A>,
  ): Memoized<S, T, A, Promise<V>>;
  memoize<T, A extends unknown[]>(
    fn: (this: T, ...args: A) => V,
    options?: MemoizeOptions<A>,
  ): Memoized<S, T, A, Result<S, V>>;
  /**
   * Decorates a method with the same: `this` is kept, and no part of the key. The default name is that of the method, without its class, so that methods of one name share their results in a cache, those of
   * other classes too: where there are several, each needs a `name`. A private method has its `#` in it. A class that inherits the method shares its results. The decorated method, on the prototype, has `key`, `forget`, `refresh` and `original`.
   *
   * @throws `TypeError` or `RangeError` as above, when the class is defined.
   * @example
   * class Shop {
   *   \@prices.memoize({ name: 'Shop.price', ttl: '5m' })
   *   async price(item: string): Promise<number> {
   *     return this.ask(item);
   *   }
   * }
   */
  memoize<Args extends unknown[] = []>(options?: MemoizeOptions<Args>): MemoizeDecorator<S, V, Args>;
  memoize<T, A extends unknown[]>(
    first?: ((this: T, ...args: A) => V | Promise<V>) | MemoizeOptions<A>,
    options?: MemoizeOptions<A>,
  ): unknown {
    if (options !== undefined) functionOf('fn', first);
    return typeof first === 'function'
      ? memoize(this.#memory, first, options)
      : decorate<S, V, T, A>(this.#memory, lasting(first));
  }

  #asMemory(ttl: number | null): Memory<S, V> {
    const scope = this.#scope;
    const shards = this.#shards;
    return {
      kind: scope.kind,
      ttl,
      getOrSet: (key, produce, producing) =>
        shards.atSoon('getOrSet()', key, (shard) => shard.flights.getOrSet(key, produce, producing)),
      getOrSetNow: (key, produce, producing) =>
        shards.at(key, (shard) => shard.flights.getOrSetNow(key, produce, producing)),
      refresh: (key, produce, producing) =>
        shards.atSoon('refresh()', key, (shard) => shard.flights.refresh(key, produce, producing)),
      refreshNow: (key, produce, producing) =>
        shards.at(key, (shard) => shard.flights.refreshNow(key, produce, producing)),
      forget: (key) => scope.chain(scope.settled(key), (one) => shards.at(one, (shard) => shard.delete(one))),
    };
  }

  /**
   * Moves everything to so many shards. Others can read meanwhile; those who write to the cache wait, as long as their `busyTimeout` says, and those of this store get `ERR_BUSY` at once. From one shard, or to one, that holds for all
   * that is in the store. It may be interrupted at any point, also by a kill or a loss of power: then nothing has been moved, and what it leaves behind goes with the next time. Iterations that are under way end with `ERR_SHARDS`; a value that is being worked out by
   * {@link getOrSet} may be worked out once more. The order of insertion holds within each shard; in one that others were moved to they follow each other.
   *
   * On a server it does nothing.
   *
   * @param shards - 1 to 64.
   * @throws `TypeError`, `RangeError` for another number, or options that don't exist; the signal's reason when that aborts; {@link HoldfastError} `ERR_IN_TRANSACTION` inside a transaction, `ERR_FULL` when the disk has no room for both, `ERR_CORRUPT` when the file of a value was lost, `ERR_READONLY`.
   */
  reshard(shards: number, options?: ReshardOptions): Promise<void> {
    return this.#shards.reshard(shards, options);
  }
}

/** A cache in an embedded store. */
export interface Cache<V, K extends Key = Key> extends CacheOf<'embedded', V, K> {
  readonly size: number;
  readonly bytes: number;
}

/** A cache in a server store. */
export interface AsyncCache<V, K extends Key = Key> extends CacheOf<'server', V, K> {
  readonly size: Promise<number>;
  readonly bytes: Promise<number>;
}

/**
 * The cache `name`: a {@link Cache} in an embedded store, an {@link AsyncCache} in a server store. Entries expire, are found by tags, and go when it is full; the same kind and name is the same cache in
 * every process.
 *
 * The constructor throws a `TypeError` or `RangeError` for options that don't exist, or make no sense, and `ERR_CODEC` for zstd where this Node lacks it; whether they go with what is stored is seen at the first call.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_CODEC` where it was stored with another codec, or is compressed in a way that this Node lacks; `ERR_TOO_LARGE` where it has 2 GiB or more, on a server 250 MB, which only {@link Cache.read} gives; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`, `ERR_SHARDS` when it has another number of shards than was given, `ERR_IN_TRANSACTION` when something is written to a cache with shards inside a transaction; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then, but for what works in batches, or on several shards, whose earlier
 * ones stay; after `ERR_CONNECTION` it may have been.
 *
 * @example
 * const pages = new Cache<string>(store, 'pages', { ttl: '1h', maxBytes: '100MiB' });
 * pages.set('/', html, { tags: ['home'] });
 * pages.get('/');
 * pages.invalidate('home');
 */
export const Cache: {
  new <V, K extends Key = Key>(store: Store, name: string, options?: CacheOptions<V>): Cache<V, K>;
  new <V, K extends Key = Key>(store: AsyncStore, name: string, options?: CacheOptions<V>): AsyncCache<V, K>;
} = CacheOf;
