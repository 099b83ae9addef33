import { describe, expect, test } from 'vitest';
import { Index, type Key } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import {
  checkTables,
  expectSame,
  orderedKeys,
  rawConnection,
  refused,
  strangeValues,
  withCode,
} from './helpers.js';

forEachEngine((engine) => {
  const opened = async <K extends Key, V>(name = 'things') => {
    const store = await engine.open();
    return { store, index: new Index<K, V>(store, name) };
  };

  describe('Index', () => {
    test('get, has and size of an index that was never written to say that nothing is there', async () => {
      const { store, index } = await opened<string, number>();
      expect(await index.get('a')).toBe(undefined);
      expect(await index.has('a')).toBe(false);
      expect(await index.size).toBe(0);
      expect(await index.first()).toBe(undefined);
      expect(await index.last()).toBe(undefined);
      expect(await index.getMany(['a', 'b'])).toEqual([undefined, undefined]);
      expect(await index.toMap()).toEqual(new Map());
      expect(await store.structures()).toEqual([]);
    });

    test('set stores, set again replaces, delete removes, and size counts', async () => {
      const { index } = await opened<string, number>();
      await index.set('a', 1);
      await index.set('b', 2);
      await index.set('a', 3);
      expect(await index.size).toBe(2);
      expect(await index.get('a')).toBe(3);
      expect(await index.delete('a')).toBe(true);
      expect(await index.delete('a')).toBe(false);
      expect(await index.has('a')).toBe(false);
      expect(await index.get('b')).toBe(2);
      expect(await index.size).toBe(1);
    });

    test('a value that is undefined is an entry', async () => {
      const { index } = await opened<string, undefined>();
      await index.set('a', undefined);
      expect(await index.has('a')).toBe(true);
      expect(await index.size).toBe(1);
      expect(await index.toMap()).toEqual(new Map([['a', undefined]]));
      expect(await index.delete('a')).toBe(true);
    });

    test('get gives a copy', async () => {
      const { index } = await opened<string, { list: number[] }>();
      const value = { list: [1] };
      await index.set('a', value);
      value.list.push(2);
      const read = await index.get('a');
      expect(read).toEqual({ list: [1] });
      read!.list.push(3);
      expect(await index.get('a')).toEqual({ list: [1] });
    });

    test.each(strangeValues)('stores %s', async (_, value) => {
      const { store, index } = await opened<string, unknown>();
      await index.set('a', value);
      const again = new Index<string, unknown>(await engine.reopen(store), 'things');
      expectSame(await again.get('a'), value);
      expectSame((await again.first())?.[1], value);
      expectSame(await again.pop('a'), value);
      expect(await index.has('a')).toBe(false);
    });

    test('takes keys of every type, tells them apart, and gives them back', async () => {
      const { index } = await opened<Key, number>();
      const stored = orderedKeys.map((key) => (key === -(2n ** 63n) ? -(2 ** 63) : key));
      await index.setMany(orderedKeys.map((key, i) => [key, i] as const));
      expect(await index.size).toBe(orderedKeys.length);
      expect([...(await index.toMap()).keys()]).toStrictEqual(stored);
      for (const [i, key] of orderedKeys.entries()) expect(await index.get(key)).toBe(i);
      for (const key of orderedKeys) expect(await index.delete(key)).toBe(true);
      expect(await index.size).toBe(0);
    });

    test('1 and 1n are one key; 1, "1", true and [1] are four; -0 is 0', async () => {
      const { index } = await opened<Key, string>();
      await index.set(1, 'number');
      await index.set(1n, 'bigint');
      await index.set('1', 'string');
      await index.set(true, 'boolean');
      await index.set([1], 'tuple');
      await index.set(-0, 'zero');
      expect(await index.size).toBe(5);
      expect(await index.get(1)).toBe('bigint');
      expect(await index.get(0)).toBe('zero');
    });

    test('two indexes, and a deque of the same name, have nothing in common', async () => {
      const { store, index } = await opened<string, number>('one');
      const other = new Index<string, number>(store, 'two');
      await index.set('a', 1);
      await other.set('a', 2);
      expect(await index.clear()).toBe(1);
      expect(await other.get('a')).toBe(2);
    });

    test('setDefault returns what is there, or sets it first', async () => {
      const { index } = await opened<string, number | undefined>();
      expect(await index.setDefault('a', 1)).toBe(1);
      expect(await index.setDefault('a', 2)).toBe(1);
      let calls = 0;
      const make = (): number => ++calls;
      expect(await index.setDefault('b', make)).toBe(1);
      expect(await index.setDefault('b', make)).toBe(1);
      expect(calls).toBe(1);
      await index.set('c', undefined);
      expect(await index.setDefault('c', 3)).toBe(undefined);
    });

    test('setDefault stores the value as it was at the call, and gives back a copy', async () => {
      const { index } = await opened<string, string[]>();
      const given = ['at the call'];
      const pending = index.setDefault('a', given);
      given.push('later');
      const got = await pending;
      got.push('in the copy');
      expect(await index.get('a')).toEqual(['at the call']);
      expect(given).toEqual(['at the call', 'later']);
    });

    test('setDefault refuses a value that cannot be stored, whether it is needed or not', async () => {
      const { store, index } = await opened<string, unknown>();
      await index.set('a', 1);
      await refused(store, () => index.setDefault('a', Symbol()), TypeError);
      await refused(store, () => index.setDefault('b', Symbol()), TypeError);
      expect(await index.size).toBe(1);
    });

    test('setDefault keeps nothing when its function throws, or returns what cannot be stored', async () => {
      const { store, index } = await opened<string, unknown>();
      const fail = (): never => {
        throw new RangeError('no');
      };
      await refused(store, () => index.setDefault('a', fail), RangeError);
      await refused(store, () => index.setDefault('a', async () => 1), TypeError);
      await refused(store, () => index.setDefault('a', () => Symbol()), TypeError);
      expect(await index.has('a')).toBe(false);
    });

    test('update replaces, creates, and deletes by returning undefined', async () => {
      const { index } = await opened<string, number>();
      const seen: (number | undefined)[] = [];
      const add = (current: number | undefined): number => {
        seen.push(current);
        return (current ?? 0) + 1;
      };
      expect(await index.update('a', add)).toBe(1);
      expect(await index.update('a', add)).toBe(2);
      expect(seen).toEqual([undefined, 1]);
      expect(await index.update('a', () => undefined)).toBe(undefined);
      expect(await index.has('a')).toBe(false);
      expect(await index.update('a', () => undefined)).toBe(undefined);
      expect(await index.size).toBe(0);
    });

    test('update leaves the old value when its function throws, or returns what cannot be stored', async () => {
      const { store, index } = await opened<string, unknown>();
      await index.set('a', { n: 1 });
      const spoil = (current: unknown): never => {
        (current as { n: number }).n = 2;
        throw new RangeError('no');
      };
      await refused(store, () => index.update('a', spoil), RangeError);
      await refused(store, () => index.update('a', async () => 1), TypeError);
      await refused(store, () => index.update('a', () => () => 1), TypeError);
      expect(await index.get('a')).toEqual({ n: 1 });
    });

    test('update keeps the place of an entry; deleting and setting again moves it to the end', async () => {
      const { index } = await opened<string, number>();
      await index.setMany([['c', 1], ['a', 2], ['b', 3]]); // prettier-ignore
      await index.update('c', (n) => n! + 10);
      await index.setDefault('a', 9);
      expect([...(await index.toMap())]).toEqual([['c', 11], ['a', 2], ['b', 3]]); // prettier-ignore
      await index.update('c', () => undefined);
      await index.update('c', () => 4);
      expect([...(await index.toMap()).keys()]).toEqual(['a', 'b', 'c']);
    });

    test('updates of one key at once by two stores are all counted', async () => {
      const { store, index } = await opened<string, number>();
      const other = new Index<string, number>(await engine.reopen(store), 'things');
      const add = (n = 0): number => n + 1;
      await Promise.all(Array.from({ length: 40 }, async (_, i) => (i % 2 ? index : other).update('n', add)));
      expect(await index.get('n')).toBe(40);
      expect(await index.size).toBe(1);
    });

    test('pop gives the value and removes the entry', async () => {
      const { index } = await opened<string, string>();
      await index.set('a', 'x');
      expect(await index.pop('a')).toBe('x');
      expect(await index.pop('a')).toBe(undefined);
      expect(await index.size).toBe(0);
    });

    test.each([
      ['insertion', 'c', 'b'],
      ['key', 'a', 'd'],
    ] as const)('first, last, popFirst and popLast follow the order of %s', async (order, first, last) => {
      const store = await engine.open();
      const index = new Index<string, string>(store, 'things', { order });
      await index.setMany(['c', 'a', 'd', 'b'].map((key) => [key, key.toUpperCase()]));
      expect(await index.first()).toEqual([first, first.toUpperCase()]);
      expect(await index.last()).toEqual([last, last.toUpperCase()]);
      expect(await index.popFirst()).toEqual([first, first.toUpperCase()]);
      expect(await index.popLast()).toEqual([last, last.toUpperCase()]);
      expect(await index.size).toBe(2);
      await index.popFirst();
      await index.popLast();
      expect(await index.popFirst()).toBe(undefined);
      expect(await index.popLast()).toBe(undefined);
    });

    test('popFirst by two stores at once gives each entry to one', async () => {
      const { store, index } = await opened<number, number>();
      const other = new Index<number, number>(await engine.reopen(store), 'things');
      await index.setMany(Array.from({ length: 30 }, (_, i) => [i, i]));
      const popped = await Promise.all(
        Array.from({ length: 32 }, async (_, i) => (i % 2 ? index : other).popFirst()),
      );
      const keys = popped.flatMap((entry) => (entry === undefined ? [] : [entry[0]]));
      expect(keys.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    });

    test('setMany, getMany and deleteMany take any iterable, in its order', async () => {
      const { index } = await opened<string, number>();
      await index.setMany(new Map([['b', 1], ['a', 2]])); // prettier-ignore
      await index.setMany(new Set([['c', 3] as const, ['b', 4] as const]));
      expect(await index.getMany(new Set(['c', 'x', 'b']))).toEqual([3, undefined, 4]);
      expect([...(await index.toMap()).keys()]).toEqual(['b', 'a', 'c']);
      expect(await index.deleteMany(['a', 'x', 'a', 'b'].values())).toBe(2);
      expect(await index.deleteMany([])).toBe(0);
      await index.setMany([]);
      expect(await index.getMany([])).toEqual([]);
      expect(await index.size).toBe(1);
    });

    test('setMany and deleteMany do all or nothing', async () => {
      const { store, index } = await opened<Key, unknown>();
      await index.set('a', 1);
      await refused(store, () => index.setMany([['a', 2], ['b', () => 1]]), TypeError); // prettier-ignore
      await refused(store, () => index.setMany([['a', 2], [NaN, 1]]), RangeError); // prettier-ignore
      await refused(store, () => index.deleteMany(['a', NaN]), RangeError);
      function* failing(): Generator<[string, number]> {
        yield ['a', 3];
        throw new Error('half way');
      }
      await refused(store, () => index.setMany(failing()), /half way/);
      expect([...(await index.toMap())]).toEqual([['a', 1]]);
    });

    test('setMany and deleteMany read a generator once, though they conflict with others and try again', async () => {
      const { store, index } = await opened<string, string>();
      const other = new Index<string, string>(await engine.reopen(store), 'things');
      const keys = Array.from({ length: 6 }, (_, i) => `key ${i}`);
      for (let round = 0; round < 2; round++) {
        function* named(who: string, list: readonly string[]): Generator<[string, string]> {
          for (const key of list) yield [key, who];
          yield [`last of ${who}`, who];
        }
        // In opposite orders: on a server each locks what the other wants.
        await Promise.all([
          (async () => index.setMany(named('a', keys)))(),
          (async () => other.setMany(named('b', keys.toReversed())))(),
        ]);
        expect(await index.getMany(['last of a', 'last of b'])).toEqual(['a', 'b']);
        const [first, ...rest] = new Set(await index.getMany(keys));
        expect([first, rest]).toEqual([expect.stringMatching(/[ab]/), []]);
        const [half, otherHalf] = await Promise.all([
          (async () => index.deleteMany([...keys, 'last of a'].values()))(),
          (async () => other.deleteMany([...keys.toReversed(), 'last of b'].values()))(),
        ]);
        expect(half + otherHalf).toBe(8);
        expect(await index.size).toBe(0);
      }
    });

    test('getMany, setMany and deleteMany take the entries of another index', async () => {
      const store = await engine.open();
      const source = new Index<string, number>(store, 'source');
      const target = new Index<string, number>(store, 'target');
      await source.setMany([['a', 1], ['b', 2]]); // prettier-ignore
      // On a server sequences are asynchronous: it takes a Map of them.
      const map = await source.toMap();
      const embedded = engine.name === 'embedded';
      await target.setMany(embedded ? (source.entries() as unknown as typeof map) : map);
      expect([...(await target.toMap())]).toEqual([...map]);
      const keys = () => (embedded ? (source.keys() as unknown as IterableIterator<string>) : map.keys());
      expect(await target.getMany(keys())).toEqual([1, 2]);
      expect(await target.deleteMany(keys())).toBe(2);
    });

    test('clear removes thousands of entries, and tells how many there were', async () => {
      const { store, index } = await opened<number, string>();
      const raw = await rawConnection(engine, store);
      await index.setMany(Array.from({ length: 2_345 }, (_, i) => [i, `value ${i}`]));
      await checkTables(raw, store);
      expect(await index.clear()).toBe(2_345);
      expect(await index.clear()).toBe(0);
      expect(await index.size).toBe(0);
      await index.set(1, 'again');
      expect([...(await index.toMap())]).toEqual([[1, 'again']]);
      await checkTables(raw, store);
    });

    test('forEach calls back with value and key, in order, or in reverse', async () => {
      const { index } = await opened<string, number>();
      await index.setMany([['b', 1], ['a', 2]]); // prettier-ignore
      const calls: unknown[] = [];
      await index.forEach((value, key) => calls.push([key, value]));
      await index.forEach((value, key) => calls.push([key, value]), { reverse: true });
      expect(calls).toEqual([['b', 1], ['a', 2], ['a', 2], ['b', 1]]); // prettier-ignore
    });

    test('forEach ends with the error of its callback', async () => {
      const { store, index } = await opened<string, number>();
      await index.setMany([['b', 1], ['a', 2]]); // prettier-ignore
      let calls = 0;
      const fail = (): void => {
        calls++;
        throw new RangeError('no');
      };
      await refused(store, () => index.forEach(fail), RangeError);
      expect(calls).toBe(1);
    });

    test('entries and bytes are listed by kind and name', async () => {
      const { store, index } = await opened<Key, unknown>('b');
      await index.set('key', 'four');
      await new Index<string, string>(store, 'a').set('é', 'é');
      const listed = await store.structures();
      expect(listed.map(({ kind, name, entries }) => [kind, name, entries])).toEqual([
        ['index', 'a', 1],
        ['index', 'b', 1],
      ]);
      // Beside key and value there may be some bytes that say what they are.
      expect(listed[0]!.bytes).toBeOneOf([4, 5, 6]);
      expect(listed[1]!.bytes).toBeOneOf([7, 8, 9]);
      await checkTables(await rawConnection(engine, store), store);
    });

    test('what one store writes another reads at once, and after the first was closed', async () => {
      const { store, index } = await opened<string, number>();
      const other = new Index<string, number>(await engine.reopen(store), 'things');
      expect(await other.size).toBe(0);
      await index.set('a', 1);
      expect(await other.get('a')).toBe(1);
      await other.set('b', 2);
      expect(await index.size).toBe(2);
      await store.close();
      expect([...(await other.toMap())]).toEqual([['a', 1], ['b', 2]]); // prettier-ignore
    });

    test('is refused a store, a name or options that are none', async () => {
      const store = await engine.open();
      const make =
        (...args: unknown[]) =>
        () =>
          new (Index as unknown as new (...args: unknown[]) => unknown)(...args);
      expect(make(undefined, 'a')).toThrow(TypeError);
      expect(make({}, 'a')).toThrow(/open\(\) or connect\(\)/);
      expect(make(null, 'a')).toThrow(TypeError);
      expect(make(store)).toThrow(TypeError);
      expect(make(store, '')).toThrow(RangeError);
      expect(make(store, 'a\0')).toThrow(RangeError);
      expect(make(store, 'x'.repeat(513))).toThrow(RangeError);
      expect(make(store, 'a', { oder: 'key' })).toThrow(/"oder"/);
      expect(make(store, 'a', { order: 'keys' })).toThrow(/"insertion", "key"/);
      expect(make(store, 'a', null)).toThrow(TypeError);
      expect(new Index(store, 'x'.repeat(512)).name).toHaveLength(512);
    });

    test('a closed store is told by the first call, whatever it is', async () => {
      const { store, index } = await opened<string, number>();
      await store.close();
      await refused(store, () => index.get('a'), withCode('ERR_CLOSED'));
    });
  });
});
