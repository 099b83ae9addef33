import type { HoldfastError } from '../../core/errors.js';
import type { ValueColumn } from '../../core/columns.js';
import { functionOf, type Duration } from '../../core/options.js';
import type { Kind, Result, Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { resolveFail, type FailOptions } from './options.js';
import { timeoutError, type Outcome } from './outcomes.js';
import { grace, type Claimed, type QueueScripts, type Told } from './scripts.js';
import { logLine, snoozeTime } from './telling.js';

/** Runs a job; gives back its result, `undefined` also where something else was decided. */
export type RunJob<S extends Kind, Data, R> = (
  job: Job<S, Data, R>,
) => R | undefined | PromiseLike<R | undefined>;

/** What a job needs of its worker. */
export interface Workplace<S extends Kind, Data, R> {
  readonly scope: Scope<S>;
  readonly scripts: QueueScripts<Data, R>;
  /** To be written with the next transaction. */
  tell(job: Run<S, Data, R>): void;
  /** It is over with that outcome. */
  finish(job: Run<S, Data, R>, outcome: Outcome | undefined): void;
}

/** A job, as its handler sees it. */
export class Job<S extends Kind, Data, R> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Job' });
  }

  readonly #run: Run<S, Data, R>;

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

  constructor(run: Run<S, Data, R>, data: Data) {
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

  /**
   * Aborted, with a {@link HoldfastError} as its reason, when this run is not to go on: `ERR_TIMEOUT` when its time is over, `ERR_CANCELLED` when somebody
   * cancelled it, `ERR_CLOSED` when its worker or store stops, `ERR_NOT_OWNER` when it has lost the job.
   */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  /** Stores how far it is, for others to see: any value that can be stored. The last one of a turn of the event loop is. */
  progress(value: unknown): void {
    this.#run.progress(value);
  }

  /** Adds a line to what is stored of it. */
  log(line: string): void {
    this.#run.log(logLine(line));
  }

  /**
   * To be tried again after a time, without costing an attempt. Takes effect when the handler has ended; whatever that returns is left aside.
   *
   * @example
   * if (!ready) return job.snooze('30s');
   */
  snooze(time: Duration): void {
    const { outcomes } = this.#run.place.scripts;
    this.#run.decide(outcomes.snoozed(this.#run.claimed, snoozeTime(time)));
  }

  /**
   * The attempt has failed, as if the handler had thrown `error`; with `retry: false` for good. Takes effect when the handler has ended.
   */
  fail(error: unknown, options?: FailOptions): void {
    const retry = resolveFail(options);
    this.#run.decide(this.#run.place.scripts.outcomes.failed(this.#run.claimed, error, retry));
  }

  /**
   * Runs `work` in a transaction, as `store.transaction` does, and completes the job in it with what `work` returns: either all of it happens, or
   * none, so that it happens once, however often the job runs.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when this run has lost the job: nothing of `work` is left; what `store.transaction` throws.
   */
  complete(work: () => Result<S, R>): Result<S, void> {
    functionOf('work', work);
    return this.#run.complete(work);
  }
}

/** One run of a job in this process. */
export class Run<S extends Kind, Data, R> {
  readonly place: Workplace<S, Data, R>;
  readonly claimed: Claimed;
  #aborting: AbortController | undefined;
  #aborted: HoldfastError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #decided: Outcome | undefined;
  #over = false;
  #progress: ValueColumn | undefined;
  #lines: ValueColumn[] = [];

  constructor(place: Workplace<S, Data, R>, claimed: Claimed) {
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
  async start(handler: RunJob<S, Data, R>): Promise<void> {
    const { timeout } = this.claimed;
    this.#timer = startTimer(timeout, () => this.#overtime());
    const { outcomes } = this.place.scripts;
    let outcome: Outcome;
    try {
      const data = this.place.scripts.data(this.claimed.data);
      const result = await handler(new Job(this, data));
      outcome = this.#decided ?? outcomes.completed(this.claimed, result);
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

  /** Ends it here, whatever the handler does. */
  drop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  progress(value: unknown): void {
    if (this.#over) return;
    this.#progress = this.place.scripts.value('progress', value);
    this.place.tell(this);
  }

  log(line: string): void {
    if (this.#over) return;
    this.#lines.push(this.place.scripts.value('line', line));
    this.place.tell(this);
  }

  /** What it has told of its progress since this was asked last. */
  takeProgress(): Told['progress'] {
    const progress = this.#progress;
    this.#progress = undefined;
    const { id, claim } = this.claimed;
    return progress === undefined ? [] : [[progress, id, claim]];
  }

  takeLines(): Told['logs'] {
    const { id, claim } = this.claimed;
    return this.#lines.splice(0).map((line) => [line, id, claim]);
  }

  decide(outcome: Outcome): void {
    if (this.#decided !== undefined) throw new TypeError('what becomes of this job was already said');
    this.#decided = outcome;
  }

  complete(work: () => Result<S, R>): Result<S, void> {
    const { scope, scripts } = this.place;
    // If that were rolled back, nobody would finish the job any more.
    scope.refuseInTransaction('complete()');
    const done = scope.transaction(() =>
      scope.after(work(), (result) =>
        scope.write(
          () => scripts.outcomes.completed(this.claimed, result),
          (structure, outcome) => scripts.complete(structure, outcome),
        ),
      ),
    );
    return scope.after(done, () => this.#end(undefined));
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
