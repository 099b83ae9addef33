import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { ReadWriteLock } from '../../src/index.js';
import { settled, until } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, apart, exclusive, givers, twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  describe.each(Object.entries(givers))('%s', (_, make) => {
    test('holders tells who holds it: process, host, thread, since when, label, fence', async () => {
      const { store, other } = await twoStores(engine);
      expect(await make(store).holders()).toEqual([]);
      const begun = Date.now();
      const grant = await make(store).acquire({ label: 'order 7' });
      const [holder, ...more] = await make(other).holders();
      expect(more).toEqual([]);
      expect(holder).toMatchObject({
        process: process.pid,
        host: hostname(),
        thread: 0,
        label: 'order 7',
        weight: 1,
        fence: grant.fence,
      });
      expect(holder?.since).toBeInstanceOf(Date);
      expect(holder?.since.getTime()).toBeGreaterThanOrEqual(begun - 100);
      expect(holder?.since.getTime()).toBeLessThanOrEqual(Date.now() + 100);
      await grant.release();
      expect(await make(other).holders()).toEqual([]);
      await make(other).use(async () => {
        expect((await make(store).holders())[0]?.label).toBe(undefined);
      });
    });

    test('forceRelease takes it from whoever holds it, and tells how many there were', async () => {
      const { store, other } = await twoStores(engine);
      expect(await make(other).forceRelease()).toBe(0);
      await make(store).acquire();
      expect(await make(other).forceRelease()).toBe(1);
      expect(await make(other).forceRelease()).toBe(0);
      expect(await make(store).holders()).toEqual([]);
    });

    test('is given out to as many labels as one likes, and the longest', async () => {
      const { store } = await twoStores(engine);
      for (const label of ['x', 'ü'.repeat(512), 'a\nb', '\u{1f512}']) {
        const grant = await apart(() => make(store).acquire({ label }));
        expect((await make(store).holders()).map((one) => one.label)).toEqual([label]);
        await grant.release();
      }
    });
  });

  describe.each(Object.entries(exclusive))('%s', (_, make) => {
    test('waiters tells who waits for it, in line', async () => {
      const { store, other, raw } = await twoStores(engine);
      const agent = await Agent.start(engine, store);
      const grant = await make(store).acquire();
      const controller = new AbortController();
      const waits = ['first', 'second'].map(
        (label) => async () =>
          settled(apart(() => make(other).acquire({ label, signal: controller.signal }))),
      );
      const ended = [];
      for (const [i, wait] of waits.entries()) {
        ended.push(wait());
        await untilWaiting(raw, i + 1);
      }
      const found = await make(store).waiters();
      expect(found.map(({ label }) => label)).toEqual(['first', 'second']);
      expect(found[0]).toMatchObject({ process: process.pid, host: hostname(), thread: 0, weight: 1 });
      expect(found[0]?.since).toBeInstanceOf(Date);
      expect(found[0]!.since.getTime()).toBeLessThanOrEqual(found[1]!.since.getTime() + 1);
      expect(found[0]).not.toHaveProperty('fence');
      controller.abort();
      await Promise.all(ended);
      expect(await make(store).waiters()).toEqual([]);
      await grant.release();
      await agent.process.kill9();
    });

    test('forceRelease gives it to who waits', async () => {
      const { store, other, raw } = await twoStores(engine);
      await make(store).acquire();
      const waits = apart(() => make(other).acquire());
      await untilWaiting(raw, 1);
      expect(await make(store).forceRelease()).toBe(1);
      expect((await waits).fence).toBe(2n);
    });
  });

  test('the dead are listed neither among those who hold nor among those who wait', async () => {
    const { store, raw } = await twoStores(engine);
    const lock = exclusive['Lock']!(store);
    const [holder, waiter] = [await Agent.start(engine, store), await Agent.start(engine, store)];
    const part = { kind: 'Lock', name: 'it' } as const;
    await holder.acquire(part, { label: 'holds' }).granted;
    waiter.acquire(part, { label: 'waits' });
    await untilWaiting(raw, 1);
    expect(await lock.holders()).toMatchObject([{ process: holder.process.child.pid, label: 'holds' }]);
    expect(await lock.waiters()).toMatchObject([{ process: waiter.process.child.pid, label: 'waits' }]);
    // Neither can be buried by the other.
    waiter.process.pause();
    await holder.process.kill9();
    await until(async () => (await lock.holders()).length === 0);
    await waiter.process.kill9();
    await until(async () => (await lock.waiters()).length === 0);
  });

  test('both sides of a ReadWriteLock are told apart, and listed by the lock as by its sides', async () => {
    const { store, other, raw } = await twoStores(engine);
    const [lock, theirs] = [new ReadWriteLock(store, 'it'), new ReadWriteLock(other, 'it')];
    await apart(() => lock.read().acquire({ label: 'r1' }));
    await apart(() => theirs.read().acquire({ label: 'r2' }));
    const writer = settled(apart(() => theirs.write().acquire({ label: 'w' })));
    await untilWaiting(raw, 1);
    for (const one of [theirs, theirs.read(), theirs.write()]) {
      expect(await one.holders()).toMatchObject([
        { label: 'r1', side: 'read', weight: 1, fence: 1n },
        { label: 'r2', side: 'read', weight: 1, fence: 2n },
      ]);
      expect(await one.waiters()).toMatchObject([{ label: 'w', side: 'write', weight: 1 }]);
    }
    expect(await theirs.forceRelease()).toBe(2);
    expect(await writer).toMatchObject({ status: 'fulfilled' });
  });
});
