import { availableParallelism } from 'node:os';
import type { ResourceLimits } from 'node:worker_threads';
import { HoldfastError } from '../../core/errors.js';
import {
  finiteNumber,
  knownKeys,
  milliseconds,
  shown,
  wholeNumber,
  type Duration,
} from '../../core/options.js';
import { nothing, type Kind } from '../../core/store.js';
import { revivedError } from '../../core/failure.js';
import { handlerOf, type HandlerFor, type HandlersFor } from './job.js';
import { workKnown, type WorkOptions } from './work-options.js';
import { threadEnded, ThreadRun, type Pool } from './thread-run.js';
import type { ThreadJob } from './thread.js';
import type { Runner } from './runner.js';

/** Options of {@link Queue.work} with the URL of a module, whose handler runs in threads. */
export interface ThreadOptions extends WorkOptions {
  /** How many threads there are at most, each for one job at a time: from 1 to 1 000. They start when they are needed. @defaultValue `os.availableParallelism()` */
  readonly threads?: number | undefined;
  /** The same as `threads`; not both. */
  readonly concurrency?: number | undefined;
  /** After how long without a job a thread ends. @defaultValue `'1m'` */
  readonly idleTimeout?: Duration | undefined;
  /** What a thread may use, as of `new Worker()` of Node: one that uses more ends, and its attempt has failed. @defaultValue those of Node */
  readonly resourceLimits?: ResourceLimits | undefined;
}

/** {@link ThreadOptions}, checked. */
interface ResolvedThreadOptions {
  readonly threads: number;
  readonly idleTimeout: number;
  readonly resourceLimits: ResourceLimits;
}

const threadKnown = ['threads', 'idleTimeout', 'resourceLimits'];
const limitsKnown = [
  'maxOldGenerationSizeMb',
  'maxYoungGenerationSizeMb',
  'codeRangeSizeMb',
  'stackSizeMb',
] as const;
/** What a timer can hold. */
const longestIdle = 2 ** 31 - 1;
/** After how long a job is tried again that no thread could start, in milliseconds. */
const retryAfter = 500;

/** What runs the jobs of a worker, and the options that are left for the worker. */
export function runnerOf<S extends Kind>(
  handler: HandlerFor<S, never, unknown> | HandlersFor<S> | URL,
  given: ThreadOptions | undefined,
): readonly [Runner<S>, WorkOptions | undefined] {
  return handler instanceof URL ? inThreads(handler, given) : [{ run: handlerOf(handler) }, given];
}

function inThreads(url: URL, given: ThreadOptions = {}): readonly [Threads, WorkOptions] {
  if (url.protocol !== 'file:')
    throw new TypeError(`the URL of a handler must begin with file:, not ${shown(url.href)}`);
  knownKeys('options of work()', given, [...threadKnown, ...workKnown]);
  const { threads, concurrency, idleTimeout = '1m', resourceLimits = {}, ...options } = given;
  if (threads !== undefined && concurrency !== undefined)
    throw new TypeError('options of work() must have threads or concurrency, not both');
  const most = threads ?? concurrency ?? availableParallelism();
  wholeNumber('threads', most, 1, 1_000);
  const resolved: ResolvedThreadOptions = {
    threads: most,
    idleTimeout: Math.min(milliseconds('idleTimeout', idleTimeout), longestIdle),
    resourceLimits: resolveLimits(resourceLimits),
  };
  return [new Threads(url.href, resolved), { ...options, concurrency: most }];
}

function resolveLimits(given: ResourceLimits): ResourceLimits {
  knownKeys('resourceLimits', given, limitsKnown);
  for (const key of limitsKnown) {
    const limit = given[key];
    if (limit === undefined) continue;
    finiteNumber(`resourceLimits.${key}`, limit);
    if (limit <= 0) throw new RangeError(`resourceLimits.${key} must be more than 0, not ${limit}`);
  }
  return { ...given };
}

/** A pool of threads that looks like a handler. */
class Threads implements Runner<Kind> {
  readonly #module: string;
  readonly #options: ResolvedThreadOptions;
  readonly #runs = new Map<ThreadRun, Promise<unknown>>();
  #pool: Promise<Pool> | undefined;
  #closed: Promise<void> | undefined;
  #report: (error: unknown) => void = nothing;

  constructor(module: string, options: ResolvedThreadOptions) {
    this.#module = module;
    this.#options = options;
  }

  readonly run = (job: ThreadJob): Promise<unknown> => {
    const run = new ThreadRun(job, this.#module);
    const result = this.#result(run, job);
    this.#runs.set(run, result);
    return result;
  };

  /** Loads the module once: jobs are claimed when it is known that they can be run. */
  async open(report: (error: unknown) => void): Promise<void> {
    try {
      const pool = await this.#open();
      const broken = new Promise<never>((_, reject) => pool.once('error', reject));
      const error = await Promise.race([pool.run(this.#module, { name: 'prepare' }), broken]);
      if (error !== undefined) throw revivedError(error);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new HoldfastError(
        'ERR_NO_HANDLER',
        `${this.#module} can’t be used as a handler, and its worker has stopped: ${message}`,
        { cause: error },
      );
    }
    this.#report = report;
  }

  /** Ends the threads, when those that run jobs have ended them. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#runs.values());
    // Where there is none, `open` has told why.
    const pool = await this.#pool?.catch(() => undefined);
    // Not `destroy`: that would reject what was dropped, and nobody hears of it.
    await Promise.all(pool?.threads.map((thread) => thread.terminate()) ?? []);
  }

  async #result(run: ThreadRun, job: ThreadJob): Promise<unknown> {
    try {
      return await run.in(await this.#open());
    } catch (error) {
      if (run.started || job.signal.aborted) throw error;
      // That is no fault of the job.
      job.snooze(retryAfter);
      this.#report(error);
      return undefined;
    } finally {
      this.#runs.delete(run);
      if (run.stray !== undefined) this.#report(threadEnded('between two jobs', run.stray));
    }
  }

  #open(): Promise<Pool> {
    return (this.#pool ??= this.#start());
  }

  async #start(): Promise<Pool> {
    // Programs without threads do not load it.
    const { Piscina } = await import('piscina');
    const { threads, idleTimeout, resourceLimits } = this.#options;
    const pool: Pool = new Piscina({
      filename: new URL('./thread.js', import.meta.url).href,
      name: 'run',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout,
      resourceLimits,
      // Else the event loop of a thread stands still between two jobs, and so does whatever a handler has left there: connections, a store.
      atomics: 'disabled',
      recordTiming: false,
    });
    pool.on('error', (error) => this.#failed(error));
    return pool;
  }

  /** A thread has ended that had no job; if it was about to start, whoever waits for it would wait for ever. */
  #failed(error: unknown): void {
    const waiting = [...this.#runs.keys()].filter(({ started }) => !started);
    if (waiting.length === 0) this.#report(threadEnded('between two jobs', error));
    for (const run of waiting) run.giveUp(threadEnded('as it started', error));
  }
}
