import type { Key, KeyColumn, StoredKey } from '../../core/key.js';
import { resolveReverse, type IterationOptions } from '../../core/options.js';
import { get, run, type Script } from '../../core/script.js';
import {
  asyncSequence,
  nothing,
  syncSequence,
  type Kind,
  type Result,
  type Scope,
  type Sequence,
  type SyncSequence,
} from '../../core/store.js';
import { resolveKeys, resolveStats, resolveTags, type CacheKeysOptions, type CacheStats } from './options.js';
import { insertionPages, prefixPages, tagPages } from './reader.js';
import { clearSome, cullSome, expireSome, invalidateSome, type Removal } from './removing.js';
import type { CacheEntry, CacheScripts } from './scripts.js';
import { emptyFill, sql, type FillRow, type ListedRow } from './statements.js';
import { writeUses, type Uses } from './uses.js';

/** What a cache works with. */
export interface CacheParts<S extends Kind, V, K extends Key> {
  readonly scope: Scope<S>;
  readonly scripts: CacheScripts<K, V>;
  readonly uses: Uses<S>;
}

/** How a cache is read, and what removes entries: {@link Cache} adds what stores them. */
export class CacheReading<S extends Kind, V, K extends Key> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<K, V>;
  readonly #uses: Uses<S>;

  constructor({ scope, scripts, uses }: CacheParts<S, V, K>) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#uses = uses;
  }

  /** How many entries there are, with those that have expired and were not removed yet. Costs the same for any number of them. */
  get size(): Result<S, number> {
    return this.#fill(([, , , , entries]) => entries);
  }

  /** How many bytes their keys and values take, without the database's own overhead. Costs the same for any number of them. */
  get bytes(): Result<S, number> {
    return this.#fill(([, , , bytes]) => bytes);
  }

  /** The value of `key`, a copy; `undefined` when there is none, or it has expired. @throws `TypeError`, `RangeError` when `key` is none. */
  get(key: K): Result<S, V | undefined> {
    let column: KeyColumn = '';
    return this.#scope.one(
      sql.get,
      () => (column = this.#scripts.key(key)),
      (structure) => [structure, column],
      (row) => (this.#found(column, row) ? this.#scripts.value(row) : undefined),
    );
  }

  /** Whether there is an entry for `key` that has not expired; its value may be `undefined`. It does not count as reading it. */
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
      () => this.#scripts.keys(keys),
      (structure, columns) =>
        this.#scripts.getMany(structure, columns, (column, row) => this.#found(column, row)),
    );
  }

  /** What is known of the entry of `key`; `undefined` when there is none, or it has expired. It does not count as reading it. */
  entry(key: K): Result<S, CacheEntry<V> | undefined> {
    return this.#scope.read(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.entry(structure, column),
    );
  }

  /** What was counted since the counts were reset. @throws `TypeError` for options that don't exist. */
  stats(options: { readonly reset?: boolean | undefined } = {}): Result<S, CacheStats> {
    return this.#scope.write(
      () => ({ reset: resolveStats(options), taken: this.#uses.take() }),
      function* (structure, { reset, taken }): Script<CacheStats> {
        yield* writeUses(structure, taken);
        const [hits, misses, evictions, expirations] = (yield* get(sql.counts, structure)) ?? [0, 0, 0, 0];
        if (reset) yield* run(sql.resetCounts, structure);
        return { hits, misses, evictions, expirations };
      },
    );
  }

  /** Removes what has expired; tells how many entries that were. It is done by itself, too, a few seconds later. Many are removed in batches, each a transaction of its own. */
  expire(): Result<S, number> {
    return this.#removeAll(expireSome);
  }

  /** Removes what has expired, and what there is too much of, say since the limits are lower now; tells how many entries that were. In batches, like {@link expire}. */
  cull(): Result<S, number> {
    return this.#removeAll(cullSome);
  }

  /** Removes the entries that have one of some tags; tells how many there were. In batches, like {@link expire}. */
  invalidate(tags: string | Iterable<string>): Result<S, number> {
    return this.#scope.repeat(
      () => resolveTags(typeof tags === 'string' ? [tags] : tags),
      (structure, state: Removal | undefined, all) => invalidateSome(structure, state, all),
      (state) => state?.count ?? 0,
    );
  }

  /** Removes all entries that are there when it begins; tells how many there were. In batches, like {@link expire}. */
  clear(): Result<S, number> {
    return this.#scope.repeat(
      nothing,
      (structure, state: Removal | undefined) => clearSome(structure, state),
      (state) => state?.count ?? 0,
    );
  }

  /**
   * Iterates over the keys of what has not expired, in the order of insertion. Others, and the loop itself, may write meanwhile: what is deleted ahead is not yielded, what is added
   * behind is, and nothing is yielded twice, unless it is deleted and set again. Reads in batches. It does not count as reading the entries.
   *
   * @throws `TypeError` when both a tag and a prefix are given.
   */
  keys(options?: CacheKeysOptions): Sequence<S, StoredKey<K>> {
    const { reverse, tag, prefix } = resolveKeys(options);
    const read = ([, key]: ListedRow): StoredKey<K> => this.#scripts.storedKey(key);
    if (prefix !== undefined) return this.#scope.pages(prefixPages(prefix, reverse, this.#scope.kind), read);
    return this.#scope.pages(
      tag === undefined ? insertionPages('keys', reverse) : tagPages(tag, reverse),
      read,
    );
  }

  /** Iterates over the values, like {@link keys}. */
  values(options?: IterationOptions): Sequence<S, V> {
    const pages = insertionPages('entries', resolveReverse(options));
    return this.#scope.pages(pages, ([, , value]) => this.#scripts.value([value]));
  }

  /** Iterates over the entries, like {@link keys}. */
  entries(options?: IterationOptions): Sequence<S, [StoredKey<K>, V]> {
    const pages = insertionPages('entries', resolveReverse(options));
    return this.#scope.pages(pages, ([, key, value]): [StoredKey<K>, V] => [
      this.#scripts.storedKey(key),
      this.#scripts.value([value]),
    ]);
  }

  /** Iterates over the entries. On a server store: with `for await`. */
  [Symbol.iterator](): SyncSequence<S, [StoredKey<K>, V]> {
    return syncSequence(this.#scope, this.entries());
  }

  /** Iterates over the entries with `for await`, on both kinds of store. */
  [Symbol.asyncIterator](): AsyncIterableIterator<[StoredKey<K>, V]> {
    return asyncSequence(this.entries());
  }

  #fill<T>(read: (row: FillRow) => T): Result<S, T> {
    return this.#scope.one(
      sql.fill,
      nothing,
      (structure) => [structure],
      (row) => read(row ?? emptyFill),
    );
  }

  /** Counts whether something was found. */
  #found<R>(key: KeyColumn, row: R | undefined): row is R {
    if (row === undefined) this.#uses.miss();
    else this.#uses.hit(key);
    return row !== undefined;
  }

  #removeAll(some: (structure: number) => Script<number>): Result<S, number> {
    return this.#scope.repeat(
      nothing,
      function* (structure, count: number | undefined): Script<number | undefined> {
        const removed = yield* some(structure);
        return removed === 0 ? undefined : (count ?? 0) + removed;
      },
      (count) => count ?? 0,
    );
  }
}
