import { describe, expect, test } from 'vitest';
import { Lock, ReadWriteLock, RLock, type AsyncGrant } from '../../src/index.js';
import { pause, settled, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { apart, outside, twoStores } from './helpers.js';

const deadlock = withCode('ERR_DEADLOCK');

forEachEngine((engine) => {
  describe('Lock, taken again in the same asynchronous context', () => {
    test('throws ERR_DEADLOCK: use in use, however deep, and through whichever object', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      const same = new Lock(store, 'it');
      await lock.use(async () => {
        await expect(lock.use(() => 1)).rejects.toThrow(deadlock);
        await expect(same.use(() => 1)).rejects.toThrow(deadlock);
        await pause(1);
        await Promise.all([
          (async () => {
            await pause(1);
            await expect(same.acquire()).rejects.toThrow(deadlock);
          })(),
        ]);
        await expect(same.acquire({ timeout: 1_000 })).rejects.toThrow(deadlock);
      });
      expect(await lock.holders()).toEqual([]);
      expect(await lock.waiters()).toEqual([]);
    });

    test('throws ERR_DEADLOCK: wrap in wrap, and what a timer of it does', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      const inner = lock.wrap(() => 'never');
      const outer = lock.wrap(async () => inner());
      await expect(outer()).rejects.toThrow(deadlock);
      const timed = lock.wrap(
        () =>
          new Promise((resolve, reject) => {
            setTimeout(() => void inner().then(resolve, reject), 1);
          }),
      );
      await expect(timed()).rejects.toThrow(deadlock);
      expect(await lock.use(() => 'free')).toBe('free');
    });

    test('throws ERR_DEADLOCK inside of use alone: what acquire has taken is no context of its caller', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      const task = async () => {
        const grant = await lock.acquire();
        await pause(20);
        await grant.release();
      };
      const first = task();
      while ((await lock.holders()).length === 0) await pause(1);
      // Not awaited, the task is none of what is done here: this waits for it, as it should.
      expect((await lock.acquire()).fence).toBe(2n);
      await first;
      await expect(lock.acquire({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
    });

    test('throws ERR_DEADLOCK also with other locks taken in between', async () => {
      const store = await engine.open();
      const [a, b] = [new Lock(store, 'a'), new Lock(store, 'b')];
      await a.use(() =>
        b.use(async () => {
          await expect(a.acquire()).rejects.toThrow(deadlock);
          await expect(b.acquire()).rejects.toThrow(deadlock);
        }),
      );
    });

    test('is answered with undefined by tryAcquire', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      await lock.use(async () => {
        expect(await lock.tryAcquire()).toBe(undefined);
      });
      const grant = await lock.acquire();
      expect(await lock.tryAcquire()).toBe(undefined);
      await grant.release();
    });
  });

  describe('no deadlock', () => {
    test('is seen where other names, kinds or stores are taken', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new Lock(store, 'it');
      await lock.use(async () => {
        expect(await new Lock(store, 'that').use(() => 1)).toBe(1);
        expect(await new RLock(store, 'it').use(() => 2)).toBe(2);
        expect(await new ReadWriteLock(store, 'it').write().use(() => 3)).toBe(3);
        // Another owner, which could be another process: it waits.
        await expect(new Lock(other, 'it').acquire({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      });
    });

    test('is seen between tasks that were started one after the other, each of which acquires again and again', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      let inside = 0;
      const task = async (): Promise<void> => {
        for (let i = 0; i < 20; i++) {
          const grant = await lock.acquire();
          expect(++inside).toBe(1);
          await Promise.resolve();
          inside--;
          await grant.release();
        }
      };
      await Promise.all([task(), task(), task()]);
    });

    test('is seen between tasks that use it, whenever they were started', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      let inside = 0;
      const task = () =>
        lock.use(async () => {
          expect(++inside).toBe(1);
          await pause(3);
          inside--;
        });
      const tasks = [task(), task()];
      await pause(1);
      tasks.push(
        task(),
        lock
          .wrap(task)()
          .catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_DEADLOCK' })),
      );
      await pause(1);
      tasks.push(task());
      await Promise.all(tasks);
    });

    test('is seen after the release, in a task that was started before it', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      let later: Promise<PromiseSettledResult<number>> | undefined;
      await lock.use(() => {
        later = settled(
          (async () => {
            await pause(20);
            return lock.use(() => 1);
          })(),
        );
      });
      expect(await later).toEqual({ status: 'fulfilled', value: 1 });
      const grant = await lock.acquire();
      const task = settled(
        (async () => {
          await pause(20);
          return lock.use(() => 2);
        })(),
      );
      await grant.release();
      expect(await task).toEqual({ status: 'fulfilled', value: 2 });
    });

    test('is seen by who was robbed, and acquires again', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new Lock(store, 'it');
      const robbed = await lock.acquire();
      await new Lock(other, 'it').forceRelease();
      const again = await lock.acquire();
      expect(again.fence).toBe(2n);
      expect(await robbed.release()).toBe(false);
      expect((await lock.holders()).map(({ fence }) => fence)).toEqual([2n]);
      await again.release();
    });

    test('is seen by a request that comes while another holds it: it waits', async () => {
      const store = await engine.open();
      const lock = new Lock(store, 'it');
      const events: string[] = [];
      const request = (name: string) =>
        new Promise<void>((resolve, reject) => {
          outside(
            () =>
              void (async () => {
                const grant = await lock.acquire();
                events.push(`${name} begins`);
                await pause(10);
                events.push(`${name} ends`);
                await grant.release();
              })().then(resolve, reject),
          );
        });
      const requests = [request('a')];
      await pause(5);
      requests.push(request('b'));
      await Promise.all(requests);
      const [first, second] = events[0] === 'a begins' ? ['a', 'b'] : ['b', 'a'];
      expect(events).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
    });
  });

  test('a Lock’s fence grows with each acquisition, and never falls back', async () => {
    const { store, other } = await twoStores(engine);
    const fences: bigint[] = [];
    const took = async (grant: Promise<AsyncGrant | undefined>): Promise<AsyncGrant> => {
      const given = await grant;
      if (given === undefined) throw new Error('it should be free');
      fences.push(given.fence);
      return given;
    };
    await (await took(apart(() => new Lock(store, 'it').acquire()))).release();
    await (await took(apart(async () => new Lock(other, 'it').tryAcquire()))).release();
    await took(apart(() => new Lock(store, 'it').acquire()));
    await new Lock(other, 'it').forceRelease();
    await took(apart(() => new Lock(other, 'it').acquire()));
    await other.close();
    await took(apart(() => new Lock(store, 'it').acquire()));
    await store.close();
    const again = await engine.reopen(store);
    await took(apart(() => new Lock(again, 'it').acquire()));
    expect(fences).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
    expect((await took(apart(() => new Lock(again, 'another').acquire()))).fence).toBe(1n);
  });

  test('a Lock shows its name, and is one thing under it for every store', async () => {
    const { store, other } = await twoStores(engine);
    expect(new Lock(store, 'deploy').name).toBe('deploy');
    expect(new Lock(store, 'deploy').constructor.name).toBe('Lock');
    const grant = await new Lock(store, 'deploy').acquire();
    expect(grant.constructor.name).toBe('Grant');
    expect(await new Lock(other, 'deploy').tryAcquire()).toBe(undefined);
    expect(await new Lock(other, 'Deploy').tryAcquire()).not.toBe(undefined);
    const listed = (await store.structures()).map(({ kind, name }) => `${kind} ${name}`).sort();
    expect(listed).toEqual(['lock Deploy', 'lock deploy']);
  });
});
