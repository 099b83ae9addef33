import { mapValues } from '../core/records.js';
import { iterable, nameString, wholeNumber, type WaitOptions } from '../core/options.js';
import type { Script } from '../core/script.js';
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
import type { EncodedJob } from './queue/adding.js';
import { adding } from './queue/at-once.js';
import { eventsOf, resolveEvents, type EventOptions, type JobEvent } from './queue/events.js';
import { resolveFlow, type FlowJob } from './queue/flow.js';
import { handleFor, type Answers, type HandleFor } from './queue/handle.js';
import { jobCounts, jobInfo, storedJobs, type JobCounts, type JobInfo } from './queue/looking.js';
import { resolveLimits } from './queue/limits.js';
import { checkFilter, findJobs, resolveList, type JobFilter, type ListOptions } from './queue/listing.js';
import { cancel, manageSome, pause, remove, retry, type Managed, type Managing } from './queue/managing.js';
import type { NamedMethods, NamedSchemas, TypesByName } from './queue/named.js';
import {
  resolvePolicy,
  splitJob,
  type AddOptions,
  type JobToAdd,
  type QueueOptions,
} from './queue/options.js';
import type { WorkOptions } from './queue/work-options.js';
import { untilIdle } from './queue/idle.js';
import { Results } from './queue/results.js';
import { QueueScripts } from './queue/scripts.js';
import { sql } from './queue/statements.js';
import type { HandlerFor, HandlersFor } from './queue/job.js';
import { runnerOf, type ThreadOptions } from './queue/threads.js';
import { validating, type NamedSchemaOptions, type SchemaOptions } from './queue/validating.js';
import { WorkerOf, type Worker } from './queue/worker.js';
import type { ScheduleOptions } from './queue/schedule-options.js';
import {
  encodedSchedule,
  listSchedules,
  removeSchedule,
  scheduleInfo,
  storeSchedule,
  type ScheduleInfo,
} from './queue/schedules.js';

