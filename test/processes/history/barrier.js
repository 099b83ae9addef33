// @ts-check
import { Barrier } from 'holdfast';
import { Attempt, die, hastened, Party } from './steps.js';

/** @typedef {import('./rounds.js').Plan} Plan */

/**
 * @typedef {object} Meeting
 * @property {(options: { timeout?: number | undefined, signal: AbortSignal }) => Promise<number>} wait
 * @property {() => any} reset
 * @property {boolean | Promise<boolean>} broken
 */

/** How many meet. As many tasks in each process can go on though all others are gone. */
export const parties = 3;

/** @type {(store: import('holdfast').AsyncStore) => Meeting} */
const barrierOf = (store) => new Barrier(store, 'tested', { parties });

/**
 * @param {import('holdfast').AsyncStore} store
 * @param {Meeting} [barrier]
 * @returns {import('./shapes.js').Other}
 */
export function meeting(store, barrier = barrierOf(store)) {
  const party = new Party();
  return {
    draw: (random) => ({
      mends: random() < 0.5,
      // Whoever waits then is sent away.
      blindly: random() < 0.05,
      once: random() < 0.05,
      haste: random() < 0.6 ? 0.04 : 1,
      diesAfter: random() < 0.5 ? 0 : random() * 3,
    }),
    rounds: (log) => new Meetings(barrier, log, party),
  };
}

/** Arrives at a barrier, mostly waits for the others, and mends it when it is broken. */
class Meetings {
  #barrier;
  #log;
  #party;

  /**
   * @param {Meeting} barrier
   * @param {import('./log.js').Log} log
   * @param {Party} party
   */
  constructor(barrier, log, party) {
    this.#barrier = barrier;
    this.#log = log;
    this.#party = party;
    party.join();
  }

  /** @param {Plan} plan */
  async round(plan) {
    const { once, haste } = plan.own;
    const hasty = hastened(plan, haste);
    await this.#round(once ? { ...hasty, timeout: 0 } : hasty);
  }

  /** @param {() => Plan} patient */
  finish(patient) {
    const round = () => {
      const plan = patient();
      return this.#round({ ...plan, own: { ...plan.own, mends: true, blindly: false } });
    };
    return this.#party.finish(round);
  }

  /** @param {Plan} plan */
  async #round(plan) {
    const { timeout } = plan;
    const attempt = new Attempt(this.#log, [this.#log.nextOp()]);
    attempt.giveUpLater(plan.abortAfter);
    const { signal } = attempt;
    const dying = plan.dies === undefined ? undefined : setTimeout(() => die(this.#log), plan.own.diesAfter);
    attempt.write('asking', { timeout });
    const wait = () => this.#barrier.wait({ timeout, signal });
    const number = await this.#party.wait(attempt, () => attempt.run(wait, ['ERR_BROKEN']));
    clearTimeout(dying);
    if (number !== undefined) attempt.write('through', { value: number });
    else if (plan.own.mends) await this.#mend(plan.own.blindly);
    return number !== undefined;
  }

  /** @param {boolean} blindly Whether it is broken or not. */
  async #mend(blindly) {
    if (!blindly && !(await this.#barrier.broken)) return;
    const op = this.#log.nextOp();
    this.#log.write('resetting', op);
    await this.#barrier.reset();
    this.#log.write('reset', op);
  }
}
