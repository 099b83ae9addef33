import { describe, expect, test } from 'vitest';
import { Throttle, type ThrottleOptions, type ThrottleWaitOptions } from '../../src/index.js';
import { pause, rawConnection, transact, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';

const algorithms = ['gcra', 'sliding-window', 'fixed-window'] as const;

forEachEngine((engine) => {
  describe.each(algorithms)('Waiting for a turn by %s', (algorithm) => {
    const slow: ThrottleOptions = { limit: 2, per: '1h', algorithm };
    const opened = async (options = slow) => {
      const store = await engine.open();
      return { store, throttle: new Throttle(store, 'api', options) };
    };
    /** Calls `wait`, and gives its promise, in an array, when its place is reserved. */
    const reserved = async (
      { store, throttle }: Awaited<ReturnType<typeof opened>>,
      options: ThrottleWaitOptions,
    ) => {
      const raw = await rawConnection(engine, store);
      const state = async () => JSON.stringify(await raw('SELECT used, phase FROM throttles'));
      const before = await state();
      const waiting = throttle.wait(options);
      waiting.catch(() => {});
      while ((await state()) === before) await pause(1);
      return [waiting] as const;
    };
    /** What the next take would have to wait for, to the second. */
    const due = async (throttle: Throttle | Awaited<ReturnType<typeof opened>>['throttle']) =>
      Math.round((await throttle.peek()).retryAfter / 1000);

    test('there is none where something is left', async () => {
      const { throttle } = await opened();
      await throttle.wait();
      await throttle.wait({ timeout: 0 });
      expect(await throttle.peek()).toMatchObject({ allowed: false, remaining: 0 });
      await throttle.wait({ key: 'other', cost: 2, timeout: '1m' });
    });

    test('it takes as long as it must, and never less', async () => {
      const { throttle } = await opened({ limit: 5, per: 50, algorithm });
      await throttle.take({ cost: 5 });
      const start = performance.now();
      const { retryAfter } = await throttle.peek();
      await throttle.wait();
      // Rounded up to a millisecond.
      expect(performance.now() - start).toBeGreaterThan(retryAfter - 1);
    });

    test('who comes first is first, whatever it costs', async () => {
      const all = await opened({ limit: 4, per: 300, algorithm });
      const { throttle } = all;
      await throttle.take({ cost: 4 });
      const order: number[] = [];
      // Those of one window may go at once.
      const costs = algorithm === 'gcra' ? [4, 1, 2, 1, 3, 1] : [4, 4, 4];
      const waits = [];
      for (const [i, cost] of costs.entries()) {
        const [waiting] = await reserved(all, { cost });
        waits.push(waiting.then(() => order.push(i)));
      }
      expect(await throttle.take()).toMatchObject({ allowed: false });
      await Promise.all(waits);
      expect(order).toEqual(costs.map((_, i) => i));
    });

    test('one that cannot end in time fails at once, and reserves nothing', async () => {
      const { throttle } = await opened();
      await throttle.take({ cost: 2 });
      const before = await due(throttle);
      for (const timeout of [0, 1, '10m'] as const)
        await expect(throttle.wait({ timeout })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      expect(await due(throttle)).toBeCloseTo(before, -2);
    });

    test('who gives up gives its place back', async () => {
      const { throttle } = await opened();
      await throttle.take({ cost: 2 });
      const before = await due(throttle);
      const controller = new AbortController();
      const waiting = throttle.wait({ cost: 2, signal: controller.signal });
      const failure = expect(waiting).rejects.toThrow('enough');
      while ((await due(throttle)) < before + 600) await pause(1);
      controller.abort(new Error('enough'));
      await failure;
      expect(await due(throttle)).toBeCloseTo(before, -2);
    });

    test('many who give up together give all of their places back', async () => {
      const { throttle } = await opened();
      await throttle.take({ cost: 1 });
      const before = await due(throttle);
      expect(before).toBe(0);
      const controller = new AbortController();
      const waits = Array.from({ length: 20 }, () => throttle.wait({ cost: 2, signal: controller.signal }));
      const failures = waits.map((wait) => expect(wait).rejects.toThrow('enough'));
      while ((await due(throttle)) < 19 * 3600) await pause(1);
      controller.abort(new Error('enough'));
      await Promise.all(failures);
      expect(await throttle.take()).toMatchObject({ allowed: true, remaining: 0 });
    });

    test('who gives up with another behind it leaves that one where it is', async () => {
      const all = await opened();
      const { throttle } = all;
      await throttle.take({ cost: 2 });
      const [first, second] = [new AbortController(), new AbortController()];
      const [gone] = await reserved(all, { cost: 2, signal: first.signal });
      const between = await due(throttle);
      const [behind] = await reserved(all, { cost: 2, signal: second.signal });
      const before = await due(throttle);
      first.abort(new Error('first'));
      await expect(gone).rejects.toThrow('first');
      expect(await due(throttle)).toBeCloseTo(before, -2);
      second.abort(new Error('second'));
      await expect(behind).rejects.toThrow('second');
      expect(await due(throttle)).toBeCloseTo(between, -2);
    });

    test('closing the store ends it, and gives the places back', async () => {
      const { store, throttle } = await opened();
      await throttle.take({ cost: 2 });
      const before = await due(throttle);
      const waits = [1, 2, 1, 2].map((cost) => throttle.wait({ cost }));
      const failures = waits.map((wait) => expect(wait).rejects.toThrow(withCode('ERR_CLOSED')));
      while ((await due(throttle)) < before + 2 * 3600) await pause(1);
      // What is reserved is there for others before whoever reserved it hears of it.
      if (engine.name === 'server') await pause(200);
      await store.close();
      await Promise.all(failures);
      const again = new Throttle(await engine.reopen(store), 'api', slow);
      expect(await due(again)).toBeCloseTo(before, -2);
    });

    test('a signal that is aborted already ends it before anything is reserved', async () => {
      const { store, throttle } = await opened();
      const signal = AbortSignal.abort(new Error('before'));
      await expect(throttle.wait({ signal })).rejects.toThrow('before');
      expect(await (await rawConnection(engine, store))('SELECT key FROM throttles')).toEqual([]);
    });

    test('inside a transaction it is refused', async () => {
      const { store, throttle } = await opened();
      let waiting: Promise<void> | undefined;
      await transact(store, function* () {
        waiting = throttle.wait();
        yield waiting.catch(() => {});
      });
      await expect(waiting).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
      expect(await throttle.peek()).toMatchObject({ remaining: 2 });
    });

    test('a wrapped function waits before each call', async () => {
      const { store, throttle } = await opened({ limit: 2, per: 60, algorithm });
      const times: number[] = [];
      const wrapped = throttle.wrap(
        async (a: number, b: string) => {
          times.push(performance.now());
          return `${a}${b}`;
        },
        { key: 'k' },
      );
      const start = performance.now();
      expect(await Promise.all([wrapped(1, 'a'), wrapped(2, 'b'), wrapped(3, 'c')])).toEqual([
        '1a',
        '2b',
        '3c',
      ]);
      expect(Math.max(...times) - start).toBeGreaterThan(60 / 2 - 20);
      const failing = throttle.wrap(() => {
        throw new Error('of its own');
      });
      await expect(failing()).rejects.toThrow('of its own');
      const hourly = new Throttle(store, 'hourly', slow);
      await expect(hourly.wrap(() => 1, { timeout: 0, cost: 2 })()).resolves.toBe(1);
      await expect(hourly.wrap(() => 1, { timeout: 0, cost: 2 })()).rejects.toThrow(withCode('ERR_TIMEOUT'));
    });
  });

  test('A wait ends by its signal, and at its timeout, while another holds the database', async () => {
    const store = await engine.open();
    const throttle = new Throttle(store, 'api', { limit: 1000, per: '1s' });
    await throttle.take();
    const raw = await rawConnection(engine, store);
    if (engine.name === 'embedded') await raw('BEGIN IMMEDIATE');
    else {
      await raw('BEGIN');
      await raw('SELECT * FROM throttles FOR UPDATE');
    }
    const signal = AbortSignal.timeout(30);
    await expect(throttle.wait({ signal })).rejects.toThrow(/timeout/);
    if (engine.name === 'embedded')
      await expect(throttle.wait({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
    await raw('COMMIT');
    await throttle.wait({ timeout: '10s' });
  });
});
