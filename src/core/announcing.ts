import type { KeyColumn } from './key.js';
import { all, get, type Script } from './script.js';
import { Statement } from './statement.js';
import { ringAll } from './waiting.js';

const sql = {
  waiting: new Statement<[structure: number], [waiting: number]>(
    'SELECT waiting FROM structures WHERE id = ?',
  ),
  observers: new Statement<[structure: number, key: KeyColumn, key: KeyColumn], [owner: number]>(
    `SELECT DISTINCT owner FROM waiters WHERE structure = ? AND (low IS NULL OR low <= ?) AND (high IS NULL OR high >= ?)`,
    `SELECT DISTINCT owner FROM waiters
     WHERE structure = ? AND (low IS NULL OR low <= CAST(? AS bytea)) AND (high IS NULL OR high >= CAST(? AS bytea))`,
  ),
  everybody: new Statement<[structure: number], [owner: number]>(
    'SELECT DISTINCT owner FROM waiters WHERE structure = ?',
  ),
};

/** Rings those who watch one of `keys`. */
export function* announce(structure: number, keys: readonly KeyColumn[]): Script<void> {
  const row = yield* get(sql.waiting, structure);
  if (row === undefined || row[0] === 0) return;
  for (const key of keys) yield* ringAll(yield* all(sql.observers, structure, key, key));
}

/** Rings everybody who watches something here. */
export function* announceAll(structure: number): Script<void> {
  const row = yield* get(sql.waiting, structure);
  if (row === undefined || row[0] === 0) return;
  yield* ringAll(yield* all(sql.everybody, structure));
}
