import { all, get, lock, ring, run, type Script } from '../../core/script.js';
import { ringAll } from '../../core/waiting.js';
import { isOver } from './adding.js';
import type { Change } from './change.js';
import type { Settings } from './limits.js';
import { sql } from './statements.js';

const everybody = Number.MAX_SAFE_INTEGER;

/** Changes one job, by its number, in a transaction that takes care of the limits; tells whether there was something to change. */
export type Managing = (structure: number, id: number, settings: Settings, change: Change) => Script<boolean>;

/** What runs is told, and ends as its handler does. */
export function* cancel(structure: number, id: number, _: Settings, change: Change): Script<boolean> {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || isOver(found[0])) return false;
  const [stage, , group] = found;
  if (stage === 'running') {
    const owner = (yield* get(sql.cancelRunning, structure, id))?.[0];
    if (typeof owner === 'number') yield* ring(owner);
    return true;
  }
  yield* run(sql.cancel, id);
  change.count(stage, -1);
  change.count('cancelled', 1);
  change.freed(group);
  return true;
}

export function* retry(structure: number, id: number, { limits }: Settings, change: Change): Script<boolean> {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || (found[0] !== 'failed' && found[0] !== 'cancelled')) return false;
  const [from, , group] = found;
  const to = group !== null && limits.groups !== undefined ? 'parked' : 'ready';
  yield* run(sql.retry, to, id);
  change.count(from, -1);
  change.count(to, 1);
  change.freed(group);
  return true;
}

export function* remove(structure: number, id: number, _: Settings, change: Change): Script<boolean> {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || found[0] === 'running') return false;
  const [stage, bytes, group] = found;
  yield* run(sql.remove, id);
  change.count(stage, -1, -bytes);
  // Somebody may wait for its result.
  change.ended();
  change.freed(group);
  return true;
}

export function* pause(structure: number, paused: boolean): Script<void> {
  yield* lock(structure);
  yield* run(sql.pause, structure, paused ? 1 : 0);
  if (!paused) yield* ringAll(yield* all(sql.line, structure, everybody));
}
