import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  Cache,
  json,
  type AsyncCache,
  type CacheOptions,
  type CompressionAlgorithm,
} from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { collect, isEmbedded, rawConnection, withCode } from './helpers.js';

const text = 'Ask, and it shall be answered. '.repeat(500);
const algorithms: CompressionAlgorithm[] = ['gzip', 'deflate', 'brotli'];
if ('zstdCompressSync' in zlib) algorithms.push('zstd');

forEachEngine((engine) => {
  /** A cache for each of some options, all of the same data. */
  const caches = async <V>(...options: CacheOptions<V>[]): Promise<AsyncCache<V>[]> => {
    const store = await engine.open();
    return options.map((one) => new Cache<V>(store, 'c', one));
  };

  describe('Cache with compress', () => {
    test.each(algorithms)('%s makes values smaller, and whatever cache reads them', async (compress) => {
      const [cache, ...others] = await caches<unknown>(
        { compress },
        {},
        { compress: 'gzip' },
        { compress: { algorithm: 'brotli', level: 1 }, codec: json() },
      );
      for (const value of [
        text,
        { text },
        new Map([[text, 1]]),
        new Uint8Array(Buffer.from(text)),
        [text, 5n],
      ]) {
        await cache!.set('a', value);
        const { bytes } = (await cache!.entry('a'))!;
        expect(bytes).toBeLessThan(1_000);
        expect(await cache!.bytes).toBe(bytes);
        for (const one of [cache!, ...others]) expect(await one.get('a')).toEqual(value);
      }
    });

    test('what a codec makes is compressed, too', async () => {
      const [cache, plain] = await caches<object>({ codec: json(), compress: 'gzip' }, {});
      await cache!.set('a', { text });
      expect(await cache!.bytes).toBeLessThan(1_000);
      expect(await plain!.get('a')).toEqual({ text });
    });

    test('a cache holds as much as fits when it is compressed', async () => {
      const [cache] = await caches<string>({ compress: 'gzip', maxBytes: 2_000 });
      for (let i = 0; i < 5; i++) await cache!.set(`k${i}`, `${i}${text}`);
      expect(await cache!.size).toBe(5);
      expect(await cache!.bytes).toBeLessThan(2_000);
      const [plain] = await caches<string>({ maxBytes: 2_000 });
      await expect(async () => plain!.set('a', text)).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    });

    test('methods that store and read do so compressed', async () => {
      const [cache, plain] = await caches<string>({ compress: 'deflate' }, {});
      await cache!.setMany([['a', text]]);
      expect(await cache!.update('a', (value = '') => `${value}!`)).toBe(`${text}!`);
      expect(await cache!.add('b', text)).toBe(true);
      expect(await cache!.getOrSet('c', () => Promise.resolve(text))).toBe(text);
      expect(await cache!.getMany(['a', 'b', 'c'])).toEqual([`${text}!`, text, text]);
      expect(await collect(plain!.values())).toEqual([`${text}!`, text, text]);
      expect(await cache!.bytes).toBeLessThan(1_500);
      expect(await cache!.pop('b')).toBe(text);
      const numbers = cache! as unknown as AsyncCache<number>;
      expect(await numbers.increment('n', 2)).toBe(2);
    });

    test('a large value is a smaller file, and a stream of it as it was', async () => {
      const [cache, plain] = await caches<unknown>({ compress: 'gzip' }, {});
      const noise = Buffer.from(Array.from({ length: 120_000 }, (_, i) => (i * i * 7919) >>> (i % 13)));
      const large = Buffer.concat([noise, Buffer.alloc(2_000_000, text)]);
      await cache!.set('bytes', large);
      await cache!.write('stream', [large.subarray(0, 5), large.subarray(5)]);
      await cache!.write('small', ['few']);
      for (const key of ['bytes', 'stream']) {
        const { bytes } = (await cache!.entry(key))!;
        expect(bytes).toBeGreaterThan(64 * 1024);
        expect(bytes).toBeLessThan(large.byteLength / 2);
        for (const one of [cache!, plain!]) {
          expect(Buffer.compare((await one.get(key)) as Uint8Array, large)).toBe(0);
          const pieces: Uint8Array[] = [];
          for await (const piece of (await one.read(key))!) pieces.push(piece as Uint8Array);
          expect(Buffer.compare(Buffer.concat(pieces), large)).toBe(0);
        }
      }
      expect(await plain!.get('small')).toEqual(new Uint8Array(Buffer.from('few')));
      await cache!.set('object', { text });
      await expect(async () => cache!.read('object')).rejects.toThrow(TypeError);
    });

    test('what is garbled is reported, and can be overwritten', async () => {
      const store = await engine.open();
      const cache = new Cache<string>(store, 'c', { compress: 'gzip' });
      await cache.set('a', text);
      const raw = await rawConnection(engine, store);
      const value = isEmbedded(store)
        ? "CAST(substr(value, 1, length(value) - 9) || x'000000' AS BLOB)"
        : String.raw`substr(value, 1, length(value) - 9) || '\x000000'::bytea`;
      await raw(`UPDATE cached_entries SET value = ${value}`);
      const corrupt = withCode('ERR_CORRUPT') as Error;
      await expect(async () => cache.get('a')).rejects.toThrow(corrupt);
      await expect(async () => cache.pop('a')).rejects.toThrow(corrupt);
      expect(await cache.has('a')).toBe(true);
      await cache.set('a', text);
      expect(await cache.get('a')).toBe(text);
    });

    test.each(algorithms)('%s: conversations take at most a fifth of their JSON', async (compress) => {
      const [cache] = await caches<object>({ compress });
      const all = conversations();
      let plain = 0;
      for (const [i, value] of all.entries()) {
        await cache!.set(i, value);
        plain += JSON.stringify(value).length;
      }
      expect(await cache!.size).toBeGreaterThan(10);
      expect(await cache!.bytes).toBeLessThanOrEqual(plain / 5);
    });

    test('options of compress that make no sense are refused', async () => {
      const store = await engine.open();
      expect(() => new Cache(store, 'c', { compress: 'lzma' as never })).toThrow(/compress must be one of/);
      expect(() => new Cache(store, 'c', { compress: { algorithm: 'brotli', level: 12 } })).toThrow(
        RangeError,
      );
    });
  });
});

/** Conversations about a text, as models are asked them: each request holds all that was said before it. */
function conversations(): object[] {
  const sections = ['guide.md', 'internals.md']
    .flatMap((name) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8').split(/\n\n/))
    .filter((section) => section.length > 200);
  return Array.from({ length: Math.floor(sections.length / 6) }, (_, i) => {
    const messages: object[] = [
      { role: 'system', content: 'Answer from the documentation, in plain words.' },
    ];
    return sections.slice(i * 6, i * 6 + 6).map((section) => {
      messages.push({ role: 'user', content: `What about “${section.slice(0, 40)}”?` });
      const request = { model: 'local', temperature: 0.2, messages: [...messages] };
      messages.push({ role: 'assistant', content: section });
      return { request, answer: section };
    });
  });
}
