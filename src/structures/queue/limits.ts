import { encodeKey, type KeyColumn } from '../../core/key.js';
import {
  knownKeys,
  longest,
  milliseconds,
  boolean,
  shown,
  wholeNumber,
  type Duration,
} from '../../core/options.js';
import { gcra, type Rule } from '../../core/rate/rules.js';
import { holdUsage, nowOf, putUsage, usageOf, usages } from '../../core/rate/usage.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import type { Kind } from '../../core/store.js';
import type { Change } from './change.js';
import { regrouping, sql as groupSql } from './group-statements.js';
import { sql, type SettingsRow, type Stage } from './statements.js';
import { wakeAll } from './turn.js';

/** How often jobs may start. */
export interface RateOptions {
  /** How many start in each time of `per`: a whole number, 1 or more. */
  readonly limit: number;
  /** From a millisecond to 100 years. */
  readonly per: Duration;
  /** How many may start at once after a pause: 1 or more. `1` spaces them out evenly. @defaultValue `limit` */
  readonly burst?: number | undefined;
}

/** Limits of each group of jobs. */
export interface GroupLimits {
  /** How many jobs of one group run at once: 1 or more. @defaultValue `Infinity`; with `ordered` it is 1 */
  readonly concurrency?: number | undefined;
  /** How often jobs of one group start. @defaultValue no limit */
  readonly rate?: RateOptions | undefined;
  /** One after the other: a job that is to be tried again holds up those of its group behind it. @defaultValue `false` */
  readonly ordered?: boolean | undefined;
}

/** Limits that hold for all processes together. They are stored with the queue; what is not given stays as it is stored. */
export interface LimitOptions {
  /** How many jobs of the queue run at once, in all processes: 1 or more; `Infinity` removes the limit. */
  readonly concurrency?: number | undefined;
  /** How often jobs of the queue start; `null` removes the limit. It is counted as by `'gcra'` of {@link Throttle}. */
  readonly rate?: RateOptions | null | undefined;
  /** Limits of each group by itself; `null` removes them. */
  readonly groups?: GroupLimits | null | undefined;
}

interface StoredRate {
  readonly limit: number;
  readonly per: number;
  readonly burst: number;
}

interface StoredGroupLimits {
  readonly concurrency?: number;
  readonly rate?: StoredRate;
  readonly ordered?: boolean;
}

/** As stored, in JSON. */
export interface StoredLimits {
  readonly concurrency?: number | undefined;
  readonly rate?: StoredRate | undefined;
  readonly groups?: StoredGroupLimits | undefined;
}

/** What a queue keeps to. */
export interface Settings {
  readonly paused: boolean;
  /** Whether what happens is kept, since somebody listens. */
  readonly recording: boolean;
  readonly limits: StoredLimits;
  /** In how many milliseconds a job is due by itself. */
  readonly later: number;
  /** Whether the places in groups may have changed since what the transaction sees of them. */
  readonly snapshot: boolean;
  /** Whether others that saw such a snapshot have left jobs to be admitted. */
  readonly admissions: boolean;
}

/** What admitting jobs goes by. */
type Places = Pick<Settings, 'limits' | 'snapshot'>;

const noSettings: SettingsRow = [0, null, null, null, null, 0, 0];
const noLimits: StoredLimits = {};
/** The key under which the queue's own rate is counted: no group has it. */
const wholeQueue = new Uint8Array(0);
/** How many jobs of a group are admitted at once, where nothing limits them any more. */
const admittedAtOnce = 1_000;

/** Whether there is a limit, of whatever kind. */
export const isLimited = ({ limits }: Settings): boolean => Object.keys(limits).length > 0;

/** What was given, as it is stored; `undefined` where nothing was. */
export function resolveLimits({ concurrency, rate, groups }: LimitOptions): StoredLimits | undefined {
  if (concurrency === undefined && rate === undefined && groups === undefined) return undefined;
  if (concurrency !== undefined && concurrency !== Infinity) wholeNumber('concurrency', concurrency, 1);
  return {
    ...(concurrency === undefined ? {} : { concurrency: concurrency === Infinity ? undefined : concurrency }),
    ...(rate === undefined ? {} : { rate: rate === null ? undefined : resolveRate('rate', rate) }),
    ...(groups === undefined ? {} : { groups: groups === null ? undefined : resolveGroups(groups) }),
  };
}

