import type { ValueColumn } from '../../core/columns.js';
import type { KeyBounds, KeyColumn } from '../../core/key.js';
import { placeMask, places } from '../../core/schema.js';
import { Statement, type Value } from '../../core/statement.js';

/** An entry as the statements below give it back. `place` orders entries by insertion. */
export type EntryRow = [place: number | bigint, key: KeyColumn, value: unknown];

const allColumns = `id & ${placeMask}, key, value`;
/** Without the values, which may be large. */
const keyColumns = `id & ${placeMask}, key, ''`;

/** What an upsert is given; the structure twice. */
export type Upsert = [
  structure: number,
  structure: number,
  key: KeyColumn,
  value: ValueColumn,
  bytes: number,
];

/**
 * A new entry gets the next place; one that is there keeps its own.
 *
 * On SQLite these are VALUES with a subquery, not INSERT … SELECT, which copies its rows to a temporary table first, because there
 * are triggers: it took half as long again. Where `condition` fails, the structure is NULL, and OR IGNORE leaves the row out.
 */
function upsert(condition: string): Statement<Upsert> {
  const conflict =
    'ON CONFLICT (structure, key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes';
  const target = 'INTO entries (id, structure, key, value, bytes)';
  const next = `(SELECT id * ${places} + sequence + 1 FROM structures WHERE id = ?)`;
  return new Statement(
    condition === ''
      ? `INSERT ${target} VALUES (${next}, ?, ?, ?, ?) ${conflict}`
      : `INSERT OR IGNORE ${target} VALUES (${next}, (SELECT id FROM structures WHERE id = ? ${condition}), ?, ?, ?) ${conflict}`,
    // The row of the structure is locked against an observer that joins just now: it would miss this change.
    `WITH s AS (SELECT id FROM structures WHERE id = ? AND id = ? ${condition} FOR KEY SHARE)
     INSERT ${target} SELECT s.id * ${places} + nextval('places'), s.id, CAST(? AS bytea), CAST(? AS bytea), CAST(? AS bigint)
     FROM s ${conflict}`,
  );
}

export const sql = {
  size: new Statement<[structure: number], [size: number]>(
    'SELECT size FROM structures WHERE id = ?',
    'SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM tallies WHERE structure = ?',
  ),
  get: new Statement<[structure: number, key: KeyColumn], [value: unknown]>(
    'SELECT value FROM entries WHERE structure = ? AND key = ?',
  ),
  has: new Statement<[structure: number, key: KeyColumn], [one: number]>(
    'SELECT 1 FROM entries WHERE structure = ? AND key = ?',
  ),
  /** Changes nothing where somebody watches: then they must be rung. */
  setUnwatched: upsert('AND waiting = 0'),
  set: upsert(''),
  deleteUnwatched: new Statement<[structure: number, key: KeyColumn, structure: number]>(
    'DELETE FROM entries WHERE structure = ? AND key = ? AND (SELECT waiting FROM structures WHERE id = ?) = 0',
    // Locked as in `upsert`.
    `WITH unwatched AS (SELECT id FROM structures WHERE id = CAST(? AS bigint) AND waiting = 0 FOR KEY SHARE)
     DELETE FROM entries e USING unwatched u WHERE e.structure = u.id AND e.key = CAST(? AS bytea) AND u.id = CAST(? AS bigint)`,
  ),
  delete: new Statement<[structure: number, key: KeyColumn]>(
    'DELETE FROM entries WHERE structure = ? AND key = ?',
  ),
  /** The place of the newest entry. */
  newest: new Statement<[structure: number, structure: number], [place: number]>(
    `SELECT id & ${placeMask} FROM entries WHERE id >= CAST(? AS bigint) * ${places} AND id < (CAST(? AS bigint) + 1) * ${places}
     ORDER BY id DESC LIMIT 1`,
  ),
  /** Up to some entries that were there when the newest had that place. */
  clear: new Statement<[structure: number, structure: number, newest: number, limit: number]>(
    `DELETE FROM entries WHERE id IN (SELECT id FROM entries
     WHERE id >= CAST(? AS bigint) * ${places} AND id <= CAST(? AS bigint) * ${places} + CAST(? AS bigint) ORDER BY id LIMIT ?)`,
  ),
};

type ByPlace = Statement<[structure: number, place: number, structure: number, limit: number], EntryRow>;

/** Keys beyond 2^53 are exact only as bigints. */
const options = { bigints: true };
const cursor = `CAST(? AS bigint) * ${places} + CAST(? AS bigint)`;

function after(columns: string): ByPlace {
  return new Statement(
    `SELECT ${columns} FROM entries WHERE id > ${cursor} AND id < (CAST(? AS bigint) + 1) * ${places} ORDER BY id LIMIT ?`,
    undefined,
    options,
  );
}

function before(columns: string): ByPlace {
  return new Statement(
    `SELECT ${columns} FROM entries WHERE id < ${cursor} AND id >= CAST(? AS bigint) * ${places} ORDER BY id DESC LIMIT ?`,
    undefined,
    options,
  );
}

/** Entries behind a place in the order of insertion, or before it in reverse. */
export const byPlace = {
  entries: { forward: after(allColumns), reverse: before(allColumns) },
  keys: { forward: after(keyColumns), reverse: before(keyColumns) },
};

const made = new Map<string, Statement<Value[], EntryRow>>();

function remembered(text: string): Statement<Value[], EntryRow> {
  let statement = made.get(text);
  if (statement === undefined) {
    statement = new Statement<Value[], EntryRow>(text, undefined, options);
    made.set(text, statement);
  }
  return statement;
}

/** The part of a condition that bounds the key. Each combination is a text of its own, so that the index is used. */
function bounded({ low, lowInclusive, high, highInclusive }: KeyBounds): string {
  const above = low === null ? '' : ` AND key ${lowInclusive ? '>=' : '>'} ?`;
  const below = high === null ? '' : ` AND key ${highInclusive ? '<=' : '<'} ?`;
  return above + below;
}

/** Entries of a range in the order of keys. */
export function byKey(
  columns: 'entries' | 'keys',
  bounds: KeyBounds,
  reverse: boolean,
): Statement<Value[], EntryRow> {
  const list = columns === 'keys' ? keyColumns : allColumns;
  return remembered(
    `SELECT ${list} FROM entries WHERE structure = ?${bounded(bounds)} ORDER BY key ${reverse ? 'DESC' : 'ASC'} LIMIT ?`,
  );
}

/** Deletes up to some entries of a range that were there when the newest had a certain place. */
export function deleteByKey(bounds: KeyBounds): Statement<Value[]> {
  const last = `id <= CAST(? AS bigint) * ${places} + CAST(? AS bigint)`;
  return remembered(
    `DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE structure = ?${bounded(bounds)} AND ${last} ORDER BY key LIMIT ?)`,
  );
}
