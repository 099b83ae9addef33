import { HoldfastError } from '../../core/errors.js';
import { knownKeys, milliseconds, type Duration } from '../../core/options.js';
import { heard, refuseAborted, unheard } from '../../core/signals.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { Run, type Job, type RunJob, type Workplace } from './job.js';
import { resolveWork, type WorkOptions } from './options.js';
import type { Outcome } from './outcomes.js';
import { stopOn } from './stop-on.js';
import { Trouble } from './trouble.js';
import { nothingTold, type Answer, type Claimed, type QueueScripts, type Told } from './scripts.js';

/** Runs a job; what it returns is the job's result. */
export type Handler<S extends Kind, Data, R> = (job: Job<S, Data, R>) => R | PromiseLike<R>;

/** What runs the jobs of a worker. */
export interface Runner<S extends Kind, Data, R> {
  readonly run: RunJob<S, Data, R>;
  /** Comes before the first job; if it rejects there will be none. What fails later, and is no job's fault, is reported. */
  open?(report: (error: unknown) => void): Promise<void>;
  /** Comes after the last job. */
  close?(): Promise<void>;
}

/** Options of {@link Worker.stop}. */
export interface StopOptions {
  /** How long handlers may go on; then the signals of their jobs abort. @defaultValue `Infinity` */
  readonly timeout?: Duration | undefined;
}

/** How long after a failure to write, say of a full disk, it is tried again, in milliseconds. */
const retryAfter = 500;
/** How often a worker that is busy looks after the others, in milliseconds. */
const lookEvery = 50;
/** How many jobs have ended here before it is looked whether there are too many. */
const pruneEvery = 256;

/** Runs jobs of a queue in this process, until it is stopped. */
export class Worker<S extends Kind, Data, R> implements AsyncDisposable {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Worker' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts<Data, R>;
  readonly #runner: Runner<S, Data, R>;
  readonly #trouble: Trouble;
  readonly #options: ReturnType<typeof resolveWork>;
  readonly #place: Workplace<S, Data, R>;
  readonly #running = new Map<number, Run<S, Data, R>>();
  /** Claimed, and not started yet. */
  readonly #claimed: Claimed[] = [];
  #outcomes: Outcome[] = [];
  readonly #telling = new Set<Run<S, Data, R>>();
  /** What was told, and is not written yet. */
  #told: Told = nothingTold;
  /** Whether there may be jobs that could be claimed. At first one waits for them in line: on a server that connects. */
  #hopeful = false;
  #stirred = false;
  #exchanging = false;
  #lining: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;
  #ended = 0;
  #idle: (() => void) | undefined;
  readonly #cleanUp: (() => void)[];

