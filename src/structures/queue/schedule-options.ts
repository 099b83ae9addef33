import { cronTicks } from '../../core/cron.js';
import {
  knownKeys,
  longest,
  milliseconds,
  nameString,
  oneOf,
  shown,
  type Duration,
} from '../../core/options.js';
import type { AddOptions, Plan } from './options.js';

type JobOptions = Pick<AddOptions, 'name' | 'group' | 'priority' | 'attempts' | 'backoff' | 'timeout'>;

/** What a schedule has whose ticks come by cron or in a period. `name`, `group`, `priority` and so on are those of its jobs. */
export interface ScheduleJobOptions<Data> extends JobOptions {
  /** What its jobs are added with. */
  readonly data: Data;
  /**
   * Ticks pass by while no worker of the queue runs anywhere, or when the wall clock is set forward. Those that are no more than a minute late are fired as if
   * they were not late. Once one is later than that:
   *
   * - `'skip'`: the newest tick is fired if it is no more than a minute late, so that a restart does not lose it; no other is.
   * - `'once'`: one job is added for all of them, that of the newest tick.
   * - `'all'`: a job is added for each, the oldest first.
   * @defaultValue `'skip'`
   */
  readonly missed?: 'skip' | 'once' | 'all' | undefined;
  /**
   * `'allow'`: each tick adds a job. `'skip'`: none is added while the last one has not ended, be it that it waits, runs, or is to be tried again; where several ticks are
   * late, there is one job at most, that of the newest.
   * @defaultValue `'allow'`
   */
  readonly overlap?: 'allow' | 'skip' | undefined;
}

/** Ticks by the wall clock. */
export interface CronScheduleOptions<Data> extends ScheduleJobOptions<Data> {
  /**
   * Minute, hour, day of the month, month, day of the week, say `'0 9 * * MON-FRI'`; with six fields the seconds come first, with seven the year last. Lists, ranges, steps
   * and English names; `L` is the last day of the month, `FRI#L` the last Friday, `MON#1` the first Monday, `15W` the weekday nearest to the 15th; `@daily` and the like. Where
   * both the day of the month and that of the week are given, either will do; with a `+` before the latter, both must.
   *
   * Where clocks are set forward, a time that is named (without `*` or a step in hours, minutes and seconds) and does not exist that day comes right after the gap; where they are
   * set back, one that comes twice counts the first time. All others go by real time: they neither come in the gap, nor leave out the repeated hour.
   */
  readonly cron: string;
  /** An IANA name, such as `'Europe/Berlin'`. @defaultValue `'UTC'`, in whichever time zone the process is */
  readonly timezone?: string | undefined;
  readonly every?: undefined;
}

/** Ticks in a period, whatever is done to the wall clock. */
export interface PeriodicScheduleOptions<Data> extends ScheduleJobOptions<Data> {
  /**
   * From a second to 100 years. The first tick comes one period after it was scheduled, and the others keep to that, however late one is. The time goes on while no process runs,
   * or the machine is off.
   */
  readonly every: Duration;
  readonly cron?: undefined;
  readonly timezone?: undefined;
}

/** Options of {@link Queue.schedule}: `cron` or `every`, and `data`. */
export type ScheduleOptions<Data> = CronScheduleOptions<Data> | PeriodicScheduleOptions<Data>;

export type Missed = 'skip' | 'once' | 'all';
export type Overlap = 'allow' | 'skip';

/** When the ticks of a schedule come, as stored in JSON. `every` is milliseconds. */
export type Spec =
  | { readonly cron: string; readonly timezone: string }
  | { readonly every: number; readonly cron?: undefined };

/** What its ticks come to, as stored in JSON. */
export interface StoredScheduleOptions {
  readonly missed: Missed;
  readonly overlap: Overlap;
  readonly job: Pick<Plan, 'name' | 'group' | 'rank' | 'options'>;
  /** The bytes of its data. */
  readonly size: number;
}

const known = [
  ...['cron', 'every', 'timezone', 'missed', 'overlap', 'data'],
  ...['name', 'group', 'priority', 'attempts', 'backoff', 'timeout'],
];
const shortest = 1_000;

/** What was given, but for the data. */
export interface ResolvedSchedule {
  readonly spec: Spec;
  readonly missed: Missed;
  readonly overlap: Overlap;
  /** Not yet checked. */
  readonly job: JobOptions;
}

export function resolveSchedule<Data>(name: string, given: ScheduleOptions<Data>): ResolvedSchedule {
  nameString('name of the schedule', name);
  knownKeys('options of schedule()', given, known);
  const { missed = 'skip', overlap = 'allow', group, priority, attempts, backoff, timeout } = given;
  oneOf('missed', missed, ['skip', 'once', 'all']);
  oneOf('overlap', overlap, ['allow', 'skip']);
  const job = { name: given.name, group, priority, attempts, backoff, timeout };
  return { spec: resolveSpec(given), missed, overlap, job };
}

/** The types are for those who use them. */
function resolveSpec(given: {
  readonly cron?: unknown;
  readonly every?: unknown;
  readonly timezone?: unknown;
}): Spec {
  const { cron, every, timezone } = given;
  if ((cron === undefined) === (every === undefined))
    throw new TypeError('options of schedule() must have either cron or every');
  if (cron !== undefined) return cronSpec(cron, timezone);
  if (timezone !== undefined) throw new TypeError('timezone goes with cron: what comes in a period has none');
  const period = Math.round(milliseconds('every', every, longest));
  if (period < shortest) throw new RangeError(`every must be a second or more, not ${shown(every)}`);
  return { every: period };
}

function cronSpec(cron: unknown, timezone: unknown = 'UTC'): Spec {
  if (typeof cron !== 'string')
    throw new TypeError(`cron must be a string such as '0 9 * * MON-FRI', not ${shown(cron)}`);
  if (typeof timezone !== 'string')
    throw new TypeError(`timezone must be a string such as 'Europe/Berlin', not ${shown(timezone)}`);
  cronTicks(cron, timezone);
  return { cron, timezone };
}
