import { AsyncLocalStorage } from 'node:async_hooks';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, RLock } from '../../src/index.js';
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
    await new Cache<number>(store, 'c').set('other', 1);
    const leaving = await engine.reopen(store);
    const value = new Cache<number>(leaving, 'c').getOrSet('k', () => new Promise<number>(() => undefined));
    value.catch(() => undefined);
    const count = async (): Promise<unknown> =>
      (await raw('SELECT count(*) AS n FROM cache_flights'))[0]?.['n'];
    await until(async () => (await count()) === 1);
    await leaving.close();
    await until(async () => (await count()) === 0);
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

  test('what works a value out runs in the asynchronous context of the call that began it', async () => {
    const cache = new Cache<unknown>(await engine.open(), 'c');
    const request = new AsyncLocalStorage<string>();
    const given = cache.memoize(async () => request.getStore(), { name: 'memoized' });
    expect(await request.run('r', () => cache.getOrSet('k', () => request.getStore()))).toBe('r');
    expect(await request.run('r', () => given())).toBe('r');
  });

  test('what works a value out may take the RLock again that its caller holds', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c');
    const lock = new RLock(store, 'l');
    const value = lock.use(() => cache.getOrSet('k', () => lock.use(() => 1, { timeout: 2_000 })));
    expect(await settled(value, 5_000)).toEqual({ status: 'fulfilled', value: 1 });
  });

  test('a value whose work asks for its own key, also by way of another, is an error, and no hang', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    const nested = cache.getOrSet('a', () => cache.getOrSet('a', () => 1));
    await expect(nested).rejects.toThrow(withCode('ERR_DEADLOCK'));
    const round = cache.getOrSet('a', () => cache.getOrSet('b', () => cache.getOrSet('a', () => 1)));
    await expect(round).rejects.toThrow(withCode('ERR_DEADLOCK'));
    expect(await cache.getOrSet('a', async () => 1 + (await cache.getOrSet('b', () => 1)))).toBe(2);
    // What it leaves behind waits for nothing of itself.
    const later: Promise<number>[] = [];
    await cache.getOrSet('c', () => {
      later.push(pause(50).then(() => cache.getOrSet('c', () => 3)));
      return 1;
    });
    await cache.delete('c');
    expect(await later[0]).toBe(3);
    const anew = cache.getOrSet('d', async () => {
      await cache.delete('d');
      return cache.getOrSet('d', () => 4);
    });
    expect(await anew).toBe(4);
  });
});
