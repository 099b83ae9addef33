import type { ValueColumn } from '../../core/columns.js';
import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { Stage } from './statements.js';

/** A job that is to follow one that runs. */
export type Successor = [
  rank: number,
  at: number | null,
  delay: number,
  bytes: number,
  name: string | null,
  group: string | null,
  key: string,
  keyed: number | null,
  options: string | null,
  data: ValueColumn,
];

/** Statements about the keys of jobs, and what becomes of jobs whose key is taken. */
export const sql = {
  /** Who has a key. */
  holderOf: new Statement<[structure: number, key: string], [id: number, stage: Stage]>(
    'SELECT id, state FROM jobs WHERE structure = ? AND key = ? AND keyed > 0',
    'SELECT id, state FROM jobs WHERE structure = ? AND key = ? AND keyed > 0 FOR UPDATE',
  ),
  /** The job that a window was opened with; it may be gone. */
  windowOf: new Statement<[structure: number, key: string], [id: number, stage: Stage | null]>(
    `SELECT w.job, (SELECT j.state FROM jobs j WHERE j.id = w.job) FROM job_windows w
     WHERE w.structure = ? AND w.key = ? AND w.until > (SELECT ${steady})`,
  ),
  openWindow: new Statement<[structure: number, key: string, time: number, job: number]>(
    `INSERT INTO job_windows AS w (structure, key, until, job) VALUES (?, ?, ${steady} + ?, ?)
     ON CONFLICT (structure, key) DO UPDATE SET until = excluded.until, job = excluded.job`,
  ),
  sweepWindows: new Statement<[structure: number, most: number]>(
    `DELETE FROM job_windows WHERE (structure, key) IN
       (SELECT w.structure, w.key FROM job_windows w WHERE w.structure = ? AND w.until <= (SELECT ${steady}) ORDER BY w.until LIMIT ?)`,
  ),
  bytesOf: new Statement<[id: number], [bytes: number]>('SELECT bytes FROM jobs WHERE id = ?'),
  removeData: new Statement<[id: number]>('DELETE FROM job_data WHERE job = ?'),
  replace: new Statement<
    [data: ValueColumn | null, bytes: number, options: string | null, rank: number, id: number]
  >('UPDATE jobs SET data = ?, bytes = ?, options = ?, rank = ? WHERE id = ?'),
  postpone: new Statement<[stage: Stage, at: number | null, delay: number, id: number]>(
    `UPDATE jobs SET state = ?, due = coalesce(?, ${steady} + ?) WHERE id = ?`,
  ),
  noteAgain: new Statement<[job: number, ...Successor]>(
    `INSERT INTO job_successors (job, rank, at, delay, bytes, name, grp, key, keyed, options, data)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (job) DO UPDATE SET rank = excluded.rank, at = excluded.at, delay = excluded.delay, bytes = excluded.bytes,
       name = excluded.name, grp = excluded.grp, keyed = excluded.keyed, options = excluded.options, data = excluded.data`,
  ),
  markAgain: new Statement<[id: number]>('UPDATE jobs SET followed = 1 WHERE id = ?'),
  takeAgain: new Statement<[job: number], Successor>(
    `DELETE FROM job_successors WHERE job = ? RETURNING rank, at, delay, bytes, name, grp, key, keyed, options, data`,
  ),
};
