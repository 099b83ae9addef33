import { all, get, run, type Script } from '../../core/script.js';
import { noteClock } from '../../core/steady.js';
import { insert, type EncodedJob } from './adding.js';
import type { Change } from './change.js';
import { isOver } from './children.js';
import type { Settings } from './limits.js';
import { resolveAdd, storedOptions } from './options.js';
import type { Spec, StoredScheduleOptions } from './schedule-options.js';
import { corrected, scheduleSql as sql, type DueSchedule, type TickClock } from './schedule-statements.js';
import { dueTicks, ticksOf, type Due } from './ticks.js';

/** How many schedules are looked at in one transaction, and how many jobs they add, or about how many bytes of data. */
const schedulesAtOnce = 20;
const jobsAtOnce = 100;
const bytesAtOnce = 4 * 1024 * 1024;
/** When it is tried again to work out the ticks of a schedule, in milliseconds. */
const retryAfter = 60_000;

/** The time by either clock, in whole milliseconds. */
type Now = Readonly<Record<TickClock, number>>;

/** What is to be done with a schedule. */
interface Firing {
  readonly due: Due;
  readonly options: StoredScheduleOptions;
}

/** In how many milliseconds something is to be done with a schedule, by itself. */
export function untilTick([wall, steady, dealt]: readonly (number | null)[]): number {
  if ((dealt ?? 0) > corrected) return 0;
  return Math.min(wall ?? Infinity, steady ?? Infinity);
}

/** Adds the jobs of ticks that are due; there may be more than are added at once. The structure is locked. */
export function* fire(structure: number, settings: Settings, change: Change): Script<void> {
  const rows = [
    ...(yield* all(sql.ahead, structure, schedulesAtOnce)),
    ...(yield* all(sql.dueByWall, structure, schedulesAtOnce)),
    ...(yield* all(sql.dueBySteady, structure, schedulesAtOnce)),
  ];
  if (rows.length === 0) return;
  // After the look, so that what it found is due.
  const [wall, steady] = (yield* get(sql.now)) ?? [0, 0];
  const now: Now = { wall: Math.floor(wall), steady: Math.floor(steady) };
  let room = jobsAtOnce;
  for (const row of rows) {
    if (room <= 0) break;
    room -= yield* fireOne(structure, row, now, room, settings, change);
  }
  yield* noteClock();
}

/** Gives back how many jobs it has added. */
function* fireOne(
  structure: number,
  row: DueSchedule,
  now: Now,
  room: number,
  settings: Settings,
  change: Change,
): Script<number> {
  const [name, , , , clock, since, seen, last] = row;
  const firing = firingOf(row, now[clock], room);
  if (firing instanceof Error) {
    // Other schedules, and jobs, must not wait for that. Up to when ticks are dealt with stays as it is: none is lost.
    const time = now[clock];
    yield* run(sql.failed, Math.min(since, time), time + retryAfter, firing.message, structure, name);
    return 0;
  }
  const { due, options } = firing;
  const to = Math.max(seen, due.since);
  if ((yield* run(sql.advance, due.since, to, due.next, structure, name, since)) === 0) return 0;
  const ticks = options.overlap === 'allow' ? due.ticks : yield* withoutOverlap(due.ticks, last);
  if (ticks.length === 0) return 0;
  const times = ticks.map((tick) => now.wall - (now[clock] - tick));
  const jobs = times.map((time) => jobOf(row, options, time));
  const ids = yield* insert(structure, jobs, settings.limits.groups !== undefined, change);
  yield* run(sql.added, times.at(-1) ?? 0, ids.at(-1) ?? 0, structure, name);
  return ids.length;
}

/** What is wrong with it, should that be so: whatever this Node, or this version, can't read. */
function firingOf(row: DueSchedule, now: number, room: number): Firing | Error {
  const [, spec, optionsText, , , since, seen] = row;
  try {
    const options = JSON.parse(optionsText) as StoredScheduleOptions;
    const { missed, overlap, size } = options;
    const start = startOf(since, seen, now);
    const most = Math.max(1, Math.min(room, Math.floor(bytesAtOnce / size)));
    // One job may not overlap another: all that were missed then come to one.
    const policy = overlap === 'skip' && missed === 'all' ? 'once' : missed;
    const due = dueTicks(ticksOf(JSON.parse(spec) as Spec, start), policy, start, now, most);
    return { due, options };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Up to when ticks are dealt with: the clock may have been set. */
function startOf(since: number, seen: number, now: number): number {
  // It was behind for a while, and what came before that was dealt with then.
  if (seen <= now) return seen;
  return since > now + corrected ? now : since;
}

function* withoutOverlap(ticks: readonly number[], last: number | null): Script<readonly number[]> {
  const stage = last === null ? undefined : yield* get(sql.stageOf, last);
  return stage === undefined || isOver(stage[0]) ? ticks.slice(-1) : [];
}

function jobOf([, , , column]: DueSchedule, { job, size }: StoredScheduleOptions, tick: number): EncodedJob {
  const options = JSON.stringify({ ...storedOptions(job.options), scheduledFor: tick });
  return { ...resolveAdd(undefined), ...job, options, column, size };
}
