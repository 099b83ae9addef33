import { Statement } from '../../core/statement.js';

/** What is stored of a latch. */
export type LatchRow = [remaining: number, round: number];

export const sql = {
  state: new Statement<[structure: number], LatchRow>(
    'SELECT remaining, round FROM latches WHERE structure = ?',
  ),
  start: new Statement<[structure: number, count: number]>(
    'INSERT INTO latches (structure, remaining, round) VALUES (?, ?, 1) ON CONFLICT (structure) DO NOTHING',
  ),
  set: new Statement<[remaining: number, round: number, structure: number]>(
    'UPDATE latches SET remaining = ?, round = ? WHERE structure = ?',
  ),
  /** Whether a waiter may go. */
  passed: new Statement<[structure: number, waiter: number], [passed: number]>(
    `SELECT CASE WHEN w.mode < l.round THEN 1 ELSE 0 END FROM latches l JOIN waiters w ON w.structure = l.structure
     WHERE l.structure = ? AND w.id = ?`,
  ),
  owners: new Statement<[structure: number], [owner: number]>(
    'SELECT DISTINCT owner FROM waiters WHERE structure = ?',
  ),
};
