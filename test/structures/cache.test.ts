import { expect, test } from 'vitest';
import { Cache, type AsyncCache, type AsyncStore, type CacheOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import {
  checkTables,
  collect,
  pause,
  rawConnection,
  refused,
  rolledBack,
  strangeValues,
  transact,
  expectSame,
  until,
  withCode,
} from './helpers.js';

const cacheOf = <V>(store: AsyncStore, options?: CacheOptions): AsyncCache<V> =>
  new Cache<V>(store, 'c', options);

forEachEngine((engine) => {
  const newCache = async <V>(options?: CacheOptions): Promise<AsyncCache<V>> =>
    cacheOf(await engine.open(), options);

  test('what was set can be got, until it is deleted', async () => {
    const cache = await newCache<string>();
    expect(await cache.get('a')).toBeUndefined();
    await cache.set('a', 'one');
    await cache.set('a', 'two');
    expect(await cache.get('a')).toBe('two');
    expect(await cache.has('a')).toBe(true);
    expect(await cache.size).toBe(1);
    expect(await cache.bytes).toBe((await cache.entry('a'))?.bytes);
    expect(await cache.delete('a')).toBe(true);
    expect(await cache.delete('a')).toBe(false);
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.size).toBe(0);
    expect(await cache.bytes).toBe(0);
  });

  test.each(strangeValues)('%s comes back as it was', async (_, value) => {
    const cache = await newCache<unknown>();
    await cache.set('a', value);
    expectSame(await cache.get('a'), value);
  });

  test('undefined and null are values like others', async () => {
    const cache = await newCache<unknown>();
    await cache.setMany([
      ['u', undefined],
      ['n', null],
    ]);
    expect(await cache.has('u')).toBe(true);
    expect((await cache.entry('u'))?.value).toBeUndefined();
    expect(await cache.getMany(['u', 'n', 'x'])).toEqual([undefined, null, undefined]);
    expect(await cache.add('u', 1)).toBe(false);
  });

  test('an entry whose time is over is not there any more', async () => {
    const cache = await newCache<number>({ ttl: '1h' });
    await cache.set('short', 1, { ttl: 30 });
    await cache.set('long', 2);
    await cache.set('ever', 3, { ttl: Infinity });
    await pause(60);
    expect(await cache.get('short')).toBeUndefined();
    expect(await cache.has('short')).toBe(false);
    expect(await cache.entry('short')).toBeUndefined();
    expect(await collect(cache.keys())).toEqual(['long', 'ever']);
    expect(await cache.touch('short')).toBe(false);
    expect(await cache.delete('short')).toBe(false);
    expect(await cache.pop('short')).toBeUndefined();
    const { expiresAt } = (await cache.entry('long')) ?? {};
    expect(Math.abs(Number(expiresAt) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect((await cache.entry('ever'))?.expiresAt).toBeUndefined();
    await cache.set('short', 1, { ttl: 1 });
    await pause(20);
    // Unless it was removed by itself by now.
    expect(await cache.expire()).toBeLessThanOrEqual(1);
    expect(await cache.size).toBe(2);
    expect(await cache.stats()).toMatchObject({ evictions: 0 });
    expect((await cache.stats()).expirations).toBeGreaterThanOrEqual(1);
  });

  test('touch gives an entry another time', async () => {
    const cache = await newCache<number>();
    await cache.set('a', 1, { ttl: '1h' });
    expect(await cache.touch('a')).toBe(true);
    expect((await cache.entry('a'))?.expiresAt).toBeUndefined();
    expect(await cache.touch('a', 1)).toBe(true);
    await pause(20);
    expect(await cache.get('a')).toBeUndefined();
  });

  test('add stores only what is not there, or has expired', async () => {
    const cache = await newCache<number>();
    expect(await cache.add('a', 1, { ttl: '1h', tags: ['t'] })).toBe(true);
    expect(await cache.add('a', 2)).toBe(false);
    await cache.touch('a', 1);
    await pause(20);
    expect(await cache.add('a', 3)).toBe(true);
    expect(await cache.get('a')).toBe(3);
    expect((await cache.entry('a'))?.tags).toEqual([]);
  });

  test('numbers are increased and decreased, from what is given at first', async () => {
    const cache = await newCache<number>();
    expect(await cache.increment('a')).toBe(1);
    expect(await cache.increment('a', 2.5)).toBe(3.5);
    expect(await cache.decrement('a')).toBe(2.5);
    expect(await cache.increment('b', 1, { initial: 10, ttl: '1h', tags: ['n'] })).toBe(11);
    expect(await cache.increment('b', 1)).toBe(12);
    expect(await cache.entry('b')).toMatchObject({ value: 12, tags: ['n'] });
    expect((await cache.entry('b'))?.expiresAt).toBeInstanceOf(Date);
    await cache.set('big', Number.MAX_VALUE);
    await expect(async () => cache.increment('big', Number.MAX_VALUE)).rejects.toThrow(RangeError);
    expect(await cache.get('big')).toBe(Number.MAX_VALUE);
  });

  test('a stored null is no number to be increased', async () => {
    const store = await engine.open();
    const cache = cacheOf<null>(store);
    await cache.set('a', null);
    await refused(store, () => cache.increment('a', 1, { initial: 5 }), expect.any(TypeError));
    expect(await cache.entry('a')).toMatchObject({ value: null });
  });

  test('update replaces a value by what is made of it, and deletes it for undefined', async () => {
    const cache = await newCache<string[]>();
    expect(await cache.update('a', (list = []) => [...list, 'x'], { tags: ['t'] })).toEqual(['x']);
    expect(await cache.update('a', (list = []) => [...list, 'y'])).toEqual(['x', 'y']);
    expect(await cache.entry('a')).toMatchObject({ value: ['x', 'y'], tags: ['t'] });
    expect(await cache.update('a', () => undefined)).toBeUndefined();
    expect(await cache.has('a')).toBe(false);
  });

  test('pop and deleteMany remove what there is', async () => {
    const cache = await newCache<number>();
    await cache.setMany([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    expect(await cache.pop('a')).toBe(1);
    expect(await cache.pop('a')).toBeUndefined();
    expect(await cache.deleteMany(['a', 'b', 'c'])).toBe(2);
    expect(await cache.size).toBe(0);
  });

  test('entries are removed by their tags', async () => {
    const store = await engine.open();
    const cache = cacheOf<number>(store);
    const raw = await rawConnection(engine, store);
    await cache.set('a', 1, { tags: ['x', 'y', 'x'] });
    await cache.set('b', 2, { tags: ['y'] });
    await cache.set('c', 3, { tags: ['z'] });
    await cache.set('d', 4);
    expect((await cache.entry('a'))?.tags).toEqual(['x', 'y']);
    expect(await collect(cache.keys({ tag: 'y' }))).toEqual(['a', 'b']);
    expect(await collect(cache.keys({ tag: 'y', reverse: true }))).toEqual(['b', 'a']);
    await cache.set('b', 2, { tags: ['z'] });
    await checkTables(raw, store);
    expect(await cache.invalidate('y')).toBe(1);
    expect(await collect(cache.keys())).toEqual(['b', 'c', 'd']);
    await checkTables(raw, store);
    expect(await cache.invalidate(['z', 'x', 'y'])).toBe(2);
    expect(await collect(cache.keys())).toEqual(['d']);
    expect(await cache.invalidate('z')).toBe(0);
    await checkTables(raw, store);
  });

  test('an entry that is set anew without tags has none', async () => {
    const cache = await newCache<number>();
    await cache.set('a', 1, { tags: ['x'] });
    await cache.set('a', 2);
    expect(await cache.invalidate('x')).toBe(0);
    expect(await cache.get('a')).toBe(2);
  });

  test('keys, values and entries come in the order of insertion, both ways', async () => {
    const cache = await newCache<number>();
    for (const [i, key] of ['c', 'a', 'b'].entries()) await cache.set(key, i);
    await cache.set('c', 9);
    expect(await collect(cache.keys())).toEqual(['c', 'a', 'b']);
    expect(await collect(cache.keys({ reverse: true }))).toEqual(['b', 'a', 'c']);
    expect(await collect(cache.values())).toEqual([9, 1, 2]);
    expect(await collect(cache.entries({ reverse: true }))).toEqual([
      ['b', 2],
      ['a', 1],
      ['c', 9],
    ]);
    const seen: unknown[] = [];
    for await (const entry of cache) seen.push(entry);
    expect(seen).toHaveLength(3);
  });

  test('keys with a prefix come in the order of keys', async () => {
    const cache = await newCache<number>();
    const keys = Array.from({ length: 50 }, (_, i) => `user:${String(i).padStart(2, '0')}`);
    await cache.setMany([...keys.toReversed(), 'users', 'uses', 'a'].map((key) => [key, 1]));
    expect(await collect(cache.keys({ prefix: 'user:' }))).toEqual(keys);
    expect(await collect(cache.keys({ prefix: 'user:', reverse: true }))).toEqual(keys.toReversed());
    expect(await collect(cache.keys({ prefix: '' }))).toHaveLength(53);
  });

  test('a cache that is full loses what was stored longest ago, and no more than it must', async () => {
    const cache = await newCache<number>({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) await cache.set(key, 1);
    await cache.set('a', 2);
    await cache.set('d', 1);
    expect(await collect(cache.keys())).toEqual(['a', 'c', 'd']);
    await cache.setMany([
      ['e', 1],
      ['f', 1],
    ]);
    expect(await collect(cache.keys())).toEqual(['d', 'e', 'f']);
    expect((await cache.stats()).evictions).toBe(3);
  });

  test.each(['least-recently-stored', 'least-recently-used'] as const)(
    '%s: what was increased or updated was stored then, and stays',
    async (eviction) => {
      const cache = await newCache<number>({ maxEntries: 3, eviction });
      for (const key of ['a', 'b', 'c']) await cache.set(key, 1);
      await cache.increment('a');
      await cache.update('b', (n = 0) => n + 1);
      await cache.set('d', 1);
      expect(await collect(cache.keys())).toEqual(['a', 'b', 'd']);
    },
  );

  test('so many entries go as take the bytes that a new one needs', async () => {
    const store = await engine.open();
    const size = async (length: number): Promise<number> => {
      const other = new Cache<string>(store, 'other');
      await other.set('a', 'x'.repeat(length));
      return other.bytes;
    };
    const cache = cacheOf<string>(store, { maxBytes: 4 * (await size(24)) });
    for (const key of ['a', 'b', 'c', 'd']) await cache.set(key, 'x'.repeat(24));
    expect(await cache.size).toBe(4);
    await cache.set('e', 'x'.repeat(25));
    expect(await collect(cache.keys())).toEqual(['c', 'd', 'e']);
    await cache.set('e', 'x'.repeat(26));
    expect(await collect(cache.keys())).toEqual(['c', 'd', 'e']);
    await cache.set('c', 'x'.repeat(60));
    expect(await collect(cache.keys())).toEqual(['c', 'e']);
    await cache.set('c', 'x'.repeat(98));
    expect(await collect(cache.keys())).toEqual(['c']);
  });

  test('what has expired goes before all others', async () => {
    const cache = await newCache<number>({ maxEntries: 3 });
    await cache.set('a', 1);
    await cache.set('b', 1, { ttl: 10 });
    await cache.set('c', 1);
    await pause(30);
    await cache.set('d', 1);
    expect(await collect(cache.keys())).toEqual(['a', 'c', 'd']);
    expect(await cache.stats()).toMatchObject({ evictions: 0, expirations: 1 });
  });

  test('what is larger than the whole cache is refused, and nothing goes for it', async () => {
    const cache = await newCache<string>({ maxBytes: '1KiB' });
    await cache.set('a', 'x');
    for (const call of [
      () => cache.set('b', 'x'.repeat(1024)),
      () => cache.set('b', 'x'.repeat(1024), { tags: ['t'] }),
      () => cache.add('b', 'x'.repeat(1024)),
      () => cache.update('a', () => 'x'.repeat(1024)),
    ])
      await expect(async () => call()).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    expect(await collect(cache.entries())).toEqual([['a', 'x']]);
  });

  test("with eviction 'none' a full cache refuses what is new, and has room for what takes an old one's place", async () => {
    const cache = await newCache<number>({ maxEntries: 2, eviction: 'none' });
    await cache.set('a', 1);
    await cache.set('b', 1, { ttl: 10 });
    await cache.set('a', 2);
    await pause(30);
    await cache.set('c', 1);
    await expect(async () => cache.set('d', 1)).rejects.toThrow(withCode('ERR_FULL'));
    expect(await collect(cache.keys())).toEqual(['a', 'c']);
  });

  test('least-recently-used: what was read stays', async () => {
    const store = await engine.open();
    const cache = cacheOf<number>(store, { maxEntries: 3, eviction: 'least-recently-used' });
    for (const key of ['a', 'b', 'c']) await cache.set(key, 1);
    await cache.get('a');
    await cache.getMany(['b']);
    await cache.stats();
    await cache.set('d', 1);
    expect(await collect(cache.keys())).toEqual(['a', 'b', 'd']);
    expect(await cache.entry('a')).toMatchObject({ hits: 1, accessedAt: expect.any(Date) });
  });

  test('that an entry was read is written by itself', async () => {
    const cache = await newCache<number>({ eviction: 'least-recently-used' });
    await cache.set('a', 1);
    await cache.get('a');
    await until(async () => (await cache.entry('a'))?.hits === 1);
  });

  test('least-frequently-used: what is new comes behind all that were there when the first of them went', async () => {
    const cache = await newCache<number>({ maxEntries: 5, eviction: 'least-frequently-used' });
    for (let i = 0; i < 5; i++) await cache.set(`k${i}`, i);
    for (let i = 0; i < 20; i++) await cache.getMany(['k0', 'k1', 'k2', 'k3', 'k4']);
    await cache.stats();
    for (let i = 0; i < 4; i++) await cache.set(`n${i}`, i);
    const keys: unknown[] = [];
    for await (const key of cache.keys()) keys.push(key);
    expect(keys).toEqual(['k4', 'n0', 'n1', 'n2', 'n3']);
  });

  test('least-frequently-used: what is read most often stays, and does not stay for ever', async () => {
    const cache = await newCache<number>({ maxEntries: 2, eviction: 'least-frequently-used' });
    await cache.set('a', 1);
    for (let i = 0; i < 3; i++) await cache.get('a');
    await cache.stats();
    for (const key of ['b', 'c']) await cache.set(key, 1);
    expect(await collect(cache.keys())).toEqual(['a', 'c']);
    for (const key of ['d', 'e', 'f', 'g', 'h', 'i']) await cache.set(key, 1);
    expect(await cache.has('a')).toBe(false);
  });

  test('hits and misses are counted by all, where that is wanted', async () => {
    const store = await engine.open();
    const cache = cacheOf<number>(store, { statistics: true });
    const other = cacheOf<number>(await engine.reopen(store), { statistics: true });
    const silent = cacheOf<number>(store);
    await cache.set('a', 1);
    await cache.getMany(['a', 'b', 'c']);
    await other.get('a');
    await silent.get('a');
    await until(async () => (await cache.stats()).hits === 2);
    expect(await cache.stats({ reset: true })).toEqual({ hits: 2, misses: 2, evictions: 0, expirations: 0 });
    expect(await other.stats()).toEqual({ hits: 0, misses: 0, evictions: 0, expirations: 0 });
  });

  test('limits are kept with the cache, and can be changed', async () => {
    const store = await engine.open();
    await cacheOf<number>(store, { maxEntries: 2 }).set('a', 1);
    const cache = cacheOf<number>(await engine.reopen(store));
    await cache.set('b', 1);
    await cache.set('c', 1);
    expect(await cache.size).toBe(2);
    const narrow = cacheOf<number>(store, { maxEntries: 1 });
    expect(await narrow.cull()).toBe(1);
    expect(await collect(cache.keys())).toEqual(['c']);
    const wide = cacheOf<number>(store, { maxEntries: Infinity, eviction: 'least-frequently-used' });
    for (const key of ['d', 'e', 'f']) await wide.set(key, 1);
    expect(await cache.size).toBe(4);
    const raw = await rawConnection(engine, store);
    await checkTables(raw, store);
    const full = cacheOf<number>(store, { eviction: 'none' });
    expect(await full.size).toBe(4);
    await checkTables(raw, store);
    await full.set('g', 1);
    await checkTables(raw, store);
  });

  test('clear removes everything, and counts it', async () => {
    const cache = await newCache<number>();
    await cache.setMany(Array.from({ length: 1_200 }, (_, i) => [i, i]));
    await cache.set('tagged', 1, { tags: ['t'] });
    expect(await cache.clear()).toBe(1_201);
    expect(await cache.size).toBe(0);
    expect(await cache.bytes).toBe(0);
    expect(await collect(cache.keys({ tag: 't' }))).toEqual([]);
  });

  test('what a transaction has stored goes when it is rolled back', async () => {
    const store = await engine.open();
    const cache = cacheOf<number>(store, { maxEntries: 2 });
    await cache.set('a', 1, { tags: ['t'] });
    await cache.set('b', 1);
    await rolledBack(store, function* () {
      yield cache.set('c', 1);
      yield cache.set('b', 2, { tags: ['t'] });
    });
    const raw = await rawConnection(engine, store);
    await checkTables(raw, store);
    expect(await collect(cache.entries())).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(await collect(cache.keys({ tag: 't' }))).toEqual(['a']);
    await transact(store, function* () {
      yield cache.set('c', 1);
    });
    expect(await collect(cache.keys())).toEqual(['b', 'c']);
    await checkTables(raw, store);
  });

  test('what was expired long ago is removed by itself, though nobody writes', async () => {
    const cache = await newCache<number>();
    await cache.setMany([['a', 1]], { ttl: 1 });
    await until(async () => (await cache.size) === 0);
  });

  test('bad input is refused, and nothing is changed', async () => {
    const store = await engine.open();
    const cache = cacheOf<unknown>(store);
    await cache.set('a', 1);
    for (const call of [
      () => cache.set('a', () => 1),
      () => cache.set('a', 1, { ttl: -1 }),
      () => cache.set('a', 1, { tags: 'abc' as never, ttl: 1 }),
      () => cache.set('a', 1, { tags: [''] }),
      () => cache.set('a', 1, { tag: 'x' } as never),
      () => cache.set(Number.NaN, 1),
      () => cache.touch('a', 'soon' as never),
      () => cache.invalidate([1] as never),
      () => cache.stats({ rest: true } as never),
      () => cache.update('a', 1 as never),
      () => cache.increment('a', Number.NaN),
      () => cache.decrement('a', '2' as never),
    ])
      await refused(store, call, expect.any(Error));
    expect(() => cache.keys({ tag: 'a', prefix: 'b' })).toThrow(TypeError);
    for (const options of [
      { maxBytes: 0 },
      { maxBytes: '5 apples' },
      { maxEntries: 1.5 },
      { eviction: 'lru' },
      { ttl: -1 },
      { maxSize: 1 },
    ])
      expect(() => new Cache(store, 'c', options as never)).toThrow(
        /maxBytes|maxEntries|eviction|ttl|maxSize/,
      );
    await cache.set('text', 'x');
    await refused(store, () => cache.increment('text'), expect.any(TypeError));
    expect(await collect(cache.entries())).toEqual([
      ['a', 1],
      ['text', 'x'],
    ]);
  });
});
