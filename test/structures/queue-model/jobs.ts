import type { OnDuplicate } from '../../../src/index.js';
import { takeTicks, type ModelSchedule } from './scheduling.js';

/** What a queue of the model goes by: the options that all of its objects have. */
export interface Policy {
  readonly attempts: number;
  readonly backoff: number;
  readonly maxDeaths: number;
  /** Whether completed jobs are kept. */
  readonly keeps: boolean;
}

/** A moment, by the clock that delays go by and by that of the wall. */
export interface Now {
  readonly steady: number;
  readonly wall: number;
}

/** How the handler of a job behaves when its time is over: it is never; it throws; it goes on. */
export type Timeout = 'none' | 'long' | 'throws' | 'deaf';

/** A job that is to be added. Its token is its name and its data. */
export interface Plan {
  readonly token: string;
  readonly queue: string;
  readonly size: number;
  readonly priority: number;
  readonly group: string | undefined;
  readonly key: string | undefined;
  readonly unique: 'waiting' | 'unfinished' | number;
  readonly onDuplicate: OnDuplicate;
  readonly attempts: number | undefined;
  readonly timeout: Timeout;
  readonly delay: number;
  readonly at: number | undefined;
  readonly expires: number | undefined;
  readonly after: readonly { readonly child: ModelJob; readonly label?: string; readonly ignores: boolean }[];
}

export type End = 'completed' | 'failed' | 'cancelled';

/** What a run of a job comes to. */
export type Outcome =
  | { readonly kind: 'completed'; readonly result: string }
  | { readonly kind: 'failed'; readonly error: string; readonly retry: boolean }
  | { readonly kind: 'snoozed'; readonly delay: number }
  | { readonly kind: 'released' | 'died' | 'expired' };

/** A job that another is to run after. */
export interface Link {
  readonly child: ModelJob;
  readonly label: string | undefined;
  readonly ignores: boolean;
  end: End | undefined;
  result: string | undefined;
}

/** A claim that holds. */
export interface Claim {
  readonly number: number;
  readonly owner: number | null;
  readonly at: Now;
  /** It may be taken back, as its owner is gone. */
  dead: boolean;
  /** What it certainly comes to, though it may have no handler. */
  settling: Outcome | undefined;
}

export interface ModelJob {
  /** 0 until it is known. */
  id: number;
  readonly token: string;
  readonly queue: string;
  readonly group: string | undefined;
  readonly key: string | undefined;
  /** The tick of a schedule, by the wall clock. */
  readonly tick: number | undefined;
  /** Whether it has its key until it starts (1), or ends (2); negative where it had. */
  keyed: number | undefined;
  /** What it was added with, or what has replaced that. */
  plan: Plan;
  state: 'blocked' | 'waiting' | End;
  /** The number of the last claim. */
  claims: number;
  claim: Claim | undefined;
  cancelling: boolean;
  failures: number;
  deaths: number;
  /** It does not start before. */
  notBefore: Partial<Now>;
  links: Link[];
  successor: Plan | undefined;
  result: string | undefined;
  readonly errors: string[];
}

const isOver = ({ state }: ModelJob): boolean => state !== 'blocked' && state !== 'waiting';
export const isUnfinished = (job: ModelJob): boolean => !isOver(job);

/** What a queue is promised to do, in memory. */
export class Model {
  readonly jobs = new Map<number, ModelJob>();
  /** By queue and name. */
  readonly schedules = new Map<string, ModelSchedule>();
  /** Those whose numbers are not known yet: they follow others, or are of schedules. */
  unborn: ModelJob[] = [];
  readonly #policies: Readonly<Record<string, Policy>>;
  readonly #windows = new Map<string, { until: number; job: ModelJob }>();
  readonly #now: () => Now;
  #over: ModelJob[] = [];

  constructor(policies: Readonly<Record<string, Policy>>, now: () => Now) {
    this.#policies = policies;
    this.#now = now;
  }

  policy(queue: string): Policy {
    return this.#policies[queue]!;
  }

