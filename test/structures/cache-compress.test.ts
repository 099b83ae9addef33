import { describe, expect, test } from 'vitest';
import { Cache, type AsyncCache, type CompressionAlgorithm } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';

const text = 'Ask, and it shall be answered. '.repeat(500);
const algorithms: CompressionAlgorithm[] = ['gzip', 'deflate', 'brotli'];

forEachEngine((engine) => {
  describe('Cache with compress', () => {
    test.each(algorithms)('%s makes values smaller, and whatever cache reads them', async (compress) => {
      const store = await engine.open();
      const cache: AsyncCache<unknown> = new Cache<unknown>(store, 'c', { compress });
      const other: AsyncCache<unknown> = new Cache<unknown>(store, 'c', {});
      for (const value of [text, { text }, new Map([[text, 1]]), Buffer.from(text)]) {
        await cache.set('a', value);
        expect(await cache.bytes).toBeLessThan(1_000);
        expect(await other.get('a')).toEqual(value instanceof Buffer ? new Uint8Array(value) : value);
      }
    });
  });
});
