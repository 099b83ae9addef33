import { Columns } from '../../core/columns.js';
import { all, type Script } from '../../core/script.js';
import type { Kind } from '../../core/store.js';
import { sql as children, type ChildRow } from './child-statements.js';
import { revivedError, type StoredError } from '../../core/failure.js';
import { sql, type JobRow, type NoteRow } from './list-statements.js';
import { storedOptions } from './options.js';
import type { Counts, Stage } from './statements.js';

/** Where a job is on its way; `'blocked'` while it waits for those that it is to run `after`. */
export type JobState = 'blocked' | 'waiting' | 'delayed' | 'running' | 'completed' | 'failed' | 'cancelled';

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
  /** Which process runs it, while one does. */
  readonly worker: { readonly host: string; readonly process: number } | undefined;
  /** What the handler returned, where it is completed. */
  readonly result: R | undefined;
  /** What it told last of its progress. */
  readonly progress: unknown;
  /** What each attempt failed with, the last one last. */
  readonly errors: readonly { readonly at: Date; readonly error: Error }[];
  readonly log: readonly { readonly at: Date; readonly line: string }[];
}

const stateOf: Readonly<Record<Stage, JobState>> = {
  blocked: 'blocked',
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
  const [blocked = 0, waiting = 0, delayed = 0, running = 0, completed = 0, failed = 0, cancelled = 0] =
    row ?? [];
  return { blocked, waiting, delayed, running, completed, failed, cancelled };
}

/** What is stored of a job. */
export interface StoredJob {
  readonly row: JobRow;
  readonly notes: readonly NoteRow[];
}

export function* storedJobs(structure: number, ids: readonly number[]): Script<StoredJob[]> {
  if (ids.length === 0) return [];
  const given = JSON.stringify(ids);
  const rows = yield* all(sql.jobs, structure, given);
  const notes = rows.length === 0 ? [] : yield* all(sql.notes, given);
  return rows.map((row) => ({ row, notes: notes.filter(([job]) => job === row[0]) }));
}

/** Reads what is stored: data and results are of whatever types the user of a queue says. */
export interface Reading {
  readonly data: Columns<never, never>;
  readonly results: Columns<never, never>;
  readonly errors: Columns<never, StoredError>;
  readonly values: Columns<never, unknown>;
}

export const readingOf = (kind: Kind): Reading => ({
  data: new Columns(kind),
  results: new Columns(kind),
  errors: new Columns(kind),
  values: new Columns(kind),
});

const isError = ([, , kind]: NoteRow): boolean => kind === 'error';

export function jobInfo(stored: StoredJob, columns: Reading): JobInfo<never, never> {
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
    host,
    process,
  ] = stored.row;
  const { scheduledFor } = storedOptions(options);
  const dueAt =
    stage === 'timed' ? new Date(due) : stage === 'delayed' ? new Date(Date.now() + due - now) : undefined;
  return {
    id,
    name: name ?? undefined,
    group: group ?? undefined,
    state: stateOf[stage],
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
    worker: host === null || process === null ? undefined : { host, process },
    progress: progress === null ? undefined : columns.values.decodeValue(progress),
    errors: stored.notes.filter(isError).map(([, at, , error]) => ({
      at: new Date(at),
      error: revivedError(columns.errors.decodeValue(error)),
    })),
    log: stored.notes
      .filter((note) => !isError(note))
      .map(([, at, , line]) => ({
        at: new Date(at),
        line: String(columns.values.decodeValue(line)),
      })),
  };
}

/** What came of a job that another one runs after. */
export interface Child {
  readonly id: number;
  /** Its name in the flow, if it was added by {@link Queue.flow}. */
  readonly label: string | undefined;
  readonly state: 'completed' | 'failed' | 'cancelled';
  /** What its handler returned. */
  readonly result: unknown;
  /** What its last attempt failed with. */
  readonly error: Error | undefined;
}

export function* childRows(parent: number): Script<ChildRow[]> {
  return yield* all(children.children, parent);
}

export function childInfo([id, label, stage, outcome]: ChildRow, { values, errors }: Reading): Child {
  const hasFailed = stage === 'failed' || stage === 'cancelled';
  return {
    id,
    label: label ?? undefined,
    state: hasFailed ? stage : 'completed',
    result: hasFailed || outcome === null ? undefined : values.decodeValue(outcome),
    error: hasFailed && outcome !== null ? revivedError(errors.decodeValue(outcome)) : undefined,
  };
}
