import { HoldfastError } from '../../core/errors.js';
import { knownKeys, milliseconds } from '../../core/options.js';
import { outside } from '../../core/outside.js';
import { heard, refuseAborted, unheard } from '../../core/signals.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { Run, type Handling, type Workplace } from './job.js';
import { resolveWork, type StopOptions, type WorkOptions } from './work-options.js';
import type { Outcome } from './outcomes.js';
import { Pruner } from './pruner.js';
import { stopOn } from './stop-on.js';
import { Trouble } from './trouble.js';
import { lostOf } from './standing.js';
import { Caretaker } from './caretaker.js';
import { Exchanger } from './exchanging.js';
import { Ticker } from './ticker.js';
import { gathered, isNothing, noRoom, type Answer, type Claimed, type Room } from './delivery.js';
import type { QueueScripts } from './scripts.js';

/** What runs the jobs of a worker. */
export interface Runner<S extends Kind> {
  readonly run: Handling<S>;
  /** Comes before the first job; if it rejects there will be none. What fails later, and is no job's fault, is reported. */
  open?(report: (error: unknown) => void): Promise<void>;
  /** Comes after the last job. */
  close?(): Promise<void>;
}

/** How long after a failure to write, say of a full disk, it is tried again, in milliseconds. */
const retryAfter = 500;
/** How often at most a worker looks whether its jobs are still its own, in milliseconds. */
const lostEvery = 90;

/** Runs jobs of a queue in this process, until it is stopped. */
export interface Worker extends AsyncDisposable {
  /** How many jobs run here now. */
  readonly running: number;
  /**
   * Claims no more jobs, gives back those that were not started, and lets the handlers that run end. Resolves when all have, and what they did
   * is written. Calling it again waits for the same; the timeout of the call is heeded all the same.
   *
   * @throws `TypeError` or `RangeError` for options that don't exist, or make no sense.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** A {@link Worker} of a store of either kind. */
export class WorkerOf<S extends Kind> implements Worker {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Worker' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  readonly #runner: Runner<S>;
  readonly #trouble: Trouble;
  readonly #options: ReturnType<typeof resolveWork>;
  readonly #place: Workplace<S>;
  /** Not by the number of the job: one that was lost may still run here when the job is claimed again. */
  readonly #running = new Set<Run<S>>();
  /** Claimed, and not started yet. */
  readonly #claimed: Claimed[] = [];
  /** Started after they had waited here: by when they are overdue is still to be written. */
  readonly #begun: Claimed[] = [];
  /** Those for which it was written when they were claimed. */
  readonly #timed = new WeakSet<Claimed>();
  #outcomes: Outcome[] = [];
  readonly #telling = new Set<Run<S>>();
  /** Whether there may be jobs that could be claimed. */
  #hopeful = true;
  #stirred = false;
  readonly #exchanger: Exchanger<S>;
  readonly #pruner: Pruner<S>;
  readonly #caretaker: Caretaker<S>;
  readonly #exchanging = new Set<Promise<void>>();
  /** What they are to write. */
  readonly #sent = new Set<readonly Outcome[]>();
  /** How many jobs one of them wants: only one does, so that they start in their order. */
  #wanted = 0;
  #isTelling = false;
  #lining: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;
  #looked = -Infinity;
  #idle: (() => void) | undefined;
  readonly #cleanUp: (() => void)[];

