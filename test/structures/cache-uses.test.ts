import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import { Cache, open, type AsyncCache } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { raw } from '../core/support.js';
import { pause, rolledBack, rolledBackWithin, until, withCode } from './helpers.js';

test('of more entries that are read than can be written, what is read often stays all the same', () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'uses', { eviction: 'least-recently-used', maxEntries: 3_000 });
  cache.setMany(Array.from({ length: 3_000 }, (_, i) => [`k${i}`, i] as const));
  const often = Array.from({ length: 50 }, (_, i) => `k${i * 7}`);
  for (let i = 0; i < 3_000; i++) {
    cache.get(`k${i}`);
    if (i % 20 === 0) cache.getMany(often);
  }
  cache.getMany(often);
  cache.stats();
  cache.setMany(Array.from({ length: 1_500 }, (_, i) => [`n${i}`, i] as const));
  const left = cache.getMany(often).filter((value) => value !== undefined).length;
  // By chance, but one in a million.
  expect(left).toBeGreaterThan(35);
  expect(cache.size).toBe(3_000);
  store.close();
});

forEachEngine((engine) => {
  test('what stats() has written in a transaction that is rolled back is counted by the next', async () => {
    const store = await engine.open();
    const cache: AsyncCache<number> = new Cache<number>(store, 'c', {
      statistics: true,
      eviction: 'least-recently-used',
    });
    await cache.set('a', 1);
    for (const key of ['a', 'a', 'b']) await cache.get(key);
    for (const undo of [rolledBack, rolledBackWithin])
      await undo(store, function* () {
        expect(yield cache.stats()).toMatchObject({ hits: 2, misses: 1 });
      });
    expect(await cache.stats()).toMatchObject({ hits: 2, misses: 1 });
    expect((await cache.entry('a'))?.hits).toBe(2);
    expect(await cache.stats()).toMatchObject({ hits: 2, misses: 1 });
  });
});

test('stats() of a store that is only read tells what is stored, and can’t reset it', () => {
  const store = open(temporaryDirectory());
  const options = { statistics: true, eviction: 'least-recently-used' } as const;
  const cache = new Cache<number>(store, 'c', options);
  cache.set('a', 1);
  cache.get('a');
  cache.get('b');
  cache.stats();
  const readonly = new Cache<number>(open(store.directory, { readonly: true }), 'c', options);
  expect(readonly.get('a')).toBe(1);
  expect(readonly.stats()).toEqual({ hits: 1, misses: 1, evictions: 0, expirations: 0 });
  expect(() => readonly.stats({ reset: true })).toThrow(withCode('ERR_READONLY'));
  expect(() => readonly.stats({ rest: true } as never)).toThrow(TypeError);
  expect(cache.stats()).toMatchObject({ hits: 1, misses: 1 });
});

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

test('caches that nobody uses any more are looked after no longer', async () => {
  const store = open(temporaryDirectory());
  const timers: NodeJS.Timeout[] = [];
  const { setInterval: real } = globalThis;
  const spy = vi.spyOn(globalThis, 'setInterval').mockImplementation((...args: Parameters<typeof real>) => {
    const timer = real(...args);
    timers.push(timer);
    return timer;
  });
  const kinds = [{}, { eviction: 'least-recently-used' }, { statistics: true }] as const;
  for (const options of Array.from({ length: 20 }, () => kinds).flat()) {
    const cache = new Cache<number>(store, 'c', options);
    cache.set('k', 1);
    cache.get('k');
  }
  spy.mockRestore();
  expect(timers.length).toBeGreaterThanOrEqual(60);
  // A timer that was ended has none any more.
  const left = (): number => timers.filter((timer) => Reflect.get(timer, '_destroyed') === false).length;
  await until(() => {
    gc();
    return left() < 15;
  });
});

test('hits that come while others are being written by another process are counted when the store closes', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', { statistics: true });
  cache.set('a', 1);
  cache.get('a');
  const other = raw(store.directory);
  other.exec('BEGIN IMMEDIATE');
  // They are due, and wait for the lock.
  await pause(1_100);
  for (let i = 0; i < 10; i++) cache.get('a');
  other.exec('COMMIT');
  const count = (): unknown => other.prepare('SELECT hits FROM caches').pluck().get();
  await until(() => count() === 1);
  await pause(20);
  store.close();
  expect(count()).toBe(11);
});

forEachEngine((engine) => {
  test('hits that come while others are being written are counted when the store closes', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c', { statistics: true });
    await cache.set('a', 1);
    let read = 0;
    const end = performance.now() + 1_200;
    while (performance.now() < end) {
      await cache.get('a');
      read++;
      await pause(1);
    }
    await store.close();
    const again = new Cache<number>(await engine.reopen(store), 'c');
    expect((await again.stats()).hits).toBe(read);
  });
});
