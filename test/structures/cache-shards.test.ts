import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Cache, open, type CacheOptions, type Key, type Store } from '../../src/index.js';
import { shardOf } from '../../src/structures/cache/sharding.js';
import { inProcesses, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import { seed } from '../core/support.js';
import { collect, orderedKeys, pause, until, withCode } from './helpers.js';

const shards = 4;

const newCache = <V>(options?: CacheOptions): { store: Store; cache: Cache<V> } => {
  const store = open(temporaryDirectory());
  return { store, cache: new Cache<V>(store, 'c', { shards, ...options }) };
};

/** An own connection to the same store, as another process has one. */
const again = <V>(store: Store, options?: CacheOptions): Cache<V> =>
  new Cache<V>(open(store.directory), 'c', options);

const sorted = <T>(items: Iterable<T>): string[] => Array.from(items, (item) => inspect(item)).sort();

test('a key is in the same shard in each process and version', () => {
  // Frozen: other values would lose what is stored.
  const places = Object.fromEntries(orderedKeys.map((key) => [inspect(key), shardOf(key, 64)]));
  expect(places).toMatchInlineSnapshot(`
    {
      "''": 5,
      "'A'": 27,
      "'a'": 19,
      "'a\\x00'": 20,
      "'aa'": 26,
      "'é'": 51,
      "'􏿿'": 62,
      "'￿'": 21,
      "-1.5": 4,
      "-9223372036854775808n": 59,
      "-Infinity": 60,
      "0": 38,
      "1": 9,
      "5e-324": 17,
      "9007199254740992": 2,
      "9007199254740993n": 20,
      "9223372036854775807n": 41,
      "Infinity": 41,
      "Uint8Array(0) []": 29,
      "Uint8Array(1) [ 0 ]": 58,
      "Uint8Array(1) [ 255 ]": 55,
      "Uint8Array(2) [ 0, 0 ]": 18,
      "[ 'a' ]": 56,
      "[ 'a', 1 ]": 51,
      "[ 1 ]": 6,
      "[ 1, 'a' ]": 38,
      "[ [ 'a' ] ]": 54,
      "[]": 57,
      "false": 33,
      "true": 55,
    }
  `);
  expect(shardOf(1n, 64)).toBe(shardOf(1, 64));
  expect(shardOf(-0, 64)).toBe(shardOf(0, 64));
});

test('entries are spread over as many directories', () => {
  const { store, cache } = newCache<number>();
  cache.setMany(Array.from({ length: 400 }, (_, i) => [i, i]));
  const directories = readdirSync(join(store.directory, 'shards'));
  expect(directories).toHaveLength(1);
  expect(readdirSync(join(store.directory, 'shards', directories[0] ?? '')).sort()).toEqual([
    '0',
    '1',
    '2',
    '3',
  ]);
  expect(cache.size).toBe(400);
});

/** One step of a random history, on any cache. */
function step(cache: Cache<unknown>, [what, key, other]: readonly [number, Key, Key], i: number): unknown {
  const tags = [`t${i % 3}`];
  switch (what) {
    case 0:
      cache.set(key, i);
      break;
    case 1:
      cache.set(key, { i }, { tags, ttl: '1h' });
      break;
    case 2:
      return cache.get(key);
    case 3:
      return cache.add(key, i, { tags });
    case 4:
      return cache.delete(key);
    case 5:
      return cache.pop(key);
    case 6:
      return cache.touch(key, '1d');
    case 7:
      return cache.update(key, (value) => [value, i].slice(-1)[0], { tags });
    case 8:
      cache.setMany([
        [key, i],
        [other, -i],
      ]);
      break;
    case 9:
      return cache.getMany([other, key, 'never', other]);
    case 10:
      return cache.deleteMany([key, other]);
    case 11:
      return i % 20 === 0 ? cache.invalidate(tags) : cache.has(key);
    case 12:
      return i % 50 === 0 ? cache.clear() : sorted(cache.entries({ reverse: i % 2 === 0 }));
    case 13:
      return [cache.size, cache.bytes, sorted(cache.keys(tags[0] === undefined ? {} : { tag: tags[0] }))];
    case 14:
      return [...cache.keys({ prefix: 'k', reverse: i % 2 === 0 })];
    default: {
      const entry = cache.entry(key);
      return entry && [entry.value, entry.bytes, entry.tags, entry.hits, entry.expiresAt === undefined];
    }
  }
  return undefined;
}

test('a cache with shards answers what one without does', async () => {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const keys: Key[] = [...orderedKeys, ...Array.from({ length: 30 }, (_, i) => `k${i}`)];
  const { store, cache } = newCache<unknown>();
  const plain = new Cache<unknown>(open(temporaryDirectory()), 'c');
  const other = again<unknown>(store);
  for (let i = 1; i <= 3_000; i++) {
    const history = [Math.floor(random() * 16), pick(keys), pick(keys)] as const;
    const hint = `SEED=${seed} step ${i}: ${history.join(', ')}`;
    expect(step(i % 3 === 0 ? other : cache, history, i), hint).toEqual(step(plain, history, i));
    // From time to time it is another number.
    if (i % 500 === 0) await cache.reshard(pick([1, 2, 3, 4, 7]));
  }
});

test('limits are divided: no shard holds more than its part', () => {
  const { store, cache } = newCache<string>({ maxEntries: 10, maxBytes: '4KiB' });
  for (let i = 0; i < 200; i++) cache.set(i, 'x');
  // Rounded up: three in each of four.
  expect(cache.size).toBe(12);
  expect(() => {
    cache.set('large', 'x'.repeat(1_024));
  }).toThrow(withCode('ERR_TOO_LARGE'));
  cache.set('part', 'x'.repeat(1_000));
  const wide = again<string>(store, { maxEntries: 40 });
  for (let i = 0; i < 200; i++) wide.set(i, 'x');
  expect(wide.size).toBeGreaterThan(30);
  for (let i = 200; i < 400; i++) cache.set(i, 'x');
  expect(cache.size).toBe(40);
});

test('another number of shards than is stored is refused, and nothing is changed', () => {
  const { store, cache } = newCache<number>({ maxEntries: 8 });
  for (let i = 0; i < 100; i++) cache.set(i, i);
  for (const wrong of [1, 3]) {
    const other = again<number>(store, { shards: wrong, maxEntries: 4 });
    for (let tries = 0; tries < 2; tries++)
      expect(() => other.get(1)).toThrow(
        expect.objectContaining({ code: 'ERR_SHARDS', message: expect.stringContaining('4 shards') }),
      );
  }
  expect(() => new Cache(open(store.directory, { readonly: true }), 'c', { shards: 2 }).get(1)).toThrow(
    withCode('ERR_SHARDS'),
  );
  expect(again<number>(store).size).toBe(8);
  expect(again<number>(store, { shards }).size).toBe(8);
  for (let i = 0; i < 100; i++) cache.set(i, i);
  expect(cache.size).toBe(8);
  const plain = new Cache<number>(store, 'plain');
  plain.set('a', 1);
  expect(() => new Cache<number>(store, 'plain', { shards }).get('a')).toThrow(withCode('ERR_SHARDS'));
});

test('inside a transaction a cache with shards can be read, and not be written to', () => {
  const { store, cache } = newCache<number>();
  cache.set('a', 1);
  for (const call of [
    () => {
      cache.set('a', 2);
    },
    () => {
      cache.set('a', 2, { tags: ['t'] });
    },
    () => {
      cache.setMany([['a', 2]]);
    },
    () => cache.add('b', 2),
    () => cache.update('a', () => 2),
    () => cache.delete('a'),
    () => cache.pop('a'),
    () => cache.clear(),
  ])
    expect(() =>
      store.transaction(() => {
        call();
      }),
    ).toThrow(withCode('ERR_IN_TRANSACTION'));
  const seen = store.transaction(() => [cache.get('a'), cache.getMany(['a']), [...cache.keys()], cache.size]);
  expect(seen).toEqual([1, [1], ['a'], 1]);
});

test('a cache that was made in a transaction that is rolled back is made again', () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', { shards });
  expect(() =>
    store.transaction(() => {
      expect(cache.get('a')).toBeUndefined();
      throw new RangeError();
    }),
  ).toThrow(RangeError);
  cache.set('a', 1);
  expect(cache.get('a')).toBe(1);
  expect(() => again<number>(store, { shards: 2 }).get('a')).toThrow(withCode('ERR_SHARDS'));
});

