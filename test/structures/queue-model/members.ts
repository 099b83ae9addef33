import {
  Index,
  Queue,
  type AsyncIndex,
  type AsyncQueue,
  type AsyncStore,
  type Child,
  type AsyncJob,
} from '../../../src/index.js';
import type { Outcome, Policy } from './jobs.js';

export type AnyQueue = AsyncQueue<string, string>;
type Handled = AsyncJob<string, string>;
type AnyWorker = ReturnType<AnyQueue['work']>;

/** How many jobs a worker takes. */
export interface Room {
  readonly concurrency: number;
  readonly prefetch: number;
  readonly ack: 'gathered' | 'each';
}

/** What a handler is told to do in the end. */
export type Finish =
  | Exclude<Outcome, { readonly kind: 'released' | 'died' | 'expired' }>
  | { readonly kind: 'failing'; readonly error: string; readonly retry: boolean }
  | { readonly kind: 'completing'; readonly result: string; readonly thenThrows: boolean };

/** One call of a handler, which the test settles by hand. */
export class Run {
  readonly job: Handled;
  readonly member: Member;
  readonly queue: string;
  readonly began: number = performance.now();
  /** The number of its claim, once that is known; 0 where somebody else had taken the job by then. */
  claim: number | undefined;
  /** What it comes to, if the claim still holds. */
  settling: Outcome | undefined;
  /** With what its signal was aborted. */
  aborted: string | undefined;
  children: Child[] | undefined;
  /** What `complete()` did, while that is not known. */
  completing: Promise<boolean> | undefined;
  #end!: { readonly resolve: (result: string) => void; readonly reject: (error: unknown) => void };
  readonly promise: Promise<string>;

  constructor(job: Handled, member: Member, queue: string) {
    this.job = job;
    this.member = member;
    this.queue = queue;
    this.promise = new Promise((resolve, reject) => (this.#end = { resolve, reject }));
    // It may be rejected before it is waited for.
    this.promise.catch(() => undefined);
    job.signal.addEventListener('abort', () => {
      this.aborted = (job.signal.reason as { code: string }).code;
    });
  }

  /** Whether the handler goes on. */
  get open(): boolean {
    return this.settling === undefined && !this.member.closed;
  }

  /** Throws what its signal was aborted with, as handlers do. */
  giveUp(outcome: Outcome): void {
    this.settling = outcome;
    this.#end.reject(this.job.signal.reason);
  }

  finish(finish: Finish): void {
    const { job } = this;
    this.settling = outcomeOf(finish);
    if (finish.kind === 'completed') this.#end.resolve(finish.result);
    else if (finish.kind === 'failed') this.#end.reject(new Error(finish.error));
    else if (finish.kind === 'completing') this.#complete(finish.result, finish.thenThrows);
    else {
      if (finish.kind === 'snoozed') job.snooze(finish.delay);
      else job.fail(new Error(finish.error), { retry: finish.retry });
      this.#end.resolve('what is left aside');
    }
  }

  /** Its effect is to happen as often as the job completes: once. */
  #complete(result: string, thenThrows: boolean): void {
    const completing = this.#tryToComplete(result);
    this.completing = completing;
    void completing.then((done) => {
      // Else the run would have to say what has become of it.
      if (!done || thenThrows) this.#end.reject(new Error('what is left aside'));
      else this.#end.resolve('what is left aside');
    });
  }

  async #tryToComplete(result: string): Promise<boolean> {
    const { job, member } = this;
    try {
      await job.complete((() => member.effect(job.id, result)) as never);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_NOT_OWNER') throw error;
      return false;
    }
  }
}

function outcomeOf(finish: Finish): Outcome {
  if (finish.kind === 'completing') return { kind: 'completed', result: finish.result };
  if (finish.kind === 'failing') return { kind: 'failed', error: finish.error, retry: finish.retry };
  return finish;
}

/** A store with a worker on each queue. */
export class Member {
  readonly store: AsyncStore;
  readonly queues: Readonly<Record<string, AnyQueue>>;
  readonly rooms: Readonly<Record<string, Room>>;
  readonly workers: Record<string, AnyWorker> = {};
  readonly effects: AsyncIndex<number, number>;
  readonly #started: (run: Run) => Promise<void>;
  /** Its numbers among the owners: on the server it gets a new one when it was taken for dead. */
  readonly owners: number[] = [];
  /** Whether somebody has taken it for dead, and it goes on. */
  zombie = false;
  closed = false;

  constructor(
    store: AsyncStore,
    policies: Readonly<Record<string, Policy>>,
    rooms: Readonly<Record<string, Room>>,
    started: (run: Run) => Promise<void>,
  ) {
    this.store = store;
    this.rooms = rooms;
    this.queues = Object.fromEntries(
      Object.entries(policies).map(([name, policy]) => [
        name,
        new Queue<string, string>(store, name, optionsOf(policy)),
      ]),
    );
    this.effects = new Index<number, number>(store, 'effects');
    this.#started = started;
    for (const name of Object.keys(policies)) this.work(name);
  }

  /** Its number among the owners, 0 while that is not known. */
  get owner(): number {
    return this.owners.at(-1) ?? 0;
  }

  /** Whether it is, or was, the owner of something. */
  has(what: { readonly owner: number | null } | undefined): boolean {
    return this.owners.some((owner) => owner === what?.owner);
  }

  work(name: string): void {
    const worker = this.queues[name]!.work(async (job) => {
      const run = new Run(job, this, name);
      await this.#started(run);
      return run.promise;
    }, this.rooms[name]);
    this.workers[name] = worker;
  }

  /** Counts that a job has completed, in the transaction that is open. */
  effect(id: number, result: string): string | Promise<string> {
    const done: unknown = this.effects.update(id, (count = 0) => count + 1);
    return done instanceof Promise ? done.then(() => result) : result;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.store.close();
  }
}

export function optionsOf({ attempts, backoff, maxDeaths, keeps }: Policy) {
  return {
    attempts,
    maxDeaths,
    backoff: { type: 'fixed', delay: backoff, jitter: 0 },
    keep: { completed: keeps ? {} : { count: 0 }, failed: {}, cancelled: {} },
  } as const;
}
