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
export function keepTidy<S extends Kind>(scope: Scope<S>, uses: Uses<S>): void {
  const used = new WeakRef(uses);
  let busy = false;
  const look = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    await expireAll(scope).catch(nothing);
    await learnEviction(scope, used).catch(nothing);
    await removeTrash(scope).catch(nothing);
    busy = false;
  };
  const timer = outside(() =>
    setInterval(
      () => {
        if (used.deref() === undefined || scope.closing.aborted) clearInterval(timer);
        else void look();
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

async function learnEviction<S extends Kind>(scope: Scope<S>, used: WeakRef<Uses<S>>): Promise<void> {
  const eviction = await scope.one(
    sql.fill,
    nothing,
    (structure) => [structure],
    (row) => row?.[0],
  );
  const uses = used.deref();
  if (eviction !== undefined && uses !== undefined) uses.eviction = eviction;
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
  yield* run(flights.sweep, structure, errorsKept);
  return yield* expireSome(structure);
}

function* hasExpired(structure: number): Script<boolean> {
  if ((yield* get(sql.expired, structure, 1)) !== undefined) return true;
  return (yield* get(flights.anyOld, structure, errorsKept)) !== undefined;
}