test('nothing is stored of many where one of them is refused, in whichever shard', () => {
  const { cache } = newCache<unknown>();
  const entries = Array.from({ length: 40 }, (_, i): [Key, unknown] => [i, i]);
  expect(() => {
    cache.setMany([...entries, ['bad', () => 1]]);
  }).toThrow(TypeError);
  expect(() => cache.deleteMany([1, Number.NaN])).toThrow(RangeError);
  expect(cache.size).toBe(0);
});

test('a store that can only be read reads its shards', () => {
  const { store, cache } = newCache<number>();
  cache.setMany([
    ['a', 1],
    ['b', 2],
  ]);
  const other = new Cache<number>(open(store.directory, { readonly: true }), 'c');
  expect([other.get('a'), other.get('b'), other.get('c'), other.size]).toEqual([1, 2, undefined, 2]);
  expect(() => {
    other.set('a', 2);
  }).toThrow(withCode('ERR_READONLY'));
});

test('shards are closed with the store', () => {
  const { store, cache } = newCache<number>();
  cache.set('a', 1);
  store.close();
  expect(() => cache.get('a')).toThrow(withCode('ERR_CLOSED'));
  expect(again<number>(store).get('a')).toBe(1);
});

test('what has expired is removed by itself, in each shard', async () => {
  const { cache } = newCache<number>();
  cache.setMany(
    Array.from({ length: 20 }, (_, i) => [i, i]),
    { ttl: 1 },
  );
  await until(() => cache.size === 0);
  expect(cache.stats().expirations).toBe(20);
});

