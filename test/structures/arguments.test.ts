import { describe, expect, test } from 'vitest';
import { Cache, Deque, Index, type AsyncCache, type AsyncDeque, type AsyncIndex } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { collect, refused } from './helpers.js';

type Tuple = [string, number];
type Item = { n: number };

forEachEngine((engine) => {
  describe('What a call is given', () => {
    const opened = async () => {
      const store = await engine.open();
      const index = new Index<Tuple, number>(store, 'entries');
      const deque = new Deque<Item>(store, 'items');
      await index.setMany([
        [['a', 1], 1],
        [['b', 1], 2],
      ]);
      await deque.push({ n: 1 }, { n: 2 });
      return { store, index, deque };
    };

    const keyed: [string, (index: AsyncIndex<Tuple, number>, key: Tuple) => Promise<unknown>, unknown][] = [
      ['get', (index, key) => index.get(key), 1],
      ['has', (index, key) => index.has(key), true],
      ['getMany', (index, key) => index.getMany([key]), [1]],
      ['update', (index, key) => index.update(key, (n = 0) => n + 10), 11],
      ['setDefault', (index, key) => index.setDefault(key, 3), 1],
      ['pop', (index, key) => index.pop(key), 1],
      ['delete', (index, key) => index.delete(key), true],
      ['deleteMany', (index, key) => index.deleteMany([key]), 1],
      ['deleteRange', (index, key) => index.deleteRange({ gte: key, lte: ['a', 1] }), 1],
    ];

    test.each(keyed)(
      'is what it was at the call, whatever becomes of it after: Index.%s',
      async (_, call, expected) => {
        const { index } = await opened();
        const key: Tuple = ['a', 1];
        const result = call(index, key);
        key[0] = 'b';
        expect(await result).toEqual(expected);
        expect(await index.get(['b', 1])).toBe(2);
      },
    );

    const cached: [string, (cache: AsyncCache<number, Tuple>, key: Tuple) => Promise<unknown>, unknown][] = [
      ['get', (cache, key) => cache.get(key), 1],
      ['has', (cache, key) => cache.has(key), true],
      ['getMany', (cache, key) => cache.getMany([key]), [1]],
      ['set', (cache, key) => cache.set(key, 5), undefined],
      ['add', (cache, key) => cache.add(key, 5), false],
      ['touch', (cache, key) => cache.touch(key, '1h'), true],
      ['increment', (cache, key) => cache.increment(key), 2],
      ['update', (cache, key) => cache.update(key, (n = 0) => n + 10), 11],
      ['pop', (cache, key) => cache.pop(key), 1],
      ['delete', (cache, key) => cache.delete(key), true],
      ['deleteMany', (cache, key) => cache.deleteMany([key]), 1],
      ['getOrSet', (cache, key) => cache.getOrSet(key, () => 7), 1],
    ];

    test.each(cached)(
      'is what it was at the call, whatever becomes of it after: Cache.%s',
      async (_, call, expected) => {
        const cache = new Cache<number, Tuple>(await engine.open(), 'cached');
        await cache.setMany([[['a', 1], 1], [['b', 1], 2]]); // prettier-ignore
        const key: Tuple = ['a', 1];
        const result = call(cache, key);
        key[0] = 'b';
        expect(await result).toEqual(expected);
        expect(await cache.entry(['b', 1])).toMatchObject({ value: 2, expiresAt: undefined });
      },
    );

    const valued: [string, (deque: AsyncDeque<Item>, item: Item) => Promise<unknown>, unknown][] = [
      ['includes', (deque, item) => deque.includes(item), true],
      ['indexOf', (deque, item) => deque.indexOf(item), 0],
      ['count', (deque, item) => deque.count(item), 1],
      ['remove', (deque, item) => deque.remove(item), true],
    ];

    test.each(valued)(
      'is what it was at the call, whatever becomes of it after: Deque.%s',
      async (_, call, expected) => {
        const { deque } = await opened();
        const item = { n: 1 };
        const result = call(deque, item);
        item.n = 2;
        expect(await result).toEqual(expected);
        expect(await deque.last()).toEqual({ n: 2 });
      },
    );

    test('is read before the store is locked: what is iterated may use the store itself', async () => {
      const { store, deque } = await opened();
      const other = await engine.reopen(store);
      const writes = new Index<string, number>(other, 'from the iterable');
      const written: unknown[] = [];
      await deque.pushMany(
        (function* () {
          for (const n of [3, 4]) {
            written.push(writes.set(String(n), n));
            yield { n };
          }
        })(),
      );
      expect(await collect(deque.values())).toEqual([1, 2, 3, 4].map((n) => ({ n })));
      await Promise.all(written);
      expect(await writes.size).toBe(2);
    });

    test('is named by its place when it can’t be stored', async () => {
      const { store, index, deque } = await opened();
      const bad = { n: 1, f: { g: () => 1 } } as never;
      const cases: [() => unknown, RegExp][] = [
        [() => deque.push(bad), /^value\.f\.g is a function/],
        [() => deque.pushMany([{ n: 1 }, bad]), /^items\[1\]\.f\.g is a function/],
        [() => deque.push({ n: 1 }, bad), /^items\[1\]\.f\.g is a function/],
        [() => index.setMany([[['c', 1], 1], [['d', 1], bad]]), /^entries\[1\]\[1\]\.f\.g is a function/], // prettier-ignore
        [() => index.setMany([[['c', NaN], 1]]), /^entries\[0\]\[0\]\[1\]/],
        [() => index.getMany([['c', 1], ['d', NaN]]), /^keys\[1\]\[1\]/], // prettier-ignore
        [() => index.deleteMany([['c', NaN]]), /^keys\[0\]\[1\]/],
        [() => deque.at(Symbol('no') as never), /^index/],
      ];
      for (const [call, message] of cases)
        await refused(store, call, expect.objectContaining({ message: expect.stringMatching(message) }));
      expect([await deque.size, await index.size]).toEqual([2, 2]);
    });
  });
});
