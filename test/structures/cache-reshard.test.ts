import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, open, type CacheOptions, type Store } from '../../src/index.js';
import { raw, seed } from '../core/support.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { deferred, pause, withCode } from './helpers.js';

const newCache = <V>(options?: CacheOptions): { store: Store; cache: Cache<V> } => {
  const store = open(temporaryDirectory());
  return { store, cache: new Cache<V>(store, 'c', options) };
};

/** An own connection to the same store, as another process has one. */
const again = <V>(store: Store, options?: CacheOptions): Cache<V> =>
  new Cache<V>(open(store.directory), 'c', options);

const directories = ({ directory }: Store): string[] => {
  try {
    return readdirSync(join(directory, 'shards'));
  } catch {
    return [];
  }
};

/** From and to one, more and fewer. */
const numbers = [4, 2, 1, 3, 1, 8] as const;

test('everything that is known of an entry is moved with it', async () => {
  const { store, cache } = newCache<unknown>({ eviction: 'least-recently-used', statistics: true });
  for (let i = 0; i < 250; i++) cache.set(i, { i }, { tags: [`t${i % 3}`, 'all'], ttl: '1h' });
  cache.set(2n ** 62n, undefined);
  cache.set(['tuple', 1], Uint8Array.of(1, 2));
  cache.set('text', 'ä'.repeat(100_000));
  for (let i = 0; i < 5; i++) cache.get('text');
  cache.get('nothing');
  expect(cache.stats()).toMatchObject({ hits: 5, misses: 1 });
  await cache.getOrSet('made', () => 1, { ttl: '1h', staleFor: '1h' });
  expect(cache.stats()).toMatchObject({ hits: 5, misses: 2 });
  const keys = [...cache.keys()];
  const all = (): unknown => keys.map((key) => cache.entry(key));
  const rounded = (entries: unknown): unknown =>
    JSON.parse(
      JSON.stringify(entries, (name, value: unknown) =>
        // Each database has a clock of its own, which was wound at another moment.
        name === 'expiresAt' ? Math.round(Date.parse(String(value)) / 60_000) : value,
      ),
    );
  const before = rounded(all());
  const { bytes } = cache;
  for (const shards of numbers) {
    await cache.reshard(shards);
    expect(cache.size).toBe(keys.length);
    expect(cache.bytes).toBe(bytes);
    expect(rounded(all())).toEqual(before);
    expect([...cache.keys({ tag: 't1' })]).toHaveLength(83);
    expect(cache.stats()).toMatchObject({ hits: 5, misses: 2 });
    expect(directories(store)).toHaveLength(shards === 1 ? 0 : 1);
  }
  expect(cache.invalidate('all')).toBe(250);
  expect(cache.size).toBe(keys.length - 250);
});

test('entries expire and are evicted in their order after they were moved', async () => {
  let now = 1_000_000;
  const clock = { wall: () => now, monotonic: () => now, boot: () => 'boot' };
  const store = open(temporaryDirectory(), { clock });
  const cache = new Cache<number>(store, 'c', { maxEntries: 6 });
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
    cache.set(key, now++);
  }
  cache.set('b', 2, { ttl: 200 });
  // The clock of a database that is made now goes another way.
  for (const shards of [2, 1]) {
    now += 50;
    await cache.reshard(shards);
  }
  now += 50;
  expect(cache.get('b')).toBe(2);
  cache.set('g', 1);
  expect(cache.has('a')).toBe(false);
  now += 60;
  expect(cache.get('b')).toBeUndefined();
  cache.set('h', 1);
  cache.set('i', 1);
  expect([...cache.keys()].sort()).toEqual(['d', 'e', 'f', 'g', 'h', 'i']);
});

test('those who have a cache open find what was moved, whatever they do first', async () => {
  const { store, cache } = newCache<number>();
  cache.set('a', 1, { tags: ['t'] });
  const first: readonly ((cache: Cache<number>, i: number) => unknown)[] = [
    (one) => expect(one.get('a')).toBe(1),
    (one) => expect(one.has('a')).toBe(true),
    (one) => expect(one.entry('a')).toMatchObject({ value: 1, tags: ['t'] }),
    (one) => expect(one.getMany(['x', 'a'])).toEqual([undefined, 1]),
    (one) => expect(one.size).toBeGreaterThan(0),
    (one) => expect(one.add('a', 2)).toBe(false),
    (one) => expect(one.touch('a', '1h')).toBe(true),
    (one) => expect(one.update('a', (value) => value)).toBe(1),
    (one) => expect([...one.keys({ tag: 't' })]).toEqual(['a']),
    (one) => expect([...one.entries()]).toContainEqual(['a', 1]),
    (one) => expect(one.delete('none')).toBe(false),
    (one) => expect(one.pop('none')).toBeUndefined(),
    (one) => expect(one.invalidate('none')).toBe(0),
    async (one) => expect(await one.getOrSet('a', () => 2)).toBe(1),
    (one, i) => {
      one.set(`new${i}`, i);
      one.setMany([[`many${i}`, i]]);
      one.set(`tagged${i}`, i, { tags: ['n'] });
      expect(one.increment(`count${i}`)).toBe(1);
    },
  ];
  const others = first.map(() => again<number>(store));
  for (const [i, shards] of [...numbers, ...numbers].entries()) {
    for (const one of others) one.get('a');
    await cache.reshard(shards);
    for (const [j, other] of others.entries()) await first[j]?.(other, i);
    for (const key of [`new${i}`, `many${i}`, `tagged${i}`]) expect(cache.get(key)).toBe(i);
    expect(cache.get(`count${i}`)).toBe(1);
  }
  expect(cache.size).toBe(1 + 4 * 2 * numbers.length);
});

