import type { ValueColumn } from '../../core/columns.js';
import { all, each, get, lock, owner, run, type Script } from '../../core/script.js';
import { noteClock } from '../../core/steady.js';
import type { Kind, OwnerRow, Turn } from '../../core/store.js';
import { bury, theDead } from '../../core/waiting.js';
import { insert, insertOne, isPlain, type EncodedJob } from './adding.js';
import { Change } from './change.js';
import { release } from './children.js';
import { claimReady } from './claiming.js';
import {
  noRoom,
  overdue,
  type Answer,
  type Claimed,
  type Delivery,
  type Room,
  type Told,
} from './delivery.js';
import { forward } from './forwarding.js';
import { trace } from './recording.js';
import { isLimited, Limits, type Settings, type StoredLimits } from './limits.js';
import { readingOf, type Reading } from './looking.js';
import { resolveAdd, storedOptions, type AddOptions, type Policy } from './options.js';
import { lostError, Outcomes, type Claim, type Outcome } from './outcomes.js';
import { prune } from './pruning.js';
import { rescued, settle } from './settling.js';
import { anyLost } from './standing.js';
import { sql, type ClaimedRow } from './statements.js';
import { turnFor, type Claims } from './turn.js';
import type { Validate } from './validating.js';

/** How many jobs that have become due are made ready at once. */
const promotedAtOnce = 1_000;

/** What a queue does in several statements. */
export class QueueScripts {
  readonly #kind: Kind;
  readonly #name: string;
  readonly #validate: Validate;
  readonly columns: Reading;
  readonly limits: Limits;
  readonly outcomes: Outcomes;

  constructor(kind: Kind, name: string, policy: Policy, validate: Validate) {
    this.#kind = kind;
    this.#validate = validate;
    this.#name = name;
    this.columns = readingOf(kind);
    this.limits = new Limits(kind);
    this.outcomes = new Outcomes(this.columns, policy);
  }

  encoded(data: unknown, given: AddOptions | undefined): EncodedJob {
    const { column, size } = this.columns.values.encodeValue(this.#validate(data, given?.name), 'data');
    const { name, group, key, keyed, window, onDuplicate, rank, delay, at, options, after } =
      resolveAdd(given);
    // Written out: to spread the plan took as long as to encode the data.
    return { name, group, key, keyed, window, onDuplicate, rank, delay, at, options, after, column, size };
  }

  /** Anything, in its column. */
  value(what: string, value: unknown): ValueColumn {
    return this.columns.values.encodeValue(value, what).column;
  }

  data(column: unknown): never {
    return this.columns.data.decodeValue(column);
  }

  /** Stores what limits were given. */
  *storeLimits(structure: number, given: StoredLimits): Script<void> {
    const change = new Change();
    yield* this.limits.store(structure, given, change);
    yield* change.store(structure);
  }

  /** The numbers of the jobs, in order; of those whose key was taken, that of the one that has it. */
  *add(structure: number, jobs: readonly EncodedJob[]): Script<number[]> {
    const change = new Change();
    // Else two could take a key at a time, and a job of a group could be added besides the limits that are just being stored.
    if (jobs.some(({ key, group }) => key !== null || group !== null)) yield* lock(structure);
    const settings = jobs.some(({ group, after }) => group !== null || after.length > 0)
      ? yield* this.#begin(structure, change)
      : undefined;
    const limited = settings?.limits.groups !== undefined;
    let ids: number[] = [];
    if (jobs.every(isPlain)) ids = yield* insert(structure, jobs, limited, change);
    else
      for (const job of jobs) ids.push(yield* insertOne(structure, withChildren(job, ids), limited, change));
    yield* this.#end(structure, settings, change);
    return ids;
  }

  /** The numbers by label. */
  *flow(structure: number, jobs: readonly (EncodedJob & { label: string })[]): Script<Map<string, number>> {
    const ids = yield* this.add(structure, jobs);
    return new Map(jobs.map(({ label }, i) => [label, ids[i] ?? 0]));
  }

  /** Writes what has ended, and claims as much as is wanted. */
  *exchange(structure: number, delivery: Delivery): Script<Answer> {
    const { claimed, settings } = yield* this.#exchange(structure, delivery);
    const plain = !settings.paused && !settings.recording && !isLimited(settings);
    return { claimed, again: [], full: claimed.length >= delivery.want, plain };
  }

  /** `refused` are the runs that were not theirs any more. */
  *#exchange(
    structure: number,
    { outcomes, told, ...room }: Delivery,
  ): Script<{
    readonly claimed: readonly Claimed[];
    readonly refused: readonly Claim[];
    settings: Settings;
  }> {
    const change = new Change();
    const settings = yield* this.#begin(structure, change);
    yield* this.#tell(told, change);
    const refused = yield* this.#settle(structure, outcomes, settings, change);
    const { claimed } = yield* this.#claim(structure, room, settings, change);
    yield* this.#end(structure, settings, change);
    return { claimed, refused, settings };
  }

