import { all, type Script } from '../../core/script.js';
import { Statement } from '../../core/statement.js';
import { inPostgres, inSqlite } from './list-statements.js';
import type { Claim } from './outcomes.js';

const held = "SELECT id, claim FROM jobs WHERE state = 'running' AND id";

export const sql = {
  /** By which claims some jobs run, given as a JSON array of their numbers. */
  held: new Statement<[ids: string], [id: number, claim: number]>(
    `${held} ${inSqlite}`,
    `${held} ${inPostgres}`,
  ),
};

/** Those claims that do not hold any more: somebody else has the job, or it is over. */
export function* lostOf<C extends Claim>(claims: readonly C[]): Script<C[]> {
  if (claims.length === 0) return [];
  const rows = yield* all(sql.held, JSON.stringify(claims.map(({ id }) => id)));
  const current = new Map(rows);
  return claims.filter(({ id, claim }) => current.get(id) !== claim);
}
