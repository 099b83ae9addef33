import type { ValueColumn } from '../../core/columns.js';
import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { Stage } from './statements.js';

/** What becomes of a job if one that it is to run after fails, or is cancelled. */
export type ChildPolicy = 'fail' | 'ignore';

export type ChildRow = [child: number, label: string | null, stage: Stage | null, outcome: unknown];

/** Statements about jobs that run after others: parents after their children. */
export const sql = {
  /** Something is to be done when the job ends. */
  follow: new Statement<[id: number], [structure: number, stage: Stage, outcome: ValueColumn | null]>(
    'UPDATE jobs SET followed = 1 WHERE id = ? RETURNING structure, state, outcome',
  ),
  add: new Statement<
    [parent: number, place: number, child: number, label: string | null, policy: ChildPolicy]
  >('INSERT INTO job_children (parent, place, child, label, policy) VALUES (?, ?, ?, ?, ?)'),
  block: new Statement<[pending: number, becomes: Stage, id: number]>(
    'UPDATE jobs SET pending = ?, becomes = ? WHERE id = ?',
  ),
  /** A child has ended: to whom that matters. */
  end: new Statement<
    [stage: Stage, outcome: ValueColumn | null, child: number],
    [parent: number, policy: ChildPolicy]
  >(
    'UPDATE job_children SET stage = ?, outcome = ? WHERE child = ? AND stage IS NULL RETURNING parent, policy',
  ),
  countDown: new Statement<
    [parent: number],
    [structure: number, pending: number, becomes: Stage, group: string | null]
  >(
    `UPDATE jobs SET pending = pending - 1 WHERE id = ? AND state = 'blocked' RETURNING structure, pending, becomes, grp`,
  ),
  /** What has had no delay is due from now on. */
  unblock: new Statement<[stage: Stage, delayed: number, id: number]>(
    `UPDATE jobs SET state = ?, due = CASE WHEN ? = 1 THEN due ELSE ${steady} END WHERE id = ?`,
  ),
  fail: new Statement<
    [outcome: ValueColumn, bytes: number, parent: number],
    [structure: number, followed: number | null]
  >(
    `UPDATE jobs SET state = 'failed', ended = wall(), keyed = -abs(keyed), outcome = ?, bytes = bytes + ? WHERE id = ? AND state = 'blocked' RETURNING structure, followed`,
  ),
  children: new Statement<[parent: number], ChildRow>(
    'SELECT child, label, stage, outcome FROM job_children WHERE parent = ? ORDER BY place',
  ),
  /** The children because of which a job has failed, and where they are. */
  failed: new Statement<[parent: number], [child: number, structure: number]>(
    `SELECT DISTINCT c.child, j.structure FROM job_children c JOIN jobs j ON j.id = c.child
     WHERE c.parent = ? AND c.policy = 'fail' AND c.stage IN ('failed', 'cancelled') ORDER BY c.child`,
  ),
  reopen: new Statement<[parent: number, child: number]>(
    'UPDATE job_children SET stage = NULL, outcome = NULL WHERE parent = ? AND child = ?',
  ),
  pending: new Statement<[parent: number], [pending: number]>(
    'SELECT count(*) FROM job_children WHERE parent = ? AND stage IS NULL',
  ),
};