/** What {@link Queue} and {@link AsyncQueue} have in common. */
class QueueOf<S extends Kind, Data, R, Input = Data> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Queue' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  readonly #results: Results<S>;
  /** The numbers of jobs that are added. */
  readonly #add: (encode: () => EncodedJob[]) => Result<S, number[]>;

  readonly #behindHandles: Answers<S, Data, R> = {
    get: (job) => this.get(job),
    cancel: (job) => this.cancel(job),
    result: (job, options) => this.#results.wait(job, options),
  };

  /** The name it was constructed with. */
  readonly name: string;

  constructor(
    store: StoreOf<S>,
    name: string,
    options: QueueOptions & SchemaOptions<Data, Input> & NamedSchemaOptions = {},
  ) {
    const policy = resolvePolicy(options);
    if (policy.onFailed === name) throw new RangeError('onFailed must be the name of another queue');
    const given = resolveLimits(options);
    const scripts = (): QueueScripts => this.#scripts;
    const setup = function* (structure: number): Script<void> {
      yield* windClock();
      if (given !== undefined) yield* scripts().storeLimits(structure, given);
    };
    this.#scope = scopeOf(store, { kind: 'queue', name, places: false, setup });
    const { kind } = this.#scope;
    this.#scripts = new QueueScripts(kind, name, policy, validating(options));
    this.#add = this.#scope.together(adding, (structure, jobs) => this.#scripts.add(structure, jobs));
    this.#results = new Results(this.#scope, this.#scripts.columns);
    this.name = name;
  }

  /**
   * Adds a job. It is committed when the call returns (on a server: resolves), or with the transaction that is open. A worker that waits for one, in whichever
   * process, is woken.
   *
   * @throws `TypeError` when something in `data` can't be stored, naming the path to it; {@link HoldfastError} `ERR_INVALID_DATA` when it is not as the `schema` says, with its
   * issues as the `cause`; `ERR_DUPLICATE` and `ERR_NOT_FOUND`: see `onDuplicate` and `after`; `TypeError` or `RangeError` for options that don't exist, or make no sense.
   */
  add(data: Input, options?: AddOptions): Result<S, HandleFor<S, Data, R>> {
    return this.#scope.after(
      this.#add(() => [this.#scripts.encoded(data, options)]),
      ([id = 0]) => this.handle(id),
    );
  }

  /** Adds jobs, all or none, in one transaction. @returns Their handles, in order. @throws What {@link add} throws. */
  addMany(jobs: Iterable<JobToAdd<Input>>): Result<S, HandleFor<S, Data, R>[]> {
    return this.#scope.after(
      this.#add(() => Array.from(iterable('jobs', jobs), (job) => this.#scripts.encoded(...splitJob(job)))),
      (ids) => ids.map((id) => this.handle(id)),
    );
  }

  /**
   * Adds jobs that run after each other, all or none, in one transaction: any graph without a cycle. Each is given a name, by which others have it in their `after`; its
   * handler finds there what came of those: see {@link Job.children}.
   *
   * @returns Their handles, by name.
   * @throws What {@link add} throws; `TypeError` when jobs wait for each other, or for one that is not there.
   * @example
   * const { site } = builds.flow({
   *   pages: { data: 'pages' },
   *   search: { data: 'search index', after: ['pages'] },
   *   site: { data: 'upload', after: ['pages', { job: 'search', onFailure: 'ignore' }] },
   * });
   */
  flow<N extends string>(
    jobs: Readonly<Record<N, FlowJob<Input, NoInfer<N>>>>,
  ): Result<S, { [L in N]: HandleFor<S, Data, R> }> {
    return this.#scope.after(
      this.#scope.write(
        () => resolveFlow(jobs, (data, options) => this.#scripts.encoded(data, options)),
        (structure, flow) => this.#scripts.flow(structure, flow),
      ),
      (ids) => mapValues(jobs, (_, name) => this.handle(ids.get(name) ?? 0)),
    );
  }

  /** The job with a number, which may be from another process: does not ask whether there is one. */
  handle(id: number): HandleFor<S, Data, R> {
    wholeNumber('id', id, 0);
    return handleFor[this.#scope.kind](this.#behindHandles, id);
  }

  /**
   * Runs jobs in this process, `concurrency` at once, until the worker is stopped or the store closed. A job is run at least once: again if its process dies,
   * its time runs out or its handler throws. Of runs of one job at most one can complete it.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense; {@link HoldfastError} `ERR_CLOSED`; the reason of a signal that is aborted.
   */
  work(handler: HandlerFor<S, Data, R> | HandlersFor<S>, options?: WorkOptions): Worker;
  /**
   * Runs jobs in threads of this process: `module` is the `file:` URL of a module whose default export is the handler, which gets a {@link ThreadJob}. For what
   * keeps a processor busy. Data, results and progress cross as `structuredClone` carries them. A handler that blocks its thread and outlives its timeout, or crashes its thread
   * (`ERR_THREAD`), costs that job one attempt and nothing else. A timeout includes the start of a thread, with the module, where one has to be started.
   *
   * The module is loaded before the first job is claimed; if it can't be, the worker stops, and `onError` gets an `ERR_NO_HANDLER`.
   *
   * @throws What the other form throws; `TypeError` for a URL that is none of a file.
   */
  work(module: URL, options?: ThreadOptions): Worker;
  work(handler: HandlerFor<S, Data, R> | HandlersFor<S> | URL, given?: ThreadOptions): Worker {
    const [runner, options] = runnerOf(handler, given);
    return new WorkerOf(this.#scope, this.#scripts, runner, options);
  }

  /**
   * Adds a job at each tick of a clock: those of a `cron` expression, or one `every` so often. A schedule is stored with the queue, by its name; each
   * of its ticks is fired once, by whichever of the queue's workers, in whichever process, comes first, also while the queue is paused. A job tells
   * its tick as `scheduledFor`.
   *
   * It may be called at each start of each process: a schedule with the same times goes on as it was, with the other options and the data that are
   * given now. With other times it begins anew. Jobs that are there are let be.
   *
   * @param name - 1 to 512 characters.
   * @throws What {@link add} throws; `RangeError` where `cron` can't be read, or names no time that is to come, where `every` is less than a second,
   * and where there is no such time zone.
   * @example
   * queue.schedule('report', { cron: '0 9 * * MON-FRI', timezone: 'Europe/Berlin', data: { kind: 'report' } });
   */
  schedule(name: string, options: ScheduleOptions<Data>): Result<S, void> {
    return this.#scope.write(() => encodedSchedule(this.#scripts, name, options), storeSchedule);
  }

  /** Ends a schedule. Jobs that it has added are let be. @returns Whether there was one. */
  unschedule(name: string): Result<S, boolean> {
    return this.#scope.write(
      () => nameString('name of the schedule', name),
      (structure) => removeSchedule(structure, name),
    );
  }

  /** All schedules, by name. */
  schedules(): Result<S, ScheduleInfo<Data>[]> {
    return this.#scope.after(this.#scope.read(nothing, listSchedules), (rows) =>
      rows.map((row) => scheduleInfo(row, (column) => this.#scripts.columns.data.decodeValue(column))),
    );
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
        (structure) => storedJobs(structure, [id]),
      ),
      ([stored]) => stored && jobInfo(stored, this.#scripts.columns),
    );
  }

  /**
   * A page of its jobs, by their numbers: in the order in which they were added. Goes through those of a state (of waiting ones through all) until there are enough.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense.
   * @example
   * for (const { id, errors } of mails.jobs({ state: 'failed' })) console.log(id, errors.at(-1)?.error);
   */
  jobs(options?: ListOptions): Result<S, JobInfo<Data, R>[]> {
    return this.#scope.after(
      this.#scope.read(
        () => resolveList(options),
        function* (structure, list) {
          return yield* storedJobs(structure, yield* findJobs(structure, list, list.after, list.limit));
        },
      ),
      (stored) => stored.map((job) => jobInfo(job, this.#scripts.columns)),
    );
  }

  /**
   * Cancels a job. One that waits is cancelled at once; of one that runs, in whichever process, the `signal` aborts, and it is cancelled unless its handler completes
   * it all the same.
   *
   * @returns Whether it had not ended.
   */
  cancel(id: number): Result<S, boolean>;
  /** Cancels those that match, in batches. @returns How many had not ended. */
  cancel(jobs: JobFilter): Result<S, number>;
  cancel(which: number | JobFilter): Result<S, boolean> | Result<S, number> {
    return this.#manage(cancel, which);
  }

  /**
   * Lets a job that failed or was cancelled run again, with all its attempts; and those because of which it failed that it was to run `after`.
   *
   * @returns Whether there was one; `false` also when another job has its key by now.
   */
  retry(id: number): Result<S, boolean>;
  /** Lets those that match run again, in batches. @returns How many did match, and had failed or were cancelled. */
  retry(jobs: JobFilter): Result<S, number>;
  retry(which: number | JobFilter): Result<S, boolean> | Result<S, number> {
    return this.#manage(retry, which);
  }

  /** Removes a job that does not run. @returns Whether there was one. */
  remove(id: number): Result<S, boolean>;
  /** Removes those that match and do not run, in batches. @returns How many. */
  remove(jobs: JobFilter): Result<S, number>;
  remove(which: number | JobFilter): Result<S, boolean> | Result<S, number> {
    return this.#manage(remove, which);
  }

  /**
   * What happens to the jobs of this queue in any process, from now on or behind an event that was seen before, until `signal` aborts or the store is closed. Events are
   * recorded while somebody listens, and for a minute after, so that who comes back misses nothing; the newest 10 000 are kept. To trace what happens in this
   * process alone, subscribe to the diagnostics channel `holdfast:queue`, which gets a {@link TracedEvent} for each.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense; {@link HoldfastError} `ERR_EVENTS_MISSED` when there is no going on where it
   * was asked to, or the loop has fallen too far behind; `ERR_CLOSED`; `ERR_READONLY`; `ERR_IN_TRANSACTION` inside a transaction; the signal's reason when it aborts.
   * @example
   * for await (const event of mails.events({ signal })) if (event.type === 'failed') console.error(event.job, event.error);
   */
  events(options?: EventOptions): AsyncIterableIterator<JobEvent> {
    return eventsOf(this.#scope, this.#scripts.columns, resolveEvents(options));
  }

  /** No process starts jobs of this queue any more, until {@link resume}. Those that run go on. */
  pause(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => pause(structure, true));
  }

  /** Processes start jobs of this queue again. */
  resume(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => pause(structure, false));
  }

  /** Whether it is paused. */
  isPaused(): Result<S, boolean> {
    return this.#scope.after(
      this.#scope.read(nothing, (structure) => this.#scripts.limits.settings(structure)),
      ({ paused }) => paused,
    );
  }

  #manage(work: Managing, which: number | JobFilter): Result<S, boolean> | Result<S, number> {
    const scripts = this.#scripts;
    if (typeof which === 'object')
      return this.#scope.repeat(
        () => checkFilter(which),
        (structure, before: Managed | undefined, filter) =>
          scripts.changing(structure, (change) =>
            manageSome(structure, work, filter, before, scripts, change),
          ),
        (last) => last?.changed ?? 0,
      );
    return this.#scope.write(
      () => wholeNumber('id', which, 0),
      (structure) => scripts.changing(structure, (change) => work(structure, which, scripts, change)),
    );
  }

  /**
   * Resolves when all jobs have ended: none is blocked, waits, is delayed, or runs.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the signal's
   * reason when it aborts.
   */
  idle(options?: WaitOptions): Promise<void> {
    return untilIdle(this.#scope, options);
  }
}

