import { describe, expect, test } from 'vitest';
import { Lock, ReadWriteLock } from '../../src/index.js';
import { until, withCode } from '../structures/helpers.js';
import { startProcess } from '../support/processes.js';
import { engines, forEachEngine } from '../support/stores.js';
import { Agent, apart, exclusive, givers, outside, twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  describe.each(Object.entries(givers))('the signal of a grant of %s', (_, make) => {
    test('is aborted with ERR_NOT_OWNER when another store releases it by force', async () => {
      const { store, other } = await twoStores(engine);
      const { signal } = await make(store).acquire();
      expect(signal.aborted).toBe(false);
      expect(await make(other).forceRelease()).toBe(1);
      await until(() => signal.aborted);
      expect(signal.reason).toMatchObject({ name: 'HoldfastError', code: 'ERR_NOT_OWNER' });
    });

    test('is aborted with ERR_NOT_OWNER when its own store releases it by force', async () => {
      const store = await engine.open();
      const { signal } = await make(store).acquire();
      expect(await make(store).forceRelease()).toBe(1);
      await until(() => signal.aborted);
      expect(signal.reason).toMatchObject({ code: 'ERR_NOT_OWNER' });
    });

    test('is aborted with ERR_CLOSED when its store closes', async () => {
      const store = await engine.open();
      const { signal } = await make(store).acquire();
      expect(signal.aborted).toBe(false);
      await store.close();
      expect(signal.aborted).toBe(true);
      expect(signal.reason).toMatchObject({ code: 'ERR_CLOSED' });
    });

    test('is aborted also when it is asked for after the loss', async () => {
      const { store, other } = await twoStores(engine);
      const robbed = await make(store).acquire();
      await make(other).forceRelease();
      await until(() => robbed.signal.aborted);
      expect(robbed.signal.reason).toMatchObject({ code: 'ERR_NOT_OWNER' });
      const closed = await apart(() => make(store).acquire());
      await store.close();
      expect(closed.signal.aborted).toBe(true);
      expect(closed.signal.reason).toMatchObject({ code: 'ERR_CLOSED' });
    });

    test('is one and the same each time it is asked for', async () => {
      const grant = await make(await engine.open()).acquire();
      expect(grant.signal).toBe(grant.signal);
    });

    test('is not aborted by its release, whether asked for before or after', async () => {
      const { store, other } = await twoStores(engine);
      const before = await make(store).acquire();
      const { signal } = before;
      expect(await before.release()).toBe(true);
      const after = await apart(() => make(store).acquire());
      expect(await after.release()).toBe(true);
      await make(other).forceRelease();
      await store.close();
      expect([signal.aborted, after.signal.aborted]).toEqual([false, false]);
    });
  });

  describe.each(Object.entries(exclusive))('the signal of a grant of %s', (_, make) => {
    test('is not aborted by a release that wakes another of the same store', async () => {
      const { store, raw } = await twoStores(engine);
      const giver = make(store);
      for (let round = 0; round < 10; round++) {
        const grant = await apart(() => giver.acquire());
        const { signal } = grant;
        const next = apart(() => giver.acquire());
        await untilWaiting(raw, 1);
        expect(await grant.release()).toBe(true);
        await (await next).release();
        expect(signal.aborted, `round ${round}`).toBe(false);
      }
    });

    test('is not aborted by the end of use() that wakes another of the same store', async () => {
      const { store, raw } = await twoStores(engine);
      const giver = make(store);
      for (let round = 0; round < 10; round++) {
        let next: Promise<void> | undefined;
        let signal: AbortSignal | undefined;
        await giver.use(async (grant) => {
          ({ signal } = grant);
          next = new Promise((resolve, reject) => {
            outside(() => giver.use(() => {}).then(resolve, reject));
          });
          await untilWaiting(raw, 1);
        });
        await next;
        expect(signal?.aborted, `round ${round}`).toBe(false);
      }
    });
  });

  test('a grant that is exchanged for another side is not taken for lost when that wakes others of the same store', async () => {
    const { store, raw } = await twoStores(engine);
    const lock = new ReadWriteLock(store, 'it');
    for (let round = 0; round < 10; round++) {
      const writing = await apart(() => lock.write().acquire());
      const { signal } = writing;
      const reader = apart(() => lock.read().acquire());
      await untilWaiting(raw, 1);
      const reading = await writing.downgrade();
      await (await reader).release();
      const again = await reading.tryUpgrade();
      expect(signal.aborted, `round ${round}`).toBe(false);
      expect(again, `round ${round}`).not.toBe(undefined);
      expect(again?.signal.aborted, `round ${round}`).toBe(false);
      expect(await again?.release(), `round ${round}`).toBe(true);
    }
  });

  test('the signal of who holds it still tells nothing of the robbery of who held it before', async () => {
    const { store, other } = await twoStores(engine);
    const robbed = await new Lock(store, 'it').acquire();
    const { signal } = robbed;
    await new Lock(other, 'it').forceRelease();
    const next = await new Lock(other, 'it').acquire();
    await until(() => signal.aborted);
    expect(next.signal.aborted).toBe(false);
    expect(await robbed.release()).toBe(false);
    expect(next.signal.aborted).toBe(false);
    await expect(new Lock(store, 'it').acquire({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
    expect(await next.release()).toBe(true);
  });

  test('the signal of a grant in another process is aborted when it is released by force from here', async () => {
    const store = await engine.open();
    const agent = await Agent.start(engine, store);
    const grant = await agent.acquire({ kind: 'Lock', name: 'it' }).granted;
    expect(await agent.listen(grant)).toBe(false);
    expect(await new Lock(store, 'it').forceRelease()).toBe(1);
    expect(await agent.lost(grant)).toBe('ERR_NOT_OWNER');
    expect(await agent.release(grant)).toBe(false);
  });
});

test('a process that holds a grant, has asked for its signal, and has nothing else to do, ends', async () => {
  const [embedded] = engines;
  const store = await embedded.open();
  const idle = startProcess('sync-idle.js', embedded.location(store));
  expect(await idle.exited).toEqual({ code: 0, signal: null });
  expect(await idle.nextMessage()).toEqual({ aborted: false });
  expect(await new Lock(store, 'it').tryAcquire()).toMatchObject({ fence: 2n });
});
