import { Columns, keyBytes, type ValueColumn } from '../../core/columns.js';
import type { Key, KeyBounds, KeyColumn, KeyRange, StoredKey } from '../../core/key.js';
import { asyncChange, atOnce, functionOf } from '../../core/options.js';
import { get, lock, run, type Script } from '../../core/script.js';
import type { Kind } from '../../core/store.js';
import { announce, announceAll } from '../../core/announcing.js';
import { everything, insertionPages, keyPages, parameters, resolveBounds } from './reader.js';
import { deleteByKey, sql, type EntryRow, type Upsert } from './statements.js';

/** How many entries a transaction deletes at most: a few milliseconds of the write lock. */
const batch = 500;

/** How far a clearing has come: the place of the newest entry when it began, and how many were deleted. */
export interface Clearing {
  readonly newest: number;
  readonly count: number;
}

/** An entry in its columns. */
export interface EncodedEntry {
  readonly key: KeyColumn;
  readonly column: ValueColumn;
  readonly bytes: number;
}

/** An entry that there is to be under a key, unless there is one. */
export interface Default {
  readonly key: KeyColumn;
  readonly make: () => EncodedEntry;
}

/** What an index does in several statements, and how its rows are read. */
export class IndexScripts<K extends Key, V> {
  readonly #kind: Kind;
  readonly #columns: Columns<K, V>;
  readonly #order: 'insertion' | 'key';

  constructor(kind: Kind, order: 'insertion' | 'key') {
    this.#kind = kind;
    this.#columns = new Columns(kind);
    this.#order = order;
  }

  key(key: K): KeyColumn {
    return this.#columns.encodeKey(key, 'key');
  }

