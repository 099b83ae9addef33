import { get, lock, run, type Script } from '../../core/script.js';
import { Statement } from '../../core/statement.js';

/** What is stored of a {@link Counter} or an {@link Averager}. */
export type Total = [count: number, sum: number];

export const sql = {
  total: new Statement<[structure: number], Total>('SELECT count, sum FROM totals WHERE structure = ?'),
  /**
   * Changes nothing where the sum would overflow, which halves don't. No upsert: `RETURNING` makes those slower with each call on SQLite.
   */
  add: new Statement<[value: number, structure: number, value: number], Total>(
    `UPDATE totals SET sum = sum + CAST(? AS double precision), count = count + 1
     WHERE structure = ? AND abs(sum / 2 + CAST(? AS double precision) / 2) <= ${Number.MAX_VALUE / 2} RETURNING count, sum`,
  ),
  start: new Statement<[structure: number]>(
    'INSERT INTO totals (structure, count, sum) VALUES (?, 0, 0) ON CONFLICT (structure) DO NOTHING',
  ),
  pop: new Statement<[structure: number], Total>(
    'DELETE FROM totals WHERE structure = ? RETURNING count, sum',
  ),
};

/**
 * Adds a value; `parameter` is what its user calls it.
 *
 * @throws `RangeError` when the sum would not be finite.
 */
export function* add(structure: number, parameter: string, value: number): Script<Total> {
  const total = (yield* get(sql.add, value, structure, value)) ?? (yield* addFirst(structure, value));
  if (total !== undefined) return total;
  throw new RangeError(
    `${parameter} is ${value}: the sum would be beyond ±${Number.MAX_VALUE}, the largest number`,
  );
}

function* addFirst(structure: number, value: number): Script<Total | undefined> {
  // Else somebody could pop it in between.
  yield* lock(structure);
  yield* run(sql.start, structure);
  return yield* get(sql.add, value, structure, value);
}
