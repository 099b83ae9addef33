import { outside } from '../../core/outside.js';
import { get, run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import { removeSome } from './chunks.js';
import { sql as chunks } from './chunk-statements.js';
import { expireSome } from './removing.js';
import { sql as flights } from './flight-statements.js';
import { sql } from './statements.js';
import type { Uses } from './uses.js';

/** How often it is looked for what has expired, in milliseconds: one process at a time does. */
const interval = 5_000;
/** For how long an error stays that nobody is to get any more, in milliseconds: who waited for it may be slow. */
const errorsKept = 60_000;

/**
 * Removes what has expired, also where nobody writes, as long as `uses` is in use; and sees whether others have given the cache another eviction. It
 * keeps neither that in memory nor the process alive.
 */
export function keepTidy<S extends Kind>(used: Uses<S>): void {
  // The scope knows who uses it: what is here must hold neither.
  const ref = new WeakRef(used);
  let busy = false;
  const look = async (uses: Uses<S>): Promise<void> => {
    if (busy) return;
    busy = true;
    await expireAll(uses.scope).catch(nothing);
    await learnEviction(uses).catch(nothing);
    await removeTrash(uses.scope).catch(nothing);
    busy = false;
  };
  const timer = outside(() =>
    setInterval(
      () => {
        const uses = ref.deref();
        if (uses === undefined || uses.scope.closing.aborted) clearInterval(timer);
        else void look(uses);
      },
      // Jitter, or all processes that were started together would look together.
      interval * (0.8 + 0.4 * Math.random()),
    ),
  );
  timer.unref();
}

async function expireAll<S extends Kind>(scope: Scope<S>): Promise<void> {
  if (!(await scope.read(nothing, hasExpired))) return;
  let removed = await scope.soon(begin);
  while (removed > 0) removed = await scope.soon(expireSome);
}

async function learnEviction<S extends Kind>(uses: Uses<S>): Promise<void> {
  const eviction = await uses.scope.one(
    sql.fill,
    nothing,
    (structure) => [structure],
    (row) => row?.[0],
  );
  if (eviction !== undefined) uses.eviction = eviction;
}

/** The values of entries that others have removed, and have not got to remove before they ended. */
async function removeTrash<S extends Kind>(scope: Scope<S>): Promise<void> {
  const { files } = scope;
  if (files !== undefined) {
    files.sweep();
    return;
  }
  const isThere = await scope.one(
    chunks.trash,
    nothing,
    () => [1],
    (row) => row !== undefined,
  );
  if (isThere) while ((await scope.soon(removeSome)) > 0);
}

function* begin(structure: number): Script<number> {
  if ((yield* run(sql.takeUpkeep, structure, interval / 2)) === 0) return 0;
  yield* run(flights.sweep, structure, errorsKept, structure);
  return yield* expireSome(structure);
}

function* hasExpired(structure: number): Script<boolean> {
  if ((yield* get(sql.expired, structure, 1)) !== undefined) return true;
  return (yield* get(flights.anyOld, structure, errorsKept, structure)) !== undefined;
}
