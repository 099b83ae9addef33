import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { Cache, RLock } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, settled } from './helpers.js';

forEachEngine((engine) => {
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

  test('an entry that was given all the time there is, and then less, is served stale for as long as before', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    await cache.getOrSet('k', () => 1, { ttl: '1h', staleFor: '1h' });
    await cache.touch('k', Infinity);
    await cache.touch('k', 1);
    await pause(20);
    expect(await cache.getOrSet('k', () => 2)).toBe(1);
  });

  test('a stream of the web that is written from, and gives nothing, is cancelled when that is aborted', async () => {
    const cache = new Cache<Uint8Array>(await engine.open(), 'c');
    let cancelled = false;
    const source = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    const controller = new AbortController();
    const written = cache.write('k', source as unknown as AsyncIterable<Uint8Array>, {
      signal: controller.signal,
    });
    await pause(50);
    controller.abort(new Error('stop'));
    await expect(written).rejects.toThrow('stop');
    await pause(50);
    expect(cancelled).toBe(true);
  });

  test('a value that was worked out under a key while that is worked out by itself is an error, and no hang', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    const nested = cache.getOrSet('k', () => cache.getOrSet('k', () => 1));
    expect(await settled(nested, 3_000)).toMatchObject({
      status: 'rejected',
      reason: { code: 'ERR_DEADLOCK' },
    });
  });
});