function resolveGroups(given: GroupLimits): StoredGroupLimits {
  knownKeys('groups', given, ['concurrency', 'rate', 'ordered']);
  const { concurrency, rate, ordered = false } = given;
  boolean('groups.ordered', ordered);
  if (concurrency !== undefined && concurrency !== Infinity)
    wholeNumber('groups.concurrency', concurrency, 1);
  if (ordered && (concurrency ?? 1) !== 1)
    throw new RangeError(`groups.concurrency must be 1 where groups are ordered, not ${shown(concurrency)}`);
  return {
    ...(ordered ? { ordered, concurrency: 1 } : {}),
    ...(concurrency === undefined || concurrency === Infinity ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate: resolveRate('groups.rate', rate) }),
  };
}

function resolveRate(what: string, given: RateOptions): StoredRate {
  knownKeys(what, given, ['limit', 'per', 'burst']);
  const { limit, burst = limit } = given;
  wholeNumber(`${what}.limit`, limit, 1);
  wholeNumber(`${what}.burst`, burst, 1);
  const per = milliseconds(`${what}.per`, given.per, longest);
  if (per < 1) throw new RangeError(`${what}.per must be 1 ms or more, not ${per}`);
  return { limit, per, burst };
}

const ruleOf = ({ limit, per, burst }: StoredRate): Rule => gcra(limit / per, burst);

/** What of a limit is free, and how to take it. */
interface Share {
  readonly most: number;
  /** In how many milliseconds there is more, by itself. */
  readonly later: number;
  readonly take: (jobs: number) => Script<void>;
}

const unlimited: Share = { most: Infinity, later: Infinity, take: function* () {} };

