import type { GroupLimits, RateOptions } from '../../../src/index.js';
import type { JobRow } from './tables.js';

/** What holds of a queue. */
export interface Limits {
  readonly concurrency: number | undefined;
  readonly rate: RateOptions | undefined;
  readonly groups: GroupLimits | undefined;
}

export const noLimits: Limits = { concurrency: undefined, rate: undefined, groups: undefined };

/** A job that was started since it was looked last. */
export interface Start {
  readonly row: JobRow;
  readonly at: number;
}

/** Sees to it that no more starts than the limits of one queue allow. */
export class LimitChecker {
  readonly #queue: string;
  /** What clocks may differ by, in milliseconds. */
  readonly #slack: number;
  #limits = noLimits;
  #starts = new Map<string, number[]>();

  constructor(queue: string, slack: number) {
    this.#queue = queue;
    this.#slack = slack;
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** What was started under other limits does not count. */
  set(limits: Limits): void {
    this.#limits = limits;
    this.#starts = new Map();
  }

  /** What those who have just started are too many for. */
  *check(rows: readonly JobRow[], starts: readonly Start[]): Iterable<string> {
    if (starts.length === 0) return;
    const { concurrency, rate, groups } = this.#limits;
    const own = rows.filter(({ queue }) => queue === this.#queue);
    const running = own.filter(({ state }) => state === 'running');
    yield* this.#tooMany(running.length, concurrency, 'jobs');
    const most = groups?.ordered === true ? 1 : groups?.concurrency;
    for (const group of new Set(starts.map(({ row }) => row.grp)))
      if (group !== null)
        yield* this.#tooMany(running.filter(({ grp }) => grp === group).length, most, `jobs of ${group}`);
    for (const { row, at } of starts.toSorted((a, b) => a.at - b.at)) {
      yield* this.#tooOften('all jobs', rate, at);
      if (row.grp !== null) yield* this.#tooOften(`jobs of ${row.grp}`, groups?.rate, at);
      // One that has failed by now stood before those that have started since.
      if (groups?.ordered === true && running.some(({ id, claim }) => id === row.id && claim === row.claim))
        yield* this.#outOfOrder(own, row);
    }
  }

  *#tooMany(running: number, most: number | undefined, what: string): Iterable<string> {
    if (running > (most ?? Infinity))
      yield `${this.#queue}: ${running} ${what} run, at most ${String(most)} may`;
  }

  /** By the definition of the bucket: of those that started from any moment on, there are no more than the burst and what time has paid off since. */
  *#tooOften(what: string, rate: RateOptions | undefined, at: number): Iterable<string> {
    if (rate === undefined) return;
    const starts = this.#starts.get(what) ?? [];
    this.#starts.set(what, [...starts, at]);
    const { limit, burst = limit } = rate;
    for (const [i, first] of starts.entries()) {
      const time = at - first + this.#slack;
      const count = starts.length - i + 1;
      if (count > burst + (time * limit) / Number(rate.per) + 1e-6)
        yield `${this.#queue}: ${count} ${what} have started within ${at - first}, at a rate of ${limit} per ${rate.per}, burst ${burst}`;
    }
  }

  /** Of an ordered group one that is to be tried again goes first. */
  *#outOfOrder(own: readonly JobRow[], { id, grp }: JobRow): Iterable<string> {
    const held = own.find((row) => row.grp === grp && row.id !== id && row.slot !== null);
    if (held !== undefined)
      yield `job ${id} has started before job ${held.id}, ${held.state}, of its ordered group`;
  }
}

/** Where a job was taken though another stood before it: of those that have waited all the time. */
export function* overtaking(before: readonly JobRow[], now: readonly JobRow[]): Iterable<string> {
  const later = new Map(now.map((row) => [row.id, row]));
  for (const stage of ['ready', 'parked']) {
    const queued = before.filter(({ state }) => state === stage);
    for (const taken of queued) {
      if (!isTaken(taken, later.get(taken.id))) continue;
      for (const left of queued) {
        const row = later.get(left.id);
        if (row === undefined || !isSame(left, row) || left.queue !== taken.queue) continue;
        if (stage === 'parked' && left.grp !== taken.grp) continue;
        if (compare(left, taken) < 0)
          yield `job ${taken.id} was taken before job ${left.id}: ${JSON.stringify([taken, later.get(taken.id), left])}`;
      }
    }
  }
}

const isSame = (a: JobRow, b: JobRow): boolean =>
  a.state === b.state && a.rank === b.rank && a.due === b.due && a.claim === b.claim;

const isTaken = (before: JobRow, now: JobRow | undefined): boolean =>
  now !== undefined &&
  now.rank === before.rank &&
  (now.claim > before.claim || (before.state === 'parked' && (now.state === 'ready' || now.slot !== null)));

const compare = (a: JobRow, b: JobRow): number => a.rank - b.rank || a.due - b.due || a.id - b.id;
