import { describe, expect, test } from 'vitest';
import { Election, Index, Lock, type AsyncStore, type Clock } from '../../src/index.js';
import { pause, transact, until, withCode } from '../structures/helpers.js';
import { engines, forEachEngine } from '../support/stores.js';
import { Agent, apart, exclusive, givers, twoStores, untilWaiting } from './helpers.js';

const part = { kind: 'Lock', name: 'it', options: { lease: 300 } } as const;

forEachEngine((engine) => {
  describe.each(Object.entries(exclusive))('a lease of %s', (_, make) => {
    test('is not renewed after the release', async () => {
      const { store, raw } = await twoStores(engine);
      const grant = await make(store, 'it', { lease: 100 }).acquire();
      await grant.release();
      const taken = await apart(() => make(store, 'it', { lease: 100 }).acquire());
      await taken[Symbol.asyncDispose]();
      await pause(150);
      expect(await raw('SELECT until FROM holds WHERE until IS NOT NULL')).toEqual([]);
    });
  });

  describe('a lease', () => {
    test('of months is renewed in its time, and not without pause', async () => {
      const { store, raw } = await twoStores(engine);
      const grant = await new Lock(store, 'it', { lease: '90d' }).acquire();
      const until = await raw('SELECT until FROM holds WHERE until IS NOT NULL');
      await pause(100);
      expect(await raw('SELECT until FROM holds WHERE until IS NOT NULL')).toEqual(until);
      await grant.release();
    });

    test('is renewed for as long as the process runs', async () => {
      const { store, other } = await twoStores(engine);
      const lasting = async (make: (typeof exclusive)[string]): Promise<void> => {
        const grant = await apart(() => make(store, 'it', { lease: 1_500 }).acquire());
        const { signal } = grant;
        const deadline = performance.now() + 4_000;
        while (performance.now() < deadline) {
          expect(await make(other).tryAcquire()).toBe(undefined);
          await pause(100);
        }
        expect(signal.aborted).toBe(false);
        expect(await make(other).holders()).toMatchObject([{ fence: 1n }]);
        expect(await grant.release()).toBe(true);
      };
      await Promise.all(Object.values(exclusive).map(lasting));
    });

    test('runs out while its process is blocked: another takes it, and the signal, guard and release of the first tell so', async () => {
      const store = await engine.open();
      const blocked = await Agent.start(engine, store);
      const grant = await blocked.acquire(part).granted;
      expect(await blocked.listen(grant)).toBe(false);
      await blocked.guarded(grant, 'before');
      const lost = blocked.lost(grant);
      const block = blocked.block(1_500, grant);
      const next = await new Lock(store, 'it', { lease: '10m' }).acquire();
      expect(next.fence).toBe(2n);
      await block;
      await expect(blocked.guarded(grant, 'after')).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
      expect(await lost).toBe('ERR_NOT_OWNER');
      expect(await blocked.release(grant)).toBe(false);
      const index = new Index<string, boolean>(store, 'guarded');
      expect([await index.get('before'), await index.get('after')]).toEqual([true, undefined]);
      expect(await next.release()).toBe(true);
    });

    test('runs out while its process is blocked, for those who wait in line', async () => {
      const { store, raw } = await twoStores(engine);
      const [blocked, waiter] = [await Agent.start(engine, store), await Agent.start(engine, store)];
      const grant = await blocked.acquire(part).granted;
      const call = waiter.acquire(part);
      await untilWaiting(raw, 1);
      const block = blocked.block(5_000, grant);
      const next = await call.granted;
      expect(next.fence).toBe(2n);
      await block;
      // It does not come back to who had it.
      expect(await blocked.lost(grant)).toBe('ERR_NOT_OWNER');
      expect(await new Lock(store, 'it').holders()).toMatchObject([{ fence: 2n }]);
    });

    test('counts from when it was taken, however long that was waited for', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await new Lock(store, 'it').acquire();
      const waits = apart(() => new Lock(other, 'it', { lease: 1_000 }).acquire());
      await untilWaiting(raw, 1);
      await pause(1_500);
      await held.release();
      const grant = await waits;
      await pause(1_500);
      expect(grant.signal.aborted).toBe(false);
      expect(await new Lock(store, 'it').holders()).toMatchObject([{ fence: 2n }]);
      expect(await grant.release()).toBe(true);
    });

    test('counts from when it was taken, also by one statement: what nobody waits for, and was taken before', async () => {
      const { store, other } = await twoStores(engine);
      // By then the process has run for longer than the lease lasts.
      await pause(Math.max(0, 1_500 - performance.now()));
      const lasting = async (make: (typeof exclusive)[string]): Promise<void> => {
        const part = make(store, 'it', { lease: 1_500 });
        await (await apart(() => part.acquire())).release();
        const grant = await apart(() => part.acquire());
        const { signal } = grant;
        await pause(2_500);
        expect(signal.aborted).toBe(false);
        expect(await make(other).holders()).toMatchObject([{ fence: 2n }]);
        expect(await grant.release()).toBe(true);
      };
      await Promise.all(Object.values(exclusive).map(lasting));
    });

    test('that has run out, though nobody else took it, is lost for good', async () => {
      const { store } = await twoStores(engine);
      const blocked = await Agent.start(engine, store);
      const grant = await blocked.acquire(part).granted;
      await blocked.block(700);
      await expect(blocked.guarded(grant, 'after')).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
      await pause(400);
      await expect(blocked.guarded(grant, 'later')).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
      expect(await blocked.lost(grant)).toBe('ERR_NOT_OWNER');
      expect(await new Lock(store, 'it').holders()).toEqual([]);
    });

    test('of a process that is stopped runs out', async () => {
      const { store } = await twoStores(engine);
      const stopped = await Agent.start(engine, store);
      const grant = await stopped.acquire(part).granted;
      stopped.process.pause();
      const next = await new Lock(store, 'it').acquire();
      expect(next.fence).toBe(2n);
      stopped.process.resume();
      await expect(stopped.guarded(grant, 'after')).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
      expect(await stopped.release(grant)).toBe(false);
      expect(await next.release()).toBe(true);
    });

    test('is 100 ms or more, a duration, and finite on a server', async () => {
      const store = await engine.open();
      for (const make of Object.values(givers)) {
        for (const lease of [99, 0, -1, NaN]) expect(() => make(store, 'it', { lease })).toThrow(RangeError);
        for (const lease of ['100', 'soon', null, true, {}])
          expect(() => make(store, 'it', { lease: lease as never })).toThrow(TypeError);
        for (const lease of [100, '100ms', '2h'] as const) expect(make(store, 'it', { lease })).toBeTruthy();
        const endless = () => make(store, 'it', { lease: Infinity });
        if (engine.name === 'server') expect(endless).toThrow(RangeError);
        else expect(endless()).toBeTruthy();
      }
      expect(() => new Election(store, 'it', { lease: 99 })).toThrow(RangeError);
    });

    test('is the rule on a server, 30 s, and none without it on an embedded store', async () => {
      const { store, raw } = await twoStores(engine);
      await new Lock(store, 'it').acquire();
      const [row] = await raw('SELECT until - since AS lease FROM holds');
      if (engine.name === 'embedded') expect(row?.['lease']).toBe(null);
      else expect(row?.['lease']).toBeCloseTo(30_000, -1);
    });
  });
});

