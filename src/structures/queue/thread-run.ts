import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { HoldfastError } from '../../core/errors.js';
import { startTimer } from '../../core/timer.js';
import { revivedError, type StoredError } from '../../core/failure.js';
import { grace } from './delivery.js';
import type { Abortion, Ending, FromThread, Task, ThreadJob } from './thread.js';

/** Either a task, or the module that is to be loaded. */
export type Pool = Piscina<Task<unknown> | string, StoredError | undefined>;

/** One run of a job in a thread, as seen from the worker's side. */
export class ThreadRun {
  readonly #job: ThreadJob;
  readonly #module: string;
  readonly #terminating = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #ending: Ending<unknown> | undefined;
  #broken: Error | undefined;
  #givenUp: Error | undefined;
  #started = false;
  #stray: unknown;

  constructor(job: ThreadJob, module: string) {
    this.#job = job;
    this.#module = module;
  }

  /** Whether the handler was called. */
  get started(): boolean {
    return this.#started;
  }

  /** What ended the thread when the job was over already. */
  get stray(): unknown {
    return this.#stray;
  }

  /** Gives back the result; throws what the handler threw, why it was aborted, or what ended the thread. */
  async in(pool: Pool): Promise<unknown> {
    const { port1: port, port2: far } = new MessageChannel();
    port.on('message', (told: FromThread<unknown>) => this.#hear(told));
    const { signal } = this.#job;
    const abort = (): void => {
      port.postMessage(abortionOf(signal.reason));
      // Begins before the timer of a run whose time is over, so that the thread has ended when the worker has room for another job.
      this.#timer = startTimer(grace, () => this.#terminating.abort());
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    const task = this.#task(far);
    let kept = true;
    let crash: unknown;
    try {
      const running = pool.run(task, { transferList: [far], signal: this.#terminating.signal });
      kept = false;
      await running;
    } catch (error) {
      crash = error;
      // A pool that fails to start a thread throws at once, and keeps the task for the next one.
      task.dropped = kept;
    }
    signal.removeEventListener('abort', abort);
    clearTimeout(this.#timer);
    // What was told last need not have been heard.
    let unheard: { readonly message: FromThread<unknown> } | undefined;
    while ((unheard = receiveMessageOnPort(port)) !== undefined) this.#hear(unheard.message);
    if (kept) port.unref();
    else port.close();
    if (this.#started && this.#ending !== undefined && !this.#terminating.signal.aborted) this.#stray = crash;
    return this.#conclude(crash);
  }

  /** It can’t be started. */
  giveUp(error: Error): void {
    this.#givenUp = error;
    this.#terminating.abort();
  }

  #task(port: Task<unknown>['port']): Task<unknown> {
    const { id, name, group, data, attempt, addedAt, scheduledFor } = this.#job;
    return {
      module: this.#module,
      port,
      job: { id, name, group, data, attempt, addedAt, scheduledFor },
      dropped: false,
    };
  }

  #hear(told: FromThread<unknown>): void {
    try {
      if (told.kind === 'started') this.#started = true;
      else if (told.kind === 'progress') this.#job.progress(told.value);
      else if (told.kind === 'log') this.#job.log(told.line);
      else this.#ending = told;
    } catch (error) {
      // It has come through the checks of the thread, and is something else now: a getter can do that.
      this.#broken = new TypeError('what the handler told of its job can’t be stored', { cause: error });
    }
  }

  #conclude(crash: unknown): unknown {
    if (this.#broken !== undefined) throw this.#broken;
    const ending = this.#ending;
    if (ending === undefined) throw this.#reason(crash);
    switch (ending.kind) {
      case 'returned':
        return ending.result;
      case 'snoozed':
        this.#job.snooze(ending.time);
        return undefined;
      case 'failed':
        this.#job.fail(revivedError(ending.error), { retry: ending.retry });
        return undefined;
      case 'threw':
      case 'unloaded':
        throw revivedError(ending.error);
    }
  }

  /** Why it has ended without saying so. */
  #reason(crash: unknown): Error {
    const reason: unknown = this.#job.signal.reason;
    if (reason instanceof Error) return reason;
    return this.#givenUp ?? threadEnded(this.#started ? 'while the job ran' : 'before the job ran', crash);
  }
}

function abortionOf(reason: unknown): Abortion {
  if (reason instanceof HoldfastError) return { code: reason.code, message: reason.message };
  return { code: 'ERR_CLOSED', message: String(reason) };
}

/** A thread is no more. */
export function threadEnded(when: string, error: unknown): HoldfastError {
  const message = error instanceof Error ? error.message : String(error);
  return new HoldfastError('ERR_THREAD', `a thread ended ${when}: ${message}`, { cause: error });
}
