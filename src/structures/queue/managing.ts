import { sql as keys } from './key-statements.js';
import { all, get, lock, ring, run, type Script } from '../../core/script.js';
import { runAgain } from './adding.js';
import type { Change } from './change.js';
import { sql as children } from './child-statements.js';
import { isOver, type Rules } from './children.js';
import { findJobs, type JobFilter } from './listing.js';
import { sql } from './statements.js';
import { wakeAll } from './turn.js';

/** Changes one job, by its number, in a transaction that takes care of the limits; tells whether there was something to change. */
export type Managing = (structure: number, id: number, rules: Rules, change: Change) => Script<boolean>;

/** What runs is told, and ends as its handler does. */
export const cancel: Managing = function* (structure, id, rules, change) {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || isOver(found[0])) return false;
  const [stage, , group, followed] = found;
  if (stage === 'running') {
    const owner = (yield* get(sql.cancelRunning, structure, id))?.[0];
    if (typeof owner === 'number') yield* ring(owner);
    return true;
  }
  yield* run(sql.cancel, id);
  change.move(stage, 'cancelled');
  change.tell('cancelled', id);
  change.freed(group);
  if (followed !== null) yield* follow(structure, id, rules, change);
  return true;
};

/** A job that waited has come to its end: others may wait for it, or it may have run before, and something was added to run after that. */
function* follow(structure: number, id: number, { limits }: Rules, change: Change): Script<void> {
  change.over(id, 'cancelled', null);
  const { groups } = (yield* limits.settings(structure)).limits;
  yield* runAgain(structure, id, groups !== undefined, change);
}

/** Those children because of which it has failed are tried again, too, and it waits for them. Its key may be another's by now: then that does the work. */
export const retry: Managing = function* (structure, id, rules, change) {
  const at = (place: number): Change => (place === structure ? change : change.elsewhere(place));
  return yield* retryJob(structure, id, { rules, change, at });
};

/** What retrying goes by, and where it notes what it changes: jobs of several queues may wait for each other. */
interface Retrying {
  readonly rules: Rules;
  readonly change: Change;
  readonly at: (structure: number) => Change;
}

function* retryJob(structure: number, id: number, retrying: Retrying): Script<boolean> {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || (found[0] !== 'failed' && found[0] !== 'cancelled')) return false;
  const [from, , group] = found;
  const [blocked, key, keyed, outcome] = (yield* get(sql.remains, id)) ?? [null, null, 0, null];
  const own = keyed === 0 ? null : key;
  if (yield* isTaken(structure, own)) return false;
  const { rules } = retrying;
  const pending = blocked === null ? null : yield* retryChildren(id, retrying);
  // By one of its children, say.
  if (pending !== null && (yield* isTaken(structure, own))) return false;
  const to = (pending ?? 0) > 0 ? 'blocked' : yield* rules.limits.stageToStart(structure, group);
  const spare = outcome === null ? 0 : rules.outcomes.sizeOf(outcome);
  yield* run(sql.retry, to, pending, spare, id);
  const change = retrying.at(structure);
  change.move(from, to, -spare);
  change.tell('retrying', id);
  change.freed(group);
  return true;
}

/** Whether another job has a key. If not, none takes it until the transaction ends. */
function* isTaken(structure: number, key: string | null): Script<boolean> {
  if (key === null) return false;
  yield* lock(structure);
  return (yield* get(keys.holderOf, structure, key)) !== undefined;
}

/** Gives back how many children have not ended then. Those that were tried again before may have ended otherwise by now, or are still to end. */
function* retryChildren(parent: number, retrying: Retrying): Script<number> {
  for (const [child, home] of yield* all(children.failed, parent)) {
    yield* retryJob(home, child, retrying);
    yield* run(children.reopen, parent, child);
    const [, stage = 'failed', outcome = null] = (yield* get(children.follow, child)) ?? [];
    if (isOver(stage)) retrying.change.over(child, stage, outcome);
  }
  return (yield* get(children.pending, parent))?.[0] ?? 0;
}

export const remove: Managing = function* (structure, id, rules, change) {
  const found = yield* get(sql.stageOf, structure, id);
  if (found === undefined || found[0] === 'running') return false;
  const [stage, bytes, group, followed] = found;
  yield* run(sql.remove, id);
  change.count(stage, -1, -bytes);
  // Somebody may wait for its result.
  change.ended();
  change.freed(group);
  if (followed !== null && !isOver(stage)) yield* follow(structure, id, rules, change);
  return true;
};

/** How far a change of many has come; `done` once there are no more. */
export interface Managed {
  readonly after: number;
  readonly changed: number;
  readonly done: boolean;
}

/** How many jobs are changed in one transaction. */
const managedAtOnce = 500;

/** Changes the next of those that match. */
export function* manageSome(
  structure: number,
  work: Managing,
  filter: JobFilter,
  before: Managed = { after: 0, changed: 0, done: false },
  rules: Rules,
  change: Change,
): Script<Managed | undefined> {
  if (before.done) return undefined;
  const ids = yield* findJobs(structure, filter, before.after, managedAtOnce);
  let { changed } = before;
  for (const id of ids) if (yield* work(structure, id, rules, change)) changed++;
  return { after: ids.at(-1) ?? 0, changed, done: ids.length < managedAtOnce };
}

export function* pause(structure: number, paused: boolean): Script<void> {
  yield* lock(structure);
  yield* run(sql.pause, structure, paused ? 1 : 0);
  if (!paused) yield* wakeAll(structure);
}
