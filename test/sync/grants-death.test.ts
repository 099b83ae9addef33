import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Lock, type AsyncStore } from '../../src/index.js';
import { pause, settled, until } from '../structures/helpers.js';
import { engines, forEachEngine } from '../support/stores.js';
import { Agent, apart, twoStores, untilWaiting, type PartRef } from './helpers.js';

const it = { kind: 'Lock', name: 'it' } as const;
/** Longer than any test: what comes free was not freed by it. */
const leased = { ...it, options: { lease: '10m' } } as const;
const fair = { ...it, options: { fair: true } } as const;

forEachEngine((engine) => {
  const agents = (store: AsyncStore, count: number): Promise<Agent[]> =>
    Promise.all(Array.from({ length: count }, () => Agent.start(engine, store)));
  const parts: [string, PartRef][] = [
    ['Lock', leased],
    ['RLock', { ...leased, kind: 'RLock' }],
    ['ReadWriteLock.write', { ...leased, kind: 'write' }],
    ['BoundedSemaphore', { ...leased, kind: 'BoundedSemaphore' }],
    ['Election', { ...leased, kind: 'Election' }],
  ];

  describe('the death of a holder', () => {
    test.each(parts)('frees at once what it held, for those who wait: %s', async (_, part) => {
      const store = await engine.open();
      const [holder, first, second] = (await agents(store, 3)) as [Agent, Agent, Agent];
      expect(await holder.acquire(part).granted).toMatchObject({ fence: 1n });
      const calls = [first.acquire(part), second.acquire(part)];
      await holder.process.kill9();
      const next = await Promise.race(calls.map(({ granted }) => granted));
      expect(next.fence).toBe(2n);
      const [winner, other] = (await settledFirst(calls[0]!.granted)) ? [first, second] : [second, first];
      await winner.process.kill9();
      const last = await (other === second ? calls[1]! : calls[0]!).granted;
      expect(last.fence).toBe(3n);
      expect(await other.release(last)).toBe(true);
    });

    test.each(parts.filter(([name]) => name !== 'Election'))(
      'frees it at once for tryAcquire: %s',
      async (_, part) => {
        const store = await engine.open();
        const [holder, other] = (await agents(store, 2)) as [Agent, Agent];
        await holder.acquire(part).granted;
        expect(await other.tryAcquire(part)).toBe(undefined);
        await holder.process.kill9();
        // On a server: once it has noticed that the connection is gone.
        await until(async () => (await other.tryAcquire(part)) !== undefined);
      },
    );

    test('who held many things frees them all', async () => {
      const store = await engine.open();
      const [holder, ...others] = (await agents(store, 3)) as [Agent, Agent, Agent];
      const names = ['a', 'b', 'c', 'd'];
      for (const name of names) await holder.acquire({ ...leased, name }).granted;
      const calls = names.map((name, i) => others[i % 2]!.acquire({ ...leased, name }));
      await holder.process.kill9();
      for (const { granted } of calls) expect((await granted).fence).toBe(2n);
    });
  });

  describe('a store that closes', () => {
    test.each(parts)(
      'frees what it held for those who wait, here and in other processes: %s',
      async (_, part) => {
        const store = await engine.open();
        const [holder, waiter] = (await agents(store, 2)) as [Agent, Agent];
        await holder.acquire(part).granted;
        const call = waiter.acquire(part);
        expect(await Promise.race([call.granted, pause(50)])).toBe(undefined);
        await holder.close();
        expect((await call.granted).fence).toBe(2n);
      },
    );
  });

  describe('the death of a waiter', () => {
    test('at the head of the line costs the others nothing', async () => {
      const { store, raw } = await twoStores(engine);
      const held = await new Lock(store, 'it').acquire();
      const [first, second] = (await agents(store, 2)) as [Agent, Agent];
      first.acquire(fair);
      await untilWaiting(raw, 1);
      const call = second.acquire(fair);
      await untilWaiting(raw, 2);
      await first.process.kill9();
      await held.release();
      expect((await call.granted).fence).toBe(2n);
    });

    test('in the middle of the line costs the others nothing', async () => {
      const { store, raw } = await twoStores(engine);
      const held = await new Lock(store, 'it').acquire();
      const [first, middle, last] = (await agents(store, 3)) as [Agent, Agent, Agent];
      const calls = [];
      for (const [i, agent] of [first, middle, last].entries()) {
        calls.push(agent.acquire(fair));
        await untilWaiting(raw, i + 1);
      }
      await middle.process.kill9();
      await held.release();
      const grant = await calls[0]!.granted;
      expect(grant.fence).toBe(2n);
      await first.release(grant);
      expect((await calls[2]!.granted).fence).toBe(3n);
    });

    test('alone in line does not keep others from what is free, in a fair lock either', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await new Lock(store, 'it', { fair: true }).acquire();
      // Known among the owners already: whoever comes anew looks for the dead.
      await new Lock(other, 'another').acquire();
      const agent = await Agent.start(engine, store);
      agent.acquire(fair);
      await untilWaiting(raw, 1);
      await agent.process.kill9();
      expect(await held.release()).toBe(true);
      const theirs = new Lock(other, 'it', { fair: true });
      // On a server: once it has noticed that the connection is gone.
      await until(async () => (await apart(async () => theirs.tryAcquire())) !== undefined);
      expect(await theirs.waiters()).toEqual([]);
    });

    test('and of the holder, at the same time, frees it for the last in line', async () => {
      const { store, raw } = await twoStores(engine);
      const [holder, first, second, last] = (await agents(store, 4)) as [Agent, Agent, Agent, Agent];
      await holder.acquire(leased).granted;
      const calls = [];
      for (const [i, agent] of [first, second, last].entries()) {
        calls.push(agent.acquire(leased));
        await untilWaiting(raw, i + 1);
      }
      await Promise.all([holder, first, second].map((agent) => agent.process.kill9()));
      expect((await calls[2]!.granted).fence).toBe(2n);
      // The server may notice a death late: then it is for who comes next to see it.
      await until(async () => {
        expect(await new Lock(store, leased.name, leased.options).tryAcquire()).toBeUndefined();
        return (await raw('SELECT id FROM waiters')).length === 0;
      });
    });

    test('what its death frees is kept for the first in line, also from whoever finds it dead', async () => {
      const { store, raw } = await twoStores(engine);
      const [holder, first] = (await agents(store, 2)) as [Agent, Agent];
      await holder.acquire(leased).granted;
      const call = first.acquire(leased);
      await untilWaiting(raw, 1);
      // It has waited for long, and can't take its turn.
      first.process.pause();
      await pause(200);
      await holder.process.kill9();
      const newcomer = new Lock(store, leased.name, leased.options);
      // On a server the death may be noticed late; then it is held as before.
      expect(await newcomer.tryAcquire()).toBeUndefined();
      first.process.resume();
      expect((await call.granted).fence).toBe(2n);
    });

    test('who aborts in another process leaves the line to the next', async () => {
      const { store, raw } = await twoStores(engine);
      const held = await new Lock(store, 'it').acquire();
      const [first, second] = (await agents(store, 2)) as [Agent, Agent];
      const aborted = first.acquire(fair);
      await untilWaiting(raw, 1);
      const call = second.acquire(fair);
      await untilWaiting(raw, 2);
      await first.abort(aborted);
      await expect(aborted.granted).rejects.toThrow('aborted by the test');
      await untilWaiting(raw, 1);
      await held.release();
      expect((await call.granted).fence).toBe(2n);
    });
  });

  test('a holder whose worker thread is terminated is dead', async () => {
    const store = await engine.open();
    const worker = new Worker(new URL('../processes/sync-worker.js', import.meta.url), {
      workerData: engine.location(store),
      execArgv: [],
    });
    const [message] = (await once(worker, 'message')) as [{ fence: bigint; thread: number }];
    const lock = new Lock(store, 'it');
    expect(await lock.holders()).toMatchObject([{ fence: 1n, thread: message.thread, process: process.pid }]);
    expect(await lock.tryAcquire()).toBe(undefined);
    const waits = apart(() => lock.acquire());
    await worker.terminate();
    expect((await waits).fence).toBe(2n);
  });
});

test('embedded: a holder that is only stopped is not robbed', async () => {
  const [engine] = engines;
  const { store, raw } = await twoStores(engine);
  const [holder, waiter] = [await Agent.start(engine, store), await Agent.start(engine, store)];
  const grant = await holder.acquire(it).granted;
  holder.process.pause();
  const call = waiter.acquire(it);
  await untilWaiting(raw, 1);
  expect(await new Lock(store, 'it').tryAcquire()).toBe(undefined);
  expect(await Promise.race([call.granted, pause(1_500)])).toBe(undefined);
  expect(await new Lock(store, 'it').holders()).toMatchObject([{ fence: 1n }]);
  holder.process.resume();
  await holder.guarded(grant, 'after');
  expect(await holder.release(grant)).toBe(true);
  expect((await call.granted).fence).toBe(2n);
});

/** Whether a promise is fulfilled already. */
async function settledFirst(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([settled(promise), pause(50)])) !== undefined;
}
