// @ts-check
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from './failure.js';

/**
 * @import { ChildProcess } from 'node:child_process'
 * @import { Findings, Task } from './store.js'
 * @import { News } from './worker.js'
 */

/** How often the state of things is looked at, in milliseconds: ten times a second is as often as a progress bar is drawn. */
const interval = 100;

/** How long all may wait with tasks still pending until these are handed out again, in milliseconds. */
const patience = 2_000;

/** How long workers may take to go when they are asked to, in milliseconds. */
const farewell = 5_000;

/** How many workers may die in a row, without one result, until it is no use to start others. */
const mostDeaths = 20;

/** Worker processes, replaced when they die. */
export class Crew {
  #findings;
  #arguments;
  /** @type {Map<ChildProcess, Task | undefined>} What each is at, as far as is known. */
  #workers = new Map();
  /** @type {Failure | undefined} */
  #failure;
  #deaths = 0;
  #ending = false;

  /**
   * @param {Findings} findings
   * @param {string[]} workerArguments
   */
  constructor(findings, workerArguments) {
    this.#findings = findings;
    this.#arguments = workerArguments;
  }

  /**
   * Does what is unfinished for the samples.
   *
   * Whoever took a task from the deque has it in memory only. When a worker is killed, what it had is put back at once; if its last
   * words were lost with it, or it belonged to another run, then as soon as everybody waits and tasks are still pending.
   *
   * @param {ReadonlySet<string>} samples
   * @param {number} size How many workers at most.
   * @param {(left: number) => void} report
   */
  async finish(samples, size, report) {
    let unfinished = this.#findings.unfinished(samples);
    this.#findings.handOut(unfinished);
    for (let i = 0; i < Math.min(size, unfinished.length); i++) this.#start();

    let others = this.#findings.pending - unfinished.length;
    let quietSince = performance.now();
    while (unfinished.length > 0) {
      await sleep(interval);
      if (this.#failure) throw this.#failure;
      const left = this.#findings.pending - others;
      report(Math.max(0, Math.min(left, unfinished.length)));
      if (left > 0 && (this.#findings.waiting > 0 || this.#isBusy())) quietSince = performance.now();
      if (left > 0 && performance.now() - quietSince < patience) continue;

      unfinished = this.#findings.unfinished(samples);
      others = this.#findings.pending - unfinished.length;
      if (left > 0) this.#findings.putBack(unfinished);
      quietSince = performance.now();
    }
  }

  /** Lets the workers go, and waits until they have. */
  async end() {
    this.#ending = true;
    const workers = [...this.#workers.keys()];
    await Promise.all(
      workers.map(async (worker) => {
        const exited = worker.exitCode === null && worker.signalCode === null && once(worker, 'exit');
        if (worker.connected) worker.disconnect();
        // One that was paused, or hangs, doesn't hear. Killing it loses nothing.
        const timer = setTimeout(() => worker.kill('SIGKILL'), farewell);
        await exited;
        clearTimeout(timer);
      }),
    );
  }

  #isBusy() {
    return [...this.#workers.values()].some((task) => task !== undefined);
  }

  #start() {
    const worker = fork(new URL('./worker.js', import.meta.url), this.#arguments, {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#workers.set(worker, undefined);
    worker.on(
      'error',
      (error) => (this.#failure ??= new Failure(`no worker could be started: ${error.message}`)),
    );
    worker.on('message', (news) => this.#hear(worker, /** @type {News} */ (news)));
    // Both, for what it said last may arrive after it has gone.
    void Promise.all([once(worker, 'exit'), once(worker, 'disconnect')]).then(() => this.#replace(worker));
  }

  /**
   * @param {ChildProcess} worker
   * @param {News} news
   */
  #hear(worker, news) {
    if ('failed' in news) {
      this.#failure ??= new Failure(news.failed);
    } else if ('took' in news) {
      this.#workers.set(worker, news.took);
    } else {
      this.#workers.set(worker, undefined);
      this.#deaths = 0;
    }
  }

  /** @param {ChildProcess} worker */
  #replace(worker) {
    const task = this.#workers.get(worker);
    this.#workers.delete(worker);
    if (this.#ending || this.#failure) return;
    if (++this.#deaths > mostDeaths) {
      this.#failure = new Failure(
        `workers keep dying (${worker.signalCode ?? `exit code ${worker.exitCode ?? '?'}`})`,
      );
      return;
    }
    if (task && this.#findings.isPending(task)) this.#findings.putBack([task]);
    this.#start();
  }
}
