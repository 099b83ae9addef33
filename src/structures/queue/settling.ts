import type { ValueColumn } from '../../core/columns.js';
import { all, each, run, type Script } from '../../core/script.js';
import { runAgain } from './adding.js';
import type { Change } from './change.js';
import { isOver } from './children.js';
import type { StoredLimits } from './limits.js';
import { storedOptions, type Policy } from './options.js';
import type { Claim, Outcome, Outcomes } from './outcomes.js';
import type { EventKind } from './event-statements.js';
import { sql, type Settlement, type Stage } from './statements.js';

/** How many jobs of the dead, or of handlers that hang, are given back at once. */
const rescuedAtOnce = 500;
/** Writes what has become of jobs. Gives back the runs that were not theirs any more. */
export function* settle(
  structure: number,
  { policy }: Outcomes,
  outcomes: readonly Outcome[],
  { groups }: StoredLimits,
  change: Change,
): Script<Claim[]> {
  if (outcomes.length === 0) return [];
  const done = new Set<Outcome>();
  yield* complete(outcomes.filter(isSimple), policy, change, done);
  const rest = outcomes.filter((outcome) => !done.has(outcome));
  if (rest.length === 0) return [];
  const isLeft = ({ stage }: Outcome): boolean => stage === 'completed' && policy.keep.completed.count === 0;
  const removing = rest.filter(isLeft);
  const staying = rest.filter((outcome) => !isLeft(outcome));
  const followed: number[] = [];
  if (removing.length > 0) followed.push(...(yield* remove(removing, change, done)));
  if (staying.length > 0) followed.push(...(yield* move(staying, groups?.ordered === true, change, done)));
  for (const id of followed) yield* runAgain(structure, id, groups !== undefined, change);
  return rest.filter((outcome) => !done.has(outcome));
}

const isSimple = ({ simple }: Outcome): boolean => simple !== undefined;

/** Those that nothing is to follow, and nobody wants to be cancelled: the others are found not to be done. */
function* complete(
  outcomes: readonly Outcome[],
  { keep }: Policy,
  change: Change,
  done: Set<Outcome>,
): Script<void> {
  if (outcomes.length === 0) return;
  const removed = keep.completed.count === 0;
  const rows = removed
    ? yield* each(
        sql.completeAndRemove,
        outcomes.map(({ id, claim }) => [id, claim]),
      )
    : yield* each(
        sql.complete,
        outcomes.map(({ id, claim, outcome, size }) => [outcome, size, id, claim]),
      );
  const ended = new Map(rows.map((row) => [row[0], row]));
  for (const one of outcomes) {
    if (ownRow(ended, one) === undefined) continue;
    done.add(one);
    const { id, size, simple = 0 } = one;
    if (removed) change.count('running', -1, -simple);
    else change.move('running', 'completed', size);
    change.tell('completed', id);
    change.ended();
  }
}

/** Gives back those that something is to follow. */
function* remove(outcomes: readonly Outcome[], change: Change, done: Set<Outcome>): Script<number[]> {
  const followed: number[] = [];
  const pairs = outcomes.map(({ id, claim }): [number, number] => [id, claim]);
  const removed = new Map((yield* each(sql.settleAndRemove, pairs)).map((row) => [row[0], row]));
  for (const one of outcomes) {
    const row = ownRow(removed, one);
    if (row === undefined) continue;
    done.add(one);
    const [id, , bytes, group, follows] = row;
    if (follows !== null) {
      followed.push(id);
      change.over(id, 'completed', one.outcome);
    }
    change.count('running', -1, -bytes);
    change.tell('completed', id);
    change.ended();
    change.freed(group);
  }
  return followed;
}

/** Of a job there may be two runs, one of which has lost it. */
function ownRow<R extends readonly [id: number, claim: number, ...unknown[]]>(
  rows: ReadonlyMap<number, R>,
  { id, claim }: Claim,
): R | undefined {
  const row = rows.get(id);
  return row?.[1] === claim ? row : undefined;
}

/** Gives back those that something is to follow, since they have ended. */
function* move(
  outcomes: readonly Outcome[],
  ordered: boolean,
  change: Change,
  done: Set<Outcome>,
): Script<number[]> {
  const followed: number[] = [];
  const rows = yield* each(
    sql.settle,
    outcomes.map((outcome) => settlementOf(outcome, ordered)),
  );
  const moved = new Map(rows.map((row) => [row[0], row]));
  const errors: [number, 'error', ValueColumn][] = [];
  for (const one of outcomes) {
    const row = ownRow(moved, one);
    if (row === undefined) continue;
    done.add(one);
    const [id, , stage, group, follows] = row;
    const { size, error, outcome, deaths } = one;
    change.move('running', stage, size);
    const kind = kindOf(stage, error, deaths);
    if (kind !== undefined) change.tell(kind, id, null, error);
    change.freed(group);
    if (follows !== null && isOver(stage)) {
      followed.push(id);
      change.over(id, stage, outcome);
    }
    if (error !== null) errors.push([id, 'error', error]);
  }
  if (errors.length > 0) yield* each(sql.note, errors);
  return followed;
}

/** What is told of it. Of one that is given back as it was, or snoozes, nothing is. */
function kindOf(stage: Stage, error: ValueColumn | null, deaths: number): EventKind | undefined {
  if (stage === 'completed' || stage === 'failed' || stage === 'cancelled') return stage;
  if (deaths > 0) return 'stalled';
  return error === null ? undefined : 'retrying';
}

function settlementOf(
  { id, claim, stage, failures, deaths, delay, outcome, size }: Outcome,
  ordered: boolean,
): Settlement {
  const ended = isOver(stage) ? 1 : 0;
  const keepsSlot = stage === 'ready' || (stage === 'delayed' && ordered) ? 1 : 0;
  return [stage, stage, ended, ended, failures, deaths, delay, keepsSlot, outcome, size, id, claim];
}

/** What becomes of the jobs of those who are gone, and of those whose time has long been over. */
export function* rescued(structure: number, outcomes: Outcomes): Script<Outcome[]> {
  const found = new Map<number, Outcome>();
  for (const [gone] of yield* all(sql.gone, structure)) {
    const rows = yield* all(sql.runningOf, structure, gone, rescuedAtOnce);
    for (const [id, claim, deaths] of rows) found.set(id, outcomes.died({ id, claim }, deaths));
    if (rows.length < rescuedAtOnce) yield* run(sql.unregister, structure, gone);
  }
  for (const [id, claim, failures, options] of yield* all(sql.overdue, structure, rescuedAtOnce)) {
    // One whose process has died is over, however late it was.
    if (!found.has(id))
      found.set(id, outcomes.timedOut({ id, claim, failures, options: storedOptions(options) }));
  }
  return [...found.values()];
}
