import type { Key, KeyColumn, StoredKey } from '../../core/key.js';
import { finiteNumber, type Duration } from '../../core/options.js';
import { get, run, undone, type Script } from '../../core/script.js';
import { nothing, type Kind, type Result, type Scope, type Sequence } from '../../core/store.js';
import { Flights } from './flights.js';
import { keepTidy } from './keeper.js';
import {
  resolveSet,
  resolveStats,
  type CacheStats,
  type IncrementOptions,
  type Keeping,
  type ResolvedCache,
  type ResolvedKeys,
  type SetOptions,
} from './options.js';
import type { Elsewhere } from './parts.js';
import { insertionPages, prefixPages, tagPages } from './reader.js';
import { clearSome, cullSome, expireSome, invalidateSome, type Removal } from './removing.js';
import { CacheScripts, increased, untilDone, type CacheEntry, type EncodedEntry } from './scripts.js';
import { columnOf, Moved, type Layout } from './sharding.js';
import { emptyFill, sql, type Eviction, type FillRow, type ListedRow } from './statements.js';
import { Storer } from './storer.js';
import { Streams } from './streams.js';
import { Uses, writeUses } from './uses.js';

/** A layout, with the shards of it that were used here. */
export interface OpenLayout<S extends Kind, V, K extends Key> extends Layout {
  readonly parts: Shard<S, V, K>[];
  /** In place of those that are not there, and can't be made. */
  absent: Shard<S, V, K> | undefined;
}

/** What a cache does in one database. {@link Cache} says what each method is for. */
export class Shard<S extends Kind, V, K extends Key> {
  readonly flights: Flights<S, V, Key>;
  readonly streams: Streams<S, V>;
  readonly uses: Uses<S>;
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<Key, V>;
  readonly #listing: CacheScripts<K, V>;
  readonly #numbers: CacheScripts<Key, number>;
  readonly #ttl: number | null;
  readonly #storer: Storer<S>;

  constructor(scope: Scope<S>, { ttl, statistics, storing }: ResolvedCache, elsewhere: Elsewhere<V>) {
    const scripts = new CacheScripts<Key, V>(scope, storing);
    const uses = new Uses(scope, statistics);
    keepTidy(uses);
    this.#scope = scope;
    this.uses = uses;
    this.#scripts = scripts;
    this.#listing = new CacheScripts(scope, storing);
    this.#numbers = new CacheScripts(scope, storing);
    this.#ttl = ttl;
    this.#storer = new Storer(scope, scripts);
    this.flights = new Flights({ scope, scripts, uses, elsewhere });
    this.streams = new Streams({ scope, scripts, uses, elsewhere }, ttl, storing);
  }

  /** As it is stored. */
  set eviction(eviction: Eviction) {
    this.uses.eviction = eviction;
  }

  /** Has what belongs to the data stored. */
  prepare(): void {
    void this.#scope.after(this.size, nothing);
  }

  get size(): Result<S, number> {
    return this.#fill(([, , , , entries]) => entries);
  }

  get bytes(): Result<S, number> {
    return this.#fill(([, , , bytes]) => bytes);
  }

  get(key: Key): Result<S, V | undefined> {
    let column: KeyColumn = '';
    return this.#scope.one(
      sql.look,
      () => (column = this.#scripts.key(key)),
      (structure) => [structure, column, structure],
      (row) => {
        const found = columnOf(row);
        return this.uses.found(column, found) ? this.#scripts.value([found]) : undefined;
      },
    );
  }

