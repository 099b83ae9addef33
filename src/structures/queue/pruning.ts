import { all, get, type Script } from '../../core/script.js';
import { Statement } from '../../core/statement.js';
import type { Change } from './change.js';
import type { Outcomes } from './outcomes.js';
import { sql } from './statements.js';

/** How a job may end, and where such ones are counted. */
const endings = [
  ['completed', 4],
  ['failed', 5],
  ['cancelled', 6],
] as const;

/** How many that have ended are removed at once. */
const removedAtOnce = 1_000;

/** On PostgreSQL nobody else prunes until the transaction ends: two would count the same jobs, and remove others. Who adds or claims does not wait for that. */
const lockAgainstPruners = new Statement<[structure: number], [id: number]>(
  'SELECT id FROM structures WHERE id = ?',
  'SELECT id FROM structures WHERE id = ? FOR NO KEY UPDATE',
);

/** Removes jobs that ended, beyond what is to be kept; tells whether there may be more. */
export function* prune(structure: number, { policy }: Outcomes, change: Change): Script<boolean> {
  yield* get(lockAgainstPruners, structure);
  const counts = yield* get(sql.counts, structure);
  if (counts === undefined) return false;
  let more = false;
  for (const [stage, column] of endings) {
    const { count, age } = policy.keep[stage];
    const excess = Math.min(removedAtOnce, counts[column] - count);
    const many = excess > 0 ? yield* all(sql.removeOldest, structure, stage, excess) : [];
    const old = age < Infinity ? yield* all(sql.removeOlder, structure, stage, age, removedAtOnce) : [];
    more ||= many.length === removedAtOnce || old.length === removedAtOnce;
    for (const [bytes] of [...many, ...old]) change.count(stage, -1, -bytes);
  }
  return more;
}