  /** What one statement has left to be done with jobs that it has claimed. Gives back those that may run. */
  *finish(structure: number, claimed: readonly Claimed[], atOnce: number): Script<Claimed[]> {
    const change = new Change();
    const settings = yield* this.#begin(structure, change);
    const left = yield* this.#withoutExpired(structure, claimed, settings.limits, change);
    yield* this.#writeDeadlines(left, atOnce);
    yield* this.#end(structure, settings, change);
    return left;
  }

  /** Completes one job, in the transaction of its handler. */
  *complete(structure: number, outcome: Outcome, told: Told): Script<void> {
    const { refused } = yield* this.#exchange(structure, { outcomes: [outcome], told, ...noRoom });
    if (refused.length > 0) throw lostError();
  }

  /**
   * Gives back what a worker has, as its store closes. The store stays among those who take jobs: what it may have claimed without knowing, others give back
   * once they have seen that it is gone.
   */
  *leave(structure: number, outcomes: readonly Outcome[], told: Told): Script<void> {
    yield* this.exchange(structure, { outcomes, told, ...noRoom });
  }

  /** Those among the jobs of this store that somebody wants to be cancelled. */
  *cancelling(structure: number): Script<number[]> {
    const rows = yield* all(sql.cancelling, structure, yield* owner());
    return rows.map(([id]) => id);
  }

  /** The dead among those who take jobs; `undefined` where there are none, and nothing of others is to be given back. */
  *dead(structure: number): Script<number[] | undefined> {
    const dead = yield* theDead(yield* otherWorkers(structure));
    return dead.length > 0 || (yield* anyLost(structure)) ? dead : undefined;
  }

  *bury(structure: number, dead: readonly number[]): Script<void> {
    for (const one of dead) yield* bury(one);
    yield* this.changing(structure, (change, settings) => this.#rescue(structure, settings, change));
  }

  /** Changes jobs, and heeds the limits: what counts towards them nobody else changes until the transaction ends. */
  *changing<T>(structure: number, work: (change: Change, settings: Settings) => Script<T>): Script<T> {
    const change = new Change();
    const settings = yield* this.#begin(structure, change);
    const result = yield* work(change, settings);
    yield* this.#end(structure, settings, change);
    return result;
  }

  *prune(structure: number): Script<boolean> {
    const change = new Change();
    const more = yield* prune(structure, this.outcomes, change);
    yield* change.store(structure);
    return more;
  }

  /** See {@link turnFor}. */
  turn(room: () => Room, taking: (claimed: readonly Claimed[]) => void): Turn<readonly Claimed[]> {
    return turnFor(
      {
        kind: this.#kind,
        takeOrSleep: (structure, some) => this.#takeOrSleep(structure, some),
        untilReady: (structure) => this.#untilReady(structure),
        othersOf: otherWorkers,
      },
      room,
      taking,
    );
  }

  /** What could be claimed. Who adds meanwhile has to wait until this store is seen to be in line. */
  *#takeOrSleep(structure: number, room: Room): Script<Claims> {
    yield* lock(structure);
    const change = new Change();
    const settings = yield* this.limits.settings(structure);
    change.recording = settings.recording;
    yield* this.limits.takeOver(structure, settings, change);
    let claims = yield* this.#claim(structure, room, settings, change);
    // Only then: whoever has jobs to run has somebody to look after the others, too.
    if (claims.claimed.length === 0 && (yield* anyLost(structure))) {
      yield* this.#rescue(structure, settings, change);
      claims = yield* this.#claim(structure, room, settings, change);
    }
    yield* this.#end(structure, settings, change);
    return claims;
  }

