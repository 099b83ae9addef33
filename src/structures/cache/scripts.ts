import {
  Columns,
  fileColumn,
  fileOf,
  keyBytes,
  selfDescribing,
  type ValueColumn,
} from '../../core/columns.js';
import type { Key, KeyColumn, StoredKey } from '../../core/key.js';
import { asyncChange, atOnce, functionOf } from '../../core/options.js';
import { all, get, lock, run, undone, type Script } from '../../core/script.js';
import { isWound, noteClock, windClock } from '../../core/steady.js';
import type { Kind, Result, Scope, ScopeOptions } from '../../core/store.js';
import { tooLargeAtOnce, type ValueFiles } from '../../core/value-files.js';
import { cancel } from './cancelling.js';
import { evict, type Needed } from './evicting.js';
import { defaultLimits, type Keeping, type StoredLimits, type Storing } from './options.js';
import { checkShards } from './sharding.js';
import { sql, type Eviction, type FillRow, type Upsert } from './statements.js';

/** An entry to be stored, in its columns. */
export interface EncodedEntry extends Keeping {
  readonly key: KeyColumn;
  readonly column: ValueColumn;
  readonly bytes: number;
  /** What names the value where it is not in the row. */
  readonly file: string | null;
  /** Whether the column is to go into a file. */
  readonly isLarge: boolean;
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
  readonly #files: ValueFiles | undefined;
  readonly #most: number;
  readonly kind: Kind;

  constructor({ kind, files }: Pick<Scope<Kind>, 'kind' | 'files'>, { fileThreshold, coding }: Storing) {
    this.kind = kind;
    this.#columns = new Columns(kind, coding);
    this.#files = files;
    this.#most = files === undefined ? Infinity : fileThreshold;
  }

  key(key: K): KeyColumn {
    return this.#columns.encodeKey(key, 'key');
  }

  keys(keys: Iterable<K>): KeyColumn[] {
    return this.#columns.encodeKeys(keys);
  }

  value([column]: readonly [column: unknown, ...rest: unknown[]]): V {
    return this.#columns.decodeValue(this.loaded(column));
  }

  /** What a column says, or the file that it refers to. */
  loaded(column: unknown): unknown {
    const ref = fileOf(column);
    if (ref === undefined) return column;
    if (this.#files === undefined) throw tooLargeAtOnce(ref.size);
    return this.#files.read(ref);
  }

  storedKey(column: KeyColumn): StoredKey<K> {
    return this.#columns.decodeKey(column);
  }

  encoded(key: KeyColumn, value: V, { ttl, tags }: Keeping, what = 'value'): EncodedEntry {
    const { column, size } = this.#columns.encodeValue(value, what);
    const isLarge = size > this.#most;
    if (!isLarge) return { key, column, bytes: size + keyBytes(key), ttl, tags, file: null, isLarge };
    const whole = selfDescribing(column);
    return { key, column: whole, bytes: whole.byteLength + keyBytes(key), ttl, tags, file: null, isLarge };
  }

  /** The same entry, with its value in a file if it is large. The file is to be removed where the entry is not stored. */
  filed(entry: EncodedEntry): EncodedEntry {
    if (!entry.isLarge || this.#files === undefined) return entry;
    const ref = this.#files.write(selfDescribing(entry.column));
    return { ...entry, column: fileColumn(ref), file: ref.name, isLarge: false };
  }

  /** Stores an entry by `work`: see {@link withFiles}. What is not stored though nothing is thrown, as `isStored` says, leaves no file either. */
  withFile<S extends Kind, T>(
    scope: Scope<S>,
    entry: EncodedEntry,
    work: (filed: EncodedEntry) => Result<S, T>,
    isStored: (outcome: T) => boolean = () => true,
  ): Result<S, T> {
    if (!entry.isLarge) return work(entry);
    return this.withFiles([entry], ([filed = entry]) =>
      scope.after(work(filed), (outcome) => {
        if (!isStored(outcome)) this.unfile([filed]);
        return outcome;
      }),
    );
  }

  /** Stores entries by `work`, which takes the write lock: the values of large ones are written into files before, and removed should it throw. */
  withFiles<R>(entries: readonly EncodedEntry[], work: (filed: readonly EncodedEntry[]) => R): R {
    const filed: EncodedEntry[] = [];
    // Only an embedded store has files, and it throws.
    try {
      for (const entry of entries) filed.push(this.filed(entry));
      return work(filed);
    } catch (error) {
      this.unfile(filed);
      throw error;
    }
  }

  /** The same as {@link withFile} for `work` that takes its time, and tells whether it has stored the entry. */
  async withFileSoon(entry: EncodedEntry, work: (filed: EncodedEntry) => Promise<boolean>): Promise<void> {
    const filed = this.filed(entry);
    let isStored = false;
    try {
      isStored = await work(filed);
    } finally {
      if (!isStored) this.unfile([filed]);
    }
  }

  /** Removes the files of entries that are not stored. */
  unfile(entries: readonly EncodedEntry[]): void {
    for (const { file } of entries) if (file !== null) this.#files?.remove(file);
  }

  /** The same in a transaction, for a value that is known only there. */
  *#inFile(entry: EncodedEntry): Script<EncodedEntry> {
    const filed = this.filed(entry);
    if (filed.file !== null) yield* undone(() => this.unfile([filed]));
    return filed;
  }

  entries(entries: Iterable<readonly [K, V]>, keeping: Keeping): EncodedEntry[] {
    return this.#columns.encodeEntries(entries, (key, value, what) =>
      this.encoded(key, value, keeping, what),
    );
  }

