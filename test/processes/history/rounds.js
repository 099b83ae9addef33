// @ts-check
import { Attempt, die, pause } from './steps.js';

/** @typedef {import('./shapes.js').Grant} Grant */
/** @typedef {{ op: number, grant: Grant, weight: number }} Holding */
/** @typedef {ReturnType<typeof plannedRound>} Plan */

/**
 * All that chance decides of a round, drawn at once: what is drawn then depends on the seed alone, not on how fast the machine is.
 *
 * @param {() => number} random
 * @param {import('./shapes.js').Subject | import('./shapes.js').Other} subject
 * @param {number} deaths How likely it is that the process dies while it holds.
 */
export function plannedRound(random, subject, deaths) {
  const weight = 'weight' in subject ? subject.weight(random) : 1;
  const how = ['release', 'release', 'dispose', 'use', 'try'][Math.floor(random() * 5)];
  const limit = random();
  const after = random() * 25;
  return {
    weight,
    how,
    timeout: limit < 0.15 ? after : undefined,
    abortAfter: limit > 0.85 ? after : undefined,
    slow: random() < 0.3 ? random() / 5 : 0,
    hold: random() < 0.5 ? 0 : random() * 2,
    think: random() < 0.3 ? 0 : random() * 3,
    again: random() < 0.3,
    innerLast: random() < 0.5,
    exchange: random() < 0.3,
    listen: random() < 0.05,
    lookAtLine: random() < 0.5,
    dies: random() < deaths ? Math.floor(random() * 3) : undefined,
    own: 'draw' in subject ? subject.draw(random) : undefined,
  };
}

/** A round that waits until it is served. */
export const patientRound = { how: 'release', timeout: undefined, abortAfter: undefined, dies: undefined };

/** Acquires, holds and releases, and logs it. */
export class Rounds {
  #subject;
  #log;
  #number;
  #label;

  /**
   * @param {import('./shapes.js').Subject} subject
   * @param {import('./log.js').Log} log
   * @param {import('./number.js').PlainNumber} number
   * @param {number} process
   */
  constructor(subject, log, number, process) {
    this.#subject = subject;
    this.#log = log;
    this.#number = number;
    this.#label = `process ${process}, `;
  }

  /** @param {Plan} plan */
  async round(plan) {
    const { weight, how, timeout } = plan;
    const op = this.#log.nextOp();
    const attempt = new Attempt(this.#log, [op]);
    const label = `${this.#label}${op}`;
    const { tryAcquire } = this.#subject;
    if (how === 'try' && tryAcquire !== undefined) {
      this.#log.write('asking', op, { weight, tries: true });
      const grant = await tryAcquire(weight, { label });
      if (grant === undefined) this.#log.write('ended', op, { code: 'refused' });
      else await this.#hold({ op, grant, weight }, { ...plan, again: false });
      return;
    }
    const signal = attempt.giveUpLater(plan.abortAfter);
    attempt.write('asking', { weight, timeout });
    const looking = plan.lookAtLine ? attempt.lookAtLine(this.#subject, label) : undefined;
    await attempt.run(() => this.#wait(attempt, plan, { label, timeout, signal }));
    await looking;
  }

  /**
   * @param {Attempt} attempt
   * @param {Plan} plan
   * @param {object} options
   */
  async #wait(attempt, plan, options) {
    const { weight } = plan;
    const [op = 0] = attempt.ops;
    const { acquire, use } = this.#subject;
    if (plan.how !== 'use' || use === undefined) {
      const grant = await acquire(weight, options);
      attempt.succeed();
      // To acquire again what it holds is for the work of `use`.
      await this.#hold({ op, grant, weight }, { ...plan, again: false });
      return;
    }
    /** @type {Holding | undefined} */
    let held;
    const work = async (/** @type {Grant} */ grant) => {
      attempt.succeed();
      held = await this.#holdOnce({ op, grant, weight }, { ...plan, exchange: false, innerLast: false });
      this.#log.write('releasing', op);
    };
    await use(weight, work, options);
    if (held !== undefined) this.#log.write('released', op, { held: true });
  }

  /**
   * @param {Holding} holding
   * @param {Plan} plan
   */
  async #hold(holding, plan) {
    const { op, grant } = await this.#holdOnce(holding, plan);
    this.#log.write('releasing', op);
    let held = true;
    if (plan.how === 'dispose' && Symbol.asyncDispose in grant)
      await /** @type {any} */ (grant)[Symbol.asyncDispose]();
    else held = /** @type {boolean} */ (await grant.release());
    this.#log.write('released', op, { held });
  }

  /**
   * @param {Holding} holding
   * @param {Plan} plan
   * @returns {Promise<Holding>} What is to be released.
   */
  async #holdOnce(holding, plan) {
    this.#begin(holding, plan.listen);
    await this.#work(holding, plan);
    if (plan.again && holding.weight === 1) return this.#again(holding, plan);
    if (plan.exchange && 'tryUpgrade' in holding.grant) return this.#exchange(holding, 'tryUpgrade', plan);
    if (plan.exchange && 'downgrade' in holding.grant) return this.#exchange(holding, 'downgrade', plan);
    return holding;
  }

