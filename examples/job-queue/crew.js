// @ts-check
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** @import { ChildProcess } from 'node:child_process' */

/** Worker processes. One that is killed is replaced; one that ends in another way is a mistake. */
export class Crew {
  #arguments;
  /** @type {Map<number | undefined, ChildProcess>} By their process ids. */
  #workers = new Map();
  #ending = false;
  /** @type {(error: Error) => void} */
  #fail = () => {};

  /** Rejects when a worker has failed. @type {Promise<never>} */
  failed = new Promise((_, reject) => (this.#fail = reject));

  /** @param {number} size @param {string[]} workerArguments */
  constructor(size, workerArguments) {
    this.#arguments = workerArguments;
    for (let i = 0; i < size; i++) this.#start();
  }

  /** With no chance to clean up. @param {number} worker */
  kill(worker) {
    return this.#workers.get(worker)?.kill('SIGKILL') ?? false;
  }

  /** Lets the workers go, and waits until they have. */
  async end() {
    this.#ending = true;
    await Promise.all(
      [...this.#workers.values()].map(async (worker) => {
        worker.disconnect();
        await once(worker, 'exit');
      }),
    );
  }

  #start() {
    const worker = fork(new URL('worker.js', import.meta.url), this.#arguments);
    this.#workers.set(worker.pid, worker);
    worker.once('error', this.#fail);
    worker.once('exit', (code, signal) => {
      this.#workers.delete(worker.pid);
      if (this.#ending) return;
      if (signal === 'SIGKILL') this.#start();
      else this.#fail(new Error(`a worker has ended: ${signal ?? `code ${code}`}`));
    });
  }
}