  row(structure: number, { key, column, bytes, ttl, file }: EncodedEntry): Upsert {
    return [structure, structure, bytes, key, column, bytes, ttl, structure, file];
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
   * Stores an entry, and removes others where there is no room for it: so many, at most, as a transaction is to. Answers `true` once it is stored,
   * `undefined` where there is more to be removed first.
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
    yield* run(sql.set, ...this.row(structure, yield* this.#inFile(entry)));
    if (entry.ttl !== null) yield* noteClock();
    if (entry.tags.length === 0 && (old === undefined || old[2] === null)) return;
    const id = old?.[0] ?? (yield* get(sql.old, structure, entry.key))?.[0] ?? 0;
    yield* run(sql.tagged, entry.tags.length === 0 ? null : 1, id);
    for (const tag of entry.tags) yield* run(sql.addTag, structure, tag, id);
  }

  /** Tells whether it was added; `undefined` where there is more to be removed first. */
  *add(structure: number, entry: EncodedEntry): Script<boolean | undefined> {
    // Before it is locked, too: mostly another has added it in this very moment, and others wait for the lock.
    if ((yield* get(sql.has, structure, entry.key)) !== undefined) return false;
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
      expiresAt: expires === null ? undefined : new Date(Math.round(expires)),
      accessedAt: used === null ? undefined : new Date(used),
      hits,
    };
  }

  *delete(structure: number, keys: readonly KeyColumn[]): Script<number> {
    yield* lock(structure);
    yield* cancel(structure, keys);
    let deleted = 0;
    for (const key of keys) {
      const live = yield* run(sql.delete, structure, key);
      if (live === 0) yield* run(sql.removeKey, structure, key);
      deleted += live;
    }
    return deleted;
  }

  *pop(structure: number, key: KeyColumn): Script<V | undefined> {
    yield* lock(structure);
    yield* cancel(structure, [key]);
    const row = yield* get(sql.get, structure, key);
    yield* run(sql.removeKey, structure, key);
    return row && this.value(row);
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
    const value = atOnce(change(row && this.value(row)), asyncChange);
    if (value === undefined) {
      yield* cancel(structure, [key]);
      yield* run(sql.removeKey, structure, key);
      return { value };
    }
    const entry = this.encoded(key, value, keeping);
    const done = yield* row === undefined ? this.put(structure, entry) : this.#change(structure, entry);
    return done && { value };
  }

  *#change(structure: number, entry: EncodedEntry): Script<true | undefined> {
    const { key, bytes } = entry;
    const [id, before] = (yield* get(sql.old, structure, key)) ?? [0, 0];
    if (!(yield* evict(structure, { id, bytes: bytes - before, entries: 0 }, bytes))) return undefined;
    const { column, file } = yield* this.#inFile(entry);
    yield* run(sql.change, column, bytes, file, structure, key);
    return true;
  }

  /** Those that are given are to be stored together: then all that they need is removed at once. */
  *putAll(structure: number, entries: readonly EncodedEntry[]): Script<void> {
    for (const entry of entries) while ((yield* this.put(structure, entry)) === undefined);
  }
}

/** Has what belongs to the data stored before the first call; `known` hears of the policy that holds. */
export function setting(
  scripts: () => Pick<CacheScripts<Key, unknown>, 'setUp' | 'isSetUp'>,
  known: (eviction: Eviction) => void,
  given: () => readonly [limits: StoredLimits, shards: number | undefined],
): Pick<ScopeOptions, 'setup' | 'ready'> {
  return {
    *setup(structure): Script<void> {
      known(yield* scripts().setUp(structure, ...given()));
    },
    *ready(structure): Script<boolean> {
      const eviction = yield* scripts().isSetUp(structure, ...given());
      if (eviction !== undefined) known(eviction);
      return eviction !== undefined;
    },
  };
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
  const from = current === undefined ? initial : current;
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