  attempts({ plan, queue }: ModelJob): number {
    return plan.attempts ?? this.policy(queue).attempts;
  }

  /** The job that has a key, or had it. */
  holder({ queue, key, unique }: Plan): ModelJob | undefined {
    if (key === undefined) return undefined;
    if (typeof unique === 'number') {
      const window = this.#windows.get(`${queue} ${key}`);
      return window !== undefined && window.until > this.#now().steady ? window.job : undefined;
    }
    return this.all().find((job) => job.queue === queue && job.key === key && (job.keyed ?? 0) > 0);
  }

  all(): ModelJob[] {
    return [...this.jobs.values(), ...this.unborn];
  }

  /** Adds a job, unless its key is taken: gives back the one that it is then, and what is done with it. */
  add(plan: Plan): { readonly job: ModelJob; readonly added: boolean } | 'refused' {
    const holder = this.holder(plan);
    if (holder === undefined) return { job: this.#insert(plan), added: true };
    if (plan.onDuplicate === 'error') return 'refused';
    if (plan.onDuplicate !== 'ignore' && !isOver(holder) && this.jobs.get(holder.id) === holder) {
      if (holder.claim !== undefined) holder.successor = plan;
      else {
        holder.plan = plan;
        // What runs next has the newest data: there is nothing left to be run after it.
        holder.successor = undefined;
      }
    }
    return { job: holder, added: false };
  }

  /** Gives a job that was added its number. */
  born(job: ModelJob, id: number): void {
    job.id = id;
    this.unborn = this.unborn.filter((one) => one !== job);
    this.jobs.set(id, job);
  }

  /** Each tick that is due adds a job. */
  fire(now: Now): void {
    for (const one of this.schedules.values())
      for (const tick of takeTicks(one, now)) this.#insert(one.plan, false, now.wall - now.steady + tick);
  }

  /** @param follows - Whether it follows another: then it opens no window. */
  #insert(plan: Plan, follows = false, tick?: number): ModelJob {
    const { token, queue, group, key, unique, delay, at, after } = plan;
    const keyed = key === undefined || typeof unique === 'number' ? undefined : unique === 'waiting' ? 1 : 2;
    const { steady } = this.#now();
    const notBefore = at !== undefined ? { wall: at } : delay > 0 ? { steady: steady + delay } : {};
    const links = after.map(({ child, label, ignores }): Link => ({
      ...{ child, label, ignores },
      end: isOver(child) ? (child.state as End) : undefined,
      result: child.result,
    }));
    const job: ModelJob = {
      ...{ id: 0, token, queue, group, key, keyed, tick, plan, links, notBefore },
      state: links.some(({ end }) => end === undefined) ? 'blocked' : 'waiting',
      ...{ claims: 0, claim: undefined, cancelling: false, failures: 0, deaths: 0 },
      ...{ successor: undefined, result: undefined, errors: [] },
    };
    this.unborn.push(job);
    if (typeof unique === 'number' && key !== undefined && !follows)
      this.#windows.set(`${queue} ${key}`, { until: steady + unique, job });
    if (links.some(({ end, ignores }) => fails(end, ignores))) {
      job.state = 'blocked';
      this.#fail(job);
      this.release();
    }
    return job;
  }