  constructor(scope: Scope<S>, scripts: QueueScripts, runner: Runner<S>, options: WorkOptions | undefined) {
    this.#options = resolveWork(options);
    refuseAborted(
      this.#options.signal === undefined ? [scope.closing] : [scope.closing, this.#options.signal],
    );
    this.#scope = scope;
    this.#scripts = scripts;
    this.#exchanger = new Exchanger(scope, scripts, this.#options.gathered);
    this.#pruner = new Pruner(scope, scripts);
    this.#caretaker = new Caretaker(scope, scripts, this.#pruner);
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
    const ticker = new Ticker(scope, scripts);
    const close = (): void => this.#close();
    heard(scope.closing, close);
    this.#cleanUp = [
      () => unheard(scope.closing, close),
      () => this.#options.signal && unheard(this.#options.signal, stop),
      () => this.#caretaker.stop(),
      () => ticker.stop(),
      scope.overhear((rung) => {
        if (scope.closing.aborted) return;
        if (rung) ticker.heard();
        this.#lookForCancelled().catch(nothing);
        this.#lookForLost().catch(nothing);
      }),
      scope.onClose(
        (structure) => this.#leave(structure),
        () => {
          // What it gives back it must not claim again.
          this.#stopping.abort();
          return Promise.all([this.#lining, ...this.#exchanging]);
        },
      ),
      stopOn(this.#options.stopOn, (given) => this.stop(given)),
    ];
    // It goes on when a transaction around the call has ended.
    outside(() => {
      this.#caretaker.go(false);
      void this.#begin();
    });
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

  get running(): number {
    return this.#running.size;
  }

  async stop(options: StopOptions = {}): Promise<void> {
    knownKeys('options of stop()', options, ['timeout']);
    const timeout = milliseconds('timeout', options.timeout ?? Infinity);
    this.#stopped ??= outside(() => this.#stop());
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
    if (!this.#scope.closing.aborted) await this.#pruner.stop();
    for (const clean of this.#cleanUp) clean();
    await this.#runner.close?.();
  }

  #checkIdle(): void {
    if (this.#running.size > 0 || this.#exchanging.size > 0) return;
    // What could not be written by then never is.
    if (this.#outcomes.length > 0 && !this.#scope.closing.aborted) return;
    this.#idle?.();
  }

  #abortAll(reason: HoldfastError): void {
    for (const run of this.#running) run.abort(reason);
  }

  /** Things are to be exchanged with the store: in a moment, when all that ends in this turn of the event loop has ended. */
  #stir(): void {
    if (this.#stirred) return;
    this.#stirred = true;
    // A handler may be inside a transaction when it tells something.
    outside(() =>
      setImmediate(() => {
        this.#stirred = false;
        this.#exchangeNow();
      }),
    );
  }

  get #room(): Room {
    if (this.#stopping.signal.aborted) return noRoom;
    const { concurrency, prefetch } = this.#options;
    // A job whose end has not been sent yet keeps its place: else more and more could have run without its being known.
    const taken = this.#running.size + this.#claimed.length + this.#outcomes.length;
    return { want: Math.max(0, concurrency + prefetch - taken), atOnce: Math.max(0, concurrency - taken) };
  }

  /** What an exchange wants. */
  get #share(): Room {
    return !this.#hopeful || this.#wanted > 0 || this.#lining !== undefined ? noRoom : this.#room;
  }

  /** What ends meanwhile gathers again. */
  #exchangeNow(): void {
    while (this.#exchanging.size < this.#exchanger.atATime && this.#isToExchange()) this.#beginExchange();
    // Who joins the line and leaves it is in the way of others: not while jobs end. But where several exchanges go on there may be no such moment.
    const isFree = this.#exchanging.size === 0 || (this.#exchanger.atATime > 1 && this.#wanted === 0);
    if (isFree && !this.#hopeful && this.#room.want > 0) this.#lining ??= this.#line();
    this.#checkIdle();
  }

  #isToExchange(): boolean {
    // What a job tells comes before how it has ended, or with that.
    const tells = this.#telling.size + this.#begun.length > 0;
    if (this.#isTelling || (tells && this.#exchanging.size > 0)) return false;
    return tells || this.#outcomes.length > 0 || this.#share.want > 0;
  }

  #beginExchange(): void {
    const outcomes = this.#outcomes.splice(0, this.#options.gathered ? Infinity : 1);
    const room = this.#share;
    this.#sent.add(outcomes);
    this.#wanted += room.want;
    const exchanging = this.#tryExchange(outcomes, room).finally(() => {
      this.#exchanging.delete(exchanging);
      this.#checkIdle();
    });
    this.#exchanging.add(exchanging);
  }

  async #tryExchange(outcomes: readonly Outcome[], room: Room): Promise<void> {
    try {
      const { claimed, again, full } = await this.#exchange(outcomes, room);
      this.#over(outcomes, room);
      this.#pruner.ended(outcomes);
      this.#outcomes.unshift(...again);
      if (room.want > 0) this.#hopeful &&= full;
      this.#take(claimed, room.atOnce);
      this.#trouble.over();
      this.#stir();
    } catch (error) {
      // What there was to write is still there.
      this.#over(outcomes, room);
      this.#outcomes.unshift(...outcomes);
      this.#retry(error);
    }
  }

  #over(outcomes: readonly Outcome[], { want }: Room): void {
    this.#sent.delete(outcomes);
    this.#wanted -= want;
    this.#isTelling = false;
  }

  #retry(error: unknown): void {
    if (this.#scope.closing.aborted) return;
    setTimeout(() => this.#stir(), retryAfter);
    this.#trouble.report(error);
  }

  async #exchange(outcomes: readonly Outcome[], room: Room): Promise<Answer> {
    const telling = [...this.#telling].map((run) => [run, run.told] as const);
    const told = gathered(
      this.#begun,
      telling.map(([, one]) => one),
    );
    this.#isTelling = telling.length + told.begun.length > 0;
    const answer = await this.#exchanger.exchange({ outcomes, told, ...room });
    for (const [run, one] of telling) {
      run.written(one);
      if (isNothing(run.told)) this.#telling.delete(run);
    }
    this.#begun.splice(0, told.begun.length);
    return answer;
  }

  #take(claimed: readonly Claimed[], atOnce: number): void {
    if (this.#stopping.signal.aborted) {
      const { outcomes } = this.#scripts;
      this.#outcomes.push(...claimed.map((one) => outcomes.released(one)));
      return;
    }
    for (const one of claimed.slice(0, atOnce)) this.#timed.add(one);
    this.#claimed.push(...claimed);
    this.#startSome();
  }

  #startSome(): void {
    while (this.#claimed.length > 0 && this.#running.size < this.#options.concurrency) {
      const claimed = this.#claimed.shift();
      if (claimed === undefined) return;
      if (claimed.timeout < Infinity && !this.#timed.has(claimed)) this.#begun.push(claimed);
      const run = new Run(this.#place, claimed);
      this.#running.add(run);
      void run.start(this.#runner.run);
    }
  }

  #finish(run: Run<S>, outcome: Outcome | undefined): void {
    this.#running.delete(run);
    if (outcome !== undefined) this.#outcomes.push(outcome);
    this.#startSome();
    this.#stir();
  }

  /** Waits until there are jobs. */
  async #line(): Promise<void> {
    this.#caretaker.go(true);
    try {
      let room = this.#room;
      const turn = this.#scripts.turn(() => (room = this.#room));
      const claimed = await this.#scope.wait(turn, 'work()', { signal: this.#stopping.signal });
      this.#take(claimed, room.atOnce);
      this.#hopeful = true;
      this.#trouble.over();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#retry(error);
      return;
    } finally {
      this.#lining = undefined;
      this.#caretaker.go(false);
    }
    this.#stir();
  }

  async #lookForCancelled(): Promise<void> {
    if (this.#running.size === 0) return;
    const ids = await this.#scope.read(nothing, (structure) => this.#scripts.cancelling(structure));
    for (const run of this.#running)
      if (ids.includes(run.claimed.id))
        run.abort(new HoldfastError('ERR_CANCELLED', 'the job was cancelled'));
  }

  /** Others may have taken jobs of this store: it was stopped for too long, say, or its connection was lost. */
  async #lookForLost(): Promise<void> {
    const now = performance.now();
    if (this.#running.size + this.#claimed.length === 0 || now - this.#looked < lostEvery) return;
    this.#looked = now;
    const claims = [...this.#claimed, ...[...this.#running].map(({ claimed }) => claimed)];
    const lost = new Set(await this.#scope.read(nothing, () => lostOf(claims)));
    for (const run of this.#running) if (lost.has(run.claimed)) run.lose();
    for (const claimed of lost) {
      const place = this.#claimed.indexOf(claimed);
      if (place >= 0) this.#claimed.splice(place, 1);
    }
    if (lost.size > 0) this.#stir();
  }

  /** The store closes: what was not done goes back. */
  #leave(structure: number): ReturnType<QueueScripts['leave']> {
    const { outcomes } = this.#scripts;
    const runs = [...this.#running];
    const released = [...this.#claimed, ...runs.map(({ claimed }) => claimed)].map((one) =>
      outcomes.released(one),
    );
    const told = [...new Set([...this.#telling, ...runs])].map((run) => run.told);
    return this.#scripts.leave(
      structure,
      [...this.#outcomes, ...[...this.#sent].flat(), ...released],
      gathered([], told),
    );
  }

  #close(): void {
    this.#stopping.abort();
    this.#abortAll(new HoldfastError('ERR_CLOSED', 'the store is closed'));
    for (const run of this.#running) run.drop();
    this.#running.clear();
    this.#claimed.length = 0;
    this.#outcomes = [];
    this.#checkIdle();
    for (const clean of this.#cleanUp) clean();
    void this.#runner.close?.();
  }
}
