import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, open, type AsyncCache, type AsyncStore, type CacheOptions } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { collect, deferred, pause, rawConnection, transact, until, waiting, withCode } from './helpers.js';

const cacheOf = <V>(store: AsyncStore, options?: CacheOptions): AsyncCache<V> =>
  new Cache<V>(store, 'c', options);

forEachEngine((engine) => {
  /** The same cache through several stores. */
  const caches = async <V>(count: number): Promise<AsyncCache<V>[]> => {
    const store = await engine.open();
    const others = await Promise.all(Array.from({ length: count - 1 }, () => engine.reopen(store)));
    return [store, ...others].map((one) => cacheOf<V>(one));
  };

  test('a value is worked out once, whoever asks for it at a time, and each gets a copy', async () => {
    const all = await caches<{ n: number }>(3);
    let calls = 0;
    const gate = deferred<undefined>();
    const produce = async (): Promise<{ n: number }> => {
      calls++;
      await gate.promise;
      return { n: 1 };
    };
    const asked = all.flatMap((cache) => Array.from({ length: 5 }, () => cache.getOrSet('k', produce)));
    await until(() => calls > 0);
    await pause(50);
    gate.resolve(undefined);
    const values = await Promise.all(asked);
    expect(values).toEqual(values.map(() => ({ n: 1 })));
    expect(new Set(values).size).toBe(values.length);
    expect(calls).toBe(1);
    expect(await all[1]?.getOrSet('k', produce)).toEqual({ n: 1 });
    expect(calls).toBe(1);
  });

  test('values of different keys are worked out side by side', async () => {
    const [cache] = await caches<string>(1);
    const gate = deferred<undefined>();
    const first = cache!.getOrSet('a', async () => {
      await gate.promise;
      return 'a';
    });
    expect(await cache!.getOrSet('b', () => 'b')).toBe('b');
    gate.resolve(undefined);
    expect(await first).toBe('a');
  });

  test('an error goes to those who wait, and is not kept', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const [one, two] = [store, await engine.reopen(store)].map((each) => cacheOf<number>(each));
    let calls = 0;
    const gate = deferred<undefined>();
    const produce = async (): Promise<number> => {
      calls++;
      await gate.promise;
      throw Object.assign(new TypeError('no answer'), { code: 'E_NONE' });
    };
    const asked = [one!, one!, two!].map((cache) => cache.getOrSet('k', produce));
    const results = Promise.allSettled(asked);
    // Who comes later is not to get the error.
    await until(async () => calls > 0 && (await waiting(raw)) > 0);
    gate.resolve(undefined);
    for (const result of await results)
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { name: 'TypeError', message: 'no answer', code: 'E_NONE' },
      });
    expect(calls).toBe(1);
    expect(await two!.getOrSet('k', () => 7)).toBe(7);
  });

  test('with errorTtl an error is kept for whoever asks, for as long', async () => {
    const [one, two] = await caches<number>(2);
    const failing = () => {
      throw new RangeError('too much');
    };
    await expect(one!.getOrSet('long', failing, { errorTtl: '1h' })).rejects.toThrow('too much');
    await expect(two!.getOrSet('long', () => 1)).rejects.toMatchObject({ name: 'RangeError' });
    await expect(one!.getOrSet('short', failing, { errorTtl: 1 })).rejects.toThrow('too much');
    await pause(20);
    expect(await two!.getOrSet('short', () => 1)).toBe(1);
  });

  test('when the one that works it out goes, another takes over', async () => {
    const store = await engine.open();
    const dying = await engine.reopen(store);
    let begun = false;
    const lost = cacheOf<string>(dying).getOrSet('k', async ({ signal }) => {
      begun = true;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return 'too late';
    });
    const rejected = expect(lost).rejects.toThrow(withCode('ERR_CLOSED'));
    await until(() => begun);
    const cache = cacheOf<string>(store);
    const value = cache.getOrSet('k', () => 'mine');
    await pause(50);
    await dying.close();
    expect(await value).toBe('mine');
    expect(await cache.get('k')).toBe('mine');
    await rejected;
  });

  test('what has expired is served while it is worked out anew, and when that fails', async () => {
    const [cache] = await caches<number>(1);
    const options = { ttl: 1, staleFor: '1h' } as const;
    await cache!.getOrSet('k', () => 1, options);
    await pause(20);
    expect(await cache!.get('k')).toBeUndefined();
    const failed = deferred<undefined>();
    const failing = () => {
      failed.resolve(undefined);
      throw new Error('no');
    };
    expect(await cache!.getOrSet('k', failing, options)).toBe(1);
    await failed.promise;
    const gate = deferred<undefined>();
    let calls = 0;
    const slow = async (): Promise<number> => {
      calls++;
      await gate.promise;
      return 2;
    };
    await until(async () => {
      expect(await cache!.getOrSet('k', slow, { ...options, ttl: '1h' })).toBe(1);
      return calls > 0;
    });
    gate.resolve(undefined);
    await until(async () => (await cache!.get('k')) === 2);
    expect(calls).toBe(1);
  });

  test('with refreshAhead a value is worked out anew before it expires', async () => {
    const [cache] = await caches<number>(1);
    let calls = 0;
    const produce = async (): Promise<number> => {
      await pause(5);
      return ++calls;
    };
    const options = { ttl: '1h', refreshAhead: 1e9 } as const;
    expect(await cache!.getOrSet('k', produce, options)).toBe(1);
    expect(await cache!.getOrSet('k', produce, options)).toBe(1);
    await until(async () => (await cache!.get('k')) === 2);
  });

  test('who waits for no longer than a time, or until a signal aborts, leaves the others their value', async () => {
    const [cache] = await caches<string>(1);
    const gate = deferred<undefined>();
    const slow = async (): Promise<string> => {
      await gate.promise;
      return 'at last';
    };
    const patient = cache!.getOrSet('k', slow);
    await expect(cache!.getOrSet('k', slow, { timeout: 10 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
    const abort = new AbortController();
    const impatient = cache!.getOrSet('k', slow, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(impatient).rejects.toThrow('enough');
    gate.resolve(undefined);
    expect(await patient).toBe('at last');
  });

  test('a value that can’t be stored is refused for all who wait', async () => {
    const [one, two] = await caches<unknown>(2);
    const produce = async () => {
      await pause(50);
      return () => 1;
    };
    const results = await Promise.allSettled([one!.getOrSet('k', produce), two!.getOrSet('k', produce)]);
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'TypeError' } });
  });

  test('a value that there is no room for is refused, with the code that says so', async () => {
    const cache = cacheOf<string>(await engine.open(), { eviction: 'none', maxEntries: 1, maxBytes: 100 });
    await cache.set('a', 'x');
    await expect(cache.getOrSet('b', () => 'x')).rejects.toThrow(withCode('ERR_FULL'));
    await expect(cache.getOrSet('b', () => 'x'.repeat(100))).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    expect(await collect(cache.keys())).toEqual(['a']);
  });

  test('getOrSet is refused inside a transaction, and with options that make no sense', async () => {
    const store = await engine.open();
    const cache = cacheOf<number>(store);
    let refusal: Promise<unknown> = Promise.resolve(undefined);
    await transact(store, function* () {
      refusal = cache.getOrSet('k', () => 1);
      yield refusal.catch(() => undefined);
    });
    await expect(refusal).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
    for (const options of [
      { staleFor: -1 },
      { refreshAhead: 'yes' },
      { refreshAhead: -1 },
      { errorTtl: 'x' },
      { until: 1 },
    ])
      await expect(cache.getOrSet('k', () => 1, options as never)).rejects.toThrow(
        /staleFor|refreshAhead|errorTtl|until/,
      );
    await expect(cache.getOrSet('k', 1 as never)).rejects.toThrow(TypeError);
  });
});

test('a value whose file was lost is worked out anew, by getOrSet and by memoized functions', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<string>(store, 'c', { fileThreshold: 0, statistics: true });
  const loseFiles = (): void => {
    const values = join(store.directory, 'values');
    for (const name of readdirSync(values, { recursive: true, encoding: 'utf8' }))
      if (name.includes('-')) rmSync(join(values, name));
  };
  const text = cache.memoize((n: number) => `text ${n}`, { name: 'text' });
  cache.set('k', 'old', { tags: ['t'] });
  expect(text(1)).toBe('text 1');
  loseFiles();
  expect(() => cache.get('k')).toThrow(withCode('ERR_CORRUPT'));
  cache.stats({ reset: true });
  expect(await cache.getOrSet('k', () => 'new')).toBe('new');
  expect([text(1), cache.get('k'), cache.get(text.key(1))]).toEqual(['text 1', 'new', 'text 1']);
  expect([...cache.keys({ tag: 't' })]).toEqual([]);
  expect(cache.stats()).toMatchObject({ hits: 2 });
  expect(store.check().findings).toEqual([]);
});
