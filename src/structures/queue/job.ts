import type { HoldfastError } from '../../core/errors.js';
import type { ValueColumn } from '../../core/columns.js';
import { functionOf, shown, type Duration } from '../../core/options.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { childInfo, childRows, type Child } from './looking.js';
import { lostError, timeoutError, type Outcome } from './outcomes.js';
import { grace, isNothing, type Claimed, type Told } from './delivery.js';
import type { QueueScripts } from './scripts.js';
import { logLine, resolveFail, snoozeTime, type FailOptions } from './telling.js';

const handled: Handled = Symbol('handled');
/** For a handler to return that has said what becomes of its job: what {@link Job.snooze}, {@link Job.fail} and {@link Job.complete} return. */
export type Handled = symbol;

/** What a job needs of its worker. */
export interface Workplace<S extends Kind> {
  readonly scope: Scope<S>;
  readonly scripts: QueueScripts;
  /** To be written with the next transaction. */
  tell(job: Run<S>): void;
  /** It tells nothing for now; settles when nothing of it is being written any more. */
  hush(job: Run<S>): Promise<unknown> | undefined;
  /** It is over with that outcome. */
  finish(job: Run<S>, outcome: Outcome | undefined): void;
}

/** What {@link Job} and {@link AsyncJob} have in common. */
class JobOf<S extends Kind, Data, R> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Job' });
  }

  readonly #run: Run<S>;

  /** Its number, which no other job of the store ever has. */
  readonly id: number;
  /** What it was added with. */
  readonly name: string | undefined;
  /** What it was added with. */
  readonly group: string | undefined;
  /** What it was added with. */
  readonly data: Data;
  /** Which attempt this is: 1 for the first. A run whose process died, or that was snoozed, does not count. */
  readonly attempt: number;

  constructor(run: Run<S>, data: Data) {
    const { id, name, group, failures } = run.claimed;
    this.#run = run;
    this.id = id;
    this.name = name;
    this.group = group;
    this.data = data;
    this.attempt = failures + 1;
  }

  /** When it was added. */
  get addedAt(): Date {
    return new Date(this.#run.claimed.added);
  }

  /** The tick of the schedule that has added it, which may be late: see {@link Queue.schedule}. `undefined` for one that was added otherwise. */
  get scheduledFor(): Date | undefined {
    const { scheduledFor } = this.#run.claimed.options;
    return scheduledFor === undefined ? undefined : new Date(scheduledFor);
  }

  /**
   * Aborted, with a {@link HoldfastError} as its reason, when this run is not to go on: `ERR_TIMEOUT` when its time is over, `ERR_CANCELLED` when somebody
   * cancelled it, `ERR_CLOSED` when its worker or store stops, `ERR_NOT_OWNER` when it has lost the job.
   */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  /**
   * Stores how far it is, for others to see: any value that can be stored. The last one of a turn of the event loop is.
   *
   * @throws `TypeError` when it can't be stored, naming the path to what is wrong.
   */
  progress(value: unknown): void {
    this.#run.progress(value);
  }

  /** Adds a line to what is stored of it, with the time: of any length, and any number of them, until the job is removed. @throws `TypeError` when it is no string. */
  log(line: string): void {
    this.#run.log(logLine(line));
  }

  /** What came of the jobs that it was to run `after`, in that order. */
  children(): Result<S, Child[]> {
    return this.#run.children();
  }

  /**
   * To be tried again after a time, of 100 years at most, without costing an attempt. Takes effect when the handler has ended, whatever else it returns.
   *
   * @throws `TypeError` or `RangeError` for what is no such time; `TypeError` when it was said already what becomes of the job.
   * @example
   * if (!ready) return job.snooze('30s');
   */
  snooze(time: Duration): Handled {
    const { outcomes } = this.#run.place.scripts;
    this.#run.decide(outcomes.snoozed(this.#run.claimed, snoozeTime(time)));
    return handled;
  }

  /**
   * The attempt has failed, as if the handler had thrown `error`; with `retry: false` for good. Takes effect when the handler has ended.
   *
   * @throws `TypeError` for options that don't exist, or when it was said already what becomes of the job.
   */
  fail(error: unknown, options?: FailOptions): Handled {
    const retry = resolveFail(options);
    this.#run.decide(this.#run.place.scripts.outcomes.failed(this.#run.claimed, error, retry));
    return handled;
  }

  /**
   * Runs `work` in a transaction, as `store.transaction` does, and completes the job in it with what `work` returns: either all of it happens, or
   * none, so that it happens once, however often the job runs. What the handler does or throws afterwards changes nothing of that.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when this run has lost the job: nothing of `work` is left; what `store.transaction` throws.
   */
  complete(work: () => Result<S, R>): Result<S, Handled> {
    functionOf('work', work);
    return this.#run.complete(work);
  }
}

