// @ts-check
import { Throttle } from 'holdfast';
import { Attempt, die } from './steps.js';

/** @typedef {import('./rounds.js').Plan} Plan */
/** @typedef {Pick<import('holdfast').AsyncThrottle, 'take' | 'wait'>} AnyThrottle */

/** How much is let through: 200 in a second, after a pause 10 at once. */
export const limits = { limit: 100, per: 500, burst: 10 };

/** The same in windows. */
export const windows = /** @type {const} */ ({ limit: 20, per: 100, algorithm: 'sliding-window' });

/** How many keys there are: one that is taken from all the time, and some that mostly have room. */
const keys = 8;

/** @type {(store: import('holdfast').AsyncStore) => AnyThrottle} */
const throttleOf = (store) => new Throttle(store, 'tested', limits);

/**
 * @param {import('holdfast').AsyncStore} store
 * @param {AnyThrottle} [throttle]
 * @returns {import('./shapes.js').Other}
 */
export function throttled(store, throttle = throttleOf(store)) {
  return {
    draw: (random) => ({
      key: random() < 0.5 ? 0 : Math.floor(random() * keys),
      cost: 1 + Math.floor(random() ** 2 * 3),
      waits: random() < 0.5,
      diesAfter: random() < 0.5 ? 0 : random() * 20,
    }),
    rounds: (log) => new Taking(throttle, log),
  };
}

/** Takes some of the limit of a key, or waits for it. */
class Taking {
  #throttle;
  #log;

  /**
   * @param {AnyThrottle} throttle
   * @param {import('./log.js').Log} log
   */
  constructor(throttle, log) {
    this.#throttle = throttle;
    this.#log = log;
  }

  /** @param {Plan} plan */
  async round(plan) {
    const { key, cost, waits, diesAfter } = plan.own;
    const attempt = new Attempt(this.#log, [this.#log.nextOp()]);
    const asked = { part: key, weight: cost };
    if (!waits) {
      attempt.write('asking', { ...asked, tries: true });
      const taken = this.#throttle.take({ key, cost });
      if (plan.dies !== undefined) die(this.#log);
      const { allowed } = await taken;
      if (allowed) attempt.write('granted');
      else attempt.write('ended', { code: 'refused' });
      return;
    }
    const { timeout } = plan;
    const signal = attempt.giveUpLater(plan.abortAfter);
    const dying = plan.dies === undefined ? undefined : setTimeout(() => die(this.#log), diesAfter);
    attempt.write('asking', { ...asked, timeout });
    const granted = await attempt.run(async () => {
      await this.#throttle.wait({ key, cost, timeout, signal });
      return true;
    });
    clearTimeout(dying);
    if (granted === true) attempt.write('granted');
  }
}