describe('embedded, with a clock of the test’s own', () => {
  const [engine] = engines;
  const clocked = async (): Promise<{
    store: AsyncStore;
    other: AsyncStore;
    clock: { now: number; wall: number };
  }> => {
    const clock = { now: 1_000_000, wall: 1_700_000_000_000 };
    const given: Clock = { wall: () => clock.wall, monotonic: () => clock.now, boot: () => 'this boot' };
    const store = await engine.open({ embedded: { clock: given } });
    return { store, other: await engine.reopen(store, { embedded: { clock: given } }), clock };
  };

  test('a lease runs out at its end, and not before', async () => {
    const { store, other, clock } = await clocked();
    const grant = await new Lock(store, 'it', { lease: '1h' }).acquire();
    clock.now += 3_599_999;
    expect(await new Lock(other, 'it').tryAcquire()).toBe(undefined);
    clock.now += 1;
    const next = await new Lock(other, 'it').tryAcquire();
    expect(next?.fence).toBe(2n);
    expect(await grant.release()).toBe(false);
  });

  test('a wall clock that is set by an hour, both ways, frees nothing and holds nothing up', async () => {
    const { store, other, clock } = await clocked();
    const grant = await new Lock(store, 'it', { lease: '1h' }).acquire();
    const without = await apart(() => new Lock(store, 'that').acquire());
    for (const step of [3_600_001, -7_200_002, 3_600_001]) {
      clock.wall += step;
      expect(await new Lock(other, 'it').tryAcquire()).toBe(undefined);
      expect(await new Lock(other, 'that').tryAcquire()).toBe(undefined);
      await transact(store, function* () {
        yield grant.guard();
      });
    }
    clock.wall -= 3_600_000;
    const waits = apart(() => new Lock(other, 'that').acquire());
    expect(await without.release()).toBe(true);
    expect((await waits).fence).toBe(2n);
    await expect(new Lock(other, 'it').acquire({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
    expect(await grant.release()).toBe(true);
  });

  test('the signal of a grant whose lease has run out is aborted', async () => {
    const { store, clock } = await clocked();
    const { signal } = await new Lock(store, 'it', { lease: '1h' }).acquire();
    clock.now += 3_600_000;
    await until(() => signal.aborted);
    expect(signal.reason).toMatchObject({ code: 'ERR_NOT_OWNER' });
  });
});