/** Keeps jobs from starting. */
export class Limits {
  readonly #kind: Kind;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  *settings(structure: number): Script<Settings> {
    const row = yield* get(sql.settings, structure);
    const [paused, limits, recording, delayed, timed, snapshot, admissions]: SettingsRow = row ?? noSettings;
    return {
      snapshot: snapshot === 1,
      admissions: admissions === 1,
      paused: paused === 1,
      later: Math.min(delayed ?? Infinity, timed ?? Infinity),
      recording: recording === 1,
      limits: limits === null ? noLimits : (JSON.parse(limits) as StoredLimits),
    };
  }

  /** Where a job of a group begins that may start by its time: limited ones have to be admitted. */
  *stageToStart(structure: number, group: string | null): Script<Stage> {
    if (group === null) return 'ready';
    return (yield* this.settings(structure)).limits.groups === undefined ? 'ready' : 'parked';
  }

  /** Stores limits, and lets those jobs go that waited for the ones before. */
  *store(structure: number, given: StoredLimits, change: Change): Script<void> {
    yield* lock(structure);
    const { limits: old, snapshot } = yield* this.settings(structure);
    const limits: StoredLimits = { ...old, ...given };
    if (JSON.stringify(limits) === JSON.stringify(old)) return;
    yield* run(sql.setLimits, structure, JSON.stringify(limits));
    yield* run(sql.outdate, structure);
    if (JSON.stringify(limits.groups) !== JSON.stringify(old.groups))
      yield* this.#regroup(structure, old, { limits, snapshot }, change);
    yield* wakeAll(structure);
  }

  /** All groups begin anew: else as many could start as were admitted before. */
  *#regroup(structure: number, old: StoredLimits, now: Places, change: Change): Script<void> {
    const { groups } = now.limits;
    const staysOrdered = old.groups?.ordered === true && groups?.ordered === true;
    const expected = yield* run(regrouping.parkExpected, structure);
    change.count('delayed', -expected);
    change.count('parked', expected);
    if (!staysOrdered) yield* run(regrouping.leave, structure, groups === undefined ? 1 : 0);
    if (groups === undefined) {
      change.admitted(yield* run(regrouping.admitAll, structure));
      return;
    }
    yield* run(regrouping.parkReady, structure);
    yield* run(regrouping.occupy, structure);
    for (const [group] of yield* all(regrouping.groups, structure))
      yield* this.admit(structure, group, now, change);
  }

  /** How many jobs of the queue may start now. With `held`, nobody else takes any until the transaction ends. */
  *share(
    structure: number,
    { concurrency, rate }: StoredLimits,
    change: Change,
    held: boolean,
  ): Script<Share> {
    if (concurrency === undefined && rate === undefined) return unlimited;
    if (held) yield* lock(structure);
    let most = Infinity;
    if (concurrency !== undefined) {
      const running = (yield* get(sql.counts, structure))?.[3] ?? 0;
      most = Math.max(0, concurrency - running - change.running);
    }
    if (rate === undefined) return { ...unlimited, most };
    const rule = ruleOf(rate);
    const row = held
      ? (yield* holdUsage(structure, wholeQueue)).row
      : yield* get(usages.look, structure, wholeQueue);
    const usage = usageOf(rule, row);
    return {
      most: Math.min(most, rule.remaining(usage)),
      later: most === 0 ? Infinity : rule.place(usage, 1).delay,
      *take(jobs) {
        if (jobs > 0 && row !== undefined)
          yield* putUsage(structure, wholeQueue, rule.place(usage, jobs).usage, nowOf(row));
      },
    };
  }

  /** Admits what others have left to be admitted. */
  *takeOver(structure: number, settings: Settings, change: Change): Script<void> {
    if (!settings.admissions) return;
    const groups = new Set((yield* all(groupSql.takeOver, structure)).map(([group]) => group));
    for (const group of groups) yield* this.admit(structure, group, settings, change);
  }

  /**
   * Lets as many jobs of a group be ready as its limits allow: the others are parked, where they cost a claim nothing. Who can't tell how many places are taken
   * leaves it to the next who can, and wakes one who waits for jobs.
   */
  *admit(structure: number, group: string, { limits, snapshot }: Places, change: Change): Script<void> {
    const { groups } = limits;
    if (groups === undefined) return;
    if (snapshot) {
      yield* run(groupSql.leave, structure, group);
      change.admitted(1);
      return;
    }
    const { concurrency = Infinity, rate } = groups;
    const taken =
      concurrency === Infinity
        ? 0
        : ((yield* get(groupSql.occupied, structure, group, concurrency + admittedAtOnce))?.[0] ?? 0);
    const free = Math.min(admittedAtOnce, concurrency - taken);
    // The limit was lowered while they ran, and they are to run again.
    if (free < 0) yield* run(groupSql.evict, structure, group, -free);
    if (free <= 0) return;
    if (rate === undefined) change.admitted(yield* run(groupSql.admit, structure, group, free));
    else yield* this.#admitByRate(structure, group, ruleOf(rate), free, change);
  }

  /**
   * So many that all of them may start now. Where none may, the first one is told when it will: it takes a place, too, and those behind it stay parked until
   * it has started, since what they would be told could change.
   */
  *#admitByRate(structure: number, group: string, rule: Rule, free: number, change: Change): Script<void> {
    if ((yield* get(groupSql.expected, structure, group)) !== undefined) return;
    const unstarted = (yield* get(groupSql.unstarted, structure, group))?.[0] ?? 0;
    const { row } = yield* holdUsage(structure, this.#key(group));
    const usage = usageOf(rule, row);
    const now = Math.min(free, rule.remaining(usage) - unstarted);
    if (now > 0) change.admitted(yield* run(groupSql.admit, structure, group, now));
    else if (unstarted === 0) {
      const { delay } = rule.place(usage, 1);
      const later = yield* run(groupSql.admitLater, delay, structure, group);
      change.count('parked', -later);
      change.count('delayed', later);
    }
  }

  /** Counts that jobs start which were claimed, by the rates of their groups. Those that may not yet, since more of a group were started than were admitted, have to wait. */
  *start<J extends { readonly id: number; readonly group: string | undefined }>(
    structure: number,
    jobs: readonly J[],
    { groups }: StoredLimits,
    change: Change,
  ): Script<J[]> {
    if (groups?.rate === undefined) return [...jobs];
    const rule = ruleOf(groups.rate);
    const started: J[] = [];
    for (const job of jobs) {
      const delay = job.group === undefined ? 0 : yield* this.#count(structure, job.group, rule);
      if (delay === 0) started.push(job);
      else {
        yield* run(groupSql.defer, delay, job.id);
        change.move('running', 'delayed');
      }
      change.freed(job.group ?? null);
    }
    return started;
  }

  /** Gives back in how many milliseconds a job of a group may start; if it may now, counts it. */
  *#count(structure: number, group: string, rule: Rule): Script<number> {
    const key = this.#key(group);
    const { row } = yield* holdUsage(structure, key);
    const { delay, usage } = rule.place(usageOf(rule, row), 1);
    if (delay === 0) yield* putUsage(structure, key, usage, nowOf(row));
    return delay;
  }

  #key(group: string): KeyColumn {
    return encodeKey(group, this.#kind);
  }
}