test('an iteration that is under way ends when the cache is moved, and a new one sees all', async () => {
  const { cache } = newCache<number>();
  for (let i = 0; i < 100; i++) cache.set(i, i);
  for (const shards of [3, 2, 1]) {
    const keys = cache.keys();
    keys.next();
    await cache.reshard(shards);
    expect(() => [...keys]).toThrow(withCode('ERR_SHARDS'));
    expect([...cache.keys()]).toHaveLength(100);
  }
});

test('an abort leaves everything where it was', async () => {
  const { store, cache } = newCache<number>({ shards: 2 });
  for (let i = 0; i < 500; i++) cache.set(i, i);
  for (const shards of [1, 5]) {
    const abort = new AbortController();
    const seen: { done: number; total: number }[] = [];
    const onProgress = (progress: { done: number; total: number }): void => {
      seen.push(progress);
      if (seen.length === 2) abort.abort(new RangeError('enough'));
    };
    await expect(cache.reshard(shards, { signal: abort.signal, onProgress })).rejects.toThrow('enough');
    expect(seen.at(-1)).toMatchObject({ total: 500 });
    expect(again<number>(store, { shards: 2 }).size).toBe(500);
    expect(directories(store)).toHaveLength(1);
    cache.set('writable', 1);
    cache.delete('writable');
  }
});

test('while a cache is moved its store can be read, and whoever writes to the cache in this process is told so', async () => {
  const { store, cache } = newCache<number>({ shards: 2 });
  for (let i = 0; i < 500; i++) cache.set(i, i);
  let tried = 0;
  await cache.reshard(3, {
    onProgress: () => {
      tried++;
      expect(cache.get(7)).toBe(7);
      expect(cache.size).toBe(500);
      expect(() => {
        cache.set(7, 8);
      }).toThrow(withCode('ERR_BUSY'));
      new Cache<number>(store, 'other').set('a', 1);
    },
  });
  expect(tried).toBeGreaterThan(3);
  cache.set(7, 8);
  expect(cache.get(7)).toBe(8);
});

test('of several who move a cache at once one comes after the other', async () => {
  const { store, cache } = newCache<number>();
  for (let i = 0; i < 300; i++) cache.set(i, i);
  await Promise.all([2, 5, 3, 5].map((shards) => again<number>(store).reshard(shards)));
  expect(cache.size).toBe(300);
  expect(directories(store)).toHaveLength(1);
});

test('a value that is worked out while the cache is moved is stored where it is then', async () => {
  const { store, cache } = newCache<number>();
  const other = again<number>(store);
  for (const [i, shards] of numbers.entries()) {
    const begun = deferred<unknown>();
    const value = deferred<number>();
    const led = cache.getOrSet(i, () => {
      begun.resolve(undefined);
      return value.promise;
    });
    await begun.promise;
    const followed = other.getOrSet(i, () => value.promise);
    await pause(20);
    await again<number>(store).reshard(shards);
    value.resolve(i);
    expect(await Promise.all([led, followed])).toEqual([i, i]);
    expect(again<number>(store).get(i)).toBe(i);
  }
});

test('moving a cache is refused inside a transaction, and where nothing can be written', async () => {
  const { store, cache } = newCache<number>();
  cache.set('a', 1);
  const refused = store.transaction(() => [cache.reshard(2)]);
  await expect(refused[0]).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
  const readonly = new Cache<number>(open(store.directory, { readonly: true }), 'c');
  await expect(readonly.reshard(2)).rejects.toThrow(withCode('ERR_READONLY'));
  expect(cache.get('a')).toBe(1);
});

