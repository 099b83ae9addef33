// @ts-check
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from './failure.js';

/** @import { ChildProcess } from 'node:child_process' */

/** How long workers may take to go when they are asked to, in milliseconds. */
const farewell = 5_000;

/** How many workers may die in a row, without one result, until it is no use to start others. */
const mostDeaths = 20;

/** Worker processes, replaced when they die: what they had under way the queue gives to the others. */
export class Crew {
  #arguments;
  #left;
  /** @type {Set<ChildProcess>} */
  #workers = new Set();
  #leftAtDeath = Infinity;
  #deaths = 0;
  #ending = false;
  /** @type {(failure: Failure) => void} */
  #fail = () => {};

  /** Rejects when it is no use to go on. @type {Promise<never>} */
  failed = new Promise((_, reject) => (this.#fail = reject));

  /**
   * @param {number} size
   * @param {string[]} workerArguments
   * @param {() => number} left How much is still to be done.
   */
  constructor(size, workerArguments, left) {
    this.#arguments = workerArguments;
    this.#left = left;
    for (let i = 0; i < size; i++) this.#start();
  }

  /** Lets the workers go, and waits until they have. */
  async end() {
    this.#ending = true;
    const workers = [...this.#workers];
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

  #start() {
    const worker = fork(new URL('./worker.js', import.meta.url), this.#arguments, {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#workers.add(worker);
    worker.on('error', (error) => this.#fail(new Failure(`no worker could be started: ${error.message}`)));
    worker.on('message', (reason) => this.#fail(new Failure(String(reason))));
    worker.on('exit', () => this.#replace(worker));
  }

  /** @param {ChildProcess} worker */
  #replace(worker) {
    this.#workers.delete(worker);
    if (this.#ending) return;
    const left = this.#left();
    this.#deaths = left < this.#leftAtDeath ? 1 : this.#deaths + 1;
    this.#leftAtDeath = left;
    if (this.#deaths <= mostDeaths) this.#start();
    else
      this.#fail(
        new Failure(`workers keep dying (${worker.signalCode ?? `exit code ${worker.exitCode ?? '?'}`})`),
      );
  }
}
