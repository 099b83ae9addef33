import type { KeyColumn } from '../../core/key.js';
import { get, run, type Script } from '../../core/script.js';
import type { Kind } from '../../core/store.js';
import { ruleOf, type Limits, type Rule, type Usage } from '../../core/rate/rules.js';
import {
  holdUsage,
  mendUsage,
  nowOf,
  putUsage,
  usageOf,
  usages,
  type Moment,
  type UsageRow,
} from '../../core/rate/usage.js';
import type { Request } from './options.js';
import { sql } from './statements.js';

/** What a {@link Throttle} answers. */
export interface ThrottleResult {
  /** Whether it was taken. */
  readonly allowed: boolean;
  /** The limit, as it was given to the constructor. */
  readonly limit: number;
  /** How much could be taken now. */
  readonly remaining: number;
  /** In how many milliseconds the same could be taken, if nobody else takes anything: 0 when it was taken. */
  readonly retryAfter: number;
  /** When the whole limit can be taken again, if nobody takes anything, by the wall clock of this process. */
  readonly resetAt: Date;
}

/** A place that somebody waits for. */
export interface Reservation extends Request {
  /** Milliseconds. */
  readonly delay: number;
  /** What was stored without it and with it, and when. */
  readonly before: Usage;
  readonly usage: Usage;
  readonly at: Pick<Moment, 'monotonic' | 'boot'>;
}

/** How much two numbers may differ that are the same but for rounding. Who takes anything changes them by 1 or more. */
const tolerance = 0.01;
/** The latest moment of a Date. */
const latest = 8_640_000_000_000_000;
/** So many keys are looked at, to sweep them, for so many that were new: idle ones are then half as many as those in use, at most. */
const batch = 192;
const perBatch = 64;
/** How long a key stays that is as good as new, in milliseconds, at most: it may be in use, and would be back at once. */
const longestGrace = 10_000;
/** How many keys a transaction removes at most when all are reset: a few milliseconds of the write lock. */
const removedAtOnce = 500;

const turnOf = ({ at, delay }: Reservation): number => at.monotonic + delay;

/** What a throttle does in several statements. */
export class ThrottleScripts {
  readonly #rule: Rule;
  readonly #limit: number;
  readonly #grace: number;
  /** Before every key. */
  readonly #start: KeyColumn;
  #cursor: KeyColumn | undefined;
  #fresh = 0;

  constructor(kind: Kind, limits: Limits) {
    this.#rule = ruleOf(limits);
    this.#limit = limits.limit;
    this.#grace = Math.min(limits.per, longestGrace);
    this.#start = kind === 'embedded' ? -Infinity : new Uint8Array(0);
  }

