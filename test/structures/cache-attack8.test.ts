import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, settled, withCode } from './helpers.js';

forEachEngine((engine) => {
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

  test('a number and a bigint are two arguments, as a function may tell them apart', async () => {
    const cache = new Cache<string>(await engine.open(), 'c');
    const f = cache.memoize(async (x: unknown) => typeof x, { name: 'f' });
    expect([await f(1), await f(1n), await f({ x: 1 }), await f({ x: 1n })]).toEqual([
      'number',
      'bigint',
      'object',
      'object',
    ]);
    expect(f.key({ x: 1 })).not.toEqual(f.key({ x: 1n }));
  });
});
