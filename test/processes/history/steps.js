// @ts-check
// What rounds of all kinds are made of.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** @typedef {import('./log.js').Log} Log */
/** @typedef {import('./rounds.js').Plan} Plan */

/** @param {number} ms */
export async function pause(ms) {
  if (ms >= 1) return sleep(ms);
  for (const end = performance.now() + ms; performance.now() < end;);
  return undefined;
}

/**
 * As if somebody had killed it just now.
 *
 * @param {Log} log
 */
export function die(log) {
  log.write('killing', 0);
  process.kill(process.pid, 'SIGKILL');
}

/**
 * The same round, by one whose patience ends after so much of the time. What is waited for is often there in a millisecond.
 *
 * @param {Plan} plan
 * @param {number} share
 * @returns {Plan}
 */
export function hastened(plan, share) {
  const { timeout, abortAfter } = plan;
  return { ...plan, timeout: timeout && timeout * share, abortAfter: abortAfter && abortAfter * share };
}

/** What an abort is for. */
const givenUp = () => Object.assign(new Error('given up'), { code: 'given up' });

/** One attempt to get what one has to wait for: how it ends is written down, whichever way it does. */
export class Attempt {
  #log;
  #controller = new AbortController();
  #done = false;
  /** How it failed, if it did. @type {string | undefined} */
  code;
  /** Its numbers in the log: several where several things are asked for at once. */
  ops;

  /**
   * @param {Log} log
   * @param {readonly number[]} ops
   */
  constructor(log, ops) {
    this.#log = log;
    this.ops = ops;
  }

  /** Aborts when it gives up. */
  get signal() {
    return this.#controller.signal;
  }

  /**
   * @param {string} kind
   * @param {object} [more]
   */
  write(kind, more) {
    for (const op of this.ops) this.#log.write(kind, op, more);
  }

  /** Gives up, and says so before. */
  giveUp() {
    if (this.#done) return;
    this.write('givingUp');
    this.#controller.abort(givenUp());
  }

  /**
   * @param {number | undefined} after Milliseconds; `undefined` for never.
   * @returns The signal, if it may be needed.
   */
  giveUpLater(after) {
    if (after === undefined) return undefined;
    setTimeout(() => this.giveUp(), after);
    return this.signal;
  }

  /**
   * Tells that it stands in line, once others can see it.
   *
   * @param {{ waiters?: () => any }} subject
   * @param {string} label
   */
  async lookAtLine(subject, label) {
    for (let looks = 0; looks < 20; looks++) {
      await nextTurn();
      if (this.#done) return;
      /** @type {{ label?: string }[]} */
      const line = (await subject.waiters?.()) ?? [];
      if (!line.some((waiter) => waiter.label === label)) continue;
      this.write('inLine');
      return;
    }
  }

  /** What was waited for is there: what goes wrong from here on is no end of the attempt. */
  succeed() {
    this.#done = true;
  }

  /**
   * @template T
   * @param {() => T | PromiseLike<T>} work What waits.
   * @param {readonly string[]} expected The codes of errors that may come of it, besides the usual ones.
   * @returns {Promise<T | undefined>}
   */
  async run(work, expected = []) {
    try {
      return await work();
    } catch (error) {
      if (this.#done) throw error;
      const { code = 'none' } = /** @type {{ code?: string }} */ (error);
      this.code = code;
      this.write('ended', { code });
      if (!['ERR_TIMEOUT', 'given up', ...expected].includes(code)) throw error;
      return undefined;
    } finally {
      this.#done = true;
    }
  }
}

/**
 * What the waiting tasks of a process share where each needs the others to go on: the last rounds of one are over when those of all are.
 */
export class Party {
  /** @type {Set<Attempt>} */
  #waiting = new Set();
  #unfinished = 0;

  /** Another task takes part. */
  join() {
    this.#unfinished++;
  }

  /**
   * @template T
   * @param {Attempt} attempt
   * @param {() => Promise<T>} wait
   */
  async wait(attempt, wait) {
    this.#waiting.add(attempt);
    try {
      return await wait();
    } finally {
      this.#waiting.delete(attempt);
    }
  }

  /**
   * Three rounds that succeed, and then as many as the others need; the last one of them to be ready ends it for all.
   *
   * @param {() => Promise<boolean>} round Tells whether it succeeded.
   */
  async finish(round) {
    for (let left = 3; left > 0;) {
      if (await round()) left--;
      // Those who meet within one process leave the event loop no time: the others would not come to take part.
      await nextTurn();
    }
    this.#unfinished--;
    if (this.#unfinished === 0) for (const attempt of this.#waiting) attempt.giveUp();
    while (this.#unfinished > 0) {
      await round();
      await nextTurn();
    }
  }
}
