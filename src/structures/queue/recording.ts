import { committed, each, get, lock, run, type Script } from '../../core/script.js';
import { Statement } from '../../core/statement.js';
import { tracingOf } from '../../core/tracing.js';
import type { Happening } from './change.js';
import { sql } from './event-statements.js';
import { eventOf, type EventFacts } from './events.js';
import type { Reading } from './looking.js';

/** A message of the diagnostics channel `holdfast:queue`: an event of {@link Queue.events} without its number, and the queue that it is of. */
export type TracedEvent = EventFacts & {
  /** The name of the queue. */
  readonly queue: string;
};

const tracing = tracingOf<TracedEvent>('holdfast:queue');
/** With every how many events those are removed that are too many. */
const prunedEvery = 1_024;

const nameOf = new Statement<[structure: number], [name: string]>('SELECT name FROM structures WHERE id = ?');

/** Whether somebody in this process listens to the diagnostics channel. */
export const isTraced = (): boolean => tracing.isOn();

/** Keeps what has happened for those who listen in any process, if any do. */
export function* record(
  structure: number,
  happenings: readonly Happening[],
  recording: boolean | undefined,
): Script<boolean> {
  if (happenings.length === 0 || recording === false) return false;
  if (recording === undefined && (yield* get(sql.state, structure))?.[0] !== 1) return false;
  // Their numbers must become known in their order: who listens asks for those behind the last.
  yield* lock(structure);
  const rows = yield* each(
    sql.add,
    happenings.map((happening) => [structure, ...happening]),
  );
  const last = rows.reduce((most, [id]) => Math.max(most, id), 0);
  if (last % prunedEvery < rows.length) yield* prune(structure);
  return true;
}

function* prune(structure: number): Script<void> {
  const excess = yield* get(sql.excess, structure);
  if (excess === undefined) return;
  yield* run(sql.remove, structure, excess[0]);
  yield* run(sql.removed, excess[0], structure);
}

/** Tells those in this process who trace, once it is committed. */
export function* trace(structure: number, happenings: readonly Happening[], columns: Reading): Script<void> {
  if (!isTraced() || happenings.length === 0) return;
  const [queue = ''] = (yield* get(nameOf, structure)) ?? [];
  yield* committed(() => {
    for (const [kind, job, attempt, detail] of happenings) {
      const { id: _, ...event } = eventOf([0, Date.now(), kind, job, attempt, detail], columns);
      tracing.publish({ queue, ...event });
    }
  });
}
