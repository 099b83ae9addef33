import { describe, expect, test } from 'vitest';
import { BoundedSemaphore, type AsyncGrant } from '../../src/index.js';
import { pause, refused, settled, until, waiting, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  const opened = async (permits?: number) => {
    const stores = await twoStores(engine);
    const options = permits === undefined ? {} : { permits };
    const semaphore = new BoundedSemaphore(stores.store, 'it', options);
    // Its first call stores how many permits there are.
    expect(await semaphore.available).toBe(permits ?? 1);
    return { ...stores, semaphore, theirs: new BoundedSemaphore(stores.other, 'it') };
  };

  describe('BoundedSemaphore', () => {
    test('gives out so many permits and no more', async () => {
      const { semaphore, theirs } = await opened(3);
      expect(await semaphore.available).toBe(3);
      const grants = [await semaphore.acquire(), await theirs.acquire(), await semaphore.tryAcquire()];
      expect(await theirs.available).toBe(0);
      expect(await semaphore.tryAcquire()).toBe(undefined);
      await expect(theirs.acquire({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      for (const [released, grant] of grants.entries()) {
        expect(await grant?.release()).toBe(true);
        expect(await theirs.available).toBe(released + 1);
      }
      expect(grants.map((grant) => grant?.fence)).toEqual([1n, 2n, 3n]);
    });

    test('has one permit unless it is told otherwise, and keeps the number it was told', async () => {
      const { store, semaphore, theirs } = await opened();
      expect(await semaphore.available).toBe(1);
      const grant = await semaphore.acquire();
      expect(await theirs.tryAcquire()).toBe(undefined);
      await grant.release();
      expect(await new BoundedSemaphore(store, 'it', { permits: 4 }).available).toBe(4);
      expect(await theirs.available).toBe(4);
      await store.close();
      expect(await new BoundedSemaphore(await engine.reopen(store), 'it').available).toBe(4);
    });

    test('may be taken several times in one asynchronous context', async () => {
      const { semaphore } = await opened(2);
      await semaphore.use(() =>
        semaphore.use(async () => {
          expect(await semaphore.available).toBe(0);
          await expect(semaphore.acquire({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
        }),
      );
      expect(await semaphore.available).toBe(2);
    });

    test('takes and gives back a weight all at once', async () => {
      const { semaphore, theirs, raw } = await opened(5);
      const three = await semaphore.acquire({ weight: 3 });
      expect(await theirs.available).toBe(2);
      expect(await theirs.tryAcquire({ weight: 3 })).toBe(undefined);
      const two = await theirs.tryAcquire({ weight: 2 });
      expect(await semaphore.holders()).toMatchObject([
        { weight: 3, fence: 1n },
        { weight: 2, fence: 2n },
      ]);
      const waits = theirs.acquire({ weight: 4, label: 'four' });
      await untilWaiting(raw, 1);
      expect(await semaphore.waiters()).toMatchObject([{ weight: 4, label: 'four' }]);
      await two?.release();
      await pause(20);
      expect(await semaphore.waiters()).toHaveLength(1);
      await three.release();
      const four = await waits;
      expect(await theirs.available).toBe(1);
      await four.release();
      expect(await theirs.available).toBe(5);
    });

    test('refuses a weight that there never will be, or that makes no sense', async () => {
      const { store, raw, semaphore } = await opened(5);
      for (const weight of [6, 2 ** 31 - 1, 0, -1, 1.5, NaN, 2 ** 31, Infinity]) {
        await expect(semaphore.acquire({ weight }), String(weight)).rejects.toThrow(RangeError);
        await expect(semaphore.use(() => 1, { weight })).rejects.toThrow(RangeError);
        await refused(store, () => semaphore.tryAcquire({ weight }), RangeError);
      }
      for (const weight of ['1', null, 1n]) {
        await expect(semaphore.acquire({ weight: weight as never })).rejects.toThrow(TypeError);
        await refused(store, () => semaphore.tryAcquire({ weight: weight as never }), TypeError);
      }
      // At once, as far as it needs no look at how many permits there are.
      for (const weight of [0, -1, 1.5, NaN, 2 ** 31, Infinity])
        expect(() => semaphore.wrap(() => 1, { weight }), String(weight)).toThrow(RangeError);
      expect(() => semaphore.wrap(() => 1, { weight: '1' as never })).toThrow(TypeError);
      await expect(semaphore.wrap(() => 1, { weight: 6 })()).rejects.toThrow(RangeError);
      expect(await semaphore.available).toBe(5);
      expect(await waiting(raw)).toBe(0);
      for (const permits of [0, -1, 1.5, NaN, Infinity, 2 ** 31])
        expect(() => new BoundedSemaphore(store, 'it', { permits })).toThrow(RangeError);
      for (const permits of ['1', null, {}])
        expect(() => new BoundedSemaphore(store, 'it', { permits: permits as never })).toThrow(TypeError);
    });

    test('does not let small requests starve a large one', async () => {
      const { semaphore, theirs, raw } = await opened(4);
      const small: Promise<unknown>[] = [];
      const one = () => small.push(semaphore.use(() => pause(150)));
      const held = await semaphore.acquire({ weight: 2 });
      const large = settled(theirs.acquire({ weight: 4, timeout: 20_000 }));
      await untilWaiting(raw, 1);
      let done = false as boolean;
      void large.then(() => (done = true));
      for (let i = 0; i < 400 && !done; i++) {
        one();
        await pause(40);
        if (i === 10) await held.release();
      }
      const result = await large;
      expect(result).toMatchObject({ status: 'fulfilled' });
      if (result.status === 'fulfilled') await result.value.release();
      await Promise.all(small);
      expect(await theirs.available).toBe(4);
    });

    test('keeps what is free for a large request, however long nothing changes', async () => {
      const { semaphore, theirs, raw } = await opened(4);
      const held = await semaphore.acquire({ weight: 2 });
      const large = theirs.acquire({ weight: 4 });
      await untilWaiting(raw, 1);
      await pause(200);
      expect(await semaphore.tryAcquire()).toBe(undefined);
      await held.release();
      await (await large).release();
    });

    test('lets small requests pass a large one that has enough all the same', async () => {
      const { store, semaphore, raw } = await opened(4);
      const held = await semaphore.acquire({ weight: 4 });
      const waits = [semaphore.acquire({ weight: 2 }), semaphore.acquire(), semaphore.acquire()];
      await untilWaiting(raw, 3);
      await held.release();
      const grants = await Promise.all(waits);
      expect(await new BoundedSemaphore(store, 'it').available).toBe(0);
      for (const grant of grants) await grant.release();
    });

    test('has more permits for all who wait, wherever, once somebody says so', async () => {
      const { store, semaphore, theirs, raw } = await opened(1);
      const held = await semaphore.acquire();
      const waits = [semaphore.acquire(), theirs.acquire(), theirs.acquire({ weight: 1 })];
      await untilWaiting(raw, 3);
      const agent = await Agent.start(engine, store);
      await agent.tryAcquire({ kind: 'BoundedSemaphore', name: 'it', options: { permits: 5 } });
      const grants = await Promise.all(waits);
      expect(await semaphore.available).toBe(0);
      for (const grant of [held, ...grants]) await grant.release();
      expect(await theirs.available).toBe(4);
      await agent.process.kill9();
      await until(async () => (await theirs.available) === 5);
    });

    test('has fewer permits from then on, also for who waits, and none is given until enough have come back', async () => {
      const { store, semaphore, theirs, raw } = await opened(3);
      const held: AsyncGrant[] = [];
      for (let i = 0; i < 3; i++) held.push(await semaphore.acquire());
      const tooLarge = settled(theirs.acquire({ weight: 3 }));
      await untilWaiting(raw, 1);
      expect(await new BoundedSemaphore(store, 'it', { permits: 1 }).available).toBe(0);
      expect(await tooLarge).toMatchObject({ status: 'rejected', reason: expect.any(RangeError) });
      const waits = theirs.acquire();
      await untilWaiting(raw, 1);
      for (const grant of held) {
        expect(await semaphore.available).toBe(0);
        expect(await semaphore.tryAcquire()).toBe(undefined);
        expect(await theirs.waiters()).toHaveLength(1);
        await grant.release();
      }
      await (await waits).release();
      expect(await theirs.available).toBe(1);
      await expect(theirs.acquire({ weight: 2 })).rejects.toThrow(RangeError);
    });

    test('loses no permit with a process that is killed, nor with a store that closes', async () => {
      const { store, other, semaphore, theirs, raw } = await opened(5);
      const agents = await Promise.all([Agent.start(engine, store), Agent.start(engine, store)]);
      const part = { kind: 'BoundedSemaphore', name: 'it' } as const;
      for (const agent of agents) {
        await agent.acquire(part, { weight: 1 }).granted;
        await agent.acquire(part, { weight: 1 }).granted;
      }
      const all = semaphore.acquire({ weight: 5 });
      await untilWaiting(raw, 1);
      await Promise.all(agents.map((agent) => agent.process.kill9()));
      await (await all).release();
      expect(await semaphore.available).toBe(5);
      await theirs.acquire({ weight: 2 });
      await other.close();
      expect(await semaphore.available).toBe(5);
      expect(await semaphore.holders()).toEqual([]);
      await (await semaphore.acquire()).release();
      expect(await raw('SELECT weight AS n FROM holds WHERE slot > 0')).toEqual([]);
    });

    test('counts what the dead held as free at once, for tryAcquire and available', async () => {
      const { store, semaphore } = await opened(2);
      const agent = await Agent.start(engine, store);
      await agent.acquire({ kind: 'BoundedSemaphore', name: 'it' }, { weight: 2 }).granted;
      expect(await semaphore.available).toBe(0);
      await agent.process.kill9();
      await until(async () => (await semaphore.holders()).length === 0);
      expect(await semaphore.available).toBe(2);
      expect(await semaphore.tryAcquire({ weight: 2 })).not.toBe(undefined);
    });

    test('lets a hundred tasks of one process through, never more than its permits', async () => {
      const { semaphore, theirs } = await opened(3);
      let inside = 0;
      let most = 0;
      await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          (i % 2 === 0 ? semaphore : theirs).use(
            async () => {
              inside += 1 + (i % 3);
              most = Math.max(most, inside);
              await pause(0);
              inside -= 1 + (i % 3);
            },
            { weight: 1 + (i % 3) },
          ),
        ),
      );
      expect(most).toBeLessThanOrEqual(3);
      expect(await theirs.available).toBe(3);
    });
  });
});
