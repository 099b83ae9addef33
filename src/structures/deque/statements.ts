import { placeMask, places } from '../../core/schema.js';
import { all, type Script } from '../../core/script.js';
import { Statement, type Value } from '../../core/statement.js';
import type { Page } from '../../core/store.js';

/** Items at hand: the number of the row less the structure's share of it, so that it fits a double. */
export type ItemRow = [place: number, encoding: number, value: unknown];

/** Where a deque begins: in the middle of its places, with as many to the left as to the right. */
const middle = places / 2;

/** What a push is given: `bytes` three times, for the item, its span, and the running total; and whose item it is. */
export type Push = [
  encoding: number,
  value: Value,
  bytes: number,
  span: number,
  added: number,
  structure: number,
  structure: number,
  structure: number,
];

const start = `CAST(? AS bigint) * ${places}`;
const end = `(CAST(? AS bigint) + 1) * ${places}`;
/** Row numbers of a deque's ends. Each takes the structure twice. */
const firstId = `(SELECT id FROM items WHERE id >= ${start} AND id < ${end} ORDER BY id LIMIT 1)`;
const lastId = `(SELECT id FROM items WHERE id >= ${start} AND id < ${end} ORDER BY id DESC LIMIT 1)`;

/**
 * Adds an item next to an end. `upto` is the running total of bytes up to an item and with it: to the left of the first it
 * is what the first one started from.
 */
function add(direction: 'push' | 'unshift', condition: string): Statement<Push> {
  const [neighbour, id, upto] =
    direction === 'push'
      ? [
          lastId,
          `coalesce(e.id + 1, s.id * ${places} + ${middle})`,
          'coalesce(e.upto, 0) + CAST(? AS bigint)',
        ]
      : [
          firstId,
          `coalesce(e.id - 1, s.id * ${places} + ${middle})`,
          'coalesce(e.upto - e.span, 0) + 0 * CAST(? AS bigint)',
        ];
  const target = 'INSERT INTO items (id, encoding, value, bytes, span, upto)';
  const source = `FROM structures s LEFT JOIN items e ON e.id = ${neighbour} WHERE s.id = ? ${condition}`;
  return new Statement(
    `${target} SELECT ${id}, ?, ?, ?, ?, ${upto} ${source}`,
    `${target} SELECT ${id}, CAST(? AS bigint), CAST(? AS bytea), CAST(? AS bigint), CAST(? AS bigint), ${upto} ${source}`,
    { exclusive: true },
  );
}

/** Nobody waits for items, and none is to be dropped: then one statement is all. */
const plain = 'AND s.waiting = 0 AND s.capacity IS NULL';

type Within = [structure: number, structure: number];

export const sql = {
  pushUnwatched: add('push', plain),
  unshiftUnwatched: add('unshift', plain),
  push: add('push', ''),
  unshift: add('unshift', ''),
  shift: new Statement<Within, [encoding: number, value: unknown]>(
    `DELETE FROM items WHERE id = ${firstId} RETURNING encoding, value`,
    undefined,
    { exclusive: true },
  ),
  pop: new Statement<Within, [encoding: number, value: unknown]>(
    `DELETE FROM items WHERE id = ${lastId} RETURNING encoding, value`,
    undefined,
    { exclusive: true },
  ),
  /** The places of both ends, and the bytes that lie before the first and up to the last. */
  ends: new Statement<[...Within, ...Within], [first: number, last: number, before: number, upto: number]>(
    `SELECT f.id & ${placeMask}, l.id & ${placeMask}, f.upto - f.span, l.upto FROM items f, items l WHERE f.id = ${firstId} AND l.id = ${lastId}`,
  ),
  at: new Statement<[structure: number, place: number], ItemRow>(
    `SELECT id & ${placeMask}, encoding, value FROM items WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  set: new Statement<[encoding: number, value: Value, bytes: number, structure: number, place: number]>(
    `UPDATE items SET encoding = ?, value = ?, bytes = ? WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  span: new Statement<[structure: number, place: number], [span: number]>(
    `SELECT span FROM items WHERE id = ${start} + CAST(? AS bigint)`,
  ),
  between: new Statement<[structure: number, low: number, structure: number, high: number], ItemRow>(
    `SELECT id & ${placeMask}, encoding, value FROM items
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
  find: new Statement<
    [structure: number, structure: number, encoding: number, value: Value],
    [place: number]
  >(
    `SELECT id & ${placeMask} FROM items WHERE id >= ${start} AND id < ${end} AND encoding = ? AND value = ? ORDER BY id LIMIT 1`,
  ),
  count: new Statement<
    [structure: number, structure: number, encoding: number, value: Value],
    [count: number]
  >(`SELECT count(*) FROM items WHERE id >= ${start} AND id < ${end} AND encoding = ? AND value = ?`),
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
    `SELECT id & ${placeMask}, encoding, value FROM items WHERE id > ${start} + CAST(? AS bigint) AND id < ${end} ORDER BY id LIMIT ?`,
  ),
  before: new Statement<[structure: number, place: number, structure: number, limit: number], ItemRow>(
    `SELECT id & ${placeMask}, encoding, value FROM items WHERE id < ${start} + CAST(? AS bigint) AND id >= ${start} ORDER BY id DESC LIMIT ?`,
  ),
};

/** Pages of items, from the left or the right. */
export function pages(reverse: boolean) {
  const [statement, begin] = reverse ? [sql.before, places] : [sql.after, 0];
  return function* (
    structure: number,
    cursor: number | undefined,
    limit: number,
  ): Script<Page<number, ItemRow>> {
    const rows = yield* all(statement, structure, cursor ?? begin, structure, limit);
    return rows.map((row) => [row[0], row] as const);
  };
}
