import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Cache } from '../../src/index.js';
import { mountDisk, openStore, raw } from '../core/support.js';
import { forEachEngine } from '../support/stores.js';
import { pause, rawConnection, settled, until, withCode } from './helpers.js';

const mebibyte = 2 ** 20;

test.each(['throws', 'succeeds'])(
  'where a full disk kept from writing that a value was worked out, or that it failed, it is worked out anew once there is room: it %s',
  async (how) => {
    const disk = mountDisk(8 * mebibyte);
    if (disk === undefined) return;
    const store = openStore(join(disk.directory, 'store'));
    const cache = new Cache<unknown>(store, 'c');
    cache.set('other', 1);
    const ballast = join(disk.directory, 'ballast');
    const fill = (): void => {
      writeFileSync(ballast, '');
      for (const size of [65536, 4096, 1])
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(size, 1));
        } catch {
          // Full, but for less than that.
        }
    };
    const first = cache.getOrSet('k', async () => {
      fill();
      if (how === 'throws') throw new RangeError('produce');
      return 'x'.repeat(50_000);
    });
    await expect(first).rejects.toThrow(how === 'throws' ? 'produce' : (withCode('ERR_FULL') as Error));
    rmSync(ballast);
    cache.set('writable', 1);
    expect(await cache.getOrSet('k', () => 2, { timeout: 3_000 })).toBe(2);
  },
  20_000,
);

test('a memoized function that is not async is cached again after a call that others kept from writing', async () => {
  const store = openStore(undefined, { busyTimeout: 100 });
  const cache = new Cache<number>(store, 'c');
  cache.set('other', 1);
  const other = raw(store.directory);
  let calls = 0;
  const f = cache.memoize(
    (): number => {
      if (++calls === 1) other.exec('BEGIN IMMEDIATE');
      return calls;
    },
    { name: 'f' },
  );
  expect(() => f()).toThrow(withCode('ERR_BUSY'));
  other.exec('COMMIT');
  await until(() => f() === f());
});

test.each(['stale', 'fresh'])(
  'a value that is there, and %s, is served where it can’t be worked out anew since nothing can be written',
  async (state) => {
    const store = openStore();
    const options =
      state === 'stale'
        ? { name: 'f', ttl: 1, staleFor: '1h' as const }
        : { name: 'f', ttl: '1h' as const, refreshAhead: Number.MAX_VALUE };
    const slowly = (): number => {
      const end = performance.now() + 2;
      while (performance.now() < end);
      return 1;
    };
    expect(new Cache<number>(store, 'c').memoize(slowly, options)()).toBe(1);
    await pause(10);
    const reading = new Cache<number>(openStore(store.directory, { readonly: true }), 'c');
    expect(await reading.memoize(async () => 2, options)()).toBe(1);
    expect(reading.memoize(() => 2, options)()).toBe(1);
    const busy = new Cache<number>(openStore(store.directory, { busyTimeout: 50 }), 'c');
    const other = raw(store.directory);
    other.exec('BEGIN IMMEDIATE');
    expect(busy.memoize(() => 2, options)()).toBe(1);
    other.exec('ROLLBACK');
  },
);

forEachEngine((engine) => {
  test('what a store that is closed was working out is forgotten, when others look after the cache', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const cache = new Cache<number>(store, 'c');
    await cache.set('other', 1);
    const leaving = await engine.reopen(store);
    const value = new Cache<number>(leaving, 'c').getOrSet('k', () => new Promise<number>(() => undefined));
    value.catch(() => undefined);
    const count = async (): Promise<unknown> =>
      (await raw('SELECT count(*) AS n FROM cache_flights'))[0]?.['n'];
    await until(async () => (await count()) === 1);
    await leaving.close();
    await until(async () => (await count()) === 0);
    // Only who uses a cache looks after it.
    expect(await cache.size).toBe(1);
  });

  test('refresh() ends when the store closes, whether or not the function does', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c');
    const f = cache.memoize(async () => new Promise<number>(() => {}), { name: 'f' });
    const called = settled(Promise.resolve(f()), 5_000);
    await pause(50);
    const refreshed = settled(Promise.resolve(f.refresh()), 5_000);
    await pause(50);
    await store.close();
    for (const one of [called, refreshed])
      expect(await one).toEqual({ status: 'rejected', reason: withCode('ERR_CLOSED') });
  });
});

test('a failure that came when the cache had been moved is not told again and again', async () => {
  const store = openStore();
  const cache = new Cache<number>(store, 'c');
  cache.set('other', 1);
  let fail: ((error: Error) => void) | undefined;
  const value = settled(
    cache.getOrSet('k', () => new Promise<number>((_, reject) => (fail = reject))),
    3_000,
  );
  await until(() => fail !== undefined);
  await cache.reshard(2);
  const { setTimeout: real } = globalThis;
  let timers = 0;
  const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, ms: number) => {
    if (ms === 200) timers++;
    return real(work, ms);
  }) as never);
  fail?.(new RangeError('produce'));
  expect(await value).toMatchObject({ status: 'rejected', reason: { message: 'produce' } });
  await new Promise((resolve) => real(resolve, 1_500));
  spy.mockRestore();
  expect(timers).toBeLessThan(3);
});

test('getOrSet() of a value whose file was lost does not block the event loop while others write', async () => {
  const store = openStore(undefined, { busyTimeout: 1_000 });
  const cache = new Cache<string>(store, 'c', { fileThreshold: 0 });
  cache.set('k', 'x'.repeat(100));
  rmSync(join(store.directory, 'values'), { recursive: true });
  const other = raw(store.directory);
  other.exec('BEGIN IMMEDIATE');
  setTimeout(() => other.exec('COMMIT'), 100);
  expect(
    await settled(
      cache.getOrSet('k', () => 'y'),
      5_000,
    ),
  ).toEqual({ status: 'fulfilled', value: 'y' });
});
