import type { ValueColumn } from '../../core/columns.js';
import { sql as keys } from './key-statements.js';
import { HoldfastError } from '../../core/errors.js';
import { each, get, run, type Script } from '../../core/script.js';
import { noteClock } from '../../core/steady.js';
import type { Change } from './change.js';
import { isOver, linkChildren } from './children.js';
import type { OnDuplicate, Plan } from './options.js';
import { sql, type NewJob, type Stage } from './statements.js';

/** A job to be added, encoded. */
export interface EncodedJob extends Plan {
  readonly column: ValueColumn;
  readonly size: number;
}

/** A job that has a key. */
interface KeyedJob extends EncodedJob {
  readonly key: string;
}

/** More than that, in bytes, lies beside the job: each change of state writes the row anew. */
export const mostInline = 1024;
/** How many windows that are over are removed with each that is opened. */
const sweptAtOnce = 4;

const isKeyed = (job: EncodedJob): job is KeyedJob => job.key !== null;
/** Whether it can be added together with others, whatever there is. */
export const isPlain = (job: EncodedJob): boolean => job.key === null && job.after.length === 0;

/** Adds jobs, whatever there is; with `limited` groups their jobs are parked first. Gives back their numbers, in order. */
export function* insert(
  structure: number,
  jobs: readonly EncodedJob[],
  limited: boolean,
  change: Change,
): Script<number[]> {
  const rows = jobs.map((job) => rowOf(structure, job, limited));
  for (const [i, [, stage]] of rows.entries()) {
    const { size = 0, group = null } = jobs[i] ?? {};
    change.count(stage, 1, size);
    if (stage === 'parked') change.freed(group);
  }
  // From where a delay goes on after a reboot.
  if (jobs.some(({ delay, at }) => delay > 0 && at === null)) yield* noteClock();
  // Each number is greater than the one before.
  const ids = (yield* each(sql.add, rows)).map(([id]) => id).sort((a, b) => a - b);
  const large = jobs.flatMap(({ size, column }, i): [number, ValueColumn][] =>
    size > mostInline ? [[ids[i] ?? 0, column]] : [],
  );
  if (large.length > 0) yield* each(sql.addData, large);
  for (const id of ids) change.tell('added', id);
  return ids;
}

function rowOf(structure: number, job: EncodedJob, limited: boolean): NewJob {
  const { rank, at, delay, size, name, group, key, keyed, options, column } = job;
  const data = size > mostInline ? null : column;
  return [structure, stageOf(job, limited), rank, at, delay, size, name, group, key, keyed, options, data];
}

function stageOf(job: Plan, limited: boolean): Stage {
  return job.after.length > 0 ? 'blocked' : stageByTime(job, limited);
}

function stageByTime({ at, delay, group }: Plan, limited: boolean): Stage {
  if (at !== null) return 'timed';
  if (delay > 0) return 'delayed';
  return limited && group !== null ? 'parked' : 'ready';
}

/** Adds a job; gives back its number, or that of the one that has its key. For a job with a key the structure is locked. */
export function* insertOne(
  structure: number,
  job: EncodedJob,
  limited: boolean,
  change: Change,
): Script<number> {
  if (isKeyed(job)) return yield* insertKeyed(structure, job, limited, change);
  return yield* insertWithChildren(structure, job, limited, change);
}

function* insertWithChildren(
  structure: number,
  job: EncodedJob,
  limited: boolean,
  change: Change,
): Script<number> {
  const [id = 0] = yield* insert(structure, [job], limited, change);
  if (job.after.length > 0) yield* linkChildren(id, stageByTime(job, false), job.after, change);
  return id;
}

function* insertKeyed(structure: number, job: KeyedJob, limited: boolean, change: Change): Script<number> {
  const taken =
    job.window === null
      ? yield* get(keys.holderOf, structure, job.key)
      : yield* get(keys.windowOf, structure, job.key);
  if (taken !== undefined) return yield* duplicate(taken[0], taken[1], job, change);
  const id = yield* insertWithChildren(structure, job, limited, change);
  if (job.window !== null) {
    yield* run(keys.sweepWindows, structure, sweptAtOnce);
    yield* run(keys.openWindow, structure, job.key, job.window, id);
  }
  return id;
}

/** What is done with a job whose key another one has. */
function* duplicate(id: number, stage: Stage | null, job: KeyedJob, change: Change): Script<number> {
  const { onDuplicate } = job;
  if (onDuplicate === 'error')
    throw new HoldfastError('ERR_DUPLICATE', `job ${id} has the key ${JSON.stringify(job.key)} already`);
  // By now it may have ended: its window has not.
  if (onDuplicate === 'ignore' || stage === null || isOver(stage)) return id;
  if (stage === 'running') yield* noteAgain(id, job);
  else yield* replace(id, stage, job, onDuplicate, change);
  return id;
}

/** One that waits gets the newest data; if it is to bounce, its delay begins anew. */
function* replace(
  id: number,
  stage: Stage,
  { column, size, options, rank, delay, at }: KeyedJob,
  onDuplicate: OnDuplicate,
  change: Change,
): Script<void> {
  const before = (yield* get(keys.bytesOf, id))?.[0] ?? 0;
  const large = size > mostInline;
  yield* run(keys.removeData, id);
  yield* run(keys.replace, large ? null : column, size, options, rank, id);
  if (large) yield* each(sql.addData, [[id, column]]);
  change.count(stage, 0, size - before);
  // It may have run before: what was to follow that run is older.
  yield* get(keys.takeAgain, id);
  if (onDuplicate !== 'debounce' || (stage !== 'delayed' && stage !== 'timed')) return;
  const to = at === null ? 'delayed' : 'timed';
  yield* run(keys.postpone, to, at, delay, id);
  change.move(stage, to);
}

/** One that runs will run once more, with the newest data. */
function* noteAgain(id: number, job: KeyedJob): Script<void> {
  const { rank, at, delay, size, name, group, key, keyed, options, column } = job;
  yield* run(keys.noteAgain, id, rank, at, delay, size, name, group, key, keyed, options, column);
  yield* run(keys.markAgain, id);
}

/** Adds the job that is to follow one that has ended. */
export function* runAgain(structure: number, id: number, limited: boolean, change: Change): Script<void> {
  const row = yield* get(keys.takeAgain, id);
  if (row === undefined) return;
  const [rank, at, delay, size, name, group, key, keyed, options, column] = row;
  const job = { rank, at, delay, size, name, group, key, keyed, options, column };
  yield* insert(structure, [{ ...job, window: null, onDuplicate: 'ignore', after: [] }], limited, change);
}