/** A job queue in an embedded store. */
export interface Queue<Data, R = void, Input = Data> extends QueueOf<'embedded', Data, R, Input> {}

/** A job queue in a server store. */
export interface AsyncQueue<Data, R = void, Input = Data> extends QueueOf<'server', Data, R, Input> {}

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
  new <Data, R = void, Input = Data>(
    store: Store,
    name: string,
    options?: QueueOptions & SchemaOptions<Data, Input>,
  ): Queue<Data, R, Input>;
  new <Data, R = void, Input = Data>(
    store: AsyncStore,
    name: string,
    options?: QueueOptions & SchemaOptions<Data, Input>,
  ): AsyncQueue<Data, R, Input>;
} = QueueOf;

/** Anything can be added, and what is stored can be taken for anything: each method of {@link NamedMethods} says of which it is. */
class NamedQueueOf<S extends Kind> extends QueueOf<S, never, never, unknown> {}

/** A queue of named jobs in an embedded store. */
export interface NamedQueue<M extends TypesByName<M>>
  extends Omit<NamedQueueOf<'embedded'>, keyof NamedMethods<'embedded', M>>, NamedMethods<'embedded', M> {}

/** A queue of named jobs in a server store. */
export interface AsyncNamedQueue<M extends TypesByName<M>>
  extends Omit<NamedQueueOf<'server'>, keyof NamedMethods<'server', M>>, NamedMethods<'server', M> {}

/**
 * The job queue `name`, as {@link Queue} is one, for jobs of several kinds: each has a name, and the types of its data and its result.
 *
 * @example
 * interface Media {
 *   resize: { data: { image: string; width: number }; result: string };
 *   mail: { data: { to: string } };
 * }
 * const media = new NamedQueue<Media>(store, 'media');
 * const handle = media.add({ image: 'ada.png', width: 64 }, { name: 'resize' });
 * media.work({ resize: async (job) => resize(job.data.image), mail: async (job) => send(job.data.to) });
 * const file = await handle.result(); // a string
 */
export const NamedQueue: {
  new <M extends TypesByName<M>>(
    store: Store,
    name: string,
    options?: QueueOptions & NamedSchemaOptions<NamedSchemas<M>>,
  ): NamedQueue<M>;
  new <M extends TypesByName<M>>(
    store: AsyncStore,
    name: string,
    options?: QueueOptions & NamedSchemaOptions<NamedSchemas<M>>,
  ): AsyncNamedQueue<M>;
} = NamedQueueOf;
