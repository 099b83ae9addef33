import type { ValueColumn } from '../../core/columns.js';
import { placeMask, places } from '../../core/schema.js';
import { Statement } from '../../core/statement.js';

/** An item, and its place: the number of the row less the structure's share of it, so that it fits a double. */
export type ItemRow = [place: number, value: unknown];

/** Where a deque begins: in the middle of its places, with as many to the left as to the right. */
const middle = places / 2;

const start = `CAST(? AS bigint) * ${places}`;
const end = `(CAST(? AS bigint) + 1) * ${places}`;
/** Row numbers of a deque's ends. Each takes the structure twice. */
const firstId = `(SELECT id FROM items WHERE id >= ${start} AND id < ${end} ORDER BY id LIMIT 1)`;
const lastId = `(SELECT id FROM items WHERE id >= ${start} AND id < ${end} ORDER BY id DESC LIMIT 1)`;

type Within = [structure: number, structure: number];

/** What a push is given: the same number of bytes for the item, for the running total, and as its span; the structure wherever it is asked for. */
export type Push = [
  ...Within,
  structure: number,
  value: ValueColumn,
  bytes: number,
  ...Within,
  added: number,
  span: number,
  structure: number,
];

/**
 * Adds an item next to an end. `upto` is the running total of bytes up to an item and with it: to the left of the first it
 * is what the first one started from.
 *
 * VALUES with subqueries, not INSERT … SELECT, which SQLite copies to a temporary table first, since it reads what it writes to.
 * Where `condition` fails, the span is NULL, and OR IGNORE leaves the row out.
 */
function add(direction: 'push' | 'unshift', condition: string): Statement<Push> {
  const push = direction === 'push';
  const neighbour = (column: string): string =>
    `(SELECT ${column} FROM items WHERE id >= ${start} AND id < ${end} ORDER BY id ${push ? 'DESC' : ''} LIMIT 1)`;
  const id = `coalesce(${neighbour(push ? 'id + 1' : 'id - 1')}, ${start} + ${middle})`;
  const upto = `coalesce(${neighbour(push ? 'upto' : 'upto - span')}, 0) + ${push ? '' : '0 * '}CAST(? AS bigint)`;
  const target = 'INTO items (id, value, bytes, upto, span)';
  const span = `SELECT CAST(? AS bigint) FROM structures WHERE id = ? ${condition}`;
  return new Statement(
    `INSERT ${condition && 'OR IGNORE'} ${target} VALUES (${id}, ?, CAST(? AS bigint), ${upto}, (${span}))`,
    // There it is no detour, and NULL would be an error.
    `INSERT ${target} SELECT ${id}, CAST(? AS bytea), CAST(? AS bigint), ${upto}, s.span FROM (${span}) AS s(span)`,
    { exclusive: true },
  );
}

/** On PostgreSQL everything is removed in a transaction, since that locks first. */
const removal = (id: string, condition = ''): Statement<Within, [value: unknown]> =>
  new Statement(
    `DELETE FROM items WHERE id = ${id} ${condition} RETURNING value`,
    `DELETE FROM items WHERE id = ${id} RETURNING value`,
  );

/** Nobody waits for items, and none is to be dropped: then one statement is all. */
const plain = 'AND waiting = 0 AND capacity IS NULL';

