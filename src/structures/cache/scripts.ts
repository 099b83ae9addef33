import { Columns, keyBytes, type ValueColumn } from '../../core/columns.js';
import type { Key, KeyColumn, StoredKey } from '../../core/key.js';
import { functionOf } from '../../core/options.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import { isWound, noteClock, windClock } from '../../core/steady.js';
import type { Kind, Result, Scope } from '../../core/store.js';
import { evict, type Needed } from './evicting.js';
import { defaultLimits, type Keeping, type StoredLimits } from './options.js';
import { checkShards } from './sharding.js';
import { sql, type Eviction, type FillRow, type Upsert } from './statements.js';

/** An entry to be stored, in its columns. */
export interface EncodedEntry extends Keeping {
  readonly key: KeyColumn;
  readonly column: ValueColumn;
  readonly bytes: number;
}

/** An entry, as {@link Cache.entry} shows it. */
export interface CacheEntry<V> {
  readonly value: V;
  /** How many bytes its key and its value take. */
  readonly bytes: number;
  /** In their order. */
  readonly tags: readonly string[];
  readonly storedAt: Date;
  /** `undefined` where it never expires. */
  readonly expiresAt: Date | undefined;
  /** When it was read last, as far as that is written: only where the eviction goes by it. */
  readonly accessedAt: Date | undefined;
  /** How often it was read since it was stored, as far as that is written: only where the eviction goes by it. */
  readonly hits: number;
}

/** What a cache does in several statements, and how its rows are read. */
export class CacheScripts<K extends Key, V> {
  readonly #columns: Columns<K, V>;
  readonly kind: Kind;

  constructor(kind: Kind) {
    this.kind = kind;
    this.#columns = new Columns(kind);
  }

  key(key: K): KeyColumn {
    return this.#columns.encodeKey(key, 'key');
  }

  keys(keys: Iterable<K>): KeyColumn[] {
    return this.#columns.encodeKeys(keys);
  }

  value([column]: readonly [column: unknown, ...rest: unknown[]]): V {
    return this.#columns.decodeValue(column);
  }

  storedKey(column: KeyColumn): StoredKey<K> {
    return this.#columns.decodeKey(column);
  }

  encoded(key: KeyColumn, value: V, { ttl, tags }: Keeping, what = 'value'): EncodedEntry {
    const { column, size } = this.#columns.encodeValue(value, what);
    return { key, column, bytes: size + keyBytes(key), ttl, tags };
  }