  claim(job: ModelJob, owner: number | null): void {
    job.claims++;
    job.claim = { number: job.claims, owner, at: this.#now(), dead: false, settling: undefined };
    if (job.keyed === 1) job.keyed = -1;
  }

  /** Its run is over. */
  settle(job: ModelJob, outcome: Outcome): void {
    const { cancelling } = job;
    job.claim = undefined;
    job.cancelling = false;
    if (outcome.kind === 'failed') {
      job.failures++;
      job.errors.push(outcome.error);
    }
    if (outcome.kind === 'died') job.deaths++;
    const state = this.#after(job, outcome);
    if (state === 'waiting' && !cancelling) {
      const { steady } = this.#now();
      if (outcome.kind === 'failed') job.notBefore = { steady: steady + this.policy(job.queue).backoff };
      if (outcome.kind === 'snoozed') job.notBefore = { steady: steady + outcome.delay };
      return;
    }
    if (outcome.kind === 'died' && state === 'failed') job.errors.push('ERR_JOB_DEATHS');
    if (outcome.kind === 'completed') job.result = outcome.result;
    this.end(job, state === 'completed' ? state : cancelling ? 'cancelled' : (state as End));
    this.release();
  }

  #after(job: ModelJob, outcome: Outcome): ModelJob['state'] {
    if (outcome.kind === 'completed') return 'completed';
    if (outcome.kind === 'expired') return 'cancelled';
    if (outcome.kind === 'failed')
      return outcome.retry && job.failures < this.attempts(job) ? 'waiting' : 'failed';
    if (outcome.kind === 'died') return job.deaths < this.policy(job.queue).maxDeaths ? 'waiting' : 'failed';
    return 'waiting';
  }

  end(job: ModelJob, state: End): void {
    job.state = state;
    job.keyed = job.keyed && -Math.abs(job.keyed);
    this.#over.push(job);
    this.#follow(job);
    if (state === 'completed' && !this.policy(job.queue).keeps) this.jobs.delete(job.id);
  }

  /** What was added while it ran is to run when it has ended. */
  #follow(job: ModelJob): void {
    const { successor } = job;
    job.successor = undefined;
    if (successor !== undefined) this.#insert(successor, true);
  }

  /** Tells those who wait for jobs that these have ended. */
  release(): void {
    for (let job = this.#over.shift(); job !== undefined; job = this.#over.shift())
      for (const parent of this.all()) {
        const open = parent.links.filter(({ child, end }) => child === job && end === undefined);
        for (const link of open) {
          link.end = job.state === 'blocked' || job.state === 'waiting' ? 'cancelled' : job.state;
          link.result = job.result;
        }
        if (parent.state !== 'blocked' || open.length === 0) continue;
        if (open.some(({ end, ignores }) => fails(end, ignores))) this.#fail(parent);
        else if (parent.links.every(({ end }) => end !== undefined)) parent.state = 'waiting';
      }
  }

  #fail(parent: ModelJob): void {
    parent.errors.push('ERR_CHILD_FAILED');
    this.end(parent, 'failed');
  }

  /** Each of these answers whether there was something to change; {@link release} is to follow. */
  cancel(job: ModelJob): boolean {
    if (isOver(job)) return false;
    if (job.claim !== undefined) job.cancelling = true;
    else this.end(job, 'cancelled');
    return true;
  }

  retry(job: ModelJob): boolean {
    if (job.state !== 'failed' && job.state !== 'cancelled') return false;
    const isTaken = (): boolean => job.keyed !== undefined && this.holder(job.plan) !== undefined;
    if (isTaken()) return false;
    for (const link of job.links.filter(({ end, ignores }) => fails(end, ignores))) {
      const { child } = link;
      if (this.jobs.get(child.id) !== child) continue;
      this.retry(child);
      for (const one of job.links.filter((other) => other.child === child))
        Object.assign(one, { end: undefined, result: undefined });
      // It may have completed since; or its key is another's by now.
      if (isOver(child)) this.#over.push(child);
    }
    // By one of those that it is to run after, say.
    if (isTaken()) return false;
    job.state = job.links.some(({ end }) => end === undefined) ? 'blocked' : 'waiting';
    job.keyed = job.keyed && Math.abs(job.keyed);
    job.failures = 0;
    job.deaths = 0;
    job.notBefore = {};
    return true;
  }

  remove(job: ModelJob): boolean {
    if (job.claim !== undefined) return false;
    const unfinished = !isOver(job);
    this.jobs.delete(job.id);
    if (unfinished) {
      this.#over.push(job);
      this.#follow(job);
    }
    return true;
  }
}

const fails = (end: End | undefined, ignores: boolean): boolean =>
  !ignores && (end === 'failed' || end === 'cancelled');
