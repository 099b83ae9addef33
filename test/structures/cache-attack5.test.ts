import { expect, test } from 'vitest';
import { Cache, json } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { withCode } from './helpers.js';

// What no test noticed the lack of: conditions of `swap` in src/structures/cache/statements.ts.
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
});
