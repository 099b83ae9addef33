// @ts-check
import { join } from 'node:path';
import { Latch } from 'holdfast';
import { PlainNumber } from './number.js';
import { Attempt, die, hastened } from './steps.js';

/** @typedef {import('./rounds.js').Plan} Plan */
/** @typedef {Pick<import('holdfast').AsyncLatch, 'countDown' | 'wait'>} AnyLatch */

/** From what each latch counts down. As many tasks can always go on together. */
export const count = 4;

/**
 * One latch after the other: each task counts down, waits, and goes on to the next one. A number in a file tells those who are new where
 * the others are, or were.
 *
 * @param {import('holdfast').AsyncStore} store
 * @param {string} directory
 * @param {(name: string) => AnyLatch} [make]
 * @returns {import('./shapes.js').Other}
 */
export function latches(store, directory, make = (name) => new Latch(store, name, { count })) {
  const front = new PlainNumber(join(directory, 'front'));
  /** @type {LatchRounds[]} */
  const tasks = [];
  return {
    draw: (random) => ({
      n: 1 + Math.floor(random() * 2),
      countsAgain: random() < 0.3,
      once: random() < 0.1,
      haste: random() < 0.5 ? 0.04 : 1,
      diesAfter: random() < 0.5 ? 0 : random() * 3,
    }),
    rounds: (log) => {
      const rounds = new LatchRounds(log, make, front);
      tasks.push(rounds);
      return rounds;
    },
    calm: () => {
      for (const task of tasks) task.calm();
    },
  };
}

class LatchRounds {
  #log;
  #make;
  #front;
  #at;
  #hasCounted = false;
  /** @type {Promise<void> | undefined} */
  #opened;

  /**
   * @param {import('./log.js').Log} log
   * @param {(name: string) => AnyLatch} make
   * @param {PlainNumber} front
   */
  constructor(log, make, front) {
    this.#log = log;
    this.#make = make;
    this.#front = front;
    this.#at = front.read();
  }

  /** From now on it needs nobody else: the latch at which it is is open soon, and so is each further one. */
  calm() {
    this.#opened = this.#countDown(this.#latch(), count);
  }

  /** @param {Plan} plan */
  async round(plan) {
    const { n, countsAgain, once, haste, diesAfter } = plan.own;
    const { dies, timeout, abortAfter } = hastened(plan, haste);
    const latch = this.#latch();
    if (dies === 0) die(this.#log);
    if (!this.#hasCounted || countsAgain) {
      this.#hasCounted = true;
      await this.#countDown(latch, n, dies === 1);
    }
    const attempt = new Attempt(this.#log, [this.#log.nextOp()]);
    const signal = attempt.giveUpLater(abortAfter);
    const options = { timeout: once ? 0 : timeout, signal };
    const dying = dies === 2 ? setTimeout(() => die(this.#log), diesAfter) : undefined;
    attempt.write('asking', { part: this.#at, timeout: options.timeout });
    const passed = await attempt.run(async () => {
      await latch.wait(options);
      return true;
    });
    clearTimeout(dying);
    if (passed !== true) return;
    attempt.write('through');
    this.#at++;
    this.#hasCounted = false;
    if (this.#front.read() < this.#at) this.#front.write(this.#at);
  }

  /** @param {() => Plan} patient */
  async finish(patient) {
    await this.#opened;
    for (let i = 0; i < 3; i++) {
      const plan = patient();
      await this.round({ ...plan, own: { ...plan.own, n: count, countsAgain: true, once: false } });
    }
  }

  #latch() {
    return this.#make(`tested ${this.#at}`);
  }

  /**
   * @param {AnyLatch} latch
   * @param {number} n
   * @param {boolean} [dies] Whether it dies as soon as it has begun.
   */
  async #countDown(latch, n, dies = false) {
    const op = this.#log.nextOp();
    this.#log.write('counting', op, { part: this.#at, value: n });
    const counted = latch.countDown(n);
    if (dies) die(this.#log);
    this.#log.write('counted', op, { value: await counted });
  }
}
