import { describe, expect, test } from 'vitest';
import {
  BoundedSemaphore,
  Index,
  RLock,
  ReadWriteLock,
  type AsyncGrant,
  type AsyncStore,
} from '../../src/index.js';
import {
  refused,
  rolledBack,
  settled,
  transact as begin,
  withCode,
  type Steps,
} from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, apart, exclusive, givers, twoStores, untilWaiting } from './helpers.js';

const notOwner = withCode('ERR_NOT_OWNER');
/** To release these twice is a mistake. */
const strict = new Set(['RLock', 'BoundedSemaphore']);

/** Rejects where a transaction of an embedded store throws. */
const transact = async (store: AsyncStore, body: () => Steps<unknown>): Promise<unknown> =>
  begin(store, body);

forEachEngine((engine) => {
  describe.each(Object.entries(givers))('a grant of %s', (kind, make) => {
    const releasedAgain = async (grant: AsyncGrant): Promise<void> => {
      if (strict.has(kind)) await expect(async () => grant.release()).rejects.toThrow(notOwner);
      else expect(await grant.release()).toBe(false);
    };

    test('is released once, with true', async () => {
      const store = await engine.open();
      const grant = await make(store).acquire();
      expect(await grant.release()).toBe(true);
      await releasedAgain(grant);
      await releasedAgain(grant);
      expect(await make(store).holders()).toEqual([]);
    });

    test('that was released by force is released with false', async () => {
      const { store, other } = await twoStores(engine);
      const grant = await make(store).acquire();
      expect(await make(other).forceRelease()).toBe(1);
      expect(await grant.release()).toBe(false);
      await releasedAgain(grant);
      expect(grant.signal.aborted).toBe(true);
      expect(grant.signal.reason).toMatchObject({ code: 'ERR_NOT_OWNER' });
    });

    test('is released once, however often it is asked for at the same time', async () => {
      const { store, other } = await twoStores(engine);
      const grant = await make(store).acquire();
      const calls = await Promise.allSettled(Array.from({ length: 3 }, async () => grant.release()));
      expect(calls.filter((call) => call.status === 'fulfilled' && call.value)).toHaveLength(1);
      expect(await make(other).holders()).toEqual([]);
      expect(await make(other).tryAcquire()).not.toBe(undefined);
    });

    test('can’t be released inside a transaction, and is held still', async () => {
      const { store, other } = await twoStores(engine);
      const grant = await make(store).acquire();
      await expect(
        transact(store, function* () {
          yield grant.release();
        }),
      ).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
      expect(await make(other).holders()).toHaveLength(1);
      expect(await grant.release()).toBe(true);
    });

    test('is released by the end of its block, also when that throws', async () => {
      const { store, other } = await twoStores(engine);
      {
        await using grant = await apart(() => make(store).acquire());
        expect(grant.fence).toBe(1n);
        expect(await make(other).holders()).toHaveLength(1);
      }
      expect(await make(other).holders()).toEqual([]);
      const thrown = new Error('thrown');
      const failing = async (): Promise<void> => {
        await using grant = await apart(() => make(store).acquire());
        if (grant.fence === 2n) throw thrown;
      };
      await expect(failing()).rejects.toBe(thrown);
      expect(await make(other).holders()).toEqual([]);
      {
        using grant = await apart(() => make(store).acquire());
        expect(grant.fence).toBe(3n);
      }
      // On a server in the background.
      const next = await apart(() => make(other).acquire());
      expect(next.fence).toBe(4n);
    });

    test('that was released is disposed of with no effect: what another holds by now stays', async () => {
      const { store, other } = await twoStores(engine);
      const grant = await make(store).acquire();
      await grant.release();
      const next = await apart(() => make(other).acquire());
      grant[Symbol.dispose]();
      await grant[Symbol.asyncDispose]();
      await grant[Symbol.asyncDispose]();
      expect((await make(store).holders()).map(({ fence }) => fence)).toEqual([next.fence]);
      expect(await next.release()).toBe(true);
    });

    test('that was disposed of was released', async () => {
      const store = await engine.open();
      const grant = await make(store).acquire();
      await grant[Symbol.asyncDispose]();
      await releasedAgain(grant);
      expect(await make(store).holders()).toEqual([]);
    });

    test('is disposed of with no effect after its store was closed; to release it then says so', async () => {
      const { store, other } = await twoStores(engine);
      const grant = await make(store).acquire();
      await store.close();
      grant[Symbol.dispose]();
      await grant[Symbol.asyncDispose]();
      expect(await make(other).holders()).toEqual([]);
      const unreleased = await make(other).acquire();
      await other.close();
      await expect(async () => unreleased.release()).rejects.toThrow(withCode('ERR_CLOSED'));
      unreleased[Symbol.dispose]();
      await unreleased[Symbol.asyncDispose]();
    });
  });

  describe.each(Object.entries(exclusive))('a grant of %s', (_, make) => {
    test('that was lost never frees what another holds by now', async () => {
      const { store, other } = await twoStores(engine);
      const free: ((grant: AsyncGrant) => unknown)[] = [
        (grant) => grant.release(),
        (grant) => grant[Symbol.dispose](),
        (grant) => grant[Symbol.asyncDispose](),
      ];
      for (const one of free) {
        const robbed = await apart(() => make(store).acquire());
        await make(other).forceRelease();
        const next = await apart(() => make(other).acquire());
        await one(robbed);
        expect((await make(store).holders()).map(({ fence }) => fence)).toEqual([next.fence]);
        // Nor what its own store has taken anew.
        expect(await next.release()).toBe(true);
        const own = await apart(() => make(store).acquire());
        await settled((async () => one(robbed))());
        expect((await make(store).holders()).map(({ fence }) => fence)).toEqual([own.fence]);
        expect(await own.release()).toBe(true);
      }
    });
  });

  describe.each(Object.entries(givers))('the guard of a grant of %s', (_, make) => {
    const guarded = async () => {
      const stores = await twoStores(engine);
      const grant = await make(stores.store).acquire();
      const index = new Index<string, number>(stores.store, 'state');
      const set = (n: number) =>
        transact(stores.store, function* () {
          yield index.set('early', n);
          yield grant.guard();
          yield index.set('late', n);
        });
      const state = async () => [await index.get('early'), await index.get('late')];
      return { ...stores, grant, set, state };
    };

    test('passes while it is held', async () => {
      const { set, state } = await guarded();
      await set(1);
      await set(2);
      expect(await state()).toEqual([2, 2]);
    });

    test('throws ERR_NOT_OWNER after its release, and nothing of the transaction is left', async () => {
      const { grant, set, state } = await guarded();
      await set(1);
      await grant.release();
      await expect(set(2)).rejects.toThrow(notOwner);
      expect(await state()).toEqual([1, 1]);
    });

    test('throws ERR_NOT_OWNER after it was released by force, whoever holds it now', async () => {
      const { store, other, set, state } = await guarded();
      await make(other).forceRelease();
      await expect(set(1)).rejects.toThrow(notOwner);
      const next = await apart(() => make(other).acquire());
      await expect(set(2)).rejects.toThrow(notOwner);
      await next.release();
      await apart(() => make(store).acquire());
      await expect(set(3)).rejects.toThrow(notOwner);
      expect(await state()).toEqual([undefined, undefined]);
    });

    test('throws a TypeError outside of a transaction, and in one of another store', async () => {
      const { store, other, grant } = await guarded();
      await refused(store, () => grant.guard(), TypeError);
      await expect(
        transact(other, function* () {
          yield grant.guard();
        }),
      ).rejects.toThrow(TypeError);
      await rolledBack(store, function* () {
        yield grant.guard();
      });
    });

    test('sees what its own transaction does', async () => {
      const { store, grant } = await guarded();
      await rolledBack(store, function* () {
        yield make(store).forceRelease();
        try {
          yield grant.guard();
          expect.fail('it was released by force');
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_NOT_OWNER' });
        }
      });
      await transact(store, function* () {
        yield grant.guard();
      });
      expect(grant.signal.aborted).toBe(false);
      expect(await grant.release()).toBe(true);
    });
  });

  test('the inner of two grants of an RLock, released twice at once, leaves the outer one', async () => {
    const { store, other } = await twoStores(engine);
    const lock = new RLock(store, 'it');
    await lock.use(async (outer) => {
      const inner = await lock.acquire();
      await Promise.allSettled([(async () => inner.release())(), (async () => inner.release())()]);
      expect(await new RLock(other, 'it').tryAcquire()).toBe(undefined);
      expect(await outer.release()).toBe(true);
    });
  });

  test('a grant of permits, released twice at once, gives back its own permits alone', async () => {
    const { store, other } = await twoStores(engine);
    const semaphore = new BoundedSemaphore(store, 'it', { permits: 3 });
    const grant = await semaphore.acquire();
    await semaphore.acquire({ weight: 2 });
    const calls = [(async () => grant.release())(), (async () => grant.release())()];
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await new BoundedSemaphore(other, 'it').available).toBe(1);
  });

  test('a grant that is exchanged and released at once is released or exchanged, and not held by nobody', async () => {
    const { store, other } = await twoStores(engine);
    const lock = new ReadWriteLock(store, 'it');
    for (let round = 0; round < 5; round++) {
      const reading = await apart(() => lock.read().acquire());
      const [exchanged, released] = await Promise.allSettled([
        (async () => reading.tryUpgrade())(),
        (async () => reading.release())(),
      ]);
      const next = exchanged.status === 'fulfilled' ? exchanged.value : undefined;
      expect((await lock.holders()).length).toBe(next === undefined ? 0 : 1);
      expect(released).toMatchObject({ status: 'fulfilled', value: next === undefined });
      if (next !== undefined) expect(await next.release()).toBe(true);
      expect(await new ReadWriteLock(other, 'it').holders()).toEqual([]);
    }
  });

  test('a release that wakes another process hands it over', async () => {
    const { store, raw } = await twoStores(engine);
    const agent = await Agent.start(engine, store);
    const held = await exclusive['Lock']!(store).acquire();
    const call = agent.acquire({ kind: 'Lock', name: 'it' });
    await untilWaiting(raw, 1);
    await held.release();
    expect(await call.granted).toMatchObject({ fence: 2n });
  });
});
