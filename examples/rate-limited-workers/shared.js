// @ts-check
// What the processes share: the requests to be made, the limits, and who leads.
import { BoundedSemaphore, Deque, Election, HoldfastError, Index, Latch, Throttle, open } from 'holdfast';

/**
 * The service allows 5 at once. One is left free: the request of a worker that is killed may still be under way when its permit is free
 * again.
 */
const permits = 4;

/**
 * The service allows 50 in any second. Between the leave to send a request and its arrival any time may pass, for as many requests as there are permits;
 * so much less is allowed here, and nothing at once after a rest.
 */
const rate = { limit: 50 - permits - 1, per: 1000, burst: 1 };

export class Shared {
  #store;
  /** Numbers of requests that nobody has begun. @type {Deque<number>} */
  #waiting;
  /** Which process has begun a request, and not ended it. @type {Index<number, number>} */
  #begun;
  /** @type {Index<number, string>} */
  #done;
  /** Requests that are not in the log yet. @type {Index<number, true>} */
  #unwritten;

  /** @param {string} directory @param {number} requests - How many there are to be made. */
  constructor(directory, requests) {
    this.#store = open(directory);
    this.#waiting = new Deque(this.#store, 'waiting');
    this.#begun = new Index(this.#store, 'begun');
    this.#done = new Index(this.#store, 'done');
    this.#unwritten = new Index(this.#store, 'unwritten');
    this.limit = new Throttle(this.#store, 'service', rate);
    this.atOnce = new BoundedSemaphore(this.#store, 'service', { permits });
    this.election = new Election(this.#store, 'log');
    this.half = new Latch(this.#store, 'half', { count: Math.floor(requests / 2) });
    this.all = new Latch(this.#store, 'all', { count: requests });
    this.logged = new Latch(this.#store, 'logged', { count: requests });
  }

  /** @param {number} requests */
  add(requests) {
    this.#waiting.pushMany(Array.from({ length: requests }, (_, i) => i + 1));
  }

  /** Begins a request; `undefined` when there is none. */
  begin() {
    return this.#store.transaction(() => {
      const request = this.#waiting.shift();
      if (request !== undefined) this.#begun.set(request, process.pid);
      return request;
    });
  }

  /** @param {number} request @param {string} answer */
  end(request, answer) {
    this.#store.transaction(() => {
      this.#begun.delete(request);
      this.#done.set(request, answer);
      this.#unwritten.set(request, true);
      this.half.countDown();
      this.all.countDown();
    });
  }

  /** What a worker that has died had begun is to be begun again. @param {number} pid */
  giveBack(pid) {
    this.#store.transaction(() => {
      for (const [request, by] of [...this.#begun]) {
        if (by !== pid) continue;
        this.#begun.delete(request);
        this.#waiting.unshift(request);
      }
    });
  }

  /**
   * Waits a moment where there is no request to begin: a worker may die, and leave one. Tells whether all are done.
   *
   * @param {AbortSignal} signal
   */
  async isOver(signal) {
    try {
      await this.all.wait({ timeout: 100, signal });
      return true;
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'ERR_TIMEOUT') return false;
      throw error;
    }
  }

  /**
   * Has each request logged that is done, for as long as this process leads. A request is struck off only once it is written.
   *
   * @param {AbortSignal} signal
   * @param {(request: number) => void} write
   */
  async writeLog(signal, write) {
    for await (const some of this.#unwritten.watch({ limit: 100 }, { signal })) {
      for (const [request] of some) {
        write(request);
        this.#store.transaction(() => {
          this.#unwritten.delete(request);
          this.logged.countDown();
        });
      }
    }
  }

  close() {
    this.#store.close();
  }
}
