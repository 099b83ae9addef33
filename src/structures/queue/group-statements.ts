import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';

/** In their order; it is to be followed by a limit. */
const parkedJobs = `SELECT p.id FROM jobs p WHERE p.structure = ? AND p.grp = ? AND p.state = 'parked' ORDER BY p.rank, p.due, p.id`;
/** What has stood before all others, or was tried before, does so again. */
const first = 0;

/** Statements about the places in groups. */
export const sql = {
  /** How many places of a group are taken, up to `most`. */
  occupied: new Statement<[structure: number, group: string, most: number], [jobs: number]>(
    'SELECT count(*) FROM (SELECT 1 FROM jobs WHERE structure = ? AND grp = ? AND slot IS NOT NULL LIMIT ?) AS taken',
  ),
  /** Whether a job of a group has a place, and is to be ready later. */
  expected: new Statement<[structure: number, group: string], [id: number]>(
    `SELECT id FROM jobs WHERE structure = ? AND grp = ? AND slot IS NOT NULL AND state IN ('delayed', 'timed') LIMIT 1`,
  ),
  /** How many jobs of a group have a place, and could start now. */
  unstarted: new Statement<[structure: number, group: string], [jobs: number]>(
    `SELECT count(*) FROM jobs WHERE structure = ? AND grp = ? AND slot IS NOT NULL AND state = 'ready'`,
  ),
  /** Due from now on, behind those that were admitted before. */
  admit: new Statement<[structure: number, group: string, most: number]>(
    `UPDATE jobs SET state = 'ready', slot = 1, due = ${steady} WHERE id IN (${parkedJobs} LIMIT ?)`,
  ),
  /** Those that come last, of those that could start now, lose their places, and stand before all others. */
  evict: new Statement<[structure: number, group: string, most: number]>(
    `UPDATE jobs SET state = 'parked', slot = NULL, due = ${first} WHERE id IN
       (SELECT p.id FROM jobs p WHERE p.structure = ? AND p.grp = ? AND p.slot IS NOT NULL AND p.state = 'ready'
        ORDER BY p.rank DESC, p.due DESC, p.id DESC LIMIT ?)`,
  ),
  admitLater: new Statement<[delay: number, structure: number, group: string]>(
    `UPDATE jobs SET state = 'delayed', slot = 1, due = ${steady} + ? WHERE id IN (${parkedJobs} LIMIT 1)`,
  ),
  /** Leaves it to others to admit jobs of a group. */
  leave: new Statement<[structure: number, group: string]>(
    'INSERT INTO job_admissions (structure, grp) VALUES (?, ?)',
  ),
  /** Takes over what others have left. */
  takeOver: new Statement<[structure: number], [group: string]>(
    'DELETE FROM job_admissions WHERE structure = ? RETURNING grp',
  ),
  /** A job that was claimed is not to start yet. */
  defer: new Statement<[delay: number, id: number]>(
    `UPDATE jobs SET state = 'delayed', owner = NULL, due = ${steady} + ? WHERE id = ?`,
  ),
};

/** Statements that make all groups anew, since their limits have changed. They go through the jobs that have a group. */
export const regrouping = {
  parkReady: new Statement<[structure: number]>(
    `UPDATE jobs SET state = 'parked', slot = NULL, due = CASE WHEN slot IS NOT NULL AND claim > 0 THEN ${first} ELSE due END
     WHERE structure = ? AND state = 'ready' AND grp IS NOT NULL`,
  ),
  /** Those that were only told when they may start: others, which are to be tried again, keep to their own time. */
  parkExpected: new Statement<[structure: number]>(
    `UPDATE jobs SET state = 'parked', slot = NULL, due = ${first} WHERE structure = ? AND state = 'delayed' AND slot IS NOT NULL AND claim = 0`,
  ),
  occupy: new Statement<[structure: number]>(
    `UPDATE jobs SET slot = 1 WHERE structure = ? AND state = 'running' AND grp IS NOT NULL`,
  ),
  /** Who waits to be tried again has a place only in a group that was ordered, and is; without limits nobody has. */
  leave: new Statement<[structure: number, all: number]>(
    `UPDATE jobs SET slot = NULL WHERE structure = ? AND slot IS NOT NULL AND (state IN ('delayed', 'timed') OR ? = 1)`,
  ),
  groups: new Statement<[structure: number], [group: string]>(
    `SELECT DISTINCT grp FROM jobs WHERE structure = ? AND state = 'parked'`,
  ),
  /** Nothing limits them any more. */
  admitAll: new Statement<[structure: number]>(
    `UPDATE jobs SET state = 'ready' WHERE structure = ? AND state = 'parked'`,
  ),
};
