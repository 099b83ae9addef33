import { expect, test } from 'vitest';
import { Cache, open } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';

test('smoke', async () => {
  const directory = temporaryDirectory();
  const store = open(directory);
  const cache = new Cache<number>(store, 'c', { shards: 4, maxEntries: 1000 });
  for (let i = 0; i < 100; i++) cache.set(`k${i}`, i, { tags: ['t'] });
  expect(cache.size).toBe(100);
  expect(cache.get('k5')).toBe(5);
  expect([...cache.keys({ prefix: 'k1' })]).toHaveLength(11);
  for (const n of [1, 3, 1, 8, 4]) {
    await cache.reshard(n);
    expect(cache.size).toBe(100);
    for (let i = 0; i < 100; i++) expect(cache.get(`k${i}`)).toBe(i);
    expect([...cache.keys({ tag: 't' })]).toHaveLength(100);
  }
  store.close();
});
