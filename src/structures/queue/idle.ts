import { timedOut } from '../../core/gate.js';
import { resolveWaitOptions, type WaitOptions } from '../../core/options.js';
import { get, type Script } from '../../core/script.js';
import type { Kind, Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { jobCounts } from './looking.js';
import { anyEnd } from './results.js';
import { sql } from './statements.js';

/** Resolves when all jobs of a queue have ended. */
export async function untilIdle<S extends Kind>(
  scope: Scope<S>,
  options: WaitOptions | undefined,
): Promise<void> {
  scope.refuseInTransaction('idle()');
  const { timeout, signal } = resolveWaitOptions('options of idle()', options);
  const late = new AbortController();
  const timer = startTimer(timeout, () => late.abort(timedOut('idle()')));
  const changes = scope.watch(
    { interest: () => anyEnd, read: unfinished, same: (a, b) => a === b, show: (count) => count },
    signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
  );
  try {
    for await (const count of changes) if (count === 0) return;
  } finally {
    clearTimeout(timer);
  }
}

function* unfinished(structure: number): Script<number> {
  const { blocked, waiting, delayed, running } = jobCounts(yield* get(sql.counts, structure));
  return blocked + waiting + delayed + running;
}
