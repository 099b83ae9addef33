// @ts-check
// What is no lock, with mistakes. The checks must find each of them.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Barrier, Index, Latch, Lock, Throttle } from 'holdfast';
import { meeting, parties } from './barrier.js';
import { count, latches } from './latch.js';
import { PlainNumber } from './number.js';
import { several } from './several.js';
import { limits, throttled } from './throttle.js';

/** @type {(locks: import('holdfast').AsyncLock[]) => import('./several.js').Set} */
function oneByOne(locks) {
  /** @param {(lock: import('holdfast').AsyncLock) => any} take */
  const takeEach = async (take) => {
    /** @type {import("./shapes.js").Grant[]} */
    const grants = [];
    for (const lock of locks) {
      const grant = await take(lock);
      if (grant === undefined) break;
      grants.push(grant);
    }
    const release = async () => {
      let held = true;
      for (const grant of grants) held = Boolean(await grant.release()) && held;
      return held;
    };
    if (grants.length === locks.length) return { grants, release };
    await release();
    return undefined;
  };
  const acquire = async (/** @type {object} */ options) =>
    /** @type {any} */ (await takeEach((lock) => lock.acquire(options)));
  return {
    acquire,
    tryAcquire: (options) => takeEach((lock) => lock.tryAcquire(options)),
    use: async (work, options) => {
      const grant = await acquire(options);
      await work(grant);
      await grant.release();
    },
  };
}

/**
 * A barrier that is a number of arrivals, and asks for nothing else.
 *
 * @param {import('holdfast').AsyncStore} store
 * @param {string} directory
 * @returns {import('./barrier.js').Meeting}
 */
function countedBarrier(store, directory) {
  const lock = new Lock(store, 'tested');
  const arrivals = new PlainNumber(join(directory, 'arrivals'));
  const arrive = () => {
    const before = arrivals.read();
    arrivals.write(before + 1);
    return before;
  };
  return {
    wait: async ({ timeout = Infinity, signal }) => {
      const deadline = performance.now() + timeout;
      const before = await lock.use(async () => arrive());
      const full = before - (before % parties) + parties;
      while (arrivals.read() < full) {
        signal.throwIfAborted();
        if (performance.now() >= deadline) throw Object.assign(new Error(), { code: 'ERR_TIMEOUT' });
        await sleep(1);
      }
      return before % parties;
    },
    reset: () => undefined,
    broken: false,
  };
}

/** @type {Record<string, (store: import('holdfast').AsyncStore, directory: string) => import('./shapes.js').Other>} */
export const brokenOthers = {
  'several locks that are taken one by one': (store, directory) => several(store, directory, oneByOne),

  'barrier that counts those who have left': (store, directory) =>
    meeting(store, countedBarrier(store, directory)),

  // In the middle of a round, as if it had to be looked after.
  'barrier that is reset by itself': (store) => {
    const barrier = new Barrier(store, 'tested', { parties });
    let calls = 0;
    const wait = async (/** @type {any} */ options) => {
      if (++calls % 20 === 0) await barrier.reset();
      return barrier.wait(options);
    };
    const reset = () => barrier.reset();
    return meeting(store, {
      wait,
      reset,
      get broken() {
        return barrier.broken;
      },
    });
  },

  'barrier that mends itself': (store) => {
    const barrier = new Barrier(store, 'tested', { parties });
    const wait = async (/** @type {any} */ options) => {
      if (await barrier.broken) await barrier.reset();
      return barrier.wait(options);
    };
    return meeting(store, { wait, reset: () => barrier.reset(), broken: false });
  },

  'latch that counts down twice': (store, directory) =>
    latches(store, directory, (name) => {
      const latch = new Latch(store, name, { count });
      const countDown = async (/** @type {number} */ n) => {
        await latch.countDown(n);
        return latch.countDown(n);
      };
      return { countDown, wait: (options) => latch.wait(options) };
    }),

  'latch that loses counts': (store, directory) => {
    const left = new Index(store, 'left');
    return latches(store, directory, (name) => {
      const latch = new Latch(store, name, { count: 1 });
      const countDown = async (/** @type {number | undefined} */ n = 1) => {
        const after = Math.max(0, /** @type {number} */ ((await left.get(name)) ?? count) - n);
        await sleep(0);
        await left.set(name, after);
        if (after === 0) await latch.countDown();
        return after;
      };
      return { countDown, wait: (options) => latch.wait(options) };
    });
  },

  'latch that forgets who waits': (store, directory) =>
    latches(store, directory, (name) => {
      const latch = new Latch(store, name, { count });
      const never = new Promise(() => setInterval(() => undefined, 1_000));
      const wait = async () => ((await latch.count) === 0 ? undefined : /** @type {Promise<any>} */ (never));
      return { countDown: (n) => latch.countDown(n), wait };
    }),

  'throttle that each process has for itself': (store) =>
    throttled(store, new Throttle(store, `${process.pid}`, limits)),

  'throttle that counts what it refuses': (store) => {
    const throttle = new Throttle(store, 'tested', limits);
    const take = async (/** @type {{ key: number, cost: number }} */ { key, cost }) => {
      const result = await throttle.take({ key, cost });
      if (!result.allowed) await throttle.penalize({ key, cost });
      return result;
    };
    return throttled(store, { take: /** @type {any} */ (take), wait: (options) => throttle.wait(options) });
  },

  'throttle that forgets who waits': (store) => {
    const throttle = new Throttle(store, 'tested', limits);
    const never = new Promise(() => setInterval(() => undefined, 1_000));
    const wait = async (/** @type {any} */ { key, cost }) => {
      const { allowed } = await throttle.take({ key, cost });
      return allowed ? undefined : /** @type {Promise<any>} */ (never);
    };
    return throttled(store, { take: (options) => throttle.take(options), wait });
  },
};
