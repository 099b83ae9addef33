// @ts-check
// Locks with the mistakes that are usually made. The checker must find each of them.
import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lock } from 'holdfast';
import { lockShape } from './shapes.js';
import { PlainNumber } from './number.js';

const now = () => process.hrtime.bigint();

/** @param {(options: any) => Promise<import('./shapes.js').Grant>} acquire */
const lockOf = (acquire) => ({
  capacity: 1,
  weight: () => 1,
  /** @type {(weight: number, options: object) => Promise<import('./shapes.js').Grant>} */
  acquire: (_, options) => acquire(options),
});

/**
 * Takes the lock that is a file, which its maker owns.
 *
 * @param {string} path
 * @param {AbortSignal | undefined} signal
 * @param {number} stale Milliseconds, after which a file is taken for one that was left behind.
 */
async function createFile(path, signal, stale) {
  const mine = `${process.pid} ${now()}`;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const file = openSync(path, 'wx');
      writeSync(file, mine);
      closeSync(file);
      return mine;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - since > stale) rmSync(path, { force: true });
    else await sleep(1);
  }
}

/**
 * Whoever robs may remove it at any moment.
 *
 * @param {string} path
 */
function readIfAny(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @type {Record<string, (store: import('holdfast').AsyncStore, directory: string) => import('./shapes.js').Subject>} */
export const broken = {
  'lock that is none': () => lockOf(async () => ({ fence: now(), release: () => true })),

  'lock whose release frees whoever holds it': (_, directory) => {
    const path = join(directory, 'lock');
    return lockOf(async ({ signal }) => {
      // Long enough that only the dead are robbed.
      await createFile(path, signal, 1_000);
      const release = () => {
        rmSync(path, { force: true });
        // As if it had not been sure whether the first one arrived.
        setTimeout(() => rmSync(path, { force: true }), 2);
        return true;
      };
      return { fence: now(), release };
    });
  },

  'lock that robs whoever is stopped': (_, directory) => {
    const path = join(directory, 'lock');
    return lockOf(async ({ signal }) => {
      const mine = await createFile(path, signal, 20);
      const release = () => {
        const held = readIfAny(path) === mine;
        if (held) rmSync(path, { force: true });
        return held;
      };
      return { fence: now(), release };
    });
  },

  'lock whose fences repeat': (store, directory) => {
    const lock = new Lock(store, 'tested');
    const fences = new PlainNumber(join(directory, 'fences'));
    return lockOf(async (options) => {
      const grant = await lock.acquire(options);
      const fence = fences.read() + 1;
      // Whoever is killed before has told nobody that this fence was given.
      const release = () => {
        fences.write(fence);
        return grant.release();
      };
      return { fence: BigInt(fence), release };
    });
  },

  'lock that forgets who waits': (store) => {
    const lock = new Lock(store, 'tested');
    const never = new Promise(() => setInterval(() => undefined, 1_000));
    const { weight, capacity } = lockShape(lock);
    const acquire = async () => (await lock.tryAcquire()) ?? never;
    return { capacity, weight, acquire: /** @type {any} */ (acquire) };
  },
};
