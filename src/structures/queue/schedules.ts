import type { ValueColumn } from '../../core/columns.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import { noteClock } from '../../core/steady.js';
import {
  resolveSchedule,
  type ScheduleOptions,
  type Spec,
  type StoredScheduleOptions,
} from './schedule-options.js';
import { scheduleSql, type ScheduleRow } from './schedule-statements.js';
import type { QueueScripts } from './scripts.js';
import { ticksOf } from './ticks.js';
import { wakeAll } from './turn.js';

/** What is known of a schedule. */
export interface ScheduleInfo<Data> {
  readonly name: string;
  readonly cron: string | undefined;
  /** Of `cron`. */
  readonly timezone: string | undefined;
  /** Milliseconds. */
  readonly every: number | undefined;
  readonly missed: 'skip' | 'once' | 'all';
  readonly overlap: 'allow' | 'skip';
  readonly data: Data;
  /** The next tick; one that is past waits for a worker. `undefined` when none comes any more. */
  readonly nextAt: Date | undefined;
  /** The last tick that has added a job. */
  readonly lastAt: Date | undefined;
  /** The number of that job. */
  readonly lastJob: number | undefined;
  /** Why it can't be told when its ticks are, say since the Node of a worker does not know the time zone. That is tried again each minute. */
  readonly error: string | undefined;
}

/** A schedule to be stored. */
export interface EncodedSchedule {
  readonly name: string;
  readonly spec: Spec;
  readonly options: StoredScheduleOptions;
  readonly column: ValueColumn;
}

export function encodedSchedule(
  scripts: QueueScripts,
  name: string,
  given: ScheduleOptions<unknown>,
): EncodedSchedule {
  const { spec, missed, overlap, job } = resolveSchedule(name, given);
  const { group, rank, options, size, column, name: jobName } = scripts.encoded(given.data, job);
  const stored = { missed, overlap, job: { name: jobName, group, rank, options }, size };
  return { name, spec, options: stored, column };
}

/** Stores a schedule. One that has the same times goes on as it was. */
export function* storeSchedule(
  structure: number,
  { name, spec, options, column }: EncodedSchedule,
): Script<void> {
  yield* lock(structure);
  const [specText, optionsText] = [JSON.stringify(spec), JSON.stringify(options)];
  if ((yield* get(scheduleSql.find, structure, name))?.[0] === specText) {
    yield* run(scheduleSql.amend, optionsText, column, structure, name, optionsText, column);
    return;
  }
  const [wall, steady] = (yield* get(scheduleSql.now)) ?? [0, 0];
  const clock = spec.cron === undefined ? 'steady' : 'wall';
  const now = Math.floor(clock === 'wall' ? wall : steady);
  const next = ticksOf(spec, now).after(now);
  if (next === null) throw new RangeError(`cron names no time that is to come: ${String(spec.cron)}`);
  yield* run(scheduleSql.put, structure, name, specText, optionsText, column, clock, now, now, next);
  yield* noteClock();
  yield* wakeAll(structure);
}

export function* removeSchedule(structure: number, name: string): Script<boolean> {
  yield* lock(structure);
  return (yield* run(scheduleSql.remove, structure, name)) > 0;
}

export function* listSchedules(structure: number): Script<ScheduleRow[]> {
  return yield* all(scheduleSql.list, structure);
}

export function scheduleInfo<Data>(row: ScheduleRow, read: (column: unknown) => Data): ScheduleInfo<Data> {
  const [name, specText, optionsText, data, next, last, job, error] = row;
  const spec = JSON.parse(specText) as Spec;
  const { missed, overlap } = JSON.parse(optionsText) as StoredScheduleOptions;
  return {
    name,
    cron: spec.cron,
    timezone: spec.cron === undefined ? undefined : spec.timezone,
    every: spec.cron === undefined ? spec.every : undefined,
    missed,
    overlap,
    data: read(data),
    nextAt: next === null ? undefined : new Date(Math.round(next)),
    lastAt: last === null ? undefined : new Date(last),
    lastJob: job ?? undefined,
    error: error ?? undefined,
  };
}