/** A job of an embedded store, as its handler sees it. */
export interface Job<Data, R = void> extends JobOf<'embedded', Data, R> {}

/** A job of a server store, as its handler sees it. */
export interface AsyncJob<Data, R = void> extends JobOf<'server', Data, R> {}

/** A job, by the kind of its store. */
type JobFor<S extends Kind, Data, R> = { embedded: Job<Data, R>; server: AsyncJob<Data, R> }[S];

const jobFor: { readonly [S in Kind]: <Data, R>(run: Run<S>, data: Data) => JobFor<S, Data, R> } = {
  embedded: (run, data) => new JobOf(run, data),
  server: (run, data) => new JobOf(run, data),
};

/** Runs a job; what it returns is the job's result, unless it has said otherwise what becomes of it. */
export type Handler<Data, R = void> = (job: Job<Data, R>) => R | Handled | PromiseLike<R | Handled>;

/** {@link Handler} for a queue in a server store. */
export type AsyncHandler<Data, R = void> = (job: AsyncJob<Data, R>) => R | Handled | PromiseLike<R | Handled>;

/** A handler for the jobs of each name. */
export type Handlers = Readonly<Record<string, Handler<never, unknown>>>;

/** {@link Handlers} for a queue in a server store. */
export type AsyncHandlers = Readonly<Record<string, AsyncHandler<never, unknown>>>;

/** A handler, by the kind of its store. */
export type HandlerFor<S extends Kind, Data, R> = {
  readonly [K in Kind]: (job: JobFor<K, Data, R>) => R | Handled | PromiseLike<R | Handled>;
}[S];

/** Handlers, by the kind of their store. */
export type HandlersFor<S extends Kind> = Readonly<Record<string, HandlerFor<S, never, unknown>>>;

/** A handler, as a worker calls it. */
export type Handling<S extends Kind> = (job: JobFor<S, never, unknown>) => unknown;

/** One handler for all jobs. */
export function handlerOf<S extends Kind>(
  given: HandlerFor<S, never, unknown> | HandlersFor<S>,
): Handling<S> {
  if (typeof given === 'function') return given;
  if (typeof given !== 'object')
    throw new TypeError(
      `handler must be a function, an object of functions by the names of jobs, or a URL such as new URL('./handler.js', import.meta.url), not ${shown(given)}`,
    );
  for (const [name, handler] of Object.entries(given)) functionOf(`the handler of ${name}`, handler);
  return (job) => {
    const { name } = job;
    const handler = name !== undefined && Object.hasOwn(given, name) ? given[name] : undefined;
    if (handler === undefined)
      throw new TypeError(`there is no handler for jobs with the name ${shown(name)}`);
    return handler(job);
  };
}

/** One run of a job in this process. */
export class Run<S extends Kind> {
  readonly place: Workplace<S>;
  readonly claimed: Claimed;
  #aborting: AbortController | undefined;
  #aborted: HoldfastError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #decided: Outcome | undefined;
  #over = false;
  /** Whether it is to write itself what it has told. */
  #silent = false;
  /** Whether it has completed the job, in a transaction that is not over. */
  #completing = false;
  #progress: ValueColumn | undefined;
  #lines: ValueColumn[] = [];

  constructor(place: Workplace<S>, claimed: Claimed) {
    this.place = place;
    this.claimed = claimed;
  }