  bounds(range: KeyRange<K>): KeyBounds {
    return resolveBounds(range, this.#kind);
  }

  value([column]: readonly [column: unknown]): V {
    return this.#columns.decodeValue(column);
  }

  storedKey([, key]: EntryRow): StoredKey<K> {
    return this.#columns.decodeKey(key);
  }

  entryValue([, , value]: EntryRow): V {
    return this.#columns.decodeValue(value);
  }

  entry([, key, value]: EntryRow): [StoredKey<K>, V] {
    return [this.#columns.decodeKey(key), this.#columns.decodeValue(value)];
  }

  encoded(key: KeyColumn, value: V, what = 'value'): EncodedEntry {
    const { column, size } = this.#columns.encodeValue(value, what);
    return { key, column, bytes: size + keyBytes(key) };
  }

  row(structure: number, { key, column, bytes }: EncodedEntry): Upsert {
    return [structure, structure, key, column, bytes];
  }

  /** Entries that were given to be iterated. */
  encodedEntries(entries: Iterable<readonly [K, V]>): EncodedEntry[] {
    return this.#columns.encodeEntries(entries, (key, value, what) => this.encoded(key, value, what));
  }

  /** Keys that were given to be iterated. */
  encodedKeys(keys: Iterable<K>): KeyColumn[] {
    return this.#columns.encodeKeys(keys);
  }

  *getMany(structure: number, keys: readonly KeyColumn[]): Script<(V | undefined)[]> {
    const values: (V | undefined)[] = [];
    for (const key of keys) {
      const row = yield* get(sql.get, structure, key);
      values.push(row && this.value(row));
    }
    return values;
  }

  *put(structure: number, entry: EncodedEntry): Script<void> {
    yield* run(sql.set, ...this.row(structure, entry));
    yield* announce(structure, [entry.key]);
  }

  *setMany(structure: number, entries: readonly EncodedEntry[]): Script<void> {
    yield* lock(structure);
    for (const entry of entries) yield* run(sql.set, ...this.row(structure, entry));
    yield* announce(
      structure,
      entries.map(({ key }) => key),
    );
  }

  /** What {@link setDefault} is given. A plain value is taken as it is now; a function is called only if need be. */
  defaultOf(given: K, value: V | (() => V)): Default {
    const key = this.key(given);
    if (isFunction(value)) return { key, make: () => this.encoded(key, value()) };
    const entry = this.encoded(key, value);
    return { key, make: () => entry };
  }

  *setDefault(structure: number, { key, make }: Default): Script<V> {
    const row = yield* this.#locked(structure, key);
    if (row !== undefined) return this.value(row);
    const entry = make();
    yield* this.put(structure, entry);
    return this.value([entry.column]);
  }

  *update(
    structure: number,
    key: KeyColumn,
    change: (current: V | undefined) => V | undefined,
  ): Script<V | undefined> {
    functionOf('change', change);
    const row = yield* this.#locked(structure, key);
    const next = atOnce(change(row && this.value(row)), asyncChange);
    if (next !== undefined) yield* this.put(structure, this.encoded(key, next));
    else if (row !== undefined) yield* this.delete(structure, key);
    return next;
  }

  /** The row of a key, with the structure to itself: nobody else changes or adds it until the transaction ends. */
  *#locked(structure: number, key: KeyColumn): Script<readonly [unknown] | undefined> {
    yield* lock(structure);
    return yield* get(sql.get, structure, key);
  }

  /** Locks come in one order everywhere, the structure before its rows, or those who go two ways would wait for each other. */
  *delete(structure: number, key: KeyColumn): Script<boolean> {
    yield* lock(structure);
    const deleted = (yield* run(sql.delete, structure, key)) > 0;
    if (deleted) yield* announce(structure, [key]);
    return deleted;
  }

  *deleteMany(structure: number, keys: readonly KeyColumn[]): Script<number> {
    let count = 0;
    for (const key of keys) if (yield* this.delete(structure, key)) count++;
    return count;
  }

  *deleteRange(
    structure: number,
    state: Clearing | undefined,
    bounds: KeyBounds,
  ): Script<Clearing | undefined> {
    yield* lock(structure);
    const newest = yield* this.#newest(structure, state);
    const parts = [...parameters(structure, bounds), structure, newest, batch];
    return yield* this.#cleared(structure, newest, state, yield* run(deleteByKey(bounds), ...parts));
  }

  *clear(structure: number, state: Clearing | undefined): Script<Clearing | undefined> {
    yield* lock(structure);
    const newest = yield* this.#newest(structure, state);
    const deleted = yield* run(sql.clear, structure, structure, newest, batch);
    return yield* this.#cleared(structure, newest, state, deleted);
  }

  /** What is added after the beginning stays, or there would be no end while others add. */
  *#newest(structure: number, state: Clearing | undefined): Script<number> {
    return state?.newest ?? (yield* get(sql.newest, structure, structure))?.[0] ?? 0;
  }

  *#cleared(
    structure: number,
    newest: number,
    state: Clearing | undefined,
    deleted: number,
  ): Script<Clearing | undefined> {
    if (deleted === 0) return undefined;
    yield* announceAll(structure);
    return { newest, count: (state?.count ?? 0) + deleted };
  }

  *pop(structure: number, key: KeyColumn): Script<V | undefined> {
    const row = yield* this.#locked(structure, key);
    if (row === undefined) return undefined;
    yield* this.delete(structure, key);
    return this.value(row);
  }

  *#end(structure: number, reverse: boolean): Script<EntryRow | undefined> {
    const page =
      this.#order === 'key'
        ? yield* keyPages('entries', everything, reverse)(structure, undefined, 1)
        : yield* insertionPages('entries', reverse)(structure, undefined, 1);
    return page[0]?.[1];
  }

  *popEnd(structure: number, reverse: boolean): Script<[StoredKey<K>, V] | undefined> {
    yield* lock(structure);
    const row = yield* this.#end(structure, reverse);
    if (row === undefined) return undefined;
    yield* this.delete(structure, row[1]);
    return this.entry(row);
  }
}

function isFunction<V>(value: V | (() => V)): value is () => V {
  return typeof value === 'function';
}
