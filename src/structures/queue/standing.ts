import { all, get, type Script } from '../../core/script.js';
import { listed, Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { Claim } from './outcomes.js';

const held = "SELECT id, claim FROM jobs WHERE state = 'running' AND id";

export const sql = {
  /** By which claims some jobs run, given as a JSON array of their numbers. */
  held: new Statement<[ids: string], [id: number, claim: number]>(
    `${held} ${listed.sqlite}`,
    `${held} ${listed.postgres}`,
  ),
  /** Whether somebody who took jobs is gone, or a job is overdue. */
  anyLost: new Statement<[structure: number, structure: number], [one: number]>(
    `SELECT w.owner FROM queue_workers w WHERE w.structure = ? AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = w.owner)
     UNION ALL SELECT j.id FROM jobs j WHERE j.structure = ? AND j.deadline IS NOT NULL AND j.deadline < (SELECT ${steady}) LIMIT 1`,
  ),
};

/** Whether jobs of others are to be given back: others may have buried them, and nobody may have had the time for more. */
export function* anyLost(structure: number): Script<boolean> {
  return (yield* get(sql.anyLost, structure, structure)) !== undefined;
}

/** Those claims that do not hold any more: somebody else has the job, or it is over. */
export function* lostOf<C extends Claim>(claims: readonly C[]): Script<C[]> {
  if (claims.length === 0) return [];
  const rows = yield* all(sql.held, JSON.stringify(claims.map(({ id }) => id)));
  const current = new Map(rows);
  return claims.filter(({ id, claim }) => current.get(id) !== claim);
}
