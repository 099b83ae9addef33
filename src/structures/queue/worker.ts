import { HoldfastError } from '../../core/errors.js';
import { knownKeys, milliseconds } from '../../core/options.js';
import { outside } from '../../core/outside.js';
import { heard, refuseAborted, unheard } from '../../core/signals.js';
import type { Kind, Scope } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';
import { Run, type Workplace } from './job.js';
import type { Runner } from './runner.js';
import { resolveWork, type StopOptions, type WorkOptions } from './work-options.js';
import type { Claim, Outcome } from './outcomes.js';
import { Pruner } from './pruner.js';
import { stopOn } from './stop-on.js';
import { Trouble } from './trouble.js';
import { Caretaker } from './caretaker.js';
import { Exchanger } from './exchanging.js';
import { Inspector } from './inspector.js';
import { Strays } from './strays.js';
import { Ticker } from './ticker.js';
import { gathered, isNothing, noRoom, type Answer, type Claimed, type Room } from './delivery.js';
import type { QueueScripts } from './scripts.js';

/** How long after a failure to write, say of a full disk, it is tried again, in milliseconds. */
const retryAfter = 500;

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
  /** Claimed in line, by a transaction that may not be over. */
  #taking: readonly Claimed[] = [];
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
  readonly #strays: Strays<S>;
  readonly #exchanging = new Set<Promise<void>>();
  /** What they are to write. */
  readonly #sent = new Set<readonly Outcome[]>();
  /** How many jobs one of them wants: only one does, so that they start in their order. */
  #wanted = 0;
  #isTelling = false;
  #lining: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;
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
      hush: (run) => {
        this.#telling.delete(run);
        return this.#isTelling ? Promise.all(this.#exchanging) : undefined;
      },
      finish: (run, outcome) => this.#finish(run, outcome),
    };
    const stop = (): void => void this.stop();
    if (this.#options.signal !== undefined) heard(this.#options.signal, stop);
    const ticker = new Ticker(scope, scripts);
    this.#strays = new Strays(scope, { known: () => this.#known, underWay: this.#exchanging });
    const jobs = { running: this.#running, claimed: this.#claimed };
    const inspector = new Inspector(scope, scripts, jobs, this.#strays, (claims) => this.#release(claims));
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
        inspector.look();
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
    this.#release(this.#claimed.splice(0));
    await this.#untilIdle();
    this.#release(await this.#strays.stop());
    await this.#untilIdle();
    if (!this.#scope.closing.aborted) await this.#pruner.stop();
    for (const clean of this.#cleanUp) clean();
    await this.#runner.close?.();
  }

  #untilIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = resolve;
      this.#checkIdle();
    });
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
      const { claimed, again, full, trouble } = await this.#exchange(outcomes, room);
      this.#over(outcomes, room);
      this.#pruner.ended(outcomes);
      this.#outcomes.unshift(...again);
      if (room.want > 0) this.#hopeful &&= full;
      this.#take(claimed, room.atOnce);
      if (trouble !== undefined) {
        this.#retry(trouble.error);
        return;
      }
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
    if (this.#scope.closing.aborted || error === this.#stopping.signal.reason) return;
    this.#strays.suspect();
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
      this.#release(claimed);
      return;
    }
    for (const one of claimed.slice(0, atOnce)) this.#timed.add(one);
    this.#claimed.push(...claimed);
    this.#startSome();
  }

  #release(claims: readonly Claim[]): void {
    const { outcomes } = this.#scripts;
    this.#outcomes.push(...claims.map((one) => outcomes.released(one)));
    this.#stir();
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
      const turn = this.#scripts.turn(
        () => (room = this.#room),
        (taken) => (this.#taking = taken),
      );
      const claimed = await this.#scope.wait(turn, 'work()', { signal: this.#stopping.signal });
      this.#take(claimed, room.atOnce);
      this.#hopeful = true;
      this.#trouble.over();
    } catch (error) {
      this.#retry(error);
      return;
    } finally {
      this.#lining = undefined;
      this.#taking = [];
      this.#caretaker.go(false);
    }
    this.#stir();
  }

  get #held(): readonly Claimed[] {
    return [...this.#claimed, ...[...this.#running].map(({ claimed }) => claimed)];
  }

  get #unwritten(): readonly Outcome[] {
    return [...this.#outcomes, ...[...this.#sent].flat()];
  }

  get #known(): readonly Claim[] {
    return [...this.#held, ...this.#unwritten, ...this.#taking];
  }

  /** The store closes: what was not done goes back. */
  #leave(structure: number): ReturnType<QueueScripts['leave']> {
    const { outcomes } = this.#scripts;
    const released = this.#held.map((one) => outcomes.released(one));
    const told = [...new Set([...this.#telling, ...this.#running])].map((run) => run.told);
    return this.#scripts.leave(structure, [...this.#unwritten, ...released], gathered([], told));
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
