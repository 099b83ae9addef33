import type { Key, KeyColumn, StoredKey } from '../../core/key.js';
import { get } from '../../core/script.js';
import type { Observation, Page } from '../../core/store.js';
import { keyPages, type ResolvedRange } from './reader.js';
import type { IndexScripts } from './scripts.js';
import { sql, type EntryRow } from './statements.js';

type ValueRow = readonly [value: unknown];

/** How one key of an index is watched. */
export function keyObservation<K extends Key, V>(
  scripts: IndexScripts<K, V>,
  key: K,
): Observation<ValueRow | undefined, V | undefined> {
  const column = scripts.key(key);
  return {
    interest: () => ({ mode: 0, low: column, high: column }),
    read: (structure) => get(sql.get, structure, column)[Symbol.iterator](),
    same: (a, b) => (a === undefined || b === undefined ? a === b : sameColumn(a[0], b[0])),
    show: (row) => row && scripts.value(row),
  };
}

/** How a range of an index is watched. */
export function rangeObservation<K extends Key, V>(
  scripts: IndexScripts<K, V>,
  { bounds, reverse, limit }: ResolvedRange,
): Observation<Page<KeyColumn, EntryRow>, [StoredKey<K>, V][]> {
  const next = keyPages('entries', bounds, reverse);
  return {
    interest: () => ({ mode: 0, low: bounds.low, high: bounds.high }),
    read: (structure) => next(structure, undefined, Math.min(limit, Number.MAX_SAFE_INTEGER)),
    same: (a, b) => a.length === b.length && a.every(([, row], i) => sameEntry(row, b[i]?.[1])),
    show: (page) => page.map(([, row]) => scripts.entry(row)),
  };
}

function sameEntry(row: EntryRow, other: EntryRow | undefined): boolean {
  return other !== undefined && sameColumn(row[1], other[1]) && sameColumn(row[2], other[2]);
}

function sameColumn(a: unknown, b: unknown): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
}
