import { describe, expect, test } from 'vitest';
import {
  Cache,
  float16,
  json,
  msgpack,
  raw,
  type AsyncCache,
  type CacheOptions,
  type Codec,
} from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { collect, expectSame, strangeValues, withCode } from './helpers.js';

/** A codec of an application: text, backwards. */
const reversed = <V>(name?: string): Codec<V> => ({
  ...(name === undefined ? {} : { name }),
  encode: (value) => Buffer.from(JSON.stringify(value)).reverse(),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).reverse().toString()) as V,
});

forEachEngine((engine) => {
  /** A cache for each of some options, all of the same data. */
  const caches = async <V>(...options: CacheOptions<V>[]): Promise<AsyncCache<V>[]> => {
    const store = await engine.open();
    return options.map((one) => new Cache<V>(store, 'c', one));
  };
  const newCache = async <V>(options: CacheOptions<V>): Promise<AsyncCache<V>> =>
    new Cache<V>(await engine.open(), 'c', options);

  describe('Cache with a codec', () => {
    test('values of the codecs of the library can be read by whatever cache', async () => {
      const vector = Float32Array.of(0.5, -2, 1024);
      for (const [codec, value] of [
        [json(), { a: [1, 'zwei', null] }],
        [msgpack(), { a: [1, 'zwei', new Date(5)] }],
        [msgpack(), new Map([['a', 1n]])],
        [raw(), Uint8Array.of(0xf4, 0xff, 0)],
        [float16(), { text: 'x', vector }],
        [float16(json()), [vector, 'x']],
      ] as [Codec<unknown>, unknown][]) {
        const all = await caches<unknown>({ codec }, {}, { codec: json() }, { codec: reversed('mine') });
        await all[0]!.set('a', value);
        for (const cache of all) expectSame(await cache.get('a'), value);
      }
    });

    test.each(strangeValues)('msgpack() carries %s', async (_, value) => {
      const cache = await newCache<unknown>({ codec: msgpack() });
      await cache.set('a', value);
      expectSame(await cache.get('a'), value);
    });

    test('a value of another’s codec is refused, and the codec is named', async () => {
      const [mine, other, none] = await caches<number>(
        { codec: reversed('mine') },
        { codec: reversed() },
        {},
      );
      await mine!.set('a', 1);
      expect(await mine!.get('a')).toBe(1);
      for (const cache of [other!, none!]) {
        await expect(async () => cache.get('a')).rejects.toThrow(/"mine"/);
        await expect(async () => cache.pop('a')).rejects.toThrow(withCode('ERR_CODEC'));
        await expect(async () => collect(cache.values())).rejects.toThrow(withCode('ERR_CODEC'));
        expect(await cache.has('a')).toBe(true);
      }
      await none!.set('a', 2);
      expect(await mine!.get('a')).toBe(2);
    });
  });
});