test('killed 24 times while it moves a cache that others write to and read, it loses nothing that was acknowledged', async () => {
  const random = randomFrom(seed);
  const { store, cache } = newCache<string>({ shards: 2, maxBytes: '8GiB' });
  for (let i = 0; i < 2_000; i++) cache.set(`first:${i}`, `first:${i}=`);
  const file = join(temporaryDirectory(), 'acknowledged');
  const writers = [0, 1].map(() => startProcess('cache-shards.js', store.directory, 'write', file));
  for (const writer of writers) await writer.nextMessage();
  for (let round = 1; round <= 24; round++) {
    const mover = startProcess('cache-shards.js', store.directory, 'reshard');
    await mover.nextMessage();
    await pause(random() ** 2 * 500);
    // The first time it may move nothing.
    for (let more = 0; round % 8 === 0 && more < 2; more++) await mover.nextMessage();
    await mover.kill9();
  }
  for (const writer of writers) await writer.send('stop');
  for (const writer of writers) await writer.result();
  const moved = Number(raw(store.directory).prepare('SELECT generation FROM caches').pluck().get());
  const hint = `SEED=${seed}`;
  const acknowledged = readFileSync(file, 'utf8').trimEnd().split('\n');
  const expected = [...acknowledged, ...Array.from({ length: 2_000 }, (_, i) => `first:${i}`)];
  for (const shards of [3, 1]) {
    const keys = [...cache.keys()];
    expect(keys.length, hint).toBe(expected.length);
    expect(new Set(keys), hint).toEqual(new Set(expected));
    expect(cache.size, hint).toBe(expected.length);
    const values = cache.getMany(expected);
    expect(
      expected.filter((key, i) => values[i]?.startsWith(`${key}=`) !== true),
      hint,
    ).toEqual([]);
    await cache.reshard(shards);
    expect(directories(store), hint).toHaveLength(shards === 1 ? 0 : 1);
  }
  expect(moved, 'some were moved').toBeGreaterThan(2);
  expect(acknowledged.length).toBeGreaterThan(100);
}, 240_000);

test('killed before any step it takes on the disk, it has moved everything or nothing', async () => {
  const random = randomFrom(seed);
  for (const [from, to] of [
    [1, 2],
    [2, 3],
    [2, 1],
  ] as const) {
    let steps = 0;
    for (let round = 0; round <= 12; round++) {
      const { store, cache } = newCache<number>({ shards: from });
      for (let i = 0; i < 5; i++) cache.set(i, i, { tags: ['t'] });
      const dieAt = round === 0 ? -1 : 1 + Math.floor(random() * steps);
      const hint = `SEED=${seed} ${from} to ${to}, step ${dieAt} of ${steps}`;
      const mover = startProcess('cache-reshard-die.js', store.directory, to, dieAt);
      if (round === 0) steps = await mover.result<number>();
      else expect((await mover.exited).signal, hint).toBe('SIGKILL');
      expect(cache.getMany([0, 1, 2, 3, 4]), hint).toEqual([0, 1, 2, 3, 4]);
      expect(cache.size, hint).toBe(5);
      expect([...cache.keys({ tag: 't' })], hint).toHaveLength(5);
      cache.set('after', 1);
      await again<number>(store).reshard(4);
      expect([cache.size, cache.get('after'), ...cache.getMany([0, 4])], hint).toEqual([6, 1, 0, 4]);
      expect(directories(store), hint).toHaveLength(1);
    }
    expect(steps).toBeGreaterThan(20);
  }
}, 240_000);

test('large values outlive it that they are moved away and back at once, though what was left of them is still being removed', async () => {
  const { store, cache } = newCache<string>({ fileThreshold: 100 });
  const value = (i: number): string => `${i} `.repeat(100);
  // More than are removed in one go.
  for (let i = 0; i < 300; i++) cache.set(i, value(i));
  const { bytes } = cache;
  for (const shards of [2, 1]) await cache.reshard(shards);
  await pause(200);
  for (let i = 0; i < 300; i++) expect(cache.get(i)).toBe(value(i));
  expect(cache.bytes).toBe(bytes);
  expect(store.check().findings).toEqual([]);
});

test('check takes no file of what is being moved', async () => {
  const { store, cache } = newCache<string>({ fileThreshold: 100, shards: 2 });
  for (let i = 0; i < 150; i++) cache.set(i, `${i} `.repeat(100));
  const other = open(store.directory);
  const findings: unknown[] = [];
  // Into the database that is checked, before it is committed there.
  await cache.reshard(1, { onProgress: () => findings.push(...other.check({ repair: true }).findings) });
  expect(findings).toEqual([]);
  for (let i = 0; i < 150; i++) expect(cache.get(i)).toBe(`${i} `.repeat(100));
  expect(store.check().findings).toEqual([]);
});

test.each(['least-recently-stored', 'least-recently-used', 'least-frequently-used', 'none'] as const)(
  'a full cache (%s) is moved as it is, also with an entry that is larger than a shard may be',
  async (eviction) => {
    const { store, cache } = newCache<string>({ eviction, maxBytes: 1_000 });
    cache.set('large', 'x'.repeat(590));
    for (let i = 0; i < 13; i++) cache.set(i, 'y'.repeat(20));
    const before = [cache.size, cache.bytes, new Set(cache.keys())];
    for (const shards of [2, 3, 1]) {
      await cache.reshard(shards);
      expect([cache.size, cache.bytes, new Set(cache.keys())], `${shards}`).toEqual(before);
      expect(cache.stats().evictions).toBe(0);
      expect(store.check().findings).toEqual([]);
    }
    // From here on it keeps to its limits again.
    if (eviction !== 'none') for (let i = 20; i < 40; i++) cache.set(i, 'z'.repeat(20));
    expect(cache.bytes).toBeLessThanOrEqual(1_000);
  },
);