export const sql = {
  pushUnwatched: add('push', plain),
  unshiftUnwatched: add('unshift', plain),
  push: add('push', ''),
  unshift: add('unshift', ''),
  /** Texts and numbers alone: to read these can't fail, so that they may be gone before they are read. */
  shiftScalar: removal(firstId, "AND typeof(value) <> 'blob'"),
  popScalar: removal(lastId, "AND typeof(value) <> 'blob'"),
  shift: removal(firstId),
  pop: removal(lastId),
  /** The places of both ends, and the bytes that lie before the first and up to the last. */
  ends: new Statement<[...Within, ...Within], [first: number, last: number, before: number, upto: number]>(
    `SELECT f.id & ${placeMask}, l.id & ${placeMask}, f.upto - f.span, l.upto FROM items f, items l WHERE f.id = ${firstId} AND l.id = ${lastId}`,
  ),
  /** By index from the left, and from the right: none lies beyond the other end. */
  fromFirst: new Statement<[...Within, index: number, structure: number], [value: unknown]>(
    `SELECT value FROM items WHERE id = ${firstId} + CAST(? AS bigint) AND id < ${end}`,
  ),
  fromLast: new Statement<[...Within, index: number, structure: number], [value: unknown]>(
    `SELECT value FROM items WHERE id = ${lastId} + 1 + CAST(? AS bigint) AND id >= ${start}`,
  ),
  at: new Statement<[structure: number, place: number], [value: unknown]>(
    `SELECT value FROM items WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  set: new Statement<[value: ValueColumn, bytes: number, structure: number, place: number]>(
    `UPDATE items SET value = ?, bytes = ? WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  span: new Statement<[structure: number, place: number], [span: number]>(
    `SELECT span FROM items WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  between: new Statement<[structure: number, low: number, structure: number, high: number], ItemRow>(
    `SELECT id & ${placeMask}, value FROM items
     WHERE id >= ${start} + CAST(? AS bigint) AND id <= ${start} + CAST(? AS bigint) ORDER BY id`,
  ),
  removeBetween: new Statement<[structure: number, low: number, structure: number, high: number]>(
    `DELETE FROM items WHERE id >= ${start} + CAST(? AS bigint) AND id <= ${start} + CAST(? AS bigint)`,
  ),
  /** Moves items to places where there are none. */
  move: new Statement<
    [by: number, bytes: number, structure: number, low: number, structure: number, high: number]
  >(
    `UPDATE items SET id = id + CAST(? AS bigint), upto = upto + CAST(? AS bigint)
     WHERE id >= ${start} + CAST(? AS bigint) AND id <= ${start} + CAST(? AS bigint)`,
  ),
  /** Mirrors all items to behind the last one, at place `last` with the total `upto`. */
  mirror: new Statement<
    [structure: number, last: number, upto: number, structure: number, structure: number, last: number]
  >(
    `UPDATE items SET id = 2 * (${start} + CAST(? AS bigint)) + 1 - id, upto = 2 * CAST(? AS bigint) - upto + span
     WHERE id >= ${start} AND id <= ${start} + CAST(? AS bigint)`,
  ),
  find: new Statement<[structure: number, structure: number, value: ValueColumn], [place: number]>(
    `SELECT id & ${placeMask} FROM items WHERE id >= ${start} AND id < ${end} AND value = ? ORDER BY id LIMIT 1`,
  ),
  count: new Statement<[structure: number, structure: number, value: ValueColumn], [count: number]>(
    `SELECT count(*) FROM items WHERE id >= ${start} AND id < ${end} AND value = ?`,
  ),
  capacity: new Statement<[structure: number], [capacity: number | null, waiting: number]>(
    'SELECT capacity, waiting FROM structures WHERE id = ?',
  ),
  setCapacity: new Statement<[capacity: number | null, structure: number]>(
    'UPDATE structures SET capacity = ? WHERE id = ?',
  ),
  /** How many wait ahead of a waiter, and how many of them for the last item. */
  ahead: new Statement<[structure: number, waiter: number], [ahead: number, last: number]>(
    'SELECT count(*), coalesce(sum(mode), 0) FROM waiters WHERE structure = ? AND id < ?',
    'SELECT count(*), CAST(coalesce(sum(mode), 0) AS bigint) FROM waiters WHERE structure = ? AND id < ?',
  ),
  /** Those who may go after the first `offset` in line. */
  next: new Statement<[structure: number, count: number, offset: number], [owner: number]>(
    'SELECT owner FROM waiters WHERE structure = ? ORDER BY id LIMIT ? OFFSET ?',
  ),
  after: new Statement<[structure: number, place: number, structure: number, limit: number], ItemRow>(
    `SELECT id & ${placeMask}, value FROM items WHERE id > ${start} + CAST(? AS bigint) AND id < ${end} ORDER BY id LIMIT ?`,
  ),
  before: new Statement<[structure: number, place: number, structure: number, limit: number], ItemRow>(
    `SELECT id & ${placeMask}, value FROM items WHERE id < ${start} + CAST(? AS bigint) AND id >= ${start} ORDER BY id DESC LIMIT ?`,
  ),
};
