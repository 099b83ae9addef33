import { all, run, type Script } from '../../core/script.js';
import type { Kind } from '../../core/store.js';
import { sql, type ClaimedRow } from './statements.js';

/** Claims jobs that are ready, the first in line. On SQLite they are read before: RETURNING would take as long as all the rest. */
export function* claimReady(
  kind: Kind,
  structure: number,
  own: number,
  most: number,
): Script<readonly ClaimedRow[]> {
  if (kind === 'server') return yield* all(sql.claim, own, structure, most);
  const rows = yield* all(sql.ready, structure, most);
  const [first] = rows;
  if (rows.length > 1) yield* run(sql.claim, own, structure, rows.length);
  else if (first !== undefined) yield* run(sql.claimOne, own, first[0]);
  return rows;
}