  has(key: Key): Result<S, boolean> {
    return this.#scope.one(
      sql.lookWhether,
      () => this.#scripts.key(key),
      (structure, column) => [structure, column, structure],
      (row) => columnOf(row) !== undefined,
    );
  }

  getMany(columns: () => readonly KeyColumn[]): Result<S, (V | undefined)[]> {
    return this.#scope.read(columns, (structure, all) =>
      this.#scripts.getMany(structure, all, (column, row) => this.uses.found(column, row)),
    );
  }

  entry(key: Key): Result<S, CacheEntry<V> | undefined> {
    return this.#scope.read(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.entry(structure, column),
    );
  }

  stats(options: { readonly reset?: boolean | undefined } = {}): Result<S, CacheStats> {
    const uses = this.uses;
    const prepare = (): boolean => resolveStats(options);
    // What could be added to what is stored there is none.
    if (this.#scope.readonly && options.reset !== true) return this.#scope.read(prepare, statsOf);
    return this.#scope.write(prepare, function* (structure, reset): Script<CacheStats> {
      const taken = uses.take();
      yield* undone(() => {
        uses.giveBack(taken);
      });
      yield* writeUses(structure, taken);
      const stats = yield* statsOf(structure);
      if (reset) yield* run(sql.resetCounts, structure);
      return stats;
    });
  }

  expire(): Result<S, number> {
    return this.#removeAll(expireSome);
  }

  cull(): Result<S, number> {
    return this.#removeAll(cullSome);
  }

  invalidate(tags: () => readonly string[]): Result<S, number> {
    return this.#scope.repeat(
      tags,
      (structure, state: Removal | undefined, all) => invalidateSome(structure, state, all),
      (state) => state?.count ?? 0,
    );
  }

  clear(): Result<S, number> {
    return this.#scope.repeat(
      nothing,
      (structure, state: Removal | undefined) => clearSome(structure, state),
      (state) => state?.count ?? 0,
    );
  }

  keys({ reverse, tag, prefix }: ResolvedKeys): Sequence<S, StoredKey<K>> {
    const read = ([, key]: ListedRow): StoredKey<K> => this.#listing.storedKey(key);
    if (prefix !== undefined) return this.#scope.pages(prefixPages(prefix, reverse, this.#scope.kind), read);
    return this.#scope.pages(
      tag === undefined ? insertionPages('keys', reverse) : tagPages(tag, reverse),
      read,
    );
  }

  values(reverse: boolean): Sequence<S, V> {
    const pages = insertionPages('entries', reverse);
    return this.#scope.pages(pages, ([, , value]) => this.#scripts.value([value]));
  }

  entries(reverse: boolean): Sequence<S, [StoredKey<K>, V]> {
    const pages = insertionPages('entries', reverse);
    return this.#scope.pages(pages, ([, key, value]): [StoredKey<K>, V] => [
      this.#listing.storedKey(key),
      this.#scripts.value([value]),
    ]);
  }

  set(key: Key, value: V, options?: SetOptions): Result<S, void> {
    return this.#scope.chain(this.#encoded(key, value, options), (entry) => this.#storer.set(entry));
  }

  /** Entries that were given, as {@link setMany} takes them. */
  encodedEntries(entries: Iterable<readonly [Key, V]>, options: SetOptions | undefined): EncodedEntry[] {
    return this.#scripts.entries(entries, resolveSet(options, this.#ttl));
  }

  setMany(entries: () => readonly EncodedEntry[]): Result<S, void> {
    return this.#scope.chain(this.#scope.settled(entries), (all) => this.#storer.setMany(all));
  }

  add(key: Key, value: V, options?: SetOptions): Result<S, boolean> {
    return this.#scope.chain(this.#encoded(key, value, options), (entry) => this.#storer.add(entry));
  }

  touch(key: Key, ttl?: Duration): Result<S, boolean> {
    const prepared = this.#scope.settled(() => this.#prepared(key, { ttl }));
    return this.#scope.chain(prepared, ({ column, keeping }) => this.#storer.touch(column, keeping));
  }

  pop(key: Key): Result<S, V | undefined> {
    return this.#scope.write(
      () => this.#scripts.key(key),
      (structure, column) => this.#scripts.pop(structure, column),
    );
  }

  delete(key: Key): Result<S, boolean> {
    const scripts = this.#scripts;
    return this.#scope.quick(
      sql.deleteQuickly,
      () => scripts.key(key),
      (structure, column) => [structure, column],
      () => true,
      function* (structure, column): Script<boolean> {
        return (yield* scripts.delete(structure, [column])) > 0;
      },
    );
  }

  deleteMany(columns: () => readonly KeyColumn[]): Result<S, number> {
    return this.#scope.write(columns, (structure, all) => this.#scripts.delete(structure, all));
  }

  increment(key: Key, by: number, options?: IncrementOptions): Result<S, number> {
    return this.#increase(key, by, 1, options);
  }

  decrement(key: Key, by: number, options?: IncrementOptions): Result<S, number> {
    return this.#increase(key, by, -1, options);
  }

  update(
    key: Key,
    change: (current: V | undefined) => V | undefined,
    options?: SetOptions,
  ): Result<S, V | undefined> {
    return untilDone(
      this.#scope,
      () => this.#prepared(key, options),
      (structure, { column, keeping }) => this.#scripts.update(structure, column, keeping, change),
      (outcome) => outcome?.value,
    );
  }

  #increase(key: Key, by: number, sign: 1 | -1, options: IncrementOptions | undefined): Result<S, number> {
    const prepared = this.#scope.settled(() => {
      finiteNumber('by', by);
      const initial = options?.initial ?? 0;
      finiteNumber('initial', initial);
      return { ...this.#prepared(key, options, ['initial']), initial };
    });
    return this.#scope.chain(prepared, ({ initial, ...entry }) =>
      this.#storer.increase(this.#numbers, entry, (current) => increased(current, sign * by, initial)),
    );
  }

  #fill<T>(read: (row: FillRow) => T): Result<S, T> {
    return this.#scope.one(
      sql.fill,
      nothing,
      (structure) => [structure],
      (row = emptyFill) => {
        // The row stays in the main database when the entries have gone.
        if (row[5] > 1) throw new Moved();
        return read(row);
      },
    );
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

  #encoded(key: Key, value: V, options: SetOptions | undefined): Result<S, EncodedEntry> {
    return this.#scope.settled(() =>
      this.#scripts.encoded(this.#scripts.key(key), value, resolveSet(options, this.#ttl)),
    );
  }

  #prepared(
    key: Key,
    options: SetOptions | undefined,
    others?: readonly string[],
  ): { readonly column: KeyColumn; readonly keeping: Keeping } {
    return { column: this.#scripts.key(key), keeping: resolveSet(options, this.#ttl, others) };
  }
}

function* statsOf(structure: number): Script<CacheStats> {
  const [hits, misses, evictions, expirations] = (yield* get(sql.counts, structure)) ?? [0, 0, 0, 0];
  return { hits, misses, evictions, expirations };
}