  /**
   * @param {Holding} holding
   * @param {boolean} [listen]
   */
  #begin({ op, grant }, listen) {
    this.#log.write('holding', op, { fence: String(grant.fence) });
    if (listen) grant.signal?.addEventListener('abort', () => this.#log.write('lost', op));
  }

  /**
   * Changes the number in the file, as whoever is alone may do; whoever is not only reads it, twice.
   *
   * @param {Holding} holding
   * @param {Plan} plan
   */
  async #work({ op, weight }, { slow, hold, dies }) {
    if (dies === 0) die(this.#log);
    const value = this.#number.read();
    if (weight < this.#subject.capacity) {
      this.#log.write('read', op, { value });
      await pause(hold);
      this.#log.write('read', op, { value: this.#number.read() });
      return;
    }
    this.#log.write('writing', op, { value });
    await pause(slow);
    if (dies === 1) die(this.#log);
    this.#number.write(value + 1);
    if (dies === 2) die(this.#log);
    this.#log.write('wrote', op, { value: value + 1 });
    await pause(hold);
  }

  /**
   * Acquires again what it holds.
   *
   * @param {Holding} holding
   * @param {Plan} plan
   * @returns {Promise<Holding>}
   */
  async #again(holding, plan) {
    const { again, acquire } = this.#subject;
    if (again === undefined) return holding;
    if (again === 'let in') {
      const op = this.#log.nextOp();
      this.#log.write('asking', op, { weight: 1, overtakes: true });
      const grant = await acquire(1, {});
      await this.#hold({ op, grant, weight: 1 }, { ...plan, again: false, exchange: false });
      return holding;
    }
    const grant = await acquire(1, {});
    this.#log.write('again', holding.op, { fence: String(grant.fence) });
    await pause(plan.hold);
    const [first, last] = plan.innerLast ? [holding.grant, grant] : [grant, holding.grant];
    await first.release();
    await this.#work(holding, plan);
    return { ...holding, grant: last };
  }

  /**
   * Exchanges what it reads with for what it writes with, or back.
   *
   * @param {Holding} holding
   * @param {'tryUpgrade' | 'downgrade'} how
   * @param {Plan} plan
   * @returns {Promise<Holding>}
   */
  async #exchange(holding, how, plan) {
    const weight = how === 'downgrade' ? 1 : this.#subject.capacity;
    const op = this.#log.nextOp();
    this.#log.write('asking', op, { weight, overtakes: true, exchanges: holding.op });
    const grant = await holding.grant[how]?.();
    if (grant === undefined) {
      this.#log.write('ended', op, { code: 'refused' });
      return holding;
    }
    const exchanged = { op, grant, weight };
    this.#begin(exchanged);
    await this.#work(exchanged, plan);
    return exchanged;
  }
}
