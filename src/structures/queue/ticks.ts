import { cronTicks, type Ticks } from '../../core/cron.js';
import type { Missed, Spec } from './schedule-options.js';

/** A tick that is later than that was missed, in milliseconds. */
const tolerated = 60_000;

/** What is due of a schedule. */
export interface Due {
  /** The ticks that are to be fired, the oldest first. */
  readonly ticks: readonly number[];
  /** Up to when ticks are dealt with then. */
  readonly since: number;
  /** The one after that; null when none comes any more. */
  readonly next: number | null;
}

/** @param since - From where periods are counted: any of its ticks, or when it was scheduled. */
export function ticksOf(spec: Spec, since: number): Ticks {
  if (spec.cron !== undefined) return cronTicks(spec.cron, spec.timezone);
  const { every } = spec;
  const upTo = (time: number): number => since + Math.floor((time - since) / every) * every;
  return { upTo, after: (time) => upTo(time) + every };
}

/** What is due of ticks that are dealt with up to `since`: `most` of them at once. */
export function dueTicks(ticks: Ticks, missed: Missed, since: number, now: number, most: number): Due {
  const first = ticks.after(since);
  if (first === null || first > now) return { ticks: [], since, next: first };
  if (missed !== 'all' && first < now - tolerated) {
    const newest = ticks.upTo(now) ?? first;
    const fires = missed === 'once' || newest >= now - tolerated;
    return { ticks: fires ? [newest] : [], since: newest, next: ticks.after(newest) };
  }
  const due: number[] = [];
  let next: number | null = first;
  for (; next !== null && next <= now && due.length < most; next = ticks.after(next)) due.push(next);
  return { ticks: due, since: due.at(-1) ?? since, next };
}
