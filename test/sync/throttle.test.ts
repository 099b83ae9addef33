import { describe, expect, test } from 'vitest';
import { Throttle, type AsyncStore, type ThrottleOptions } from '../../src/index.js';
import { isEmbedded, rawConnection, refused, rolledBack, transact, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';

const algorithms = ['gcra', 'sliding-window', 'fixed-window'] as const;
const hour = 3_600_000;

forEachEngine((engine) => {
  describe.each(algorithms)('%s', (algorithm) => {
    const slow: ThrottleOptions = { limit: 3, per: '1h', algorithm };
    const opened = async (options = slow) => {
      const store = await engine.open();
      return { store, throttle: new Throttle(store, 'api', options) };
    };

    test('as much as the limit is allowed at once, and no more', async () => {
      const { throttle } = await opened();
      for (const remaining of [2, 1, 0]) {
        expect(await throttle.take()).toMatchObject({ allowed: true, limit: 3, remaining, retryAfter: 0 });
      }
      const answer = await throttle.take();
      expect(answer).toMatchObject({ allowed: false, limit: 3, remaining: 0 });
      const due = { gcra: hour / 3, 'fixed-window': hour, 'sliding-window': (hour * 4) / 3 }[algorithm];
      expect(answer.retryAfter).toBeGreaterThan(due - 60_000);
      expect(answer.retryAfter).toBeLessThanOrEqual(due);
      const full = { gcra: hour, 'fixed-window': hour, 'sliding-window': 2 * hour }[algorithm];
      expect(answer.resetAt.getTime()).toBeGreaterThan(Date.now() + full - 60_000);
      expect(answer.resetAt.getTime()).toBeLessThanOrEqual(Date.now() + full);
    });

    test('each key has the whole limit, and so have all together who give none', async () => {
      const { throttle } = await opened();
      const keys = [
        undefined,
        '',
        'a',
        1,
        1n << 60n,
        true,
        [],
        ['a', 1],
        new Uint8Array(0),
        Buffer.from('a'),
      ];
      for (const key of keys) expect(await throttle.take({ key, cost: 3 })).toMatchObject({ allowed: true });
      for (const key of keys) expect(await throttle.take({ key })).toMatchObject({ allowed: false });
      expect(await throttle.take({ key: 2 })).toMatchObject({ allowed: true, remaining: 2 });
    });

    test('a cost is taken as a whole, or not at all', async () => {
      const { throttle } = await opened();
      expect(await throttle.take({ cost: 2 })).toMatchObject({ allowed: true, remaining: 1 });
      expect(await throttle.take({ cost: 2 })).toMatchObject({ allowed: false, remaining: 1 });
      expect(await throttle.take({ cost: 1 })).toMatchObject({ allowed: true, remaining: 0 });
    });

    test('what is refused changes nothing', async () => {
      const { store, throttle } = await opened();
      await throttle.take({ cost: 3 });
      const raw = await rawConnection(engine, store);
      const [before] = await raw('SELECT used, previous, phase, monotonic, wall FROM throttles');
      for (let i = 0; i < 5; i++) expect(await throttle.take()).toMatchObject({ allowed: false });
      expect(await raw('SELECT used, previous, phase, monotonic, wall FROM throttles')).toEqual([before]);
    });

    test('peek tells what take would answer, and takes nothing', async () => {
      const { store, throttle } = await opened();
      expect(await throttle.peek()).toMatchObject({ allowed: true, remaining: 3, retryAfter: 0 });
      await throttle.take({ cost: 2 });
      for (let i = 0; i < 3; i++)
        expect(await throttle.peek()).toMatchObject({ allowed: true, remaining: 1 });
      expect(await throttle.peek({ cost: 2 })).toMatchObject({ allowed: false, remaining: 1 });
      expect(await throttle.peek({ key: 'other' })).toMatchObject({ allowed: true, remaining: 3 });
      expect(await (await rawConnection(engine, store))('SELECT used FROM throttles')).toHaveLength(1);
    });

    test('what is refunded can be taken again, up to the limit', async () => {
      const { throttle } = await opened();
      await throttle.take({ key: 'a', cost: 3 });
      expect(await throttle.refund({ key: 'a', cost: 2 })).toMatchObject({ allowed: true, remaining: 2 });
      expect(await throttle.take({ key: 'a', cost: 2 })).toMatchObject({ allowed: true });
      await throttle.refund({ key: 'a', cost: 100 });
      expect(await throttle.peek({ key: 'a' })).toMatchObject({ remaining: 3 });
      expect(await throttle.refund({ key: 'never taken from' })).toMatchObject({ remaining: 3 });
    });

    test('a penalty takes away what is not there', async () => {
      const { throttle } = await opened();
      expect(await throttle.penalize({ cost: 4 })).toMatchObject({ allowed: false, remaining: 0 });
      const { retryAfter } = await throttle.take();
      expect(retryAfter).toBeGreaterThan(algorithm === 'gcra' ? hour / 2 : hour - 60_000);
      await throttle.refund({ cost: 3 });
      expect(await throttle.take({ cost: 2 })).toMatchObject({ allowed: true, remaining: 0 });
    });

    test('a penalty for a time leaves nothing to take for that long, and does not shorten another', async () => {
      const { throttle } = await opened();
      await throttle.take();
      await throttle.penalize({ for: '2h' });
      await throttle.penalize({ for: '1s' });
      const { allowed, remaining, retryAfter } = await throttle.take();
      expect([allowed, remaining]).toEqual([false, 0]);
      expect(retryAfter).toBeGreaterThan(2 * hour - 60_000);
      expect(retryAfter).toBeLessThanOrEqual(2 * hour);
    });

    test('a short penalty gives nothing back that was used', async () => {
      const { throttle } = await opened();
      await throttle.take({ cost: 3 });
      await throttle.penalize({ for: '1s' });
      const { retryAfter } = await throttle.take();
      expect(retryAfter).toBeGreaterThan(hour / 4);
    });

    test('reset forgets one key, resetAll every one', async () => {
      const { throttle } = await opened();
      const other = new Throttle(await engine.open(), 'api', slow);
      for (const key of ['a', 'b', undefined]) await throttle.take({ key, cost: 3 });
      await other.take({ cost: 3 });
      await throttle.reset({ key: 'a' });
      expect(await throttle.peek({ key: 'a' })).toMatchObject({ remaining: 3 });
      expect(await throttle.peek({ key: 'b' })).toMatchObject({ remaining: 0 });
      await throttle.reset();
      expect(await throttle.peek()).toMatchObject({ remaining: 3 });
      expect(await throttle.peek({ key: 'b' })).toMatchObject({ remaining: 0 });
      await throttle.resetAll();
      expect(await throttle.peek({ key: 'b' })).toMatchObject({ remaining: 3 });
      expect(await other.peek()).toMatchObject({ remaining: 0 });
    });

    test('resetAll empties a throttle of many keys, and no other', async () => {
      const { store, throttle } = await opened();
      const other = new Throttle(store, 'other', slow);
      await transact(store, function* () {
        for (let i = 0; i < 1500; i++) yield throttle.take({ key: i % 2 ? i : `key ${i}` });
        yield other.take({ key: 'kept' });
      });
      await throttle.resetAll();
      expect(await (await rawConnection(engine, store))('SELECT used FROM throttles')).toHaveLength(1);
      expect(await other.peek({ key: 'kept' })).toMatchObject({ remaining: 2 });
    });

    test('neither opening the store again nor constructing it again fills it up', async () => {
      const { store, throttle } = await opened();
      await throttle.take({ cost: 3 });
      expect(await new Throttle(store, 'api', slow).take()).toMatchObject({ allowed: false });
      await store.close();
      expect(await new Throttle(await engine.reopen(store), 'api', slow).take()).toMatchObject({
        allowed: false,
      });
    });

    test('another limit holds for who constructs it so, and what was used stays used', async () => {
      const { store, throttle } = await opened();
      await throttle.take({ cost: 3 });
      const more = new Throttle(store, 'api', { ...slow, limit: 5 });
      expect(await more.peek()).toMatchObject({ remaining: 2, limit: 5 });
      const less = new Throttle(store, 'api', { ...slow, limit: 2 });
      expect(await less.take()).toMatchObject({ allowed: false, remaining: 0 });
      const longer = new Throttle(store, 'api', { ...slow, per: '10h' });
      const { allowed, retryAfter } = await longer.take();
      expect(allowed).toBe(false);
      expect(retryAfter).toBeGreaterThan(3 * hour);
    });

    test('a take in a transaction is undone with it, and refused ones are right within', async () => {
      const { store, throttle } = await opened();
      await rolledBack(store, function* () {
        expect(yield throttle.take({ cost: 3 })).toMatchObject({ allowed: true });
        expect(yield throttle.take()).toMatchObject({ allowed: false });
      });
      expect(await throttle.peek()).toMatchObject({ remaining: 3 });
      await transact(store, function* () {
        yield throttle.take({ cost: 2 });
      });
      expect(await throttle.peek()).toMatchObject({ remaining: 1 });
    });

    test('a limit of a whole second fills up again in time', async () => {
      const { throttle } = await opened({ limit: 2, per: 100, algorithm });
      await throttle.take({ cost: 2 });
      const { retryAfter } = await throttle.take();
      await new Promise((resolve) => setTimeout(resolve, retryAfter + 2));
      expect(await throttle.take()).toMatchObject({ allowed: true });
      await new Promise((resolve) => setTimeout(resolve, 202));
      expect(await throttle.take({ cost: 2 })).toMatchObject({ allowed: true, remaining: 0 });
    });

    test('keys that are as good as new are swept away by takes, a few at a time, and no others', async () => {
      const { store, throttle } = await opened({ limit: 2, per: 5, algorithm });
      const steady = new Throttle(store, 'steady', slow);
      await steady.take({ key: 'kept' });
      const raw = await rawConnection(engine, store);
      const count = async () => (await raw('SELECT key FROM throttles')).length;
      const rounds = engine.name === 'embedded' ? 3000 : 600;
      let most = 0;
      for (let i = 0; i < rounds; i++) {
        await throttle.take({ key: `key ${i % 7}:${i}` });
        if (i % 100 === 0) {
          most = Math.max(most, await count());
          await new Promise((resolve) => setTimeout(resolve, 12));
        }
      }
      expect(most).toBeLessThan(rounds / 2);
      expect(await steady.peek({ key: 'kept' })).toMatchObject({ remaining: 2 });
    });
  });

  describe('A throttle', () => {
    const opened = async (): Promise<{ store: AsyncStore }> => ({ store: await engine.open() });

    test('has a burst of its own for gcra', async () => {
      const { store } = await opened();
      const even = new Throttle(store, 'even', { limit: 100, per: '100h', burst: 1 });
      expect(await even.take()).toMatchObject({ allowed: true, remaining: 0, limit: 100 });
      const { allowed, retryAfter } = await even.take();
      expect(allowed).toBe(false);
      expect(retryAfter).toBeGreaterThan(hour - 60_000);
      expect(retryAfter).toBeLessThanOrEqual(hour);
      const large = new Throttle(store, 'large', { limit: 1, per: '1h', burst: 10 });
      expect(await large.take({ cost: 10 })).toMatchObject({ allowed: true });
    });

    test('refuses options that are none', async () => {
      const { store } = await opened();
      const bad: [unknown, unknown][] = [
        [undefined, /options of Throttle must be an object, not undefined/],
        [{ limit: 1, per: '1s', brust: 2 }, /no option "brust"/],
        [{ per: '1s' }, /limit must be a number, not undefined/],
        [{ limit: 0, per: '1s' }, /limit must be a whole number from 1 to \d+, not 0/],
        [{ limit: 1.5, per: '1s' }, RangeError],
        [{ limit: Infinity, per: '1s' }, RangeError],
        [{ limit: '3', per: '1s' }, /limit must be a number, not "3"/],
        [{ limit: 1 }, /per must be milliseconds or a string/],
        [{ limit: 1, per: 0 }, /per must be from 1 to \d+ milliseconds, not 0/],
        [{ limit: 1, per: Infinity }, RangeError],
        [{ limit: 1, per: '1x' }, TypeError],
        [{ limit: 1, per: '1s', burst: 0 }, RangeError],
        [{ limit: 1, per: '1s', algorithm: 'token' }, /algorithm must be one of "gcra"/],
        [{ limit: 2, per: '1s', burst: 3, algorithm: 'fixed-window' }, /burst is for the algorithm 'gcra'/],
      ];
      for (const [options, message] of bad)
        expect(() => new Throttle(store, 'api', options as never)).toThrow(message);
      new Throttle(store, 'api', { limit: 2, per: '1s', burst: 2, algorithm: 'fixed-window' });
      expect(() => new Throttle({} as never, 'api', { limit: 1, per: 1 })).toThrow(TypeError);
      expect(() => new Throttle(store, '', { limit: 1, per: 1 })).toThrow(RangeError);
    });

    test('refuses calls that mean nothing, and takes nothing', async () => {
      const { store } = await opened();
      const throttle = new Throttle(store, 'api', { limit: 3, per: '1h' });
      const bad: [() => unknown, unknown][] = [
        [() => throttle.take({ cost: 4 }), /cost must be a whole number from 1 to 3, not 4/],
        [() => throttle.take({ cost: 0 }), RangeError],
        [() => throttle.take({ cost: 0.5 }), RangeError],
        [() => throttle.take({ cost: -1 }), RangeError],
        [() => throttle.take({ cost: '1' as never }), TypeError],
        [() => throttle.take({ key: NaN }), RangeError],
        [() => throttle.take({ key: {} as never }), TypeError],
        [() => throttle.take({ key: null as never }), TypeError],
        [() => throttle.take('api' as never), /options of take\(\) must be an object/],
        [() => throttle.take({ keys: 1 } as never), /no option "keys"/],
        [() => throttle.peek({ cost: 4 }), RangeError],
        [() => throttle.reset('a' as never), TypeError],
        [() => throttle.reset({ cost: 1 } as never), TypeError],
        [() => throttle.refund({ cost: 0 }), RangeError],
        [() => throttle.penalize({ cost: -1 }), RangeError],
        [() => throttle.penalize({ for: 0 }), RangeError],
        [() => throttle.penalize({ for: 'soon' as never }), TypeError],
        [() => throttle.penalize({ for: '1s', cost: 1 }), /cost or for, not both/],
      ];
      for (const [call, message] of bad) await refused(store, call, message);
      for (const options of [
        { cost: 4 },
        { timeout: -1 },
        { timeout: '5' },
        { signal: 1 },
        { time: 1 },
      ] as never[])
        await expect(throttle.wait(options)).rejects.toThrow(/cost|timeout|signal|time/);
      expect(() => throttle.wrap(3 as never)).toThrow(TypeError);
      expect(() => throttle.wrap(() => 1, { cost: 4 })).toThrow(RangeError);
      expect(await throttle.peek()).toMatchObject({ remaining: 3 });
    });

    test('wraps a function, which keeps its this and its arguments', async () => {
      const { store } = await opened();
      const throttle = new Throttle(store, 'api', { limit: 3, per: '1h' });
      const object = {
        base: 1,
        add: throttle.wrap(function (this: { base: number }, n: number) {
          return this.base + n;
        }),
      };
      expect(await object.add(2)).toBe(3);
    });

    test('does not know a store that was closed', async () => {
      const { store } = await opened();
      const throttle = new Throttle(store, 'api', { limit: 3, per: '1h' });
      await store.close();
      for (const call of ['take', 'peek', 'refund', 'penalize', 'reset', 'resetAll'] as const)
        await refused(store, () => throttle[call](), withCode('ERR_CLOSED'));
      await expect(throttle.wait()).rejects.toThrow(withCode('ERR_CLOSED'));
    });

    test('answers at once on an embedded store, and with a promise on a server', async () => {
      const { store } = await opened();
      const throttle = new Throttle(store, 'api', { limit: 3, per: '1h' });
      const answers = [throttle.take(), throttle.peek()];
      for (const answer of answers) expect(answer instanceof Promise).toBe(!isEmbedded(store));
      await Promise.all(answers);
    });

    test('uses up no number of those that structures with rows have', async () => {
      const { store } = await opened();
      for (let i = 0; i < 5; i++) await new Throttle(store, `name ${i}`, { limit: 1, per: 1 }).take();
      const raw = await rawConnection(engine, store);
      expect(await raw('SELECT id FROM structures WHERE id > 0')).toEqual([]);
      expect((await store.structures()).map(({ kind }) => kind)).toEqual(Array(5).fill('throttle'));
    });

    test('goes on at once where the clock was set back after the last take', async () => {
      const { store } = await opened();
      for (const algorithm of algorithms) {
        const throttle = new Throttle(store, algorithm, { limit: 2, per: 100, algorithm });
        await throttle.take({ cost: 2 });
        const raw = await rawConnection(engine, store);
        await raw(`UPDATE throttles SET monotonic = monotonic + ${hour}, wall = wall + ${hour}`);
        expect(await throttle.take()).toMatchObject({ allowed: false });
        await new Promise((resolve) => setTimeout(resolve, 202));
        expect(await throttle.take()).toMatchObject({ allowed: true });
        await throttle.resetAll();
      }
    });
  });
});
