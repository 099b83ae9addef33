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

/** A codec of an application: JSON, backwards. */
const reversed = <V>(name?: string): Codec<V> => ({
  name,
  encode: (value) => Buffer.from(JSON.stringify(value)).reverse(),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).reverse().toString()) as V,
});

const rejects = (call: () => unknown, error: unknown): Promise<void> =>
  expect(async () => call()).rejects.toThrow(error);

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
        [float16(float16(json())), [vector, 'x']],
      ] as [Codec<unknown>, unknown][]) {
        const all = await caches<unknown>({ codec }, {}, { codec: json() }, { codec: reversed('mine') });
        await all[0]!.set('a', value);
        for (const cache of all) expectSame(await cache.get('a'), value);
      }
    });

    test.each(strangeValues)('msgpack() and float16() carry %s', async (_, value) => {
      const cache = await newCache<unknown>({ codec: msgpack() });
      await cache.set('a', value);
      expectSame(await cache.get('a'), value);
      const [halves] = await caches<unknown>({ codec: float16() });
      await halves!.set('a', value);
      expectSame(await halves!.get('a'), value);
    });

    test('a cache with a codec reads what was stored without one', async () => {
      const [none, mine] = await caches<unknown>({}, { codec: reversed('mine') });
      for (const value of ['text', 1.5, { a: 1 }, Uint8Array.of(1), new Set([1])]) {
        await none!.set('a', value);
        expect(await mine!.get('a')).toEqual(value);
      }
    });

    test('a value of another’s codec is refused, which is named, and stays', async () => {
      const [mine, other, none, halves] = await caches<number>(
        { codec: reversed('mine') },
        { codec: reversed() },
        {},
        { codec: float16(reversed('mine')) },
      );
      await mine!.set('a', 1);
      for (const cache of [other!, none!, halves!]) {
        await expect(async () => cache.get('a')).rejects.toThrow(/"mine"/);
        for (const call of [
          () => cache.get('a'),
          () => cache.pop('a'),
          () => cache.getMany(['a']),
          () => cache.entry('a'),
          () => cache.increment('a'),
          () => cache.update('a', () => 2),
          () => cache.getOrSet('a', () => 2),
          () => collect(cache.values()),
        ])
          await rejects(call, withCode('ERR_CODEC'));
        expect(await cache.has('a')).toBe(true);
        expect(await mine!.get('a')).toBe(1);
      }
      await halves!.set('b', 2);
      await expect(async () => none!.get('b')).rejects.toThrow(/"float16\(mine\)"/);
      expect(await halves!.get('b')).toBe(2);
      await other!.set('c', 3);
      await expect(async () => none!.get('c')).rejects.toThrow(/"custom"/);
      await none!.set('a', 2);
      expect(await mine!.get('a')).toBe(2);
    });

    test('the bytes that are counted are those of the codec', async () => {
      const cache = await newCache<Float32Array>({ codec: float16() });
      await cache.set('a', new Float32Array(1000));
      const { bytes } = (await cache.entry('a'))!;
      expect(bytes).toBeGreaterThan(2000);
      expect(bytes).toBeLessThan(2050);
      expect(await cache.bytes).toBe(bytes);
    });

    test('every method that stores and reads goes through the codec', async () => {
      const [cache, plain] = await caches<unknown>({ codec: reversed('mine') }, {});
      const isCoded = () => expect(async () => plain!.get('a')).rejects.toThrow(withCode('ERR_CODEC'));
      const cleared = async () => {
        await isCoded();
        await cache!.clear();
      };
      expect(await cache!.add('a', 1)).toBe(true);
      expect(await cache!.increment('a', 2)).toBe(3);
      expect(await cache!.get('a')).toBe(3);
      await cleared();
      expect(await cache!.increment('a', 1, { initial: 41 })).toBe(42);
      await cleared();
      await cache!.setMany([['a', { n: 1 }]]);
      expect(await cache!.getMany(['a'])).toEqual([{ n: 1 }]);
      expect(await cache!.update('a', (value) => [value])).toEqual([{ n: 1 }]);
      expect(await collect(cache!.entries())).toEqual([['a', [{ n: 1 }]]]);
      await cleared();
      expect(await cache!.getOrSet('a', () => Promise.resolve({ n: 2 }))).toEqual({ n: 2 });
      expect(await cache!.getOrSet('a', () => 3)).toEqual({ n: 2 });
      await cleared();
      const double = cache!.memoize(async (n: number) => n * 2, { name: 'double' });
      expect([await double(4), await double(4), await cache!.get(double.key(4))]).toEqual([8, 8, 8]);
      await expect(async () => plain!.get(double.key(4))).rejects.toThrow(withCode('ERR_CODEC'));
      await cache!.set('a', 'x', { tags: ['t'] });
      await isCoded();
      expect(await cache!.pop('a')).toBe('x');
    });

    test('what encode throws is the caller’s, and the old value stays', async () => {
      const failure = new Error('no');
      const codec: Codec<number> = {
        ...reversed<number>(),
        encode: (value) => {
          if (value > 1) throw failure;
          return reversed<number>().encode(value);
        },
      };
      const cache = await newCache({ codec });
      await cache.set('a', 1);
      for (const call of [
        () => cache.set('a', 2),
        () => cache.setMany([['b', 1], ['a', 2]]), // prettier-ignore
        () => cache.add('c', 2),
        () => cache.increment('a', 1),
        () => cache.update('a', () => 2),
        () => cache.getOrSet('d', () => 2),
      ])
        await rejects(call, failure);
      expect(await cache.size).toBe(1);
      expect(await cache.get('a')).toBe(1);
    });

    test('what decode throws is the cause of ERR_CODEC', async () => {
      const failure = new Error('no');
      const cache = await newCache<number>({
        codec: {
          name: 'mine',
          encode: () => Uint8Array.of(1),
          decode: () => {
            throw failure;
          },
        },
      });
      await cache.set('a', 1);
      await expect(async () => cache.get('a')).rejects.toMatchObject({
        code: 'ERR_CODEC',
        message: expect.stringContaining('"mine"') as string,
        cause: failure,
      });
      await expect(async () => cache.pop('a')).rejects.toThrow('no');
      expect(await cache.has('a')).toBe(true);
    });

    test('what encode makes must be bytes', async () => {
      for (const made of ['text', Promise.resolve(Uint8Array.of(1)), undefined, new Float32Array(1), [1]]) {
        const encode = () => made as never;
        const cache = await newCache<number>({ codec: { ...reversed<number>('mine'), encode } });
        await expect(async () => cache.set('a', 1)).rejects.toThrow(
          /^encode\(\) of the codec "mine" must return a Uint8Array, not /,
        );
        await expect(async () => cache.set('a', 1)).rejects.toThrow(TypeError);
        expect(await cache.size).toBe(0);
      }
    });

    test('nobody shares memory with what is stored, or what another has read', async () => {
      const given: Uint8Array[] = [];
      const kept: Uint8Array = Uint8Array.of(1, 2, 3);
      const holding: Codec<Uint8Array> = {
        name: 'holding',
        encode: () => kept,
        decode: (bytes) => {
          given.push(bytes);
          return bytes;
        },
      };
      for (const codec of [holding, raw()]) {
        const cache = await newCache({ codec });
        const setting = cache.set('a', kept);
        kept.fill(9);
        await setting;
        kept.set([1, 2, 3]);
        const all = await Promise.all([1, 2].map(() => cache.getOrSet('b', () => kept)));
        all.push((await cache.get('a'))!, (await cache.get('a'))!, (await cache.get('b'))!);
        expect(new Set(all.map(({ buffer }) => buffer)).size).toBe(all.length);
        for (const bytes of all) {
          expect([...bytes]).toEqual([1, 2, 3]);
          expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
          expect(bytes.constructor).toBe(Uint8Array);
          bytes.fill(0);
        }
        expect([...kept]).toEqual([1, 2, 3]);
      }
      expect(given.length).toBeGreaterThanOrEqual(5);
    });

    test('raw() reads and stores what is streamed', async () => {
      const cache = await newCache<Uint8Array>({ codec: raw() });
      await cache.write('a', ['one', ' two']);
      expect(String(Buffer.from((await cache.get('a'))!))).toBe('one two');
      await cache.set('b', Buffer.from('three'));
      const pieces: unknown[] = [];
      for await (const piece of (await cache.read('b'))!) pieces.push(piece);
      expect(Buffer.concat(pieces as Uint8Array[]).toString()).toBe('three');
    });

    test('a large value goes into a file as the codec makes it', async () => {
      const [cache, plain] = await caches<string>({ codec: reversed('mine') }, {});
      const long = 'abc'.repeat(100_000);
      await cache!.set('a', long);
      expect((await cache!.get('a')) === long).toBe(true);
      await expect(async () => plain!.get('a')).rejects.toThrow(/"mine"/);
    });

    test('whatever is stored can lie in a file', async () => {
      for (const options of [
        {},
        { codec: json() },
        { compress: { algorithm: 'gzip', threshold: 0 } },
      ] as const) {
        const cache = await newCache<unknown>({ ...options, fileThreshold: 0 });
        for (const value of [1.5, 'text', '', [1], 'x'.repeat(5_000)]) {
          await cache.set('a', value);
          expect(await cache.get('a')).toEqual(value);
        }
        expect(await cache.increment('n', 2)).toBe(2);
        expect(await cache.increment('n', 2)).toBe(4);
      }
    });

    test('what is no codec, or has no name of its own, is refused', async () => {
      const store = await engine.open();
      const { encode, decode } = reversed<number>();
      for (const [codec, error] of [
        ['json', /codec must be an object with encode and decode, not "json"/],
        [null, /codec must be an object/],
        [{ encode }, /codec\.decode must be a function, not undefined/],
        [{ decode }, /codec\.encode must be a function/],
        [{ encode, decode, name: 1 }, /codec\.name must be a string, not 1/],
        [{ encode, decode, name: '' }, /codec\.name must be well-formed, with 1 to 255 bytes/],
        [{ encode, decode, name: 'é'.repeat(128) }, /not 256/],
        [{ encode, decode, name: 'json' }, /codec\.name must not be "json"/],
        [{ encode, decode, name: 'float16(msgpack)' }, /codec\.name must not be/],
      ] as const)
        expect(() => new Cache<number>(store, 'c', { codec: codec as never })).toThrow(error);
      const long = float16<number>({ encode, decode, name: 'x'.repeat(250) });
      expect(() => new Cache<number>(store, 'c', { codec: long })).toThrow(RangeError);
      expect(() => float16({ encode } as never)).toThrow(/codec\.decode must be a function/);
      const longest = new Cache<number>(store, 'c', { codec: { encode, decode, name: 'x'.repeat(255) } });
      await longest.set('a', 1);
      expect(await longest.get('a')).toBe(1);
    });
  });
});
