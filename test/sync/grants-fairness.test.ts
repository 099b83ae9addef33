import { describe, expect, test } from 'vitest';
import { Lock } from '../../src/index.js';
import { pause } from '../structures/helpers.js';
import { inProcesses } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, apart, exclusive, outside, twoStores, untilWaiting, type PartRef } from './helpers.js';

forEachEngine((engine) => {
  test('with fair: true it is strictly first come, first served, across processes', async () => {
    const { store, raw } = await twoStores(engine);
    const fair = { kind: 'Lock', name: 'it', options: { fair: true } } as const;
    const held = await new Lock(store, 'it', { fair: true }).acquire();
    const agents = await Promise.all([1, 2, 3].map(() => Agent.start(engine, store)));
    const calls = [];
    for (let i = 0; i < 9; i++) {
      const agent = agents[i % 3]!;
      calls.push({ agent, call: agent.acquire(fair) });
      await untilWaiting(raw, i + 1);
    }
    await held.release();
    for (const [i, { agent, call }] of calls.entries()) {
      const grant = await call.granted;
      expect(grant.fence).toBe(BigInt(i + 2));
      // A newcomer has no chance, though it asks at the very moment.
      const [tried, released] = await Promise.all([
        agents[(i + 1) % 3]!.tryAcquire(fair),
        agent.release(grant),
      ]);
      expect(released).toBe(true);
      if (i < calls.length - 1) expect(tried).toBe(undefined);
    }
  });

  describe.each(Object.entries(exclusive))('%s', (name, make) => {
    test('with fair: true no newcomer takes what is free while somebody waits', async () => {
      const { store, other, raw } = await twoStores(engine);
      const options = { fair: true };
      const agent = await Agent.start(engine, store);
      const held = await make(store, 'it', options).acquire();
      const kind = name === 'ReadWriteLock.write' ? 'write' : (name as PartRef['kind']);
      const call = agent.acquire({
        kind,
        name: 'it',
        options,
      });
      await untilWaiting(raw, 1);
      // It can't answer, however long: nobody else is to be served before it.
      if (process.platform !== 'win32') agent.process.pause();
      await held.release();
      for (let i = 0; i < 5; i++) {
        expect(await apart(async () => make(other, 'it', options).tryAcquire())).toBe(undefined);
        await pause(40);
      }
      agent.process.resume();
      expect((await call.granted).fence).toBe(2n);
    });

    test('by default who waits gets it, though newcomers ask for it without a pause', async () => {
      const { store, other, raw } = await twoStores(engine);
      let done = false;
      let taken = 0;
      const hammer = async (giver: ReturnType<typeof make>): Promise<void> => {
        while (!done && taken < 20_000) {
          const grant = await giver.tryAcquire();
          if (grant !== undefined) {
            taken++;
            await grant.release();
          }
          await new Promise(setImmediate);
        }
      };
      const held = await make(store).acquire();
      const waits = apart(() => make(other).acquire());
      await untilWaiting(raw, 1);
      const hammers = [make(store), make(store)].map(
        (giver) => new Promise<void>((resolve, reject) => outside(() => hammer(giver).then(resolve, reject))),
      );
      await held.release();
      const grant = await waits;
      done = true;
      expect(taken).toBeLessThan(20_000);
      await Promise.all(hammers);
      expect(await grant.release()).toBe(true);
    });
  });

  test('by default no process of several that acquire without a pause is left out', async () => {
    const store = await engine.open();
    const rounds = 150;
    const fences = await inProcesses<bigint[]>(3, 'sync-take-rounds.js', engine.location(store), rounds);
    expect(fences.flat()).toHaveLength(3 * rounds);
    expect(new Set(fences.flat()).size).toBe(3 * rounds);
    for (const own of fences) expect(own).toEqual(own.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(await new Lock(store, 'it').holders()).toEqual([]);
    expect(await new Lock(store, 'it').waiters()).toEqual([]);
  });
});