  /** @param retryAfter - Milliseconds; `undefined` when it was taken. */
  result(usage: Usage, retryAfter?: number): ThrottleResult {
    return {
      allowed: retryAfter === undefined,
      limit: this.#limit,
      remaining: this.#rule.remaining(usage),
      // Not 0: what was refused may have come free only since.
      retryAfter: retryAfter === undefined ? 0 : Math.max(1, Math.ceil(retryAfter)),
      resetAt: new Date(Math.min(latest, Date.now() + Math.ceil(this.#rule.untilUnused(usage)))),
    };
  }

  /** What `row` has come to by now. */
  usage(row: UsageRow | undefined): Usage {
    return usageOf(this.#rule, row);
  }

  /** Whether `cost` could be taken. */
  peeked(row: UsageRow | undefined, cost: number): ThrottleResult {
    const usage = this.usage(row);
    const { delay } = this.#rule.place(usage, cost);
    return this.result(usage, delay === 0 ? undefined : delay);
  }

  /** Why it was refused. */
  *refused(structure: number, { key, cost }: Request): Script<ThrottleResult> {
    const row = yield* get(usages.look, structure, key);
    const usage = this.usage(row);
    if (row !== undefined) yield* mendUsage(this.#rule, structure, key, row);
    return this.result(usage, this.#rule.place(usage, cost).delay);
  }

  *take(structure: number, { key, cost }: Request): Script<ThrottleResult> {
    const row = yield* this.#hold(structure, key);
    const usage = this.usage(row);
    const place = this.#rule.place(usage, cost);
    if (place.delay > 0) {
      yield* mendUsage(this.#rule, structure, key, row);
      return this.result(usage, place.delay);
    }
    yield* putUsage(structure, key, place.usage, nowOf(row));
    return this.result(place.usage);
  }

  /** The next place, unless it is later than `patience` milliseconds: then how much later it is. */
  *reserve(
    structure: number,
    { key, cost }: Request,
    patience: () => number,
  ): Script<Reservation | { readonly late: number }> {
    const row = yield* this.#hold(structure, key);
    const before = this.usage(row);
    const { delay, usage } = this.#rule.place(before, cost);
    if (delay > patience()) {
      yield* mendUsage(this.#rule, structure, key, row);
      return { late: delay };
    }
    const at = nowOf(row);
    yield* putUsage(structure, key, usage, at);
    return { key, cost, delay, before, usage, at };
  }

  /** Gives places back that nobody has queued behind: the last one first, for nobody may be behind the one before it then. */
  *giveBack(structure: number, reservations: readonly Reservation[]): Script<void> {
    const lastFirst = reservations.toSorted((a, b) => turnOf(b) - turnOf(a) || b.usage.used - a.usage.used);
    for (const { key, before, usage, at } of lastFirst) {
      const row = yield* get(usages.hold, structure, key);
      if (row === undefined || row[5] !== at.boot) continue;
      const [used, , phase, monotonic] = row;
      const expected = this.#rule.after(usage, Math.max(0, monotonic - at.monotonic));
      if (Math.abs(used - expected.used) > tolerance || Math.abs(phase - expected.phase) > tolerance)
        continue;
      const now = nowOf(row);
      yield* putUsage(
        structure,
        key,
        this.#rule.after(before, Math.max(0, now.monotonic - at.monotonic)),
        now,
      );
    }
  }

  /** Changes what has been used up. */
  *change(structure: number, key: KeyColumn, change: (usage: Usage) => Usage): Script<ThrottleResult> {
    const row = yield* this.#hold(structure, key);
    const usage = change(this.usage(row));
    yield* putUsage(structure, key, usage, nowOf(row));
    const { delay } = this.#rule.place(usage, 1);
    return this.result(usage, delay === 0 ? undefined : delay);
  }

  *refund(structure: number, { key, cost }: Request): Script<ThrottleResult> {
    return yield* this.change(structure, key, (usage) => this.#rule.refund(usage, cost));
  }

  *penalize(
    structure: number,
    { key, cost, time }: Request & { readonly time: number | undefined },
  ): Script<ThrottleResult> {
    return yield* this.change(structure, key, (usage) =>
      time === undefined ? this.#rule.penalize(usage, cost) : this.#rule.block(usage, time),
    );
  }

  *remove(structure: number, key: KeyColumn): Script<void> {
    yield* run(sql.remove, structure, key);
  }

  /** Removes a batch of keys from `from` on; answers where the next begins, or `undefined` at the end. */
  *removeSome(structure: number, from: KeyColumn | undefined): Script<KeyColumn | undefined> {
    const first = from ?? this.#start;
    const behind = yield* get(sql.keyBehind, structure, first, removedAtOnce);
    const last = behind ?? (yield* get(sql.lastKey, structure));
    if (last !== undefined) yield* run(sql.removeRange, structure, first, last[0]);
    return behind?.[0];
  }

  /** To be told when a key was taken from that had nothing used up: most likely it was not there. */
  noteFresh(key: KeyColumn): void {
    this.#fresh++;
    // Not from the start: many short-lived processes would never come far.
    this.#cursor ??= key;
  }

  /** Whether it is time to sweep. */
  get due(): boolean {
    return this.#fresh >= perBatch;
  }

  /** Removes keys that are as good as new, from where the sweep before has ended. */
  *sweep(structure: number): Script<void> {
    this.#fresh = 0;
    const first = this.#cursor ?? this.#start;
    const now = yield* get(sql.now);
    const behind = yield* get(sql.keyBehind, structure, first, batch);
    const last = behind ?? (yield* get(sql.lastKey, structure));
    this.#cursor = behind?.[0] ?? this.#start;
    if (now === undefined || last === undefined) return;
    const [monotonic, wall, boot] = now;
    const { phase, used, time } = this.#rule.idle;
    yield* run(sql.sweep, structure, first, last[0], boot, monotonic, wall, phase, used, time + this.#grace);
  }

  *#hold(structure: number, key: KeyColumn): Script<UsageRow> {
    const { row, fresh } = yield* holdUsage(structure, key);
    if (fresh) this.noteFresh(key);
    return row;
  }
}
