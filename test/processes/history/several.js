// @ts-check
import { join } from 'node:path';
import { Lock } from 'holdfast';
import { PlainNumber } from './number.js';
import { Attempt, die, pause } from './steps.js';

/** @typedef {import('holdfast').AsyncLock} AsyncLock */
/** @typedef {{ grants: readonly import('./shapes.js').Grant[], release: () => any }} GrantSet */
/** @typedef {import('./rounds.js').Plan} Plan */
/** @typedef {{ attempt: Attempt, which: readonly number[], plan: Plan }} Round */

/**
 * What acquires several locks as one, as `Lock.all` does.
 *
 * @typedef {object} Set
 * @property {(options: object) => Promise<GrantSet>} acquire
 * @property {(options: object) => any} tryAcquire
 * @property {(work: (grant: GrantSet) => Promise<void>, options: object) => Promise<void>} use
 */

/** How many locks there are. */
export const locksAtMost = 4;

/** @type {(locks: AsyncLock[]) => Set} */
const lockAll = (locks) => Lock.all(locks);

/** A lock alone, seen as a set of one. @type {(lock: AsyncLock) => Set} */
function alone(lock) {
  const setOf = (/** @type {any} */ grant) => ({ grants: [grant], release: () => grant.release() });
  return {
    acquire: async (options) => setOf(await lock.acquire(options)),
    tryAcquire: async (options) => {
      const grant = await lock.tryAcquire(options);
      return grant && setOf(grant);
    },
    use: (work, options) => lock.use((grant) => work(setOf(grant)), options),
  };
}

/**
 * Some of a few locks, now these, now those, each with a number in a file that it protects.
 *
 * @param {import('holdfast').AsyncStore} store
 * @param {string} directory
 * @param {(locks: AsyncLock[]) => Set} [all]
 * @returns {import('./shapes.js').Other}
 */
export function several(store, directory, all = lockAll) {
  const locks = Array.from({ length: locksAtMost }, (_, i) => new Lock(store, `tested ${i}`));
  const numbers = locks.map((_, i) => new PlainNumber(join(directory, `number-${i}`)));
  return {
    draw: (random) => ({ which: someOf(random), looks: random() < 0.1 }),
    rounds: (log, process) => new SeveralRounds({ store, locks, numbers, all, log, process }),
  };
}

/**
 * Mostly two or three locks, in any order; sometimes one.
 *
 * @param {() => number} random
 */
function someOf(random) {
  const which = Array.from({ length: locksAtMost }, (_, i) => i);
  for (let i = which.length; i-- > 1;) {
    const j = Math.floor(random() * (i + 1));
    [which[i], which[j]] = [which[j] ?? 0, which[i] ?? 0];
  }
  return which.slice(0, 1 + Math.floor(random() ** 1.5 * locksAtMost));
}

/** Acquires some of the locks, holds and releases them. Each lock's part is an attempt of its own in the log. */
class SeveralRounds {
  #given;

  /**
   * @param {{ store: import('holdfast').AsyncStore, locks: AsyncLock[], numbers: PlainNumber[], all: (locks: AsyncLock[]) => Set,
   *   log: import('./log.js').Log, process: number }} given
   */
  constructor(given) {
    this.#given = given;
  }

  /** @param {Plan} plan */
  async round(plan) {
    const { log, locks, process } = this.#given;
    /** @type {{ which: readonly number[], looks: boolean }} */
    const { which, looks } = plan.own;
    const attempt = new Attempt(
      log,
      which.map(() => log.nextOp()),
    );
    const tries = plan.how === 'try';
    const { timeout } = plan;
    const signal = tries ? undefined : attempt.giveUpLater(plan.abortAfter);
    const [set] = attempt.ops;
    for (const [i, op] of attempt.ops.entries())
      log.write('asking', op, { part: which[i], set, tries, ...(tries ? {} : { timeout }) });
    const label = `${process} ${set}`;
    // Who wants several may leave one line for another: only a single lock's promises anything.
    const single = which.length === 1 ? locks[which[0] ?? 0] : undefined;
    const looking = !tries && plan.lookAtLine && single ? attempt.lookAtLine(single, label) : undefined;
    await attempt.run(() =>
      this.#acquire({ attempt, which, plan }, tries ? { label } : { label, timeout, signal }),
    );
    await looking;
    if (looks) await this.#look();
  }

  /**
   * @param {Round} round
   * @param {object} options
   */
  async #acquire(round, options) {
    const { attempt, which, plan } = round;
    const { locks, all } = this.#given;
    const chosen = which.map((i) => /** @type {AsyncLock} */ (locks[i]));
    const set = chosen.length === 1 ? alone(/** @type {AsyncLock} */ (chosen[0])) : all(chosen);
    if (plan.how === 'use') {
      let held = false;
      const work = async (/** @type {GrantSet} */ grant) => {
        await this.#hold(round, grant);
        held = true;
      };
      await set.use(work, options);
      if (held) attempt.write('released', { held });
      return;
    }
    const grant = plan.how === 'try' ? await set.tryAcquire(options) : await set.acquire(options);
    if (grant === undefined) {
      attempt.write('ended', { code: 'refused' });
      return;
    }
    await this.#hold(round, grant);
    let held = true;
    if (plan.how === 'dispose' && Symbol.asyncDispose in grant) await grant[Symbol.asyncDispose]();
    else held = await grant.release();
    attempt.write('released', { held });
  }

  /**
   * Until it is to be released.
   *
   * @param {Round} round
   * @param {GrantSet} grant
   */
  async #hold({ attempt, which, plan: { slow, hold, dies } }, { grants }) {
    const { log, numbers } = this.#given;
    attempt.succeed();
    for (const [i, op] of attempt.ops.entries())
      log.write('holding', op, { fence: String(grants[i]?.fence) });
    if (dies === 0) die(log);
    for (const [i, op] of attempt.ops.entries()) {
      const number = /** @type {PlainNumber} */ (numbers[which[i] ?? 0]);
      const value = number.read();
      log.write('writing', op, { value });
      await pause(slow / which.length);
      if (dies === 1) die(log);
      number.write(value + 1);
      if (dies === 2) die(log);
      log.write('wrote', op, { value: value + 1 });
    }
    await pause(hold);
    attempt.write('releasing');
  }

  /** Who holds what at one moment. */
  async #look() {
    const { store, locks, log } = this.#given;
    const op = log.nextOp();
    /** What must not be async on the one engine is awaited on the other. @type {() => any} */
    const look = () => {
      const holders = /** @type {any[]} */ (locks.map((lock) => lock.holders()));
      return holders.some((answer) => answer instanceof Promise) ? Promise.all(holders) : holders;
    };
    /** @type {{ label?: string }[][]} */
    const seen = await store.transaction(look);
    log.write('seen', op, { seen: seen.map((holders) => holders.map(({ label }) => label ?? '')) });
  }
}
