import { describe, expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { engines, forEachEngine } from '../support/stores.js';
import { cacheEntries, cacheReads, cacheWaits, cacheWrites, each, memo, type AnyCache } from './calls.js';
import { checkTables, collect, rawConnection, refused, rolledBack, rolledBackWithin, transact, withCode } from './helpers.js'; // prettier-ignore

const [embedded] = engines;

/** A cache that is full, so that what is stored removes others. */
async function filled(engine: typeof embedded) {
  const store = await engine.open();
  const cache: AnyCache = new Cache<unknown>(store, 'c', { maxEntries: 4 });
  for (const [key, value] of cacheEntries) await cache.set(key, value, { ttl: '2h', tags: ['t'] });
  await memo(cache).refresh(1);
  const raw = await rawConnection(engine, store);
  const state = async () => [
    await collect(cache.entries()),
    await raw('SELECT id, bytes, stored, expires, rank, used, hits, tagged FROM cached_entries ORDER BY id'),
    await raw('SELECT tag, entry FROM cache_tags ORDER BY tag, entry'),
    await collect(cache.keys({ tag: 't' })),
    [await cache.size, await cache.bytes],
    await store.structures(),
    await raw('SELECT hits, misses, evictions, expirations, aged FROM caches'),
  ];
  return { store, cache, raw, state };
}

forEachEngine((engine) => {
  test('a store that was closed refuses every method of Cache', async () => {
    const { store, cache } = await filled(engine);
    await store.close();
    await each({ ...cacheReads, ...cacheWrites, ...cacheWaits }, async (call) => {
      await refused(store, async () => call(cache), withCode('ERR_CLOSED'));
      await refused(store, async () => call(new Cache(store, 'never used')), withCode('ERR_CLOSED'));
    });
  });

  test('a transaction that is rolled back leaves nothing of any method of Cache', async () => {
    const { store, cache, raw, state } = await filled(engine);
    const before = await state();
    // On a server it waits, and is refused.
    const writes = Object.entries(cacheWrites).filter(
      ([name]) => engine.name === 'embedded' || name !== 'refresh of a memoized function',
    );
    await each(Object.fromEntries(writes), async (call) => {
      await rolledBack(store, function* () {
        yield call(cache);
        yield call(cache);
      });
      expect(await state()).toEqual(before);
      await rolledBackWithin(store, function* () {
        yield call(cache);
      });
      expect(await state()).toEqual(before);
      await checkTables(raw, store);
    });
  });

  test('a transaction refuses to wait for what a cache works out', async () => {
    const { store, cache, state } = await filled(engine);
    const before = await state();
    await each(cacheWaits, async (call) => {
      const outcomes: Promise<unknown>[] = [];
      await transact(store, function* () {
        outcomes.push((call(cache) as Promise<unknown>).catch((error: unknown) => error));
        yield cache.size;
      });
      expect(await Promise.all(outcomes)).toEqual([withCode('ERR_IN_TRANSACTION')]);
      expect(await state()).toEqual(before);
    });
  });

  test('a cache whose first entry was rolled back has its options when it is created again', async () => {
    const store = await engine.open();
    const other = await engine.reopen(store);
    const cache = new Cache<number>(store, 'c', { maxEntries: 2, eviction: 'least-recently-used' });
    await rolledBack(store, function* () {
      yield cache.set('lost', 1, { tags: ['t'] });
      expect(yield cache.get('lost')).toBe(1);
    });
    // The number that was given back may go to another now.
    await new Cache<number>(other, 'elsewhere').set('theirs', 1);
    for (const [i, key] of ['a', 'b'].entries()) await cache.set(key, i);
    await cache.get('a');
    await cache.stats();
    await cache.set('c', 3);
    expect(await collect(cache.keys())).toEqual(['a', 'c']);
    expect(await collect(new Cache<number>(store, 'elsewhere').entries())).toEqual([['theirs', 1]]);
    await checkTables(await rawConnection(engine, store), store);
  });

  test('a transaction sees its own changes of a cache, others see them when it is committed', async () => {
    const { store, cache } = await filled(engine);
    const theirs: AnyCache = new Cache(await engine.reopen(store), 'c');
    expect(await theirs.size).toBe(4);
    await transact(store, function* () {
      yield cache.set('a', 'mine', { tags: ['u'] });
      yield cache.delete('b');
      expect(yield cache.get('a')).toBe('mine');
      expect(yield cache.size).toBe(3);
      expect(yield collect(cache.keys({ tag: 't' }))).toEqual(['n']);
      expect(yield theirs.get('a')).toEqual({ n: 1 });
      expect(yield theirs.size).toBe(4);
    });
    expect(await theirs.get('a')).toBe('mine');
    expect(await collect(theirs.keys({ tag: 't' }))).toEqual(['n']);
  });

  type Bad = readonly [call: (cache: AnyCache) => unknown, error: unknown];
  const sometime = 'soon' as never;
  const bad: Record<string, Bad> = {
    'get of no key': [(cache) => cache.get(undefined as never), TypeError],
    'get of NaN': [(cache) => cache.get(NaN), RangeError],
    'has of an object': [(cache) => cache.has({} as never), TypeError],
    'entry of a date': [(cache) => cache.entry(new Date() as never), TypeError],
    'getMany of nothing': [(cache) => cache.getMany(undefined as never), TypeError],
    'getMany of a string': [(cache) => cache.getMany('ab'), TypeError],
    'getMany of NaN': [(cache) => cache.getMany(['a', NaN]), /keys\[1\]/],
    'set of a lone surrogate as key': [(cache) => cache.set('\ud800', 1), RangeError],
    'set of a function': [(cache) => cache.set('a', { f: [() => 1] }), /f\[0\]/],
    'set with a misspelt option': [(cache) => cache.set('a', 1, { tll: 1 } as never), /"tll"/],
    'set with a ttl without unit': [(cache) => cache.set('a', 1, { ttl: '5' as never }), TypeError],
    'set with a negative ttl': [(cache) => cache.set('a', 1, { ttl: -1 }), RangeError],
    'set with a ttl of 101 years': [(cache) => cache.set('a', 1, { ttl: '36900d' }), RangeError],
    'set with a string for tags': [(cache) => cache.set('a', 1, { tags: 'ab' }), TypeError],
    'set with a number as tag': [(cache) => cache.set('a', 1, { tags: [1 as never] }), TypeError],
    'set with a tag of 513 characters': [
      (cache) => cache.set('a', 1, { tags: ['x'.repeat(513)] }),
      RangeError,
    ],
    'setMany of an object': [(cache) => cache.setMany({} as never), TypeError],
    'setMany of no pairs': [(cache) => cache.setMany(['ab' as never]), /entries\[0\]/],
    'setMany of a function': [(cache) => cache.setMany([['z', 1], ['a', () => 1]]), /entries\[1\]\[1\]/], // prettier-ignore
    'setMany with a misspelt option': [(cache) => cache.setMany([['z', 1]], { tag: 't' } as never), /"tag"/],
    'add of a symbol': [(cache) => cache.add('z', Symbol('x')), TypeError],
    'add with a misspelt option': [(cache) => cache.add('z', 1, { expire: 1 } as never), /"expire"/],
    'touch of no key': [(cache) => cache.touch(null as never), TypeError],
    'touch with no duration': [(cache) => cache.touch('a', sometime), TypeError],
    'pop of NaN': [(cache) => cache.pop(NaN), RangeError],
    'delete of null': [(cache) => cache.delete(null as never), TypeError],
    'deleteMany of a string': [(cache) => cache.deleteMany('ab'), TypeError],
    'deleteMany of NaN': [(cache) => cache.deleteMany(['a', NaN]), /keys\[1\]/],
    'increment by NaN': [(cache) => cache.increment('n', NaN), RangeError],
    'increment by a string': [(cache) => cache.increment('n', '1' as never), TypeError],
    'increment of text': [(cache) => cache.increment('b'), TypeError],
    'increment from Infinity': [(cache) => cache.increment('z', 1, { initial: Infinity }), RangeError],
    'increment with a misspelt option': [
      (cache) => cache.increment('n', 1, { start: 1 } as never),
      /"start"/,
    ],
    'decrement by a string': [(cache) => cache.decrement('n', 'x' as never), TypeError],
    'update without a function': [(cache) => cache.update('a', 1 as never), TypeError],
    'update by an async function': [(cache) => cache.update('a', async () => 1), TypeError],
    'update to a function': [(cache) => cache.update('a', () => () => 1), TypeError],
    'update with a misspelt option': [
      (cache) => cache.update('a', () => 1, { tags: [], x: 1 } as never),
      /"x"/,
    ],
    'stats with a misspelt option': [(cache) => cache.stats({ rest: true } as never), /"rest"/],
    'stats with a word for reset': [(cache) => cache.stats({ reset: 'yes' as never }), TypeError],
    'invalidate of nothing': [(cache) => cache.invalidate(undefined as never), TypeError],
    'invalidate of numbers': [(cache) => cache.invalidate([1 as never]), TypeError],
    'invalidate of the empty string': [(cache) => cache.invalidate(''), RangeError],
  };

  test('bad input is refused, each of it, and nothing is changed', async () => {
    const { store, cache, state } = await filled(engine);
    const before = await state();
    await each(bad, async ([call, error]) => {
      await refused(store, () => call(cache), error);
      await transact(store, function* () {
        try {
          yield call(cache);
        } catch {
          yield cache.size;
        }
      });
      expect(await state()).toEqual(before);
    });
  });

  const badWaits: Record<string, Bad> = {
    'getOrSet without a function': [(cache) => cache.getOrSet('z', 1 as never), TypeError],
    'getOrSet of NaN': [(cache) => cache.getOrSet(NaN, () => 1), RangeError],
    'getOrSet with a misspelt option': [
      (cache) => cache.getOrSet('z', () => 1, { stale: 1 } as never),
      /"stale"/,
    ],
    'getOrSet with a negative timeout': [
      (cache) => cache.getOrSet('z', () => 1, { timeout: -1 }),
      RangeError,
    ],
    'getOrSet without a real signal': [
      (cache) => cache.getOrSet('z', () => 1, { signal: {} as never }),
      TypeError,
    ],
    'getOrSet with staleFor that is no time': [
      (cache) => cache.getOrSet('z', () => 1, { staleFor: sometime }),
      TypeError,
    ],
    'getOrSet with a negative refreshAhead': [
      (cache) => cache.getOrSet('z', () => 1, { refreshAhead: -1 }),
      RangeError,
    ],
    'getOrSet with errorTtl that is no time': [
      (cache) => cache.getOrSet('z', () => 1, { errorTtl: sometime }),
      TypeError,
    ],
    'getOrSet of what can’t be stored': [(cache) => cache.getOrSet('z', () => () => 1), TypeError],
    'memoize without a function': [async (cache) => cache.memoize(1 as never), TypeError],
    'memoize of a function without a name': [async (cache) => cache.memoize(() => 1), RangeError],
    'memoize with a misspelt option': [
      async (cache) => cache.memoize(() => 1, { nam: 'x' } as never),
      /"nam"/,
    ],
    'a memoized function whose ttl is no time': [
      async (cache) => cache.memoize(() => 1, { name: 'm', ttl: sometime })(),
      TypeError,
    ],
    'a memoized function of what is no argument': [
      async (cache) => cache.memoize((f: unknown) => typeof f, { name: 'm' })(() => 1),
      TypeError,
    ],
  };

  test('bad input of what is worked out is refused, each of it, and nothing is changed', async () => {
    const { cache, state } = await filled(engine);
    const before = await state();
    await each(badWaits, async ([call, error]) => {
      await expect(async () => call(cache)).rejects.toThrow(error);
      expect(await state()).toEqual(before);
    });
  });

  test('keys() refuses options that do not exist, or make no sense', async () => {
    const { cache } = await filled(engine);
    const refusedOptions: readonly [options: object, error: RegExp][] = [
      [{ reverse: 1 }, /reverse/],
      [{ tags: 'a' }, /"tags"/],
      [{ tag: 'a', prefix: 'b' }, /tag or a prefix/],
      [{ tag: 1 }, /tag/],
      [{ prefix: 1 }, /prefix/],
    ];
    for (const [options, error] of refusedOptions)
      await expect(async () => collect(cache.keys(options))).rejects.toThrow(error);
  });
});

describe('a store that was opened with readonly', () => {
  const opened = async () => {
    const { store: writer, state } = await filled(embedded);
    const store = await embedded.reopen(writer, { embedded: { readonly: true } });
    return { store, cache: new Cache<unknown>(store, 'c'), state };
  };
  const { 'getOrSet of what is there': served, ...others } = cacheWaits;

  test('allows every method of Cache that reads, and getOrSet of what is there', async () => {
    const { store, cache } = await opened();
    await each({ ...cacheReads, served: served! }, async (call) => {
      await call(cache);
      const strict = { maxEntries: 1, eviction: 'least-recently-used', statistics: true } as const;
      await call(new Cache(store, 'c', strict));
      if (call !== served) await call(new Cache(store, 'never written', strict));
    });
    expect(await cache.size).toBe(4);
    await store.close();
  });

  test('refuses every method of Cache that writes', async () => {
    const { store, cache, state } = await opened();
    const before = await state();
    await each({ ...cacheWrites, ...others }, async (call) => {
      await refused(store, async () => call(cache), withCode('ERR_READONLY'));
      expect(await state()).toEqual(before);
    });
  });
});
