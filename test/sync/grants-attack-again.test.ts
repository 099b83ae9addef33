import { expect, test } from 'vitest';
import { ReadWriteLock, RLock } from '../../src/index.js';
import { pause } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  test('what was lost inside of use can be tried again: RLock', async () => {
    const { store, other } = await twoStores(engine);
    const lock = new RLock(store, 'it');
    await lock.use(async () => {
      await new RLock(other, 'it').forceRelease();
      const again = await lock.tryAcquire();
      expect(again?.fence).toBe(2n);
      expect(await again?.release()).toBe(true);
    });
  });

  test('who has lost what it read does not pass a writer that waits', async () => {
    const { store, other, raw } = await twoStores(engine);
    const mine = new ReadWriteLock(store, 'it', { fair: true });
    const theirs = new ReadWriteLock(other, 'it', { fair: true });
    const reader = await theirs.read().acquire();
    await mine.read().use(async (grant) => {
      await grant.release();
      const writer = theirs.write().acquire();
      await untilWaiting(raw, 1);
      expect(await mine.read().tryAcquire()).toBe(undefined);
      const order: string[] = [];
      const again = mine
        .read()
        .acquire()
        .then(async (g) => {
          order.push('read');
          await g.release();
        });
      await pause(100);
      expect(order).toEqual([]);
      await reader.release();
      await (await writer).release();
      await again;
    });
  });
});