test('hits and misses are counted over all shards', () => {
  const { cache } = newCache<number>({ statistics: true });
  for (let i = 0; i < 20; i++) cache.set(i, i);
  cache.getMany(Array.from({ length: 30 }, (_, i) => i));
  expect(cache.stats({ reset: true })).toMatchObject({ hits: 20, misses: 10 });
  expect(cache.stats()).toMatchObject({ hits: 0, misses: 0 });
});

test('what was read of shards is counted also when they were iterated over since, or stats() was refused', () => {
  const { store, cache } = newCache<number>({ statistics: true });
  for (let i = 0; i < 20; i++) cache.set(i, i);
  for (let i = 0; i < 20; i++) cache.get(i);
  expect(() => store.transaction(() => cache.stats())).toThrow(withCode('ERR_IN_TRANSACTION'));
  expect([...cache.keys()]).toHaveLength(20);
  expect(cache.stats()).toMatchObject({ hits: 20, misses: 0 });
});

test('memoized functions and getOrSet work with shards', async () => {
  const { store, cache } = newCache<number>();
  let calls = 0;
  const double = cache.memoize((n: number) => (calls++, n * 2), { name: 'double' });
  for (let i = 0; i < 20; i++) expect([double(i), double(i)]).toEqual([i * 2, i * 2]);
  expect(calls).toBe(20);
  expect(double.forget(3)).toBe(true);
  const produce = async (): Promise<number> => {
    calls++;
    await pause(30);
    return 7;
  };
  const other = again<number>(store);
  const all = [cache, other, cache, other].map((one) => one.getOrSet('key', produce));
  expect(await Promise.all(all)).toEqual([7, 7, 7, 7]);
  expect(calls).toBe(21);
  await expect(async () => store.transaction(() => cache.getOrSet('x', produce) as never)).rejects.toThrow();
});

test('eight processes write at once to a cache with shards', async () => {
  const { store, cache } = newCache<number>({ shards: 8 });
  const location = JSON.stringify({ engine: 'embedded', directory: store.directory });
  expect(cache.size).toBe(0);
  const added = await inProcesses<number>(8, 'cache-work.js', location, 'add', 500);
  expect(added.reduce((a, b) => a + b, 0)).toBe(500);
  expect(sorted(cache.keys())).toEqual(sorted(Array.from({ length: 500 }, (_, i) => i)));
  await inProcesses(8, 'cache-work.js', location, 'increment', 200);
  expect(cache.get('n')).toBe(1_600);
});

forEachEngine((engine) => {
  test('shards are accepted, and reshard, on both engines', async () => {
    const cache = new Cache<number>(await engine.open(), 'c', { shards: 3 });
    await cache.set('a', 1);
    await cache.reshard(5);
    expect(await cache.get('a')).toBe(1);
    expect(await collect(cache.entries())).toEqual([['a', 1]]);
    for (const wrong of [0, 65, 1.5]) await expect(cache.reshard(wrong)).rejects.toThrow(RangeError);
    await expect(cache.reshard(2, { sginal: 1 } as never)).rejects.toThrow(TypeError);
    expect(() => new Cache(null as never, 'c', { shards: 0 })).toThrow(RangeError);
  });
});