  entries(entries: Iterable<readonly [K, V]>, keeping: Keeping): EncodedEntry[] {
    return this.#columns.encodeEntries(entries, (key, value, what) =>
      this.encoded(key, value, keeping, what),
    );
  }

  row(structure: number, { key, column, bytes, ttl }: EncodedEntry): Upsert {
    return [structure, structure, bytes, key, column, bytes, ttl, structure];
  }

  /** What there is of {@link CacheScripts.setUp} by reading alone: `undefined` where something is to be changed. */
  *isSetUp(structure: number, given: StoredLimits, shards: number | undefined): Script<Eviction | undefined> {
    const row = yield* get(sql.fill, structure);
    if (row !== undefined) checkShards(shards, row[5]);
    return row !== undefined && isSame(row, limitsOf(row, given)) && (yield* isWound()) ? row[0] : undefined;
  }

  /** Stores what belongs to the data, and makes the ranks anew if they are others. */
  *setUp(structure: number, given: StoredLimits, shards: number | undefined): Script<Eviction> {
    yield* windClock();
    yield* lock(structure);
    const row = yield* get(sql.fill, structure);
    if (row !== undefined) checkShards(shards, row[5]);
    const next = limitsOf(row, given);
    if (row !== undefined && isSame(row, next)) return row[0];
    yield* run(sql.configure, structure, ...next, shards ?? 1);
    if (row !== undefined && next[0] !== row[0]) yield* run(sql.rerank, structure);
    return next[0];
  }

  /**
   * Stores an entry, and removes others where there is no room for it: so many, at most, as a transaction is to. Answers `true` once it is stored, `undefined` where there is more to be removed first.
   */
  *put(structure: number, entry: EncodedEntry): Script<true | undefined> {
    yield* lock(structure);
    const old = yield* get(sql.old, structure, entry.key);
    const needed: Needed = {
      id: old?.[0],
      bytes: entry.bytes - (old?.[1] ?? 0),
      entries: old === undefined ? 1 : 0,
    };
    if (!(yield* evict(structure, needed, entry.bytes))) return undefined;
    yield* this.#write(structure, entry, old);
    return true;
  }

  *#write(
    structure: number,
    entry: EncodedEntry,
    old: readonly [id: number, bytes: number, tagged: number | null] | undefined,
  ): Script<void> {
    if (old !== undefined && old[2] !== null) yield* run(sql.removeTags, old[0]);
    yield* run(sql.set, ...this.row(structure, entry));
    if (entry.ttl !== null) yield* noteClock();
    if (entry.tags.length === 0 && (old === undefined || old[2] === null)) return;
    const id = old?.[0] ?? (yield* get(sql.old, structure, entry.key))?.[0] ?? 0;
    yield* run(sql.tagged, entry.tags.length === 0 ? null : 1, id);
    for (const tag of entry.tags) yield* run(sql.addTag, structure, tag, id);
  }

  /** Tells whether it was added; `undefined` where there is more to be removed first. */
  *add(structure: number, entry: EncodedEntry): Script<boolean | undefined> {
    yield* lock(structure);
    if ((yield* get(sql.has, structure, entry.key)) !== undefined) return false;
    return yield* this.put(structure, entry);
  }

  /** @param heard - Hears of each key whether it is there. */
  *getMany(
    structure: number,
    keys: readonly KeyColumn[],
    heard: (key: KeyColumn, row: readonly [unknown] | undefined) => void,
  ): Script<(V | undefined)[]> {
    const values: (V | undefined)[] = [];
    for (const key of keys) {
      const row = yield* get(sql.get, structure, key);
      heard(key, row);
      values.push(row && this.value(row));
    }
    return values;
  }

  *entry(structure: number, key: KeyColumn): Script<CacheEntry<V> | undefined> {
    const row = yield* get(sql.entry, structure, key);
    if (row === undefined) return undefined;
    const [, bytes, stored, expires, used, hits, id] = row;
    const tags = (yield* all(sql.tags, id)).map(([tag]) => tag);
    return {
      value: this.value(row),
      bytes,
      tags,
      storedAt: new Date(stored),
      expiresAt: expires === null ? undefined : new Date(expires),
      accessedAt: used === null ? undefined : new Date(used),
      hits,
    };
  }

  *delete(structure: number, keys: readonly KeyColumn[]): Script<number> {
    yield* lock(structure);
    let deleted = 0;
    for (const key of keys) deleted += yield* run(sql.delete, structure, key);
    return deleted;
  }

  *pop(structure: number, key: KeyColumn): Script<V | undefined> {
    yield* lock(structure);
    const row = yield* get(sql.get, structure, key);
    if (row === undefined) return undefined;
    yield* run(sql.delete, structure, key);
    return this.value(row);
  }

  /**
   * Replaces a value by one that is worked out from it; what is there keeps its time and its tags. `undefined` deletes it. Answers `undefined` where there is more to be
   * removed first.
   */
  *update(
    structure: number,
    key: KeyColumn,
    keeping: Keeping,
    change: (current: V | undefined) => V | undefined,
  ): Script<{ readonly value: V | undefined } | undefined> {
    functionOf('change', change);
    yield* lock(structure);
    const row = yield* get(sql.get, structure, key);
    const value = change(row && this.value(row));
    if (value === undefined) {
      if (row !== undefined) yield* run(sql.delete, structure, key);
      return { value };
    }
    const entry = this.encoded(key, value, keeping);
    const done = yield* row === undefined ? this.put(structure, entry) : this.#change(structure, entry);
    return done && { value };
  }

  *#change(structure: number, { key, column, bytes }: EncodedEntry): Script<true | undefined> {
    const [id, before] = (yield* get(sql.old, structure, key)) ?? [0, 0];
    if (!(yield* evict(structure, { id, bytes: bytes - before, entries: 0 }, bytes))) return undefined;
    yield* run(sql.change, column, bytes, structure, key);
    return true;
  }

  /** Those that are given are to be stored together: then all that they need is removed at once. */
  *putAll(structure: number, entries: readonly EncodedEntry[]): Script<void> {
    for (const entry of entries) while ((yield* this.put(structure, entry)) === undefined);
  }
}

type Limits = readonly [eviction: Eviction, mostBytes: number, mostEntries: number];

/** What is given, else what is stored, else what holds where nothing is. */
function limitsOf(row: FillRow | undefined, given: StoredLimits): Limits {
  const { eviction, mostBytes, mostEntries } = defaultLimits;
  const [storedEviction, storedBytes, storedEntries] = row ?? [eviction, mostBytes, mostEntries];
  return [
    given.eviction ?? storedEviction,
    given.mostBytes ?? storedBytes,
    given.mostEntries ?? storedEntries,
  ];
}

const isSame = (row: FillRow, next: Limits): boolean => next.every((limit, i) => limit === row[i]);

/** What a number becomes that is to be increased. */
export function increased(current: unknown, by: number, initial: number): number {
  const from = current ?? initial;
  if (typeof from !== 'number') throw new TypeError('the value is no number: it can’t be incremented');
  const next = from + by;
  if (!Number.isFinite(next)) throw new RangeError(`${from} + ${by} is more than a number can hold`);
  return next;
}

/** Runs a script again, each time in a transaction of its own, until it answers something: what needs much room then never holds the write lock for long. */
export function untilDone<S extends Kind, A, T, U>(
  scope: Scope<S>,
  prepare: () => A,
  script: (structure: number, prepared: A) => Script<T | undefined>,
  read: (outcome: T | undefined) => U,
): Result<S, U> {
  let outcome: T | undefined;
  return scope.repeat(
    prepare,
    function* (structure, _state: true | undefined, prepared): Script<true | undefined> {
      outcome = yield* script(structure, prepared);
      return outcome === undefined ? true : undefined;
    },
    () => read(outcome),
  );
}
