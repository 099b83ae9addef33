import { describe, expect, test } from 'vitest';
import { Lock } from '../../src/index.js';
import { pause, refused, settled, waiting, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { apart, exclusive, givers, twoStores, untilWaiting } from './helpers.js';

forEachEngine((engine) => {
  describe.each(Object.entries(exclusive))('%s', (_, make) => {
    test('tryAcquire answers undefined while another holds it, and does not wait in line', async () => {
      const { store, other, raw } = await twoStores(engine);
      const grant = await make(store).tryAcquire();
      expect(grant?.fence).toBe(1n);
      expect(await make(other).tryAcquire()).toBe(undefined);
      expect(await make(other).tryAcquire()).toBe(undefined);
      expect(await waiting(raw)).toBe(0);
      expect(await grant?.release()).toBe(true);
      const next = await make(other).tryAcquire();
      expect(next?.fence).toBe(2n);
      expect(await make(store).tryAcquire()).toBe(undefined);
      await next?.release();
    });

    test('acquire waits until it is released, and no longer', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await make(store).acquire();
      const order: string[] = [];
      const waits = make(other)
        .acquire()
        .then((grant) => {
          order.push('acquired');
          return grant;
        });
      await untilWaiting(raw, 1);
      await pause(50);
      order.push('releasing');
      await held.release();
      const grant = await waits;
      expect(order).toEqual(['releasing', 'acquired']);
      expect(await waiting(raw)).toBe(0);
      expect(await grant.release()).toBe(true);
    });

    test('acquire with timeout 0 tries once', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await make(store).acquire({ timeout: 0 });
      await expect(make(other).acquire({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      expect(await waiting(raw)).toBe(0);
      await held.release();
      expect((await make(other).acquire({ timeout: 0 })).fence).toBe(2n);
    });

    test('acquire that times out, or is aborted, leaves no trace', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await make(store).acquire();
      await expect(make(other).acquire({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      expect(await waiting(raw)).toBe(0);
      const controller = new AbortController();
      const aborted = settled(apart(() => make(other).acquire({ signal: controller.signal })));
      await untilWaiting(raw, 1);
      const reason = new Error('no more');
      controller.abort(reason);
      expect(await aborted).toEqual({ status: 'rejected', reason });
      expect(await waiting(raw)).toBe(0);
      expect(await raw('SELECT sum(waiting) AS n FROM structures')).toEqual([{ n: 0 }]);
      await held.release();
      expect((await make(other).tryAcquire())?.fence).toBe(2n);
    });

    test('acquire with a signal that is aborted already takes nothing, though it is free', async () => {
      const { store, raw } = await twoStores(engine);
      const reason = new Error('too late');
      for (const call of [
        () => make(store).acquire({ signal: AbortSignal.abort(reason) }),
        () => make(store).use(() => 1, { signal: AbortSignal.abort(reason) }),
        () => make(store).wrap(() => 1, { signal: AbortSignal.abort(reason) })(),
      ])
        await expect(call()).rejects.toBe(reason);
      expect(await make(store).holders()).toEqual([]);
      expect(await waiting(raw)).toBe(0);
      expect((await make(store).tryAcquire())?.fence).toBe(1n);
    });

    test('who gives up at the head of the line lets the next one go', async () => {
      const { store, other, raw } = await twoStores(engine);
      const held = await make(store).acquire();
      const controller = new AbortController();
      const first = settled(apart(() => make(other).acquire({ signal: controller.signal })));
      await untilWaiting(raw, 1);
      const second = apart(() => make(other).acquire());
      await untilWaiting(raw, 2);
      controller.abort();
      expect((await first).status).toBe('rejected');
      await untilWaiting(raw, 1);
      await held.release();
      const grant = await second;
      expect(grant.fence).toBe(2n);
      expect(await grant.release()).toBe(true);
    });

    test('a waiter whose store closes is told so, and the next one goes', async () => {
      const { store, other, raw } = await twoStores(engine);
      const third = await engine.reopen(store);
      const held = await make(store).acquire();
      const first = settled(apart(() => make(other).acquire()));
      await untilWaiting(raw, 1);
      const second = apart(() => make(third).acquire());
      await untilWaiting(raw, 2);
      await other.close();
      expect(await first).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
      await held.release();
      expect((await second).fence).toBe(2n);
    });

    test('two hundred tasks of one process all get it, one at a time', async () => {
      const store = await engine.open();
      const giver = make(store);
      let inside = 0;
      let most = 0;
      const fences = await Promise.all(
        Array.from({ length: 200 }, () =>
          giver.use(async ({ fence }) => {
            most = Math.max(most, ++inside);
            await Promise.resolve();
            if (fence % 20n === 0n) await pause(1);
            inside--;
            return fence;
          }),
        ),
      );
      expect(most).toBe(1);
      expect(new Set(fences).size).toBe(200);
      expect(await giver.holders()).toEqual([]);
    });
  });

  describe.each(Object.entries(givers))('%s', (_, make) => {
    test('use runs the work while it is held, and gives back what it returns', async () => {
      const { store, other } = await twoStores(engine);
      const result = await make(store).use(async (grant) => {
        expect(grant.fence).toBe(1n);
        const holders = await make(other).holders();
        expect(holders.map(({ fence }) => fence)).toEqual([1n]);
        return { answer: 42 };
      });
      expect(result).toEqual({ answer: 42 });
      expect(await make(other).holders()).toEqual([]);
      expect(await make(store).use(() => 'at once')).toBe('at once');
    });

    test('use releases also when the work throws, or rejects, with what it threw', async () => {
      const { store, other } = await twoStores(engine);
      const thrown = new Error('thrown');
      const work = [
        () => {
          throw thrown;
        },
        () => Promise.reject(thrown),
        async () => {
          await pause(1);
          throw thrown;
        },
      ];
      for (const one of work) {
        await expect(make(store).use(one)).rejects.toBe(thrown);
        expect(await make(other).holders()).toEqual([]);
        await expect(make(store).wrap(one)()).rejects.toBe(thrown);
        expect(await make(other).holders()).toEqual([]);
      }
    });

    test('use does not mind a grant that its work has released, nor one that was lost', async () => {
      const { store, other } = await twoStores(engine);
      expect(await make(store).use((grant) => grant.release())).toBe(true);
      expect(await make(store).use(async () => make(other).forceRelease())).toBe(1);
      expect(await make(store).holders()).toEqual([]);
    });

    test('wrap runs a function while it is held, each time, with its arguments and its this', async () => {
      const { store, other } = await twoStores(engine);
      const object = {
        factor: 2,
        times: make(store).wrap(async function (this: { factor: number }, a: number, b: number) {
          expect(await make(other).holders()).toHaveLength(1);
          return this.factor * (a + b);
        }),
      };
      expect(await object.times(1, 2)).toBe(6);
      object.factor = 3;
      expect(await object.times(1, 2)).toBe(9);
      expect(await make(other).holders()).toEqual([]);
      expect((await make(store).tryAcquire())?.fence).toBe(3n);
    });

    test('refuses options that are misspelt, or make no sense, and takes nothing', async () => {
      const { store, raw } = await twoStores(engine);
      const giver = make(store);
      const bad: [object, unknown][] = [
        [{ timout: 1 }, /"timout"/],
        [{ timeout: -1 }, RangeError],
        [{ timeout: NaN }, RangeError],
        [{ timeout: '5' }, TypeError],
        [{ timeout: null }, TypeError],
        [{ signal: {} }, TypeError],
        [{ label: '' }, TypeError],
        [{ label: 1 }, TypeError],
        [{ label: 'a\0b' }, TypeError],
        [{ label: 'x'.repeat(513) }, TypeError],
        [{ weight: 0 }, Error],
        [{ weight: 1.5 }, Error],
      ];
      for (const [options, error] of bad) {
        await expect(giver.acquire(options as never), JSON.stringify(options)).rejects.toThrow(error);
        await expect(giver.use(() => 1, options as never)).rejects.toThrow(error);
      }
      for (const [options] of bad.slice(0, 6))
        await refused(store, () => giver.tryAcquire(options), TypeError);
      for (const [options, error] of bad.slice(6))
        await refused(store, () => giver.tryAcquire(options), error);
      for (const options of [null, 1, 'now', [], new Map()]) {
        await expect(giver.acquire(options as never)).rejects.toThrow(TypeError);
        await refused(store, () => giver.tryAcquire(options as never), TypeError);
      }
      for (const work of [undefined, null, 1, {}]) {
        await expect(giver.use(work as never)).rejects.toThrow(TypeError);
        expect(() => giver.wrap(work as never)).toThrow(TypeError);
      }
      expect(() => giver.wrap(() => 1, { timout: 1 } as never)).toThrow(/"timout"/);
      expect(() => giver.wrap(() => 1, { timeout: -1 })).toThrow(RangeError);
      expect(await giver.holders()).toEqual([]);
      expect(await waiting(raw)).toBe(0);
    });
  });

  test('a thousand waiters of one process for a thousand locks each get theirs', async () => {
    const { store, other, raw } = await twoStores(engine);
    const many = engine.name === 'embedded' ? 1000 : 200;
    const names = Array.from({ length: many }, (_, i) => `lock ${i}`);
    const held = [];
    for (const name of names) held.push(await apart(() => new Lock(store, name).acquire()));
    const waiters = names.map((name) => new Lock(other, name).use(({ fence }) => fence));
    await untilWaiting(raw, many);
    for (const grant of held) await grant.release();
    expect(new Set(await Promise.all(waiters))).toEqual(new Set([2n]));
    expect(await waiting(raw)).toBe(0);
  });
});
