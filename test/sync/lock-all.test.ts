import { describe, expect, test } from 'vitest';
import { Index, Lock, type AsyncLock, type AsyncStore } from '../../src/index.js';
import { pause, until, waiting, withCode } from '../structures/helpers.js';
import { startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, twoStores, untilWaiting } from './helpers.js';

const locksOf = (store: AsyncStore): [AsyncLock, AsyncLock, AsyncLock] => [
  new Lock(store, 'a'),
  new Lock(store, 'b'),
  new Lock(store, 'c'),
];

forEachEngine((engine) => {
  describe('Lock.all', () => {
    test('tryAcquire is the first call of a store, takes all or none, and release frees all', async () => {
      const { store, other, raw } = await twoStores(engine);
      const [a, b, c] = locksOf(store);
      const theirs = Lock.all(locksOf(other));
      const grant = await Lock.all([c, a]).tryAcquire();
      expect(grant?.grants.map(({ fence }) => fence)).toEqual([1n, 1n]);
      expect(await theirs.tryAcquire()).toBe(undefined);
      expect(await new Lock(other, 'b').holders()).toEqual([]);
      const free = await new Lock(other, 'b').tryAcquire();
      expect(free?.fence).toBe(1n);
      expect(await free?.release()).toBe(true);
      expect(await grant?.release()).toBe(true);
      expect(await grant?.release()).toBe(false);
      const second = await theirs.tryAcquire();
      expect(second?.grants.map(({ fence }) => fence)).toEqual([2n, 2n, 2n]);
      expect(await grant?.release()).toBe(false);
      for (const lock of [a, b, c]) expect(await lock.holders()).toHaveLength(1);
      expect(await second?.release()).toBe(true);
      expect(await waiting(raw)).toBe(0);
    });

    test('refuses none, duplicates, and other stores', async () => {
      const { store, other } = await twoStores(engine);
      expect(() => Lock.all([])).toThrow(RangeError);
      expect(() => Lock.all([new Lock(store, 'a'), new Lock(store, 'a')])).toThrow(RangeError);
      expect(() => Lock.all([new Lock(store, 'a'), new Lock(other, 'b')])).toThrow(TypeError);
    });

    test('ERR_DEADLOCK inside of use of one of them, and of one of them inside of use of all', async () => {
      const store = await engine.open();
      const [a, b, c] = locksOf(store);
      const deadlock = withCode('ERR_DEADLOCK');
      await b.use(async () => {
        await expect(Lock.all([a, b]).acquire()).rejects.toThrow(deadlock);
        expect(await Lock.all([a, b]).tryAcquire()).toBe(undefined);
        await Lock.all([a, c]).use(async () => {
          await expect(a.acquire()).rejects.toThrow(deadlock);
          await expect(c.use(() => 1)).rejects.toThrow(deadlock);
          await expect(b.acquire()).rejects.toThrow(deadlock);
        });
      });
      for (const lock of [a, b, c]) {
        expect(await lock.holders()).toEqual([]);
        expect(await lock.waiters()).toEqual([]);
      }
    });

    test('what was released, or lost, inside of use of one of them is no reason to refuse all', async () => {
      const { store, other } = await twoStores(engine);
      const [a, b] = locksOf(store);
      await a.use(async (grant) => {
        await grant.release();
        expect(await Lock.all([a, b]).use(() => 'both')).toBe('both');
      });
      await a.use(async () => {
        await new Lock(other, 'a').forceRelease();
        expect(await Lock.all([a, b]).use(() => 'both', { timeout: 2000 })).toBe('both');
      });
    });

    test('timeouts and aborts leave no trace', async () => {
      const { store, other, raw } = await twoStores(engine);
      const [a, b, c] = locksOf(store);
      const held = await new Lock(other, 'b').acquire();
      const set = Lock.all([a, b, c]);
      await expect(set.acquire({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await expect(set.acquire({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      const controller = new AbortController();
      const aborted = set.acquire({ signal: controller.signal });
      await untilWaiting(raw, 1);
      controller.abort(new Error('enough'));
      await expect(aborted).rejects.toThrow('enough');
      expect(await waiting(raw)).toBe(0);
      for (const lock of [a, c]) expect(await lock.holders()).toEqual([]);
      const wait = set.acquire();
      await untilWaiting(raw, 1);
      await held.release();
      expect(await (await wait).release()).toBe(true);
      expect(await waiting(raw)).toBe(0);
    });

    test('closing while waiting', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await new Lock(other, 'b').acquire();
      const waitingSet = Lock.all(locksOf(store)).acquire();
      await untilWaiting(raw, 1);
      const refused = expect(waitingSet).rejects.toThrow(withCode('ERR_CLOSED'));
      await store.close();
      await refused;
      expect(await waiting(raw)).toBe(0);
      await held.release();
    });

    test('guard throws once one of them is lost, and the signal aborts', async () => {
      const { store, other } = await twoStores(engine);
      const [a, b, c] = locksOf(store);
      const index = new Index<string, number>(store, 'guarded');
      const grant = await Lock.all([a, b, c]).acquire();
      const write = (value: number) =>
        engine.name === 'server'
          ? store.transaction(async () => {
              await grant.guard();
              await index.set('x', value);
            })
          : (async () =>
              (store as unknown as { transaction(work: () => unknown): unknown }).transaction(() => {
                void grant.guard();
                void index.set('x', value);
              }))();
      await write(1);
      expect(grant.signal.aborted).toBe(false);
      await new Lock(other, 'b').forceRelease();
      await expect(write(2)).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      await until(() => grant.signal.aborted);
      expect(await index.get('x')).toBe(1);
      expect(await grant.release()).toBe(false);
      for (const lock of [a, b, c]) expect(await lock.holders()).toEqual([]);
    });

    test('leases: each with its own, which is renewed', async () => {
      const { store, raw } = await twoStores(engine);
      const set = Lock.all([new Lock(store, 'a', { lease: '3s' }), new Lock(store, 'b', { lease: '1h' })]);
      const grant = await set.acquire();
      const end = async () => Number((await raw('SELECT min(until) AS at FROM holds'))[0]?.['at']);
      const first = await end();
      await until(async () => (await end()) > first);
      expect(grant.signal.aborted).toBe(false);
      expect(await grant.release()).toBe(true);
    });

    test('a dead holder is no obstacle: to tryAcquire, and to who waits', async () => {
      const store = await engine.open();
      const [one, two] = await Promise.all([Agent.start(engine, store), Agent.start(engine, store)]);
      const options = { lease: '10m' };
      await one.acquire({ kind: 'Lock', name: 'a', options }).granted;
      await two.acquire({ kind: 'Lock', name: 'c', options }).granted;
      await one.process.kill9();
      await two.process.kill9();
      await until(async () => {
        const grant = await Lock.all(locksOf(store)).tryAcquire();
        await grant?.release();
        return grant !== undefined;
      });
      const three = await Agent.start(engine, store);
      await three.acquire({ kind: 'Lock', name: 'b', options }).granted;
      const wait = Lock.all(locksOf(store)).acquire();
      await pause(50);
      await three.process.kill9();
      expect(await (await wait).release()).toBe(true);
    });

    test('philosophers of several processes, some killed, never starve or block each other', async () => {
      const store = await engine.open();
      const count = 5;
      const start = (i: number) =>
        startProcess('sync-philosopher.js', engine.location(store), String(i), String(count));
      const procs = Array.from({ length: count }, (_, i) => start(i));
      await Promise.all(procs.map((p) => p.nextMessage()));
      const meals = new Array<number>(count).fill(0);
      const longest = new Array<number>(count).fill(0);
      const reader = async (p: (typeof procs)[number], i: number) => {
        for await (const { waited } of p.messages<{ waited: number }>()) {
          meals[i]!++;
          longest[i] = Math.max(longest[i]!, waited);
        }
      };
      const readers = procs.map((p, i) => reader(p, i));
      await pause(1500);
      await procs[1]!.kill9();
      await pause(500);
      procs[1] = start(1);
      await procs[1].nextMessage();
      readers.push(reader(procs[1], 1));
      await pause(1500);
      for (const p of procs) await p.kill9();
      await Promise.all(readers);
      for (const meal of meals) expect(meal).toBeGreaterThan(3);
      for (const wait of longest) expect(wait).toBeLessThan(8000);
    }, 20_000);
  });
});
