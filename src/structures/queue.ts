import { Columns } from '../core/columns.js';
import { timedOut } from '../core/gate.js';
import { iterable, resolveWaitOptions, wholeNumber, type WaitOptions } from '../core/options.js';
import { get, type Script } from '../core/script.js';
import { windClock } from '../core/steady.js';
import {
  nothing,
  scopeOf,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { startTimer } from '../core/timer.js';
import type { StoredError } from './queue/failure.js';
import { Handle } from './queue/handle.js';
import {
  jobCounts,
  jobInfo,
  storedJob,
  type JobCounts,
  type JobInfo,
  type Reading,
} from './queue/looking.js';
import { Limits, resolveLimits } from './queue/limits.js';
import { cancel, pause, remove, retry, type Managing } from './queue/managing.js';
import { resolvePolicy, type AddOptions, type QueueOptions, type WorkOptions } from './queue/options.js';
import { Outcomes } from './queue/outcomes.js';
import { anyEnd, Results } from './queue/results.js';
import { QueueScripts } from './queue/scripts.js';
import { sql } from './queue/statements.js';
import { runnerOf, type ThreadOptions } from './queue/threads.js';
import { Worker, type Handler } from './queue/worker.js';

/** A job to be added by {@link Queue.addMany}: its data, and the options of `add`. */
export interface JobToAdd<Data> extends AddOptions {
  readonly data: Data;
}

/** What {@link Queue} and {@link AsyncQueue} have in common. */
class QueueOf<S extends Kind, Data, R> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Queue' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts<Data, R>;
  readonly #limits: Limits;
  readonly #columns: Reading<Data, R>;
  readonly #results: Results<S, R>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: QueueOptions = {}) {
    const policy = resolvePolicy(options);
    const given = resolveLimits(options);
    const scripts = (): QueueScripts<Data, R> => this.#scripts;
    const setup = function* (structure: number): Script<void> {
      yield* windClock();
      if (given !== undefined) yield* scripts().limit(structure, given);
    };
    this.#scope = scopeOf(store, { kind: 'queue', name, places: false, setup });
    const { kind } = this.#scope;
    const errors = new Columns<never, StoredError>(kind);
    const results = new Columns<never, R>(kind);
    this.#columns = { data: new Columns(kind), results, errors, values: new Columns(kind) };
    this.#limits = new Limits(kind);
    this.#scripts = new QueueScripts(kind, new Outcomes(kind, policy), this.#limits);
    this.#results = new Results(this.#scope, results, errors);
    this.name = name;
  }

  /**
   * Adds a job. It is committed when the call returns (on a server: resolves), or with the transaction that is open. A worker that waits for one, in whichever
   * process, is woken.
   *
   * @throws `TypeError` when something in `data` can't be stored, naming the path to it; `TypeError` or `RangeError` for options that don't exist, or make no sense.
   */
  add(data: Data, options?: AddOptions): Result<S, Handle<S, Data, R>> {
    return this.#scope.after(
      this.#scope.write(
        () => [this.#scripts.encoded(data, options)],
        (structure, jobs) => this.#scripts.add(structure, jobs),
      ),
      ([id = 0]) => this.handle(id),
    );
  }

  /**
   * Adds jobs, all or none, in one transaction.
   *
   * @returns Their handles, in order.
   * @throws What {@link add} throws.
   */
  addMany(jobs: Iterable<JobToAdd<Data>>): Result<S, Handle<S, Data, R>[]> {
    return this.#scope.after(
      this.#scope.write(
        () =>
          Array.from(iterable('jobs', jobs), ({ data, ...options }) => this.#scripts.encoded(data, options)),
        (structure, all) => this.#scripts.add(structure, all),
      ),
      (ids) => ids.map((id) => this.handle(id)),
    );
  }

  /** The job with a number, which may be from another process: does not ask whether there is one. */
  handle(id: number): Handle<S, Data, R> {
    wholeNumber('id', id, 0);
    return new Handle<S, Data, R>(
      {
        get: (job) => this.get(job),
        cancel: (job) => this.cancel(job),
        result: (job, options) => this.#results.wait(job, options),
      },
      id,
    );
  }

  /**
   * Runs jobs in threads of this process: `module` is the `file:` URL of a module whose default export is the handler, which gets a {@link ThreadJob}. For what
   * keeps a processor busy. Data, results and progress cross as `structuredClone` carries them. A handler that blocks its thread and outlives its timeout, or crashes its thread
   * (`ERR_THREAD`), costs that job one attempt and nothing else. A timeout includes the start of a thread, with the module, where one has to be started.
   *
   * The module is loaded before the first job is claimed; if it can't be, the worker stops, and `onError` gets an `ERR_NO_HANDLER`.
   *
   * @throws What the other form throws; `TypeError` for a URL that is none of a file.
   */
  work(module: URL, options?: ThreadOptions): Worker<S, Data, R>;
  /**
   * Runs jobs in this process, `concurrency` at once, until the worker is stopped or the store closed. A job is run at least once: again if its process dies,
   * its time runs out or its handler throws. Of runs of one job at most one can complete it.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense; {@link HoldfastError} `ERR_CLOSED`; the reason of a signal that is aborted.
   */
  work(handler: Handler<S, Data, R>, options?: WorkOptions): Worker<S, Data, R>;
  work(handler: Handler<S, Data, R> | URL, given?: ThreadOptions): Worker<S, Data, R> {
    const [runner, options] = runnerOf(handler, given);
    return new Worker(this.#scope, this.#scripts, runner, options);
  }

  /** How many jobs there are, by state. Costs the same for any number of them. */
  counts(): Result<S, JobCounts> {
    return this.#scope.one(sql.counts, nothing, (structure) => [structure], jobCounts);
  }

  /** What is known of a job; `undefined` when it is not there: it was removed, or has ended and is not kept any more. */
  get(id: number): Result<S, JobInfo<Data, R> | undefined> {
    return this.#scope.after(
      this.#scope.read(
        () => wholeNumber('id', id, 0),
        (structure) => storedJob(structure, id),
      ),
      (stored) => stored && jobInfo(stored, this.#columns),
    );
  }

  /**
   * Cancels a job. One that waits is cancelled at once; of one that runs, in whichever process, the `signal` aborts, and it is cancelled unless its handler completes
   * it all the same.
   *
   * @returns Whether it had not ended.
   */
  cancel(id: number): Result<S, boolean> {
    return this.#manage(cancel, id);
  }

  /** Lets a job that failed or was cancelled run again, with all its attempts. @returns Whether there was one. */
  retry(id: number): Result<S, boolean> {
    return this.#manage(retry, id);
  }

  /** Removes a job that does not run. @returns Whether there was one. */
  remove(id: number): Result<S, boolean> {
    return this.#manage(remove, id);
  }

  /** No process starts jobs of this queue any more, until {@link resume}. Those that run go on. */
  pause(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => pause(structure, true));
  }

  resume(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => pause(structure, false));
  }

  /** Whether it is paused. */
  isPaused(): Result<S, boolean> {
    return this.#scope.after(
      this.#scope.read(nothing, (structure) => this.#limits.settings(structure)),
      ({ paused }) => paused,
    );
  }

  #manage(work: Managing, id: number): Result<S, boolean> {
    return this.#scope.write(
      () => wholeNumber('id', id, 0),
      (structure) =>
        this.#scripts.changing(structure, (settings, change) => work(structure, id, settings, change)),
    );
  }

  /**
   * Resolves when all jobs have ended: none waits, is delayed, or runs.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the signal's
   * reason when it aborts.
   */
  async idle(options?: WaitOptions): Promise<void> {
    const { timeout, signal } = resolveWaitOptions('options of idle()', options);
    const late = new AbortController();
    const timer = startTimer(timeout, () => late.abort(timedOut('idle()')));
    const changes = this.#scope.watch(
      {
        interest: () => anyEnd,
        read: unfinished,
        same: (a, b) => a === b,
        show: (count) => count,
      },
      signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    );
    try {
      for await (const count of changes) if (count === 0) return;
    } finally {
      clearTimeout(timer);
    }
  }
}

function* unfinished(structure: number): Script<number> {
  const { waiting, delayed, running } = jobCounts(yield* get(sql.counts, structure));
  return waiting + delayed + running;
}

/** A job queue in an embedded store. */
export interface Queue<Data, R = void> extends QueueOf<'embedded', Data, R> {}

/** A job queue in a server store. */
export interface AsyncQueue<Data, R = void> extends QueueOf<'server', Data, R> {}

/**
 * The job queue `name`: a {@link Queue} in an embedded store, an {@link AsyncQueue} in a server store. Jobs are done at least once, by workers in any number of
 * processes; those of a process that dies are done by others at once.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const mails = new Queue<{ to: string }, string>(store, 'mails', { attempts: 5 });
 * const handle = mails.add({ to: 'ada' }, { delay: '5s' });
 * const worker = mails.work(async (job) => send(job.data.to, job.signal), { concurrency: 10 });
 * const receipt = await handle.result();
 */
export const Queue: {
  new <Data, R = void>(store: Store, name: string, options?: QueueOptions): Queue<Data, R>;
  new <Data, R = void>(store: AsyncStore, name: string, options?: QueueOptions): AsyncQueue<Data, R>;
} = QueueOf;
