import { Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { until, type Raw } from './helpers.js';

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;

export type Schedules = AsyncQueue<string>;

export const newQueue = (store: AsyncStore, options?: QueueOptions): Schedules =>
  new Queue<string>(store, 'jobs', options);

/** What ran, and for which ticks. */
export function working(queue: Schedules, hold?: Promise<unknown>) {
  const ticks: number[] = [];
  const ran: string[] = [];
  const worker = queue.work(async ({ data, scheduledFor }) => {
    ran.push(data);
    if (scheduledFor !== undefined) ticks.push(scheduledFor.getTime());
    await hold;
  });
  return { worker, ticks, ran };
}

/** As if it had been stored, and its ticks dealt with, so much earlier: nobody has run since. */
export async function rewind(raw: Raw, time: number): Promise<void> {
  await raw(`UPDATE schedules SET since = since - ${time}, seen = seen - ${time}, next = next - ${time}`);
}

/** Waits until all ticks up to now are dealt with. */
export async function dealtWith(queue: Schedules): Promise<void> {
  const now = Date.now();
  await until(async () => (await queue.schedules()).every(({ nextAt }) => nextAt!.getTime() > now));
}

/** How far ticks are apart, to a tenth of a second: what comes in a period is told by the wall clock, which may be corrected by a little. */
export const apart = (ticks: readonly number[]): Set<number> =>
  new Set(ticks.slice(1).map((tick, i) => Math.round((tick - ticks[i]!) / 100) * 100));
