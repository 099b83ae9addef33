import { HoldfastError } from '../../core/errors.js';
import { all, each, get, run, type Script } from '../../core/script.js';
import type { Change, Ended } from './change.js';
import { sql } from './child-statements.js';
import type { Limits } from './limits.js';
import type { ChildLink } from './child-options.js';
import type { Outcomes } from './outcomes.js';
import { sql as jobs, type Stage } from './statements.js';

/** What a queue goes by. */
export interface Rules {
  readonly limits: Limits;
  readonly outcomes: Outcomes;
}

/** A job that was added as blocked waits for others, whichever queue they are of. Those that have ended already end for it with the transaction. */
export function* linkChildren(
  parent: number,
  becomes: Stage,
  children: readonly ChildLink[],
  change: Change,
): Script<void> {
  yield* run(sql.block, children.length, becomes, parent);
  for (const [place, { id, label, policy }] of children.entries()) {
    const child = yield* get(sql.follow, id);
    if (child === undefined)
      throw new HoldfastError('ERR_NOT_FOUND', `after: job ${id} is not there (any more)`);
    yield* run(sql.add, parent, place, id, label, policy);
    const [, stage, outcome] = child;
    if (isOver(stage)) change.over(id, stage, outcome);
  }
}

export const isOver = (stage: Stage): boolean =>
  stage === 'completed' || stage === 'failed' || stage === 'cancelled';

/** Tells those who wait for jobs that these have ended; and so on, as far as that ends others. */
export function* release(structure: number, rules: Rules, change: Change): Script<void> {
  const at = (place: number): Change => (place === structure ? change : change.elsewhere(place));
  for (let ended = change.takeOver(); ended.length > 0; ended = change.takeOver())
    for (const child of ended)
      for (const [parent, policy] of yield* all(sql.end, child.stage, child.outcome, child.id)) {
        if (child.stage === 'completed' || policy === 'ignore') yield* countDown(parent, rules, at);
        else yield* fail(parent, child, rules, change, at);
      }
}

function* countDown(parent: number, { limits }: Rules, at: (structure: number) => Change): Script<void> {
  const row = yield* get(sql.countDown, parent);
  if (row === undefined) return;
  const [structure, pending, becomes, group] = row;
  if (pending > 0) return;
  const stage = becomes === 'ready' ? yield* limits.stageToStart(structure, group) : becomes;
  yield* run(sql.unblock, stage, becomes === 'ready' ? 0 : 1, parent);
  at(structure).move('blocked', stage);
  at(structure).freed(group);
}

function* fail(
  parent: number,
  child: Ended,
  { outcomes }: Rules,
  change: Change,
  at: (structure: number) => Change,
): Script<void> {
  const { column, size } = outcomes.childFailed(child);
  const row = yield* get(sql.fail, column, size, parent);
  if (row === undefined) return;
  const [structure, followed] = row;
  yield* each(jobs.note, [[parent, 'error', column]]);
  at(structure).move('blocked', 'failed', size);
  at(structure).tell('failed', parent, null, column);
  if (followed !== null) change.over(parent, 'failed', column);
}
