import type { Key, KeyColumn } from '../core/key.js';
import { finiteNumber, type Duration } from '../core/options.js';
import { run, type Script } from '../core/script.js';
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
import { Flights, type Produce } from './cache/flights.js';
import { keepTidy } from './cache/keeper.js';
import { memoize, type Memoized, type MemoizeOptions } from './cache/memoize.js';
import {
  resolveCache,
  resolveSet,
  type CacheOptions,
  type GetOrSetOptions,
  type IncrementOptions,
  type Keeping,
  type SetOptions,
} from './cache/options.js';
import { CacheReading } from './cache/reading.js';
import { CacheScripts, increased, untilDone, type EncodedEntry } from './cache/scripts.js';
import { sql } from './cache/statements.js';
import { Uses } from './cache/uses.js';

/** What {@link Cache} and {@link AsyncCache} have in common. */
class CacheOf<S extends Kind, V, K extends Key> extends CacheReading<S, V, K> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Cache' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<Key, V>;
  readonly #numbers: CacheScripts<Key, number>;
  readonly #ttl: number | null;
  readonly #flights: Flights<S, V, Key>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: CacheOptions = {}) {
    const { limits, ttl, statistics } = resolveCache(options);
    const setup = function* (structure: number): Script<void> {
      uses.eviction = yield* scripts.setUp(structure, limits);
    };
    const scope = scopeOf(store, { kind: 'cache', name, setup });
    const scripts = new CacheScripts<K, V>(scope.kind);
    const uses = new Uses(scope, statistics);
    super({ scope, scripts, uses });
    keepTidy(scope, uses);
    this.#scope = scope;
    this.#scripts = new CacheScripts(scope.kind);
    this.#numbers = new CacheScripts(scope.kind);
    this.#ttl = ttl;
    this.#flights = new Flights({ scope, scripts: this.#scripts, uses }, ttl);
    this.name = name;
  }

  /**
   * Stores `value` under `key`: a copy. Where there is no room for it, others go, as `eviction` says. A key that is there keeps its place in the order of insertion; its time, its tags and its uses begin anew.
   *
   * @throws `TypeError` when something in `value` can't be stored, naming the path to it; `TypeError`, `RangeError` when `key` is no key, or for options that make no
   * sense; {@link HoldfastError} `ERR_TOO_LARGE` when it takes more bytes than the whole cache may; `ERR_FULL` when there is no room, and `eviction` is `'none'`. The old value stays.
   */
  set(key: K, value: V, options?: SetOptions): Result<S, void> {
    return this.#store(key, value, options);
  }

  /** Stores many entries, all or none, like {@link set}. */
  setMany(entries: Iterable<readonly [K, V]>, options?: SetOptions): Result<S, void> {
    return this.#scope.write(
      () => this.#scripts.entries(entries, resolveSet(options, this.#ttl)),
      (structure, all) => this.#scripts.putAll(structure, all),
    );
  }

  /** Stores `value` under `key` unless there is an entry that has not expired; tells whether it did. Of many processes that do so at once, one does. @throws What {@link set} throws. */
  add(key: K, value: V, options?: SetOptions): Result<S, boolean> {
    return this.#scope.chain(this.#encoded(key, value, options), (entry) => this.#add(entry));
  }

  /** Has the entry of `key` last for `ttl` from now on; without it, for the `ttl` of the cache. Tells whether there is one. */
  touch(key: K, ttl?: Duration): Result<S, boolean> {
    return this.#scope.write(
      () => ({ column: this.#scripts.key(key), keeping: resolveSet({ ttl }, this.#ttl) }),
      function* (structure, { column, keeping }): Script<boolean> {
        return (yield* run(sql.touch, keeping.ttl, structure, column)) > 0;
      },
    );
  }

  /** Deletes the entry of `key` and returns its value; `undefined` when there is none. */
  pop(key: K): Result<S, V | undefined> {
    return this.#scope.write(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.pop(structure, column),
    );
  }

  /** Deletes the entry of `key`; tells whether there was one. */
  delete(key: K): Result<S, boolean> {
    return this.#delete(key);
  }

  /** Deletes many entries, all or none; tells how many there were. */
  deleteMany(keys: Iterable<K>): Result<S, number> {
    return this.#scope.write(
      () => this.#scripts.keys(keys),
      (structure, columns) => this.#scripts.delete(structure, columns),
    );
  }

  /**
   * Adds `by` to the number under `key`, which is `initial` where there is none, in one step that nothing comes between. What is there keeps its time and its tags.
   *
   * @param by - A finite number. @defaultValue 1
   * @returns The new number.
   * @throws `TypeError` when the value is no number, `RangeError` when a number can't hold the sum; what {@link set} throws.
   */
  increment(key: K, by = 1, options?: IncrementOptions): Result<S, number> {
    return this.#increase(key, by, 1, options);
  }

  /** Subtracts `by` from a number: see {@link increment}. */
  decrement(key: K, by = 1, options?: IncrementOptions): Result<S, number> {
    return this.#increase(key, by, -1, options);
  }

  /**
   * Replaces the value of `key` by `change` of it, in one step that nothing comes between. `change` gets `undefined` when there is no value; returning `undefined` deletes the entry. It
   * must be pure, and not async: it may be called again. What is there keeps its time and its tags; `options` hold for an entry that is new.
   *
   * @returns What `change` returned. @throws What {@link set} throws; whatever `change` throws.
   */
  update(
    key: K,
    change: (current: V | undefined) => V | undefined,
    options?: SetOptions,
  ): Result<S, V | undefined> {
    return this.#change(
      this.#scripts,
      () => ({ column: this.#scripts.key(key), keeping: resolveSet(options, this.#ttl) }),
      () => change,
      (value) => value,
    );
  }

  /**
   * The value of `key`; where there is none, what `produce` gives, which is stored. One caller works it out, in this process and across all of them; the others wait for that. Should it die, another
   * takes over at once. If `produce` throws, those who wait get the error, and nothing is stored.
   *
   * @throws Whatever `produce` throws (in other processes: an `Error` with its name, message, stack and code); what {@link set} throws; {@link HoldfastError} `ERR_TIMEOUT` when it takes longer than `timeout`, and the signal's reason when that
   * aborts: it is worked out all the same, for the others; `ERR_IN_TRANSACTION` inside a transaction.
   * @example
   * const answer = await answers.getOrSet(prompt, () => ask(prompt), { ttl: '1d', staleFor: '1h' });
   */
  getOrSet(key: K, produce: Produce<V>, options?: GetOrSetOptions): Promise<V> {
    return this.#flights.getOrSet(key, produce, options);
  }

  /**
   * A function that gives what is in the cache for its arguments, and calls `fn` where there is nothing: an `async` one once in all processes, like {@link getOrSet}. One that is not `async` stays so on an embedded store; each that finds nothing calls it then. The arguments may be what can
   * be stored; properties of plain objects count in any order. It has `key`, `forget`, `refresh` and `original`.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense, and for a function without a name; in a call, what {@link getOrSet} throws.
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
  memoize<T, A extends unknown[]>(
    fn: (this: T, ...args: A) => V | Promise<V>,
    options?: MemoizeOptions<A>,
  ): Memoized<S, T, A, Promise<V> | Result<S, V>> {
    const scope = this.#scope;
    return memoize<S, V, T, A>(
      {
        kind: scope.kind,
        getOrSet: (key, produce, given) => this.#flights.getOrSet(key, produce, given),
        getOrSetNow: (key, produce, given) => this.#flights.getOrSetNow(key, produce, given),
        keep: (key, value, given) => scope.after(this.#store(key, value, given), () => value),
        keepSoon: async (key, value, given) => {
          const there = await value;
          await this.#store(key, there, given);
          return there;
        },
        forget: (key) => scope.chain(scope.settled(key), (one) => this.#delete(one)),
      },
      fn,
      options,
    );
  }

  #increase(key: K, by: number, sign: 1 | -1, options: IncrementOptions | undefined): Result<S, number> {
    return this.#change(
      this.#numbers,
      () => {
        finiteNumber('by', by);
        const initial = options?.initial ?? 0;
        finiteNumber('initial', initial);
        return {
          column: this.#scripts.key(key),
          keeping: resolveSet(options, this.#ttl, ['initial']),
          initial,
        };
      },
      ({ initial }) =>
        (current) =>
          increased(current, sign * by, initial),
      (value = 0) => value,
    );
  }

  #delete(key: Key): Result<S, boolean> {
    const scripts = this.#scripts;
    return this.#scope.quick(
      sql.delete,
      () => scripts.key(key),
      (structure, column) => [structure, column],
      () => true,
      function* (): Script<boolean> {
        return false;
      },
    );
  }

  #store(key: Key, value: V, options: SetOptions | undefined): Result<S, void> {
    return this.#scope.chain(this.#encoded(key, value, options), (entry) => this.#set(entry));
  }

  #encoded(key: Key, value: V, options: SetOptions | undefined): Result<S, EncodedEntry> {
    return this.#scope.settled(() =>
      this.#scripts.encoded(this.#scripts.key(key), value, resolveSet(options, this.#ttl)),
    );
  }

  #set(entry: EncodedEntry): Result<S, void> {
    const scripts = this.#scripts;
    if (entry.tags.length > 0) return this.#put(entry);
    const stored = this.#scope.quick(
      sql.setQuickly,
      () => entry,
      (structure) => scripts.row(structure, entry),
      (): true | undefined => true,
      (structure) => scripts.put(structure, entry),
    );
    return this.#scope.chain(stored, (done) => (done ? this.#scope.settled(nothing) : this.#put(entry)));
  }

  #put(entry: EncodedEntry): Result<S, void> {
    return untilDone(
      this.#scope,
      () => entry,
      (structure) => this.#scripts.put(structure, entry),
      nothing,
    );
  }

  #add(entry: EncodedEntry): Result<S, boolean> {
    return untilDone(
      this.#scope,
      () => entry,
      (structure) => this.#scripts.add(structure, entry),
      (added) => added === true,
    );
  }

  #change<W, A extends { readonly column: KeyColumn; readonly keeping: Keeping }, T>(
    scripts: CacheScripts<Key, W>,
    prepare: () => A,
    change: (prepared: A) => (current: W | undefined) => W | undefined,
    read: (value: W | undefined) => T,
  ): Result<S, T> {
    return untilDone(
      this.#scope,
      prepare,
      (structure, prepared) => scripts.update(structure, prepared.column, prepared.keeping, change(prepared)),
      (outcome) => read(outcome?.value),
    );
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
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const pages = new Cache<string>(store, 'pages', { ttl: '1h', maxBytes: '100MiB' });
 * pages.set('/', html, { tags: ['home'] });
 * pages.get('/');
 * pages.invalidate('home');
 */
export const Cache: {
  new <V, K extends Key = Key>(store: Store, name: string, options?: CacheOptions): Cache<V, K>;
  new <V, K extends Key = Key>(store: AsyncStore, name: string, options?: CacheOptions): AsyncCache<V, K>;
} = CacheOf;
