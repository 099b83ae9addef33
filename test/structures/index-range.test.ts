import { describe, expect, test } from 'vitest';
import { Index, type Key } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { checkTables, collect, orderedKeys, rawConnection, transact } from './helpers.js';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
/** Insertion order differs from the order of keys, and has no pattern in it. */
const shuffled = (count: number): number[] => numbers(0, count).map((i) => (i * 7_919) % count);

forEachEngine((engine) => {
  const filled = async <K extends Key>(keys: readonly K[], order: 'insertion' | 'key' = 'insertion') => {
    const store = await engine.open();
    const index = new Index<K, string>(store, 'things', { order });
    await index.setMany(keys.map((key) => [key, `value of ${String(key)}`] as const));
    return { store, index };
  };

  describe('Index, iterated', () => {
    test('keys, values, entries and the index itself come in order of insertion', async () => {
      const { index } = await filled(['c', 'a', 'b']);
      await index.set('c', 'new');
      await index.delete('a');
      await index.set('a', 'again');
      const entries = [['c', 'new'], ['b', 'value of b'], ['a', 'again']]; // prettier-ignore
      expect(await collect(index.keys())).toEqual(['c', 'b', 'a']);
      expect(await collect(index.values())).toEqual(['new', 'value of b', 'again']);
      expect(await collect(index.entries())).toEqual(entries);
      const own = [];
      for await (const entry of index) own.push(entry);
      expect(own).toEqual(entries);
      expect(await collect(index.keys({ reverse: true }))).toEqual(['a', 'b', 'c']);
      expect(await collect(index.values({ reverse: true }))).toEqual(['again', 'value of b', 'new']);
      expect(await collect(index.entries({ reverse: false }))).toEqual(entries);
    });

    test('with order "key" they come in the order of keys', async () => {
      const { index } = await filled(['c', 'a', 'b'], 'key');
      expect(await collect(index.keys())).toEqual(['a', 'b', 'c']);
      expect(await collect(index.keys({ reverse: true }))).toEqual(['c', 'b', 'a']);
      expect([...(await index.toMap()).keys()]).toEqual(['a', 'b', 'c']);
    });

    test.each(['insertion', 'key'] as const)(
      'thousands come each once, in the order of %s',
      async (order) => {
        const keys = shuffled(2_500);
        const { index } = await filled(keys, order);
        const expected = order === 'key' ? numbers(0, 2_500) : keys;
        expect(await collect(index.keys())).toEqual(expected);
        expect(await collect(index.keys({ reverse: true }))).toEqual(expected.toReversed());
        expect([...(await index.toMap()).keys()]).toEqual(expected);
        expect(await collect(index.values())).toEqual(expected.map((key) => `value of ${key}`));
      },
    );

    test.each(['insertion', 'key'] as const)(
      'what the loop deletes ahead is not yielded, in the order of %s',
      async (order) => {
        const { index } = await filled(numbers(0, 300), order);
        const seen: number[] = [];
        for await (const key of index.keys()) {
          seen.push(key);
          if (key % 3 === 0) await index.delete(key + 1);
        }
        expect(seen).toEqual(numbers(0, 300).filter((key) => key % 3 !== 1));
      },
    );

    test('what the loop deletes ahead is not yielded inside a transaction either', async () => {
      const { store, index } = await filled(numbers(0, 10));
      // Each round is quick: the more of them, the likelier one falls within any time that is taken for no time.
      for (let round = 0; round < 30; round++) {
        const seen: number[] = [];
        await transact(store, function* () {
          yield index.setMany(numbers(0, 10).map((key) => [key, '']));
          seen.length = 0;
          if (engine.name === 'server') {
            yield (async () => {
              for await (const key of index.keys()) {
                seen.push(key);
                if (key === 0) await index.delete(1);
              }
            })();
          } else {
            for (const key of index.keys() as unknown as Iterable<number>) {
              seen.push(key);
              if (key === 0) yield index.delete(1);
            }
          }
        });
        expect(seen).toEqual(round === 0 ? [0, ...numbers(2, 10)] : [0, ...numbers(2, 10)]);
      }
    });

    test('what another store deletes ahead is not yielded, though it was read ahead', async () => {
      const { store, index } = await filled(numbers(0, 100));
      const other = new Index<number, string>(await engine.reopen(store), 'things');
      const seen: number[] = [];
      for await (const key of index.keys()) {
        seen.push(key);
        if (key === 40) {
          await other.deleteRange({ gte: 41, lt: 50 });
          // A server may yield what was deleted within the last 5 ms.
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
      }
      expect(seen).toEqual([...numbers(0, 41), ...numbers(50, 100)]);
    });

    test('a value that is changed ahead is yielded as it is then', async () => {
      const { index } = await filled(numbers(0, 20));
      const seen: string[] = [];
      for await (const [key, value] of index.entries()) {
        seen.push(value);
        if (key < 19) await index.set(key + 1, `changed by ${key}`);
      }
      expect(seen).toEqual(['value of 0', ...numbers(0, 19).map((key) => `changed by ${key}`)]);
    });

    test('what is added behind is yielded, and nothing twice', async () => {
      const { index } = await filled(numbers(0, 5));
      const seen: number[] = [];
      for await (const key of index.keys()) {
        seen.push(key);
        if (key < 300) await index.set(key + 5, 'added');
      }
      expect(seen).toEqual(numbers(0, 305));
    });

    test('in reverse, what is added is not yielded, and what is deleted ahead neither', async () => {
      const { index } = await filled(numbers(0, 100));
      const seen: number[] = [];
      for await (const key of index.keys({ reverse: true })) {
        seen.push(key);
        await index.set(key + 1_000, 'added');
        await index.delete(key - 1);
      }
      expect(seen).toEqual(numbers(0, 50).map((i) => 99 - 2 * i));
    });

    test('a loop that empties the index ends', async () => {
      const { index } = await filled(numbers(0, 600));
      let count = 0;
      for await (const key of index.keys()) {
        await index.delete(key);
        count++;
      }
      expect(count).toBe(600);
      expect(await index.size).toBe(0);
    });

    test('a loop that is left, and clear in the middle of one, leave nothing open', async () => {
      const { index } = await filled(numbers(0, 100));
      for await (const key of index.keys()) if (key === 30) break;
      const seen: number[] = [];
      for await (const key of index.keys()) {
        seen.push(key);
        if (key === 20) await index.clear();
      }
      expect(seen).toEqual(numbers(0, 21));
      await index.set(1, 'usable');
      expect(await index.size).toBe(1);
    });

    test('closing the store in the middle of a loop ends it with ERR_CLOSED', async () => {
      const { store, index } = await filled(numbers(0, 100));
      await expect(async () => {
        for await (const _ of index.keys()) await store.close();
      }).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    });

    test('two loops over one index go each their way', async () => {
      const { index } = await filled(numbers(0, 40));
      const seen: number[] = [];
      for await (const a of index.keys()) for await (const b of index.keys()) if (a === b) seen.push(a);
      expect(seen).toEqual(numbers(0, 40));
    });

    test('options that are none are refused', async () => {
      const { index } = await filled([1]);
      const loop = (sequence: () => AsyncIterable<unknown>) => async () => collect(sequence());
      await expect(loop(() => index.keys({ revers: true } as never))).rejects.toThrow(/"revers"/);
      await expect(loop(() => index.values({ reverse: 1 } as never))).rejects.toThrow(TypeError);
      await expect(loop(() => index.entries(null as never))).rejects.toThrow(TypeError);
      await expect(async () => index.forEach(() => {}, { revers: true } as never)).rejects.toThrow(TypeError);
    });
  });

  describe('Index.range', () => {
    const keysOf = async (range: Promise<[Key, unknown][]>): Promise<Key[]> =>
      (await range).map(([key]) => key);

    test('takes each combination of bounds, in the order of keys and in reverse', async () => {
      const { index } = await filled(['d', 'b', 'a', 'c', 'e']);
      const all = ['a', 'b', 'c', 'd', 'e'];
      for (const low of [undefined, 'gt', 'gte'] as const) {
        for (const high of [undefined, 'lt', 'lte'] as const) {
          for (const [from, to] of [
            ['b', 'd'],
            ['bb', 'cc'],
            ['c', 'c'],
            ['d', 'b'],
            ['', 'z'],
          ] as const) {
            // prettier-ignore
            const range = { ...(low && { [low]: from }), ...(high && { [high]: to }) };
            const above = (key: string): boolean =>
              low === undefined || key > from || (low === 'gte' && key === from);
            const below = (key: string): boolean =>
              high === undefined || key < to || (high === 'lte' && key === to);
            const expected = all.filter((key) => above(key) && below(key));
            const message = JSON.stringify(range);
            expect(await keysOf(collect(index.range(range))), message).toEqual(expected);
            expect(await keysOf(collect(index.range({ ...range, reverse: true }))), message).toEqual(
              expected.toReversed(),
            );
            expect(await keysOf(collect(index.range({ ...range, limit: 1 }))), message).toEqual(
              expected.slice(0, 1),
            );
          }
        }
      }
    });

    test('goes through keys of every type in their order', async () => {
      const store = await engine.open();
      const index = new Index<Key, number>(store, 'things');
      await index.setMany(orderedKeys.map((key, i) => [key, i] as const).toReversed());
      const values = async (range: object): Promise<number[]> =>
        (await collect(index.range(range))).map(([, i]) => i);
      expect(await values({})).toEqual(numbers(0, orderedKeys.length));
      for (const [i, key] of orderedKeys.entries()) {
        expect(await values({ gte: key, limit: 3 })).toEqual(numbers(i, Math.min(i + 3, orderedKeys.length)));
        expect(await values({ lt: key, reverse: true, limit: 3 })).toEqual(
          numbers(Math.max(i - 3, 0), i).toReversed(),
        );
      }
    });

    test('prefix takes strings, bytes and tuples', async () => {
      const store = await engine.open();
      const index = new Index<Key, number>(store, 'things');
      await index.setMany(orderedKeys.map((key, i) => [key, i] as const));
      const keys = (prefix: string | Uint8Array | readonly Key[], rest = {}) =>
        keysOf(collect(index.range({ prefix, ...rest })));
      expect(await keys('a')).toEqual(['a', 'a\0', 'aa']);
      expect(await keys('a', { gt: 'a', reverse: true })).toEqual(['aa', 'a\0']);
      expect(await keys('a', { lte: 'a\0' })).toEqual(['a', 'a\0']);
      expect(await keys('')).toEqual(['', 'A', 'a', 'a\0', 'aa', 'é', '\uffff', '\u{10ffff}']);
      expect(await keys('\u{10ffff}')).toEqual(['\u{10ffff}']);
      expect(await keys(new Uint8Array(0))).toHaveLength(4);
      expect(await keys(Uint8Array.of(0))).toEqual([Uint8Array.of(0), Uint8Array.of(0, 0)]);
      expect(await keys(Uint8Array.of(255))).toEqual([Uint8Array.of(255)]);
      expect(await keys([])).toHaveLength(6);
      expect(await keys([1])).toEqual([[1], [1, 'a']]);
      expect(await keys(['a'], { limit: 1 })).toEqual([['a']]);
    });

    test('limit and prefix reach over thousands of entries', async () => {
      const { index } = await filled(shuffled(3_000).map((i) => `key ${String(i).padStart(4, '0')}`));
      const named = (from: number, to: number) =>
        numbers(from, to).map((i) => `key ${String(i).padStart(4, '0')}`);
      expect(await keysOf(collect(index.range()))).toEqual(named(0, 3_000));
      expect(await keysOf(collect(index.range({ prefix: 'key 1' })))).toEqual(named(1_000, 2_000));
      expect(await keysOf(collect(index.range({ gte: 'key 0500', limit: 777 })))).toEqual(named(500, 1_277));
      expect(await keysOf(collect(index.range({ prefix: 'key 1', reverse: true, limit: 300 })))).toEqual(
        named(1_700, 2_000).toReversed(),
      );
    });

    test('what the loop deletes ahead, or adds, is seen', async () => {
      const { index } = await filled(numbers(0, 50).map((i) => 2 * i));
      const seen: number[] = [];
      for await (const [key] of index.range({ gte: 10, lt: 90 })) {
        seen.push(key);
        if (key % 4 === 0) await index.delete(key + 2);
        if (key === 20) await index.set(21, 'added ahead');
        if (key === 30) await index.set(11, 'added behind');
      }
      const expected = numbers(5, 45).map((i) => 2 * i);
      expect(seen).toEqual(
        [...expected.filter((key) => key % 4 === 0 || key === 10), 21].toSorted((a, b) => a - b),
      );
    });

    test('refuses bounds that contradict each other or are no keys, and misspelt options', async () => {
      const { index } = await filled(['a']);
      const bad: readonly (readonly [object | null, unknown])[] = [
        [{ gt: 'a', gte: 'b' }, TypeError],
        [{ lt: 'a', lte: 'b' }, TypeError],
        [{ gte: null }, TypeError],
        [{ lt: NaN }, RangeError],
        [{ prefix: 5 }, TypeError],
        [{ from: 'a' }, /"from"/],
        [{ limit: 0 }, RangeError],
        [{ limit: 1.5 }, RangeError],
        [{ limit: '1' }, TypeError],
        [{ reverse: 'yes' }, TypeError],
        [null, TypeError],
      ];
      for (const [range, error] of bad) {
        await expect(async () => collect(index.range(range as never)), JSON.stringify(range)).rejects.toThrow(
          error,
        );
      }
    });
  });

  describe('Index.deleteRange', () => {
    test('refuses a bound that is undefined, and deletes nothing', async () => {
      const { index } = await filled([1, 2, 3]);
      await expect(async () => index.deleteRange({ gte: undefined })).rejects.toThrow(
        /range\.gte is undefined/,
      );
      expect(await index.size).toBe(3);
    });

    test('deletes thousands, tells how many, and nothing beside the range', async () => {
      const { store, index } = await filled(shuffled(2_000));
      const raw = await rawConnection(engine, store);
      expect(await index.deleteRange({ gt: 99, lte: 1_899 })).toBe(1_800);
      expect((await collect(index.keys())).toSorted((a, b) => a - b)).toEqual([
        ...numbers(0, 100),
        ...numbers(1_900, 2_000),
      ]);
      expect(await index.deleteRange({ gt: 99, lte: 1_899 })).toBe(0);
      expect(await index.deleteRange({ lt: 50 })).toBe(50);
      await checkTables(raw, store);
      expect(await index.deleteRange({})).toBe(150);
      expect(await index.size).toBe(0);
    });

    test('takes a prefix', async () => {
      const { index } = await filled(['a', 'ab', 'b', 'abc']);
      expect(await index.deleteRange({ prefix: 'ab' })).toBe(2);
      expect(await collect(index.keys())).toEqual(['a', 'b']);
    });

    test('refuses options of iteration, and deletes nothing then', async () => {
      const { index } = await filled(['a', 'b']);
      for (const range of [
        { limit: 1 },
        { reverse: true },
        { gt: 'a', gte: 'a' },
        undefined,
        null,
        'a',
        { gte: NaN },
      ]) {
        await expect(async () => index.deleteRange(range as never)).rejects.toThrow(/./);
      }
      expect(await index.size).toBe(2);
    });
  });
});
