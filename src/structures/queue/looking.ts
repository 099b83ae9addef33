import type { Columns } from '../../core/columns.js';
import { all, get, type Script } from '../../core/script.js';
import { revivedError, type StoredError } from './failure.js';
import { storedOptions } from './options.js';
import { sql, type Counts, type JobRow, type Stage } from './statements.js';

/** Where a job is on its way. */
export type JobState = 'waiting' | 'delayed' | 'running' | 'completed' | 'failed' | 'cancelled';

/** How many jobs a queue has, by their state. */
export type JobCounts = Readonly<Record<JobState, number>>;

/** What is known of a job. */
export interface JobInfo<Data, R> {
  readonly id: number;
  readonly name: string | undefined;
  readonly group: string | undefined;
  readonly state: JobState;
  readonly data: Data;
  readonly priority: number;
  /** How many attempts have failed. */
  readonly failures: number;
  /** How often its process has died. */
  readonly deaths: number;
  readonly addedAt: Date;
  /** The tick of the schedule that has added it: see {@link Queue.schedule}. */
  readonly scheduledFor: Date | undefined;
  /** When it is to start, where it is delayed. */
  readonly dueAt: Date | undefined;
  /** When it was started last. */
  readonly startedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  /** What the handler returned, where it is completed. */
  readonly result: R | undefined;
  /** What it told last of its progress. */
  readonly progress: unknown;
  /** What each attempt failed with, the last one last. */
  readonly errors: readonly { readonly at: Date; readonly error: Error }[];
  readonly log: readonly { readonly at: Date; readonly line: string }[];
}

const states: Readonly<Record<Stage, JobState>> = {
  ready: 'waiting',
  parked: 'waiting',
  delayed: 'delayed',
  timed: 'delayed',
  running: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
};

export function jobCounts(row: Counts | undefined): JobCounts {
  const [waiting = 0, delayed = 0, running = 0, completed = 0, failed = 0, cancelled = 0] = row ?? [];
  return { waiting, delayed, running, completed, failed, cancelled };
}

/** What is stored of a job. */
export interface StoredJob {
  readonly row: JobRow;
  readonly errors: readonly (readonly [at: number, error: unknown])[];
  readonly lines: readonly (readonly [at: number, line: unknown])[];
}

export function* storedJob(structure: number, id: number): Script<StoredJob | undefined> {
  const row = yield* get(sql.job, structure, id);
  if (row === undefined) return undefined;
  return { row, errors: yield* all(sql.notes, id, 'error'), lines: yield* all(sql.notes, id, 'log') };
}

/** Reads what is stored. */
export interface Reading<Data, R> {
  readonly data: Columns<never, Data>;
  readonly results: Columns<never, R>;
  readonly errors: Columns<never, StoredError>;
  readonly values: Columns<never, unknown>;
}

export function jobInfo<Data, R>(stored: StoredJob, columns: Reading<Data, R>): JobInfo<Data, R> {
  const [
    id,
    stage,
    rank,
    due,
    now,
    failures,
    deaths,
    added,
    started,
    ended,
    name,
    group,
    data,
    outcome,
    progress,
    options,
  ] = stored.row;
  const { scheduledFor } = storedOptions(options);
  const dueAt =
    stage === 'timed' ? new Date(due) : stage === 'delayed' ? new Date(Date.now() + due - now) : undefined;
  return {
    id,
    name: name ?? undefined,
    group: group ?? undefined,
    state: states[stage],
    data: columns.data.decodeValue(data),
    priority: -rank + 0,
    failures,
    deaths,
    addedAt: new Date(added),
    scheduledFor: scheduledFor === undefined ? undefined : new Date(scheduledFor),
    dueAt,
    startedAt: started === null ? undefined : new Date(started),
    endedAt: ended === null ? undefined : new Date(ended),
    result: stage === 'completed' && outcome !== null ? columns.results.decodeValue(outcome) : undefined,
    progress: progress === null ? undefined : columns.values.decodeValue(progress),
    errors: stored.errors.map(([at, error]) => ({
      at: new Date(at),
      error: revivedError(columns.errors.decodeValue(error)),
    })),
    log: stored.lines.map(([at, line]) => ({
      at: new Date(at),
      line: String(columns.values.decodeValue(line)),
    })),
  };
}
