import { expect, test } from 'vitest';
import { Cache, json } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, withCode } from './helpers.js';

forEachEngine((engine) => {
  test('increment of a number that takes more bytes then needs room for them', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c', { codec: json(), eviction: 'none' });
    await cache.set('n', 8);
    const full = new Cache<number>(store, 'c', { codec: json(), maxBytes: await cache.bytes });
    expect(await full.increment('n')).toBe(9);
    await expect(async () => full.increment('n')).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    expect(await full.get('n')).toBe(9);
  });

  test('increment makes room where the limits are lower now', async () => {
    const store = await engine.open();
    const cache = new Cache<number>(store, 'c');
    for (const key of ['a', 'b', 'c']) await cache.set(key, 1);
    const less = new Cache<number>(store, 'c', { maxEntries: 1 });
    expect(await less.increment('b')).toBe(2);
    expect(await less.size).toBe(1);
    expect(await less.get('b')).toBe(2);
  });

  test('an entry that may be served stale is fresh for as long as touch says, and stale for as long as before', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    for (const key of ['longer', 'shorter'])
      await cache.getOrSet(key, () => 1, { ttl: key === 'longer' ? 200 : '1h', staleFor: '1h' });
    expect(await cache.touch('longer', '1h')).toBe(true);
    expect(await cache.touch('shorter', 1)).toBe(true);
    await pause(300);
    expect(await cache.get('longer')).toBe(1);
    expect(await cache.get('shorter')).toBe(undefined);
    expect(await cache.getOrSet('shorter', () => 2)).toBe(1);
  });
});
