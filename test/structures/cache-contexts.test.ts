import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test, vi } from 'vitest';
import { Cache, Index, Lock, RLock, open } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { engines, forEachEngine } from '../support/stores.js';
import { pause, settled, until, withCode } from './helpers.js';

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

  test('an RLock that its caller holds keeps out what works a stale value out anew in the background', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c');
    const lock = new RLock(store, 'l');
    const options = { ttl: 1, staleFor: '1h' } as const;
    await cache.getOrSet('k', () => 1, options);
    await pause(10);
    let isHeld = false;
    let met: boolean | undefined;
    await lock.use(async () => {
      isHeld = true;
      await cache.getOrSet('k', () => lock.use(() => ((met = isHeld), 2)), options);
      await pause(200);
      isHeld = false;
    });
    await until(() => met !== undefined);
    expect(met).toBe(false);
  });

  test('a Lock that its caller holds is waited for by what works a stale value out anew in the background', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c');
    const lock = new Lock(store, 'l');
    const options = { ttl: 1, staleFor: '1h' } as const;
    await cache.getOrSet('k', () => 1, options);
    await pause(10);
    let refreshed: Promise<unknown> | undefined;
    await lock.use(async () => {
      await cache.getOrSet(
        'k',
        () =>
          (refreshed = settled(
            lock.use(() => 2),
            5_000,
          )) as never,
        options,
      );
      await pause(100);
    });
    await until(() => refreshed !== undefined);
    expect(await refreshed).toEqual({ status: 'fulfilled', value: 2 });
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

  test('what a function began that works a value out may ask for its key once it has ended', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    let later: Promise<number> | undefined;
    let go: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    await cache.getOrSet('k', () => {
      // A timer, a queue, or a connection that is opened lazily.
      later = gate.then(() => cache.getOrSet('k', () => 2));
      return 1;
    });
    await cache.delete('k');
    go?.();
    expect(await later).toBe(2);
  });

  test('what refreshes a stale value may ask for the key whose work has asked for that value', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    await cache.getOrSet('b', () => 1, { ttl: 1, staleFor: '1h' });
    await pause(10);
    let refreshed: Promise<unknown> | undefined;
    await cache.getOrSet('a', async () => {
      const b = await cache.getOrSet(
        'b',
        () =>
          (refreshed = settled(
            pause(50).then(() => cache.getOrSet('a', () => 7)),
            3_000,
          )) as never,
        { ttl: 1, staleFor: '1h' },
      );
      await pause(20);
      return b;
    });
    await cache.delete('a');
    await until(() => refreshed !== undefined);
    expect(await refreshed).toEqual({ status: 'fulfilled', value: 7 });
  });
});

test('on a server, a stale value is refreshed in the background though the transaction of another store in which it was asked for has ended', async () => {
  const server = engines.find(({ name }) => name === 'server')!;
  const there = await server.open();
  const cache = new Cache<number>(there, 'c');
  const source = await server.open();
  const data = new Index<string, number>(source, 'i');
  const options = { ttl: 1, staleFor: '1h' } as const;
  await cache.getOrSet('k', () => 1, options);
  await pause(10);
  let refreshed: Promise<unknown> | undefined;
  await source.transaction(async () => {
    await data.set('x', 7);
    await cache.getOrSet(
      'k',
      () =>
        (refreshed = settled(
          pause(100).then(() => data.get('x')),
          3_000,
        )) as never,
      options,
    );
  });
  await until(() => refreshed !== undefined);
  expect(await refreshed).toEqual({ status: 'fulfilled', value: 7 });
});

test('the context of a chain of refreshes does not grow', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c');
  const lengths: number[] = [];
  const run = vi.spyOn(AsyncLocalStorage.prototype, 'run');
  let n = 0;
  await new Promise<void>((resolve, reject) => {
    const f = cache.memoize(
      async (): Promise<number> => {
        // It looks after itself from now on.
        if (++n < 50) setTimeout(() => void f.refresh().catch(reject), 1);
        else resolve();
        return n;
      },
      { name: 'f' },
    );
    f().catch(reject);
  });
  for (const [all] of run.mock.calls) if (Array.isArray(all)) lengths.push(all.length);
  run.mockRestore();
  expect(Math.max(...lengths)).toBeLessThan(5);
});
