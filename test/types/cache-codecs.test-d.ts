// What must compile, and what must not. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import {
  Cache,
  float16,
  json,
  msgpack,
  raw,
  type AsyncCache,
  type AsyncStore,
  type CacheOptions,
  type Codec,
  type Store,
} from 'holdfast';

declare const store: Store;
declare const server: AsyncStore;
const text: Codec<string> = { encode: (value) => Buffer.from(value), decode: String };

/* The codec tells the type of the values, or fits it */

expectTypeOf(new Cache(store, 'c', { codec: text })).toEqualTypeOf<Cache<string>>();
expectTypeOf(new Cache(server, 'c', { codec: raw() })).toEqualTypeOf<AsyncCache<Uint8Array>>();
expectTypeOf(new Cache<number>(store, 'c', { codec: json() })).toEqualTypeOf<Cache<number>>();
expectTypeOf(
  new Cache<{ a: Float32Array }>(store, 'c', { codec: float16(msgpack()) }).get('a'),
).toEqualTypeOf<{ a: Float32Array } | undefined>();
// @ts-expect-error a codec of texts, and values that are numbers
new Cache<number>(store, 'c', { codec: text });
// @ts-expect-error bytes only
new Cache<string>(store, 'c', { codec: raw() });
// @ts-expect-error no codec: it can't decode
new Cache<string>(store, 'c', { codec: { encode: text.encode.bind(text) } });
// @ts-expect-error a codec is not async
new Cache<string>(store, 'c', { codec: { encode: async () => Buffer.of(1), decode: String } });

/* Options that are made apart */

const options: CacheOptions = { compress: 'zstd', ttl: '1h' };
new Cache<number>(store, 'c', options);
const coded: CacheOptions<string> = {
  compress: { algorithm: 'brotli', level: 5, threshold: '4KiB' },
  codec: text,
};
new Cache<string>(store, 'c', coded);
// @ts-expect-error no such algorithm
new Cache<number>(store, 'c', { compress: 'lzma' });
// @ts-expect-error which one?
new Cache<number>(store, 'c', { compress: { level: 5 } });