  get signal(): AbortSignal {
    if (this.#aborting === undefined) {
      this.#aborting = new AbortController();
      if (this.#aborted !== undefined) this.#aborting.abort(this.#aborted);
    }
    return this.#aborting.signal;
  }

  /** Runs the handler; never rejects. */
  async start(handler: Handling<S>): Promise<void> {
    const { timeout } = this.claimed;
    this.#timer = startTimer(timeout, () => this.#overtime());
    const { outcomes } = this.place.scripts;
    let outcome: Outcome;
    try {
      const data = this.place.scripts.data(this.claimed.data);
      const result = await handler(jobFor[this.place.scope.kind](this, data));
      outcome = this.#decided ?? outcomes.completed(this.claimed, result === handled ? undefined : result);
    } catch (error) {
      outcome = this.#thrown(error);
    }
    this.#end(outcome);
  }

  abort(reason: HoldfastError): void {
    if (this.#over || this.#aborted !== undefined) return;
    this.#aborted = reason;
    this.#aborting?.abort(reason);
  }

  /** Somebody else has the job, or has removed it. */
  lose(): void {
    // What it completes itself, in a transaction that is about to be committed, is over, too.
    if (!this.#completing) this.abort(lostError());
  }

  /** Ends it here, whatever the handler does. */
  drop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  progress(value: unknown): void {
    if (this.#over) return;
    this.#progress = this.place.scripts.value('progress', value);
    this.#tell();
  }

  log(line: string): void {
    if (this.#over) return;
    this.#lines.push(this.place.scripts.value('line', line));
    this.#tell();
  }

  /** What it has told of itself that is not written yet. */
  get told(): Told {
    const { id, claim } = this.claimed;
    return {
      begun: [],
      progress: this.#progress === undefined ? [] : [[this.#progress, id, claim]],
      logs: this.#lines.map((line) => [line, id, claim]),
    };
  }

  /** That is written now. */
  written({ progress, logs }: Told): void {
    this.#lines.splice(0, logs.length);
    if (progress[0]?.[0] === this.#progress) this.#progress = undefined;
  }

  decide(outcome: Outcome): void {
    if (this.#decided !== undefined) throw new TypeError('what becomes of this job was already said');
    this.#decided = outcome;
  }

  complete(work: () => Result<S, unknown>): Result<S, Handled> {
    const { scope } = this.place;
    // If that were rolled back, nobody would finish the job any more.
    scope.refuseInTransaction('complete()');
    this.#silent = true;
    return scope.between(
      // A line that is being written would be written again with this.
      this.place.hush(this),
      () =>
        scope.after(this.#write(work), () => {
          this.#end(undefined);
          return handled;
        }),
      () => {
        // It may have failed.
        this.#completing = false;
        this.#silent = false;
        if (!isNothing(this.told)) this.#tell();
      },
    );
  }

  #write(work: () => Result<S, unknown>): Result<S, unknown> {
    const { scope, scripts } = this.place;
    return scope.transaction(() => {
      this.#completing = false;
      return scope.after(work(), (result) => {
        this.#completing = true;
        return scope.write(
          () => scripts.outcomes.completed(this.claimed, result),
          (structure, outcome) => scripts.complete(structure, outcome, this.told),
        );
      });
    });
  }

  #tell(): void {
    if (!this.#over && !this.#silent) this.place.tell(this);
  }

  children(): Result<S, Child[]> {
    const { scope, scripts } = this.place;
    return scope.after(
      scope.read(nothing, () => childRows(this.claimed.id)),
      (rows) => rows.map((row) => childInfo(row, scripts.columns)),
    );
  }

  #end(outcome: Outcome | undefined): void {
    if (this.#over) return;
    this.drop();
    this.place.finish(this, outcome);
  }

  #thrown(error: unknown): Outcome {
    const { outcomes } = this.place.scripts;
    // It was the worker that stopped it.
    if (this.#aborted?.code === 'ERR_CLOSED') return outcomes.released(this.claimed);
    return outcomes.failed(this.claimed, error);
  }

  #overtime(): void {
    const error = timeoutError();
    this.abort(error);
    // A handler that does not listen to its signal must not keep its place for ever.
    this.#timer = setTimeout(() => this.#end(this.place.scripts.outcomes.timedOut(this.claimed)), grace);
  }
}