  constructor(
    scope: Scope<S>,
    scripts: QueueScripts<Data, R>,
    runner: Runner<S, Data, R>,
    options: WorkOptions | undefined,
  ) {
    this.#options = resolveWork(options);
    refuseAborted(
      this.#options.signal === undefined ? [scope.closing] : [scope.closing, this.#options.signal],
    );
    this.#scope = scope;
    this.#scripts = scripts;
    this.#runner = runner;
    this.#trouble = new Trouble(this.#options.onError);
    this.#place = {
      scope,
      scripts,
      tell: (run) => {
        this.#telling.add(run);
        this.#stir();
      },
      finish: (run, outcome) => this.#finish(run, outcome),
    };
    const stop = (): void => void this.stop();
    if (this.#options.signal !== undefined) heard(this.#options.signal, stop);
    const looking = setInterval(() => void this.#lookAfterOthers().catch(nothing), lookEvery).unref();
    const close = (): void => this.#close();
    heard(scope.closing, close);
    this.#cleanUp = [
      () => unheard(scope.closing, close),
      () => this.#options.signal && unheard(this.#options.signal, stop),
      () => clearInterval(looking),
      scope.overhear(() => void this.#lookForCancelled().catch(nothing)),
      scope.onClose((structure) => this.#leave(structure)),
      stopOn(this.#options.stopOn, (given) => this.stop(given)),
    ];
    void this.#begin();
  }

  async #begin(): Promise<void> {
    try {
      await this.#runner.open?.((error) => this.#trouble.report(error));
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      void this.stop();
      this.#trouble.report(error);
    }
    this.#stir();
  }

  /** How many jobs run here now. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Claims no more jobs, gives back those that were not started, and lets the handlers that run end. Resolves when all have, and what they did
   * is written. Calling it again waits for the same; the timeout of the call is heeded all the same.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    knownKeys('options of stop()', options, ['timeout']);
    const timeout = milliseconds('timeout', options.timeout ?? Infinity);
    this.#stopped ??= this.#stop();
    const timer = startTimer(timeout, () =>
      this.#abortAll(new HoldfastError('ERR_CLOSED', 'the worker stops')),
    );
    await this.#stopped;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#lining;
    const { outcomes } = this.#scripts;
    this.#outcomes.push(...this.#claimed.splice(0).map((claimed) => outcomes.released(claimed)));
    this.#stir();
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#checkIdle();
    });
    for (const clean of this.#cleanUp) clean();
    await this.#runner.close?.();
  }

  #checkIdle(): void {
    if (this.#running.size > 0 || this.#outcomes.length > 0 || this.#exchanging) return;
    this.#idle?.();
  }

  #abortAll(reason: HoldfastError): void {
    for (const run of this.#running.values()) run.abort(reason);
  }

  /** Things are to be exchanged with the store: in a moment, when all that ends in this turn of the event loop has ended. */
  #stir(): void {
    if (this.#stirred) return;
    this.#stirred = true;
    setImmediate(() => {
      this.#stirred = false;
      if (!this.#exchanging) void this.#exchangeNow();
    });
  }

  get #room(): number {
    if (this.#stopping.signal.aborted) return 0;
    const { concurrency, prefetch } = this.#options;
    return concurrency + prefetch - this.#running.size - this.#claimed.length;
  }

  /** Once: what ends because of it gathers again. */
  async #exchangeNow(): Promise<void> {
    const want = this.#hopeful && this.#lining === undefined ? Math.max(0, this.#room) : 0;
    this.#gatherTold();
    if (want > 0 || this.#outcomes.length > 0 || this.#told !== nothingTold) {
      this.#exchanging = true;
      try {
        await this.#exchange(want);
        this.#trouble.over();
        this.#stir();
      } catch (error) {
        // What there was to write is still there.
        this.#retry(error);
      } finally {
        this.#exchanging = false;
      }
    } else if (this.#room > 0 && !this.#hopeful) this.#lining ??= this.#line();
    this.#checkIdle();
  }

  #retry(error: unknown): void {
    if (this.#scope.closing.aborted) return;
    setTimeout(() => this.#stir(), retryAfter);
    this.#trouble.report(error);
  }

  async #exchange(want: number): Promise<void> {
    const outcomes = this.#options.gathered ? this.#outcomes : this.#outcomes.slice(0, 1);
    const delivery = { outcomes: [...outcomes], told: this.#told, want };
    const answer: Answer = await this.#scope.soon((structure) => this.#scripts.exchange(structure, delivery));
    this.#outcomes.splice(0, delivery.outcomes.length);
    this.#told = nothingTold;
    if (want > 0) this.#hopeful = answer.claimed.length >= want;
    this.#take(answer.claimed);
    this.#ended += delivery.outcomes.length;
    if (this.#ended >= pruneEvery) await this.#prune();
  }

  #gatherTold(): void {
    if (this.#telling.size === 0) return;
    const { progress, logs } = this.#told;
    const telling = [...this.#telling];
    this.#telling.clear();
    this.#told = {
      progress: [...progress, ...telling.flatMap((run) => run.takeProgress())],
      logs: [...logs, ...telling.flatMap((run) => run.takeLines())],
    };
  }

  async #prune(): Promise<void> {
    const more = await this.#scope.soon((structure) => this.#scripts.prune(structure));
    if (!more) this.#ended = 0;
  }

  #take(claimed: readonly Claimed[]): void {
    if (this.#stopping.signal.aborted) {
      const { outcomes } = this.#scripts;
      this.#outcomes.push(...claimed.map((one) => outcomes.released(one)));
      return;
    }
    this.#claimed.push(...claimed);
    this.#startSome();
  }

  #startSome(): void {
    while (this.#claimed.length > 0 && this.#running.size < this.#options.concurrency) {
      const claimed = this.#claimed.shift();
      if (claimed === undefined) return;
      const run = new Run(this.#place, claimed);
      this.#running.set(claimed.id, run);
      void run.start(this.#runner.run);
    }
  }

  #finish(run: Run<S, Data, R>, outcome: Outcome | undefined): void {
    this.#running.delete(run.claimed.id);
    if (outcome !== undefined) this.#outcomes.push(outcome);
    this.#startSome();
    this.#stir();
  }

  /** Waits until there are jobs. */
  async #line(): Promise<void> {
    try {
      const signal = this.#stopping.signal;
      this.#take(
        await this.#scope.wait(
          this.#scripts.turn(() => this.#room),
          'work()',
          { signal },
        ),
      );
      this.#hopeful = true;
      this.#trouble.over();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#retry(error);
      return;
    } finally {
      this.#lining = undefined;
    }
    this.#stir();
  }

  /** Whoever waits in line does so anyway. */
  async #lookAfterOthers(): Promise<void> {
    if (this.#lining !== undefined || this.#scope.closing.aborted) return;
    const dead = await this.#scope.read(nothing, (structure) => this.#scripts.dead(structure));
    if (dead.length > 0) await this.#scope.soon((structure) => this.#scripts.bury(structure, dead));
  }

  async #lookForCancelled(): Promise<void> {
    if (this.#running.size === 0 || this.#scope.closing.aborted) return;
    const ids = await this.#scope.read(nothing, (structure) => this.#scripts.cancelling(structure));
    for (const id of ids)
      this.#running.get(id)?.abort(new HoldfastError('ERR_CANCELLED', 'the job was cancelled'));
  }

  /** The store closes: what was not done goes back. */
  #leave(structure: number): ReturnType<QueueScripts<Data, R>['leave']> {
    const { outcomes } = this.#scripts;
    const runs = [...this.#running.values()];
    const released = [...this.#claimed, ...runs.map(({ claimed }) => claimed)].map((one) =>
      outcomes.released(one),
    );
    this.#gatherTold();
    return this.#scripts.leave(structure, [...this.#outcomes, ...released], this.#told);
  }

  #close(): void {
    this.#stopping.abort();
    this.#abortAll(new HoldfastError('ERR_CLOSED', 'the store is closed'));
    for (const run of this.#running.values()) run.drop();
    this.#running.clear();
    this.#claimed.length = 0;
    this.#outcomes = [];
    this.#checkIdle();
    for (const clean of this.#cleanUp) clean();
    void this.#runner.close?.();
  }
}
