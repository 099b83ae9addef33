import { describe, expect, test } from 'vitest';
import { RLock } from '../../src/index.js';
import { pause, settled, waiting, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { apart, outside, twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  describe('RLock', () => {
    test('is taken again by the context that holds it: use in use, in wrap, and what they start', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      const deep = new RLock(store, 'it').wrap((n: number) => n + 1);
      const result = await lock.use(async (outer) => {
        const n = await lock.use(async (inner) => {
          expect(inner.fence).toBe(outer.fence);
          await pause(1);
          return deep(1);
        });
        expect(await new RLock(other, 'it').tryAcquire()).toBe(undefined);
        return n;
      });
      expect(result).toBe(2);
      expect((await new RLock(other, 'it').tryAcquire())?.fence).toBe(2n);
    });

    test('is taken again by acquire, use and tryAcquire inside of use', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      await lock.use(async (first) => {
        const grants = [first, await lock.acquire(), await lock.tryAcquire()];
        expect(grants.map((grant) => grant?.fence)).toEqual([1n, 1n, 1n]);
        expect(await lock.use(({ fence }) => fence)).toBe(1n);
        for (const grant of grants) {
          expect(await new RLock(other, 'it').tryAcquire()).toBe(undefined);
          expect(await grant?.release()).toBe(true);
        }
        expect((await new RLock(other, 'it').tryAcquire())?.fence).toBe(2n);
      });
    });

    test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]], [[1, 2, 0]]])(
      'is free once each of its grants was released, in whichever order: %j',
      async (order) => {
        const { store, other } = await twoStores(engine);
        const lock = new RLock(store, 'it');
        await lock.use(async (first) => {
          const grants = [first, await lock.acquire(), await lock.acquire()];
          for (const [released, i] of order.entries()) {
            expect(await new RLock(other, 'it').tryAcquire(), `${released} released`).toBe(undefined);
            expect(await grants[i]?.release()).toBe(true);
          }
        });
        expect((await new RLock(other, 'it').tryAcquire())?.fence).toBe(2n);
      },
    );

    test('can’t be released more often than it was taken', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      await lock.use(async (outer) => {
        const inner = await lock.acquire();
        await inner.release();
        await expect(async () => inner.release()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
        await inner[Symbol.asyncDispose]();
        inner[Symbol.dispose]();
        expect(await new RLock(other, 'it').tryAcquire()).toBe(undefined);
        expect(await outer.release()).toBe(true);
        await expect(async () => outer.release()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      });
    });

    test('is acquired outside of use by a holder of its own, which does not let in its caller', async () => {
      const store = await engine.open();
      const lock = new RLock(store, 'it');
      const task = async () => lock.acquire();
      const grant = await task();
      expect(await lock.tryAcquire()).toBe(undefined);
      const later = settled(lock.acquire());
      await grant.release();
      expect(await later).toMatchObject({ status: 'fulfilled', value: { fence: 2n } });
    });

    test('is held by one of two requests that a process serves, never by both', async () => {
      const store = await engine.open();
      const lock = new RLock(store, 'it');
      const audit = lock.wrap(async () => pause(1));
      let inside = 0;
      const request = () =>
        new Promise<void>((resolve, reject) => {
          outside(
            () =>
              void lock
                .use(async () => {
                  expect(++inside).toBe(1);
                  await audit();
                  await lock.use(audit);
                  expect(inside--).toBe(1);
                })
                .then(resolve, reject),
          );
        });
      await Promise.all(Array.from({ length: 20 }, request));
      expect(await lock.holders()).toEqual([]);
    });

    test('is held by one of several tasks that were started side by side, by whichever method', async () => {
      const store = await engine.open();
      const lock = new RLock(store, 'it');
      let inside = 0;
      const task = async (): Promise<void> => {
        for (let i = 0; i < 10; i++) {
          const grant = await lock.acquire();
          expect(++inside).toBe(1);
          await pause(0);
          inside--;
          await grant.release();
          await lock.use(async () => {
            const again = await lock.acquire();
            expect(++inside).toBe(1);
            await pause(0);
            inside--;
            await again.release();
          });
        }
      };
      await Promise.all([task(), task(), task()]);
    });

    test('refuses tryAcquire to another context of the same process', async () => {
      const store = await engine.open();
      const lock = new RLock(store, 'it');
      const trial = () =>
        new Promise((resolve) => {
          outside(() => void (async () => resolve(await lock.tryAcquire()))());
        });
      await lock.use(async () => {
        expect(await trial()).toBe(undefined);
      });
      expect(await trial()).not.toBe(undefined);
    });

    test('lets another context wait, until the last of its grants was released', async () => {
      const { store, raw } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      const events: string[] = [];
      let other: Promise<void> | undefined;
      await lock.use(async () => {
        other = new Promise((resolve, reject) => {
          outside(() => lock.use(() => void events.push('other')).then(resolve, reject));
        });
        await untilWaiting(raw, 1);
        await lock.use(() => pause(5));
        // It is not freed by the inner release, nor barred by who waits.
        await lock.use(() => pause(5));
        events.push('end');
      });
      await other;
      expect(events).toEqual(['end', 'other']);
      expect(await waiting(raw)).toBe(0);
    });

    test('is not counted again by a task that outlives it', async () => {
      const { store, other, raw } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      let task: Promise<PromiseSettledResult<bigint>> | undefined;
      let goOn = (): void => {};
      const allowed = new Promise<void>((resolve) => (goOn = resolve));
      await lock.use(() => {
        task = settled(allowed.then(() => lock.use(({ fence }) => fence)));
      });
      const between = await apart(() => new RLock(other, 'it').acquire());
      expect(between.fence).toBe(2n);
      goOn();
      await untilWaiting(raw, 1);
      await between.release();
      expect(await task).toEqual({ status: 'fulfilled', value: 3n });
    });

    test('that was robbed is not counted again, but acquired anew', async () => {
      const { store, other } = await twoStores(engine);
      const lock = new RLock(store, 'it');
      const theirs = new RLock(other, 'it');
      await lock.use(async (robbed) => {
        const inner = await lock.acquire();
        await theirs.forceRelease();
        const thief = await theirs.acquire();
        expect(await lock.tryAcquire()).toBe(undefined);
        await expect(lock.acquire({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
        expect(robbed.signal.aborted).toBe(true);
        expect(inner.signal.aborted).toBe(true);
        expect(await inner.release()).toBe(false);
        expect(await robbed.release()).toBe(false);
        await thief.release();
        expect((await lock.acquire()).fence).toBe(3n);
      });
    });

    test('has the same signal for all of its grants', async () => {
      const store = await engine.open();
      const lock = new RLock(store, 'it');
      await lock.use(async (outer) => {
        const inner = await lock.acquire();
        expect(inner.signal).toBe(outer.signal);
        await inner.release();
      });
    });
  });
});
