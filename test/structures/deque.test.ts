import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { Deque } from '../../src/index.js';
import { sql } from '../../src/structures/deque/statements.js';
import { engines, forEachEngine } from '../support/stores.js';
import {
  checkTables,
  collect,
  expectSame,
  pause,
  rawConnection,
  refused,
  strangeValues,
  transact,
} from './helpers.js';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

forEachEngine((engine) => {
  const opened = async <T>(...items: T[]) => {
    const store = await engine.open();
    const deque = new Deque<T>(store, 'things');
    if (items.length > 0) await deque.push(...items);
    return { store, deque };
  };

  describe('Deque', () => {
    test('is empty as long as nothing was written to it, and not listed', async () => {
      const { store, deque } = await opened<number>();
      expect(await deque.size).toBe(0);
      expect([await deque.first(), await deque.last(), await deque.at(0)]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect([await deque.includes(1), await deque.indexOf(1), await deque.count(1)]).toEqual([false, -1, 0]);
      expect(await deque.toArray()).toEqual([]);
      expect(await store.structures()).toEqual([]);
    });

    test('every method that removes finds nothing in an empty deque', async () => {
      const { deque } = await opened<number>();
      expect([await deque.shift(), await deque.pop()]).toEqual([undefined, undefined]);
      expect([await deque.shiftMany(3), await deque.popMany(3)]).toEqual([[], []]);
      expect([await deque.remove(1), await deque.clear()]).toEqual([false, 0]);
      await deque.rotate(5);
      await deque.reverse();
      expect(await deque.size).toBe(0);
    });

    test('pushMany takes more items than a call takes arguments', async () => {
      const { store, deque } = await opened<number>();
      const many = numbers(0, engine.name === 'embedded' ? 200_000 : 2_000);
      await deque.pushMany(many);
      expect([await deque.size, await deque.first(), await deque.last()]).toEqual([
        many.length,
        0,
        many.length - 1,
      ]);
      await deque.unshiftMany(new Set([-2, -1]));
      expect([await deque.at(0), await deque.at(1), await deque.at(2)]).toEqual([-2, -1, 0]);
      await refused(store, () => deque.pushMany('text' as never), TypeError);
      await refused(store, () => deque.unshiftMany(undefined as never), TypeError);
    });

    test('push and unshift add in order, shift and pop take from the ends', async () => {
      const { deque } = await opened<number>();
      await deque.push(3);
      await deque.push(4, 5);
      await deque.unshift(1, 2);
      await deque.unshift(0);
      await deque.push();
      await deque.unshift();
      expect(await deque.toArray()).toEqual([0, 1, 2, 3, 4, 5]);
      expect(await deque.shift()).toBe(0);
      expect(await deque.pop()).toBe(5);
      expect([await deque.first(), await deque.last(), await deque.size]).toEqual([1, 4, 4]);
    });

    test('shiftMany and popMany give as many as there are, the outermost first', async () => {
      const { deque } = await opened(...numbers(0, 10));
      expect(await deque.shiftMany(3)).toEqual([0, 1, 2]);
      expect(await deque.popMany(3)).toEqual([9, 8, 7]);
      expect(await deque.popMany(Number.MAX_SAFE_INTEGER)).toEqual([6, 5, 4, 3]);
      expect(await deque.shiftMany(1)).toEqual([]);
      await deque.push(1, 2);
      expect(await deque.shiftMany(Number.MAX_SAFE_INTEGER)).toEqual([1, 2]);
    });

    test.each(strangeValues)('stores and finds %s', async (_, value) => {
      const { store, deque } = await opened<unknown>('before', 'after');
      await deque.push(value);
      await deque.rotate(2);
      await deque.unshift(value);
      const again = new Deque<unknown>(await engine.reopen(store), 'things');
      expect(await again.indexOf(value)).toBe(0);
      expect(await again.count(value)).toBe(2);
      expectSame(await again.at(2), value);
      expect(await again.remove(value)).toBe(true);
      expect(await again.includes(value)).toBe(true);
      expect(await again.indexOf(value)).toBe(1);
      await again.shift();
      expectSame(await again.shift(), value);
      expectSame((await again.shiftMany(1))[0], 'before');
    });

    test('at counts from both ends, also after removals in the middle', async () => {
      const { deque } = await opened(...numbers(0, 100));
      const model = numbers(0, 100);
      for (const item of [50, 10, 90, 0, 99, 49, 51]) {
        expect(await deque.remove(item)).toBe(true);
        model.splice(model.indexOf(item), 1);
      }
      for (let i = -model.length - 1; i <= model.length; i++)
        expect(await deque.at(i), `at ${i}`).toBe(model.at(i));
      expect(await deque.at(Number.MAX_SAFE_INTEGER)).toBe(undefined);
      expect(await deque.at(Number.MIN_SAFE_INTEGER)).toBe(undefined);
    });

    test('set replaces in place, with values of any length, and bytes follow', async () => {
      const { store, deque } = await opened<string>('a', 'b', 'c');
      const raw = await rawConnection(engine, store);
      await deque.set(1, 'a longer one');
      await deque.set(-1, '');
      expect(await deque.toArray()).toEqual(['a', 'a longer one', '']);
      expect(await store.structures()).toMatchObject([{ entries: 3 }]);
      await checkTables(raw, store);
      await deque.rotate(1);
      await deque.remove('a');
      await deque.reverse();
      await checkTables(raw, store);
      expect(await deque.shiftMany(2)).toEqual(['a longer one', '']);
      expect(await store.structures()).toMatchObject([{ entries: 0, bytes: 0 }]);
      await refused(store, () => deque.set(0, 'x'), RangeError);
    });

    test('equality is that of what is stored', async () => {
      const { deque } = await opened<unknown>(1, '1', 1n, true, { a: 1 }, [1], NaN, null, undefined, -0, 0);
      for (const [i, item] of [1, '1', 1n, true, { a: 1 }, [1], NaN, null, undefined, -0, 0].entries()) {
        expect(await deque.indexOf(item), String(i)).toBe(i);
        expect(await deque.count(item), String(i)).toBe(1);
      }
      expect(await deque.includes({ a: 2 })).toBe(false);
      expect(await deque.includes('')).toBe(false);
    });

    test('remove takes the leftmost only, and says whether there was one', async () => {
      const { deque } = await opened('a', 'b', 'a', 'c', 'a');
      expect(await deque.remove('a')).toBe(true);
      expect(await deque.toArray()).toEqual(['b', 'a', 'c', 'a']);
      expect(await deque.remove('x')).toBe(false);
      expect(await deque.remove('c')).toBe(true);
      expect(await deque.count('a')).toBe(2);
      expect(await deque.toArray()).toEqual(['b', 'a', 'a']);
    });

    test('rotate turns to the right, or left by a negative number, by any number of steps', async () => {
      const { store, deque } = await opened(...numbers(0, 7));
      const raw = await rawConnection(engine, store);
      let model = numbers(0, 7);
      for (const steps of [
        1,
        -1,
        3,
        4,
        -3,
        0,
        7,
        8,
        -15,
        700_001,
        Number.MAX_SAFE_INTEGER,
        Number.MIN_SAFE_INTEGER,
      ]) {
        await deque.rotate(steps);
        const right = Number(((BigInt(steps) % 7n) + 7n) % 7n);
        model = [...model.slice(7 - right), ...model.slice(0, 7 - right)];
        expect(await deque.toArray(), `by ${steps}`).toEqual(model);
      }
      await deque.rotate();
      expect(await deque.first()).toBe(model.at(-1));
      await checkTables(raw, store);
    });

    test('reverse turns thousands around, and back', async () => {
      const { store, deque } = await opened(...numbers(0, 2_001));
      const raw = await rawConnection(engine, store);
      await deque.reverse();
      expect(await deque.toArray()).toEqual(numbers(0, 2_001).toReversed());
      await checkTables(raw, store);
      await deque.unshift(-1);
      await deque.reverse();
      expect(await deque.toArray()).toEqual([...numbers(0, 2_001), -1]);
      await checkTables(raw, store);
    });

    test('clear removes thousands, tells how many there were, and leaves a usable deque', async () => {
      const { store, deque } = await opened(...numbers(0, 1_234));
      expect(await deque.clear()).toBe(1_234);
      expect(await deque.clear()).toBe(0);
      expect(await store.structures()).toMatchObject([{ entries: 0, bytes: 0 }]);
      await deque.push(1);
      await transact(store, function* () {
        expect(yield deque.clear()).toBe(1);
        yield deque.push(2);
      });
      expect(await deque.toArray()).toEqual([2]);
    });

    test('two stores on the same data see the same, and interleave', async () => {
      const { store, deque } = await opened<number>();
      const other = new Deque<number>(await engine.reopen(store), 'things');
      for (let i = 0; i < 10; i++) await (i % 2 ? deque : other).push(i);
      expect(await deque.toArray()).toEqual(numbers(0, 10));
      expect(await other.shift()).toBe(0);
      expect(await deque.shift()).toBe(1);
      await store.close();
      expect(await other.size).toBe(8);
    });

    test('shift and pop by two stores at once give each item to one', async () => {
      const { store, deque } = await opened(...numbers(0, 40));
      const other = new Deque<number>(await engine.reopen(store), 'things');
      const calls = Array.from({ length: 44 }, async (_, i) =>
        (i % 2 ? deque : other)[i % 3 ? 'shift' : 'pop'](),
      );
      const taken = (await Promise.all(calls)).filter((item) => item !== undefined);
      expect(taken.toSorted((a, b) => a - b)).toEqual(numbers(0, 40));
    });

    test('is refused options that are none', async () => {
      const store = await engine.open();
      const make = (options: unknown) => () => new Deque(store, 'a', options as never);
      expect(make({ maxlength: 1 })).toThrow(/"maxlength"/);
      expect(make({ maxLength: 0 })).toThrow(RangeError);
      expect(make({ maxLength: 1.5 })).toThrow(RangeError);
      expect(make({ maxLength: NaN })).toThrow(RangeError);
      expect(make({ maxLength: '3' })).toThrow(TypeError);
      expect(make(null)).toThrow(TypeError);
    });
  });

  describe('Deque with maxLength', () => {
    test('push drops from the left, unshift from the right', async () => {
      const store = await engine.open();
      const deque = new Deque<number>(store, 'things', { maxLength: 3 });
      await deque.push(1, 2, 3, 4, 5);
      expect(await deque.toArray()).toEqual([3, 4, 5]);
      await deque.push(6);
      expect(await deque.toArray()).toEqual([4, 5, 6]);
      await deque.unshift(3);
      expect(await deque.toArray()).toEqual([3, 4, 5]);
      await deque.unshift(-2, -1, 0, 1, 2);
      expect(await deque.toArray()).toEqual([-2, -1, 0]);
      await checkTables(await rawConnection(engine, store), store);
    });

    test('is stored with the data, and holds for who does not name it', async () => {
      const store = await engine.open();
      await new Deque<number>(store, 'things', { maxLength: 2 }).push(1);
      const other = new Deque<number>(await engine.reopen(store), 'things');
      await other.push(2, 3);
      expect(await other.toArray()).toEqual([2, 3]);
    });

    test('a lower one trims at the first call, whichever it is; Infinity removes it', async () => {
      const { store, deque } = await opened(...numbers(0, 10));
      expect(await new Deque<number>(store, 'things', { maxLength: 4 }).toArray()).toEqual([6, 7, 8, 9]);
      expect(await new Deque<number>(store, 'things', { maxLength: 3 }).size).toBe(3);
      expect(await new Deque<number>(store, 'things', { maxLength: 2 }).first()).toBe(8);
      expect(await new Deque<number>(store, 'things', { maxLength: 1 }).take()).toBe(9);
      await new Deque<number>(store, 'things', { maxLength: Infinity }).push(1, 2);
      await deque.push(3);
      expect(await deque.toArray()).toEqual([1, 2, 3]);
    });

    test('a change of it that is rolled back happens at the next call', async () => {
      const { store, deque } = await opened(...numbers(0, 5));
      const bounded = new Deque<number>(store, 'things', { maxLength: 2 });
      await expect(async () =>
        transact(store, function* () {
          expect(yield bounded.size).toBe(2);
          throw new Error('undo');
        }),
      ).rejects.toThrow('undo');
      expect(await deque.size).toBe(5);
      expect(await bounded.toArray()).toEqual([3, 4]);
      expect(await deque.size).toBe(2);
    });
  });

  describe('Deque, iterated', () => {
    test('yields thousands from the left, and in reverse', async () => {
      const { deque } = await opened(...numbers(0, 1_500));
      expect(await collect(deque.values())).toEqual(numbers(0, 1_500));
      expect(await collect(deque.values({ reverse: true }))).toEqual(numbers(0, 1_500).toReversed());
      const seen = [];
      for await (const item of deque) seen.push(item);
      expect(seen).toEqual(numbers(0, 1_500));
    });

    test('what the loop takes from the ends is not yielded, what it adds is', async () => {
      const { deque } = await opened(...numbers(0, 100));
      const seen: number[] = [];
      for await (const item of deque) {
        seen.push(item);
        if (item < 20) {
          await deque.pop();
          await deque.shift();
          await deque.unshift(-1, -2);
        }
        if (item === 79) await deque.push(100);
      }
      expect(seen).toEqual([...numbers(0, 80), 100]);
    });

    test('what another store takes ahead is not yielded, though it was read ahead', async () => {
      const { store, deque } = await opened(...numbers(0, 60));
      const other = new Deque<number>(await engine.reopen(store), 'things');
      const seen: number[] = [];
      for await (const item of deque) {
        seen.push(item);
        if (item !== 20) continue;
        await other.popMany(30);
        await pause(30);
      }
      expect(seen).toEqual(numbers(0, 30));
    });

    test('what the loop removes at either end is not yielded, and nothing is yielded twice or left out', async () => {
      const { deque } = await opened(...numbers(0, 100));
      const seen: number[] = [];
      for await (const item of deque) {
        seen.push(item);
        if (item === 10) expect(await deque.popMany(20)).toHaveLength(20);
        if (item === 20) expect(await deque.shiftMany(31)).toHaveLength(31);
        if (item === 40) await deque.push(100);
        if (item === 41) await deque.unshift(-1);
      }
      expect(seen).toEqual([...numbers(0, 21), ...numbers(31, 80), 100]);
    });

    test('what moves items in the middle of a loop keeps the deque whole, and the loop ends', async () => {
      const { deque } = await opened(...numbers(0, 40));
      for await (const item of deque) if (item % 3 === 0) await deque.remove(item);
      for (const left of await deque.toArray()) expect(numbers(0, 40)).toContain(left);
      expect(new Set(await deque.toArray()).size).toBe(await deque.size);
      for (const item of await deque.toArray()) if (item % 3 === 0) await deque.remove(item);
      expect(await deque.toArray()).toEqual(numbers(0, 40).filter((item) => item % 3 !== 0));
    });

    test('a loop that empties the deque ends', async () => {
      const { deque } = await opened(...numbers(0, 300));
      const seen: number[] = [];
      for await (const item of deque) {
        seen.push(item);
        await deque.shift();
      }
      expect(seen).toEqual(numbers(0, 300));
      expect(await deque.size).toBe(0);
    });

    test('refuses a misspelt option', async () => {
      const { deque } = await opened(1);
      await expect(async () => collect(deque.values({ revers: true } as never))).rejects.toThrow(/"revers"/);
    });
  });
});

describe('Deque.at', () => {
  test('goes to its item by the primary key, from the ends and after a removal: O(log n)', async () => {
    const [engine] = engines;
    const store = await engine.open();
    const deque = new Deque<number>(store, 'things');
    await deque.push(...numbers(0, 1_000));
    await deque.remove(500);
    expect([await deque.at(0), await deque.at(499), await deque.at(500), await deque.at(-1)]).toEqual([
      0, 499, 501, 999,
    ]);
    const { directory } = JSON.parse(engine.location(store)) as { directory: string };
    const database = new Database(join(directory, 'holdfast.db'), { readonly: true });
    try {
      for (const { sqlite } of [
        sql.ends,
        sql.at,
        sql.set,
        sql.shift,
        sql.pop,
        sql.pushUnwatched,
        sql.unshift,
      ]) {
        const plan = database
          .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sqlite}`)
          .all(...Array.from(sqlite.matchAll(/\?/g), () => 1));
        const steps = plan.map(({ detail }) => detail).filter((detail) => /SCAN|SEARCH/.test(detail));
        expect(steps.length, sqlite).toBeGreaterThan(0);
        for (const step of steps) expect(step, sqlite).toMatch(/^SEARCH \w+ USING INTEGER PRIMARY KEY/);
      }
    } finally {
      database.close();
    }
  });
});