  /** In how many milliseconds something can be taken, by itself. */
  *#untilReady(structure: number): Script<number> {
    if (yield* anyLost(structure)) return 0;
    const { paused, limits, later, admissions } = yield* this.limits.settings(structure);
    if (paused) return Infinity;
    const share = yield* this.limits.share(structure, limits, new Change(), false);
    if (share.most < 1) return share.later;
    if (admissions) return 0;
    return (yield* get(sql.anyReady, structure)) === undefined ? later : 0;
  }

  *#claim(structure: number, { want, atOnce }: Room, settings: Settings, change: Change): Script<Claims> {
    const { paused, limits, later } = settings;
    if (paused || want === 0) return noClaims;
    const isDue = later <= 0;
    if (isDue) yield* this.#promote(structure, settings, change);
    const share = yield* this.limits.share(structure, limits, change, true);
    const most = Math.min(want, share.most);
    const own = yield* owner();
    // Each time: others may have taken this store for dead, and struck it off. What it claimed then nobody would give back.
    if (most > 0) yield* run(sql.register, structure, own);
    const claimed: Claimed[] = [];
    while (claimed.length < most) {
      const rows = yield* claimReady(this.#kind, structure, own, most - claimed.length);
      if (rows.length === 0) break;
      change.claimed(rows.length);
      const sorted = yield* this.#sortOut(structure, rows, limits, change);
      claimed.push(...(yield* this.limits.start(structure, sorted, limits, change)));
    }
    for (const { id, failures } of claimed) change.tell('started', id, failures + 1);
    yield* share.take(claimed.length);
    yield* this.#writeDeadlines(claimed, atOnce);
    if (claimed.length > 0) return { claimed, later: 0 };
    const due = isDue ? (yield* this.limits.settings(structure)).later : later;
    return { claimed, later: Math.min(share.later, due) };
  }

  *#promote(structure: number, settings: Settings, change: Change): Script<void> {
    const limited = settings.limits.groups === undefined ? 0 : 1;
    const delayed = yield* all(sql.promoteDelayed, limited, structure, promotedAtOnce);
    const timed = yield* all(sql.promoteTimed, limited, structure, promotedAtOnce);
    if (delayed.length + timed.length === 0) return;
    for (const [stage, group] of [...delayed, ...timed]) {
      change.count('delayed', -1);
      change.count(stage, 1);
      // Behind one that has waited for its time, the next may have a time, too.
      change.freed(group);
    }
    yield* this.#admit(structure, change.takeGroups(), settings, change);
    yield* noteClock();
  }

  /** Writes by when those are overdue that are started at once. */
  *#writeDeadlines(claimed: readonly Claimed[], atOnce: number): Script<void> {
    const timed = claimed.slice(0, atOnce).flatMap(overdue);
    if (timed.length > 0) yield* each(sql.writeDeadline, timed);
  }

  /** In order, without those that have expired. */
  *#sortOut(
    structure: number,
    rows: readonly ClaimedRow[],
    limits: StoredLimits,
    change: Change,
  ): Script<Claimed[]> {
    return yield* this.#withoutExpired(structure, this.claimedOf(rows), limits, change);
  }

  *#withoutExpired(
    structure: number,
    claimed: readonly Claimed[],
    limits: StoredLimits,
    change: Change,
  ): Script<Claimed[]> {
    if (!claimed.some(({ options }) => options.expires !== undefined)) return [...claimed];
    const now = (yield* get(sql.now))?.[0] ?? 0;
    const hasExpired = ({ options }: Claimed): boolean => (options.expires ?? Infinity) < now;
    const expired = claimed.filter(hasExpired).map((job) => this.outcomes.expired(job));
    yield* settle(structure, this.outcomes, expired, limits, change);
    return claimed.filter((job) => !hasExpired(job));
  }

  /** In their order. */
  claimedOf(rows: readonly ClaimedRow[]): Claimed[] {
    const sorted =
      rows.length === 1 ? rows : rows.toSorted((a, b) => a[2] - b[2] || a[3] - b[3] || a[0] - b[0]);
    return sorted.map((row) => this.#claimed(row));
  }

  #claimed([id, claim, , , failures, added, name, group, options, bytes, data]: ClaimedRow): Claimed {
    const stored = storedOptions(options);
    const timeout = stored.timeout ?? this.outcomes.policy.timeout;
    const named = { name: name ?? undefined, group: group ?? undefined };
    return { id, claim, failures, added, ...named, options: stored, timeout, bytes, data };
  }

  *#rescue(structure: number, settings: Settings, change: Change): Script<void> {
    yield* this.#settle(structure, yield* rescued(structure, this.outcomes), settings, change);
  }

  *#settle(
    structure: number,
    outcomes: readonly Outcome[],
    { limits }: Settings,
    change: Change,
  ): Script<Claim[]> {
    return yield* settle(structure, this.outcomes, outcomes, limits, change);
  }

  /**
   * Where there are limits, nobody else changes what counts towards them until the transaction ends. Where somebody listens the structure is locked, too: before jobs
   * are, as everywhere.
   */
  *#begin(structure: number, change: Change): Script<Settings> {
    const settings = yield* this.limits.settings(structure);
    change.recording = settings.recording;
    if (settings.recording || isLimited(settings)) yield* lock(structure);
    yield* this.limits.takeOver(structure, settings, change);
    return settings;
  }

  *#end(structure: number, settings: Settings | undefined, change: Change): Script<void> {
    yield* release(structure, this, change);
    const { onFailed } = this.outcomes.policy;
    const failed = change.takeFailed();
    if (onFailed !== undefined && failed.length > 0)
      yield* forward([structure, this.#name, onFailed], failed, this, change);
    yield* this.#finish(structure, settings, change);
    for (const [other, there] of change.others) yield* this.#finish(other, undefined, there);
  }

  *#finish(structure: number, settings: Settings | undefined, change: Change): Script<void> {
    const groups = change.takeGroups();
    if (groups.length > 0) {
      // Limits may have been stored meanwhile: who has freed a place of theirs sees them now.
      const known = settings?.limits.groups === undefined ? yield* this.#begin(structure, change) : settings;
      yield* this.#admit(structure, groups, known, change);
    }
    yield* change.store(structure);
    yield* trace(structure, change.happenings, this.columns);
  }

  *#admit(structure: number, groups: readonly string[], settings: Settings, change: Change): Script<void> {
    for (const group of groups) yield* this.limits.admit(structure, group, settings, change);
  }

  *#tell({ begun, progress, logs }: Told, change: Change): Script<void> {
    if (begun.length > 0) yield* each(sql.writeDeadline, begun);
    if (progress.length > 0) {
      const values = new Map(progress.map(([value, id]) => [id, value]));
      for (const [id] of yield* each(sql.progress, progress))
        change.tell('progress', id, null, values.get(id));
    }
    for (const [line, id, claim] of logs) {
      if ((yield* get(sql.isCurrent, id, claim)) !== undefined) yield* each(sql.note, [[id, 'log', line]]);
    }
  }
}

const noClaims: Claims = { claimed: [], later: Infinity };

/** Whom to look after. */
function* otherWorkers(structure: number): Script<readonly OwnerRow[]> {
  return yield* all(sql.workers, structure, yield* owner());
}

/** With the numbers of those of its children that were added just before. */
function withChildren(job: EncodedJob, ids: readonly number[]): EncodedJob {
  if (!job.after.some(({ added }) => added)) return job;
  const after = job.after.map((link) => (link.added ? { ...link, id: ids[link.id] ?? 0 } : link));
  return { ...job, after };
}
