import { describe, expect, test } from 'vitest';
import { Averager, Counter } from '../../src/index.js';
import { inProcesses } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { refused, rolledBack, transact } from '../structures/helpers.js';

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    return { store, counter: new Counter(store, 'sum'), averager: new Averager(store, 'mean') };
  };

  describe('Counter', () => {
    test('adds, and begins again when it is popped', async () => {
      const { counter } = await opened();
      expect(await counter.get()).toBe(0);
      expect(await counter.pop()).toBe(0);
      expect(await counter.add()).toBe(1);
      expect(await counter.add(-3.5)).toBe(-2.5);
      expect(await counter.add(0)).toBe(-2.5);
      expect(await counter.get()).toBe(-2.5);
      expect(await counter.pop()).toBe(-2.5);
      expect(await counter.get()).toBe(0);
      expect(await counter.pop()).toBe(0);
      expect(await counter.add(7)).toBe(7);
    });

    test('is exact for whole numbers up to 2**53 - 1', async () => {
      const { counter } = await opened();
      expect(await counter.add(2 ** 53 - 2)).toBe(2 ** 53 - 2);
      expect(await counter.add(1)).toBe(2 ** 53 - 1);
      expect(await counter.add(1 - 2 ** 53)).toBe(0);
      expect(await counter.add(0.1)).toBe(0.1);
      expect(await counter.add(0.2)).toBe(0.1 + 0.2);
    });

    test('is another under another name, and the same in another store of the place', async () => {
      const { store, counter, averager } = await opened();
      await counter.add(2);
      await averager.add(5);
      expect(await new Counter(store, 'mean').get()).toBe(0);
      expect(await new Averager(store, 'sum').get()).toBe(undefined);
      const other = await engine.reopen(store);
      expect(await new Counter(other, 'sum').get()).toBe(2);
      expect(await new Averager(other, 'mean').get()).toBe(5);
    });

    test('refuses what is no finite number, and sums that would not be', async () => {
      const { store, counter, averager } = await opened();
      for (const bad of ['1', 1n, null, {}, [2], true] as never[]) {
        await refused(store, () => counter.add(bad), TypeError);
        await refused(store, () => averager.add(bad), TypeError);
      }
      await refused(store, () => averager.add(undefined as never), TypeError);
      for (const bad of [NaN, Infinity, -Infinity]) {
        await refused(store, () => counter.add(bad), RangeError);
        await refused(store, () => averager.add(bad), RangeError);
      }
      for (const sign of [1, -1]) {
        expect(await counter.add(sign * Number.MAX_VALUE)).toBe(sign * Number.MAX_VALUE);
        expect(await averager.add(sign * 1e308)).toBe(sign * 1e308);
        await refused(store, () => counter.add(sign * 1e300), RangeError);
        await refused(store, () => averager.add(sign * 1e308), RangeError);
        expect(await counter.pop()).toBe(sign * Number.MAX_VALUE);
        expect(await averager.count).toBe(1);
        expect(await averager.pop()).toBe(sign * 1e308);
      }
    });
  });

  describe('Averager', () => {
    test('keeps the mean, the count and the sum, and begins again when it is popped', async () => {
      const { averager } = await opened();
      expect([await averager.get(), await averager.pop()]).toEqual([undefined, undefined]);
      expect([await averager.count, await averager.sum]).toEqual([0, 0]);
      expect(await averager.add(1)).toBe(1);
      expect(await averager.add(2)).toBe(1.5);
      expect(await averager.add(-6)).toBe(-1);
      expect([await averager.get(), await averager.count, await averager.sum]).toEqual([-1, 3, -3]);
      expect(await averager.pop()).toBe(-1);
      expect([await averager.get(), await averager.count, await averager.sum]).toEqual([undefined, 0, 0]);
      expect(await averager.add(0)).toBe(0);
    });
  });

  test('what is added or popped in a transaction that is rolled back is neither', async () => {
    const { store, counter, averager } = await opened();
    await rolledBack(store, function* () {
      expect(yield counter.add(5)).toBe(5);
      expect(yield averager.add(5)).toBe(5);
    });
    expect([await counter.get(), await averager.get()]).toEqual([0, undefined]);
    await counter.add(3);
    await averager.add(3);
    await rolledBack(store, function* () {
      expect(yield counter.pop()).toBe(3);
      expect(yield averager.pop()).toBe(3);
      expect(yield counter.get()).toBe(0);
    });
    expect([await counter.get(), await averager.get()]).toEqual([3, 3]);
    await transact(store, function* () {
      yield counter.add(1);
      yield averager.add(1);
    });
    expect([await counter.get(), await averager.get()]).toEqual([4, 2]);
  });

  test('eight processes that add and pop lose nothing', async () => {
    const { store, counter, averager } = await opened();
    const times = engine.name === 'embedded' ? 200 : 40;
    const popped = await inProcesses<number>(8, 'sync-add.js', engine.location(store), times);
    const all = popped.reduce((sum, one) => sum + one, 0) + (await counter.get());
    expect(all).toBe((8 * times * (times + 1)) / 2);
    expect([await averager.count, await averager.get()]).toEqual([8 * times, 3.5]);
  });
});
