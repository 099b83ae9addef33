import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Cache, type AsyncCache, type CacheOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, rawConnection, refused, rolledBack, until, withCode } from './helpers.js';

const KiB = 1024;

/** Pieces of bytes that differ. */
function* piecesOf(count: number, size = 64 * KiB): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(size, `${i}:`);
}

async function bytesOf(stream: AsyncIterable<unknown> | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream ?? []) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

forEachEngine((engine) => {
  const newCache = async <V>(options: CacheOptions = {}): Promise<AsyncCache<V>> =>
    new Cache<V>(await engine.open(), 'files', options);

  describe('write and read', () => {
    test.each([0, 1, 3, 40])('%s pieces of 64 KiB come back as they were', async (count) => {
      const cache = await newCache<Uint8Array>();
      const expected = Buffer.concat([...piecesOf(count)]);
      await cache.write('a', Readable.from(piecesOf(count)), { ttl: '1h', tags: ['t'] });
      expect(hashOf(await bytesOf(await cache.read('a')))).toBe(hashOf(expected));
      expect(hashOf((await cache.get('a')) ?? Buffer.of(1))).toBe(hashOf(expected));
      expect(await cache.entry('a')).toMatchObject({ tags: ['t'], expiresAt: expect.any(Date) });
      expect(await cache.bytes).toBeGreaterThanOrEqual(expected.byteLength);
      expect(await cache.read('b')).toBeUndefined();
    });

    test('a source is any iterable of bytes and strings, also a stream of the web', async () => {
      const cache = await newCache<Uint8Array>();
      await cache.write('a', ['é', Buffer.from('b'), new Uint8Array(0)]);
      expect(String(await bytesOf(await cache.read('a')))).toBe('éb');
      await cache.write('b', new Blob(['web']).stream());
      expect(String(await bytesOf(await cache.read('b')))).toBe('web');
    });

    test('what was stored by set is read, if it is bytes or a string, large or small', async () => {
      const cache = await newCache<unknown>();
      const long = 'é'.repeat(100_000);
      await cache.setMany([
        ['text', 'é'],
        ['long', long],
        ['bytes', Uint8Array.of(1, 2)],
        ['large', Buffer.alloc(300_000, 7)],
        ['object', { a: 1 }],
        ['number', 1],
        ['large object', { a: 'x'.repeat(100_000) }],
      ]);
      expect(String(await bytesOf(await cache.read('text')))).toBe('é');
      expect(String(await bytesOf(await cache.read('long'))) === long).toBe(true);
      expect([...(await bytesOf(await cache.read('bytes')))]).toEqual([1, 2]);
      expect(await bytesOf(await cache.read('large'))).toHaveLength(300_000);
      for (const key of ['object', 'number', 'large object'])
        await expect(async () => cache.read(key)).rejects.toThrow(TypeError);
    });

    test('a reader goes on with what it has begun, though the entry is replaced, and evicted', async () => {
      const cache = await newCache<Uint8Array>({ maxBytes: '8MiB' });
      const expected = Buffer.concat([...piecesOf(60)]);
      await cache.write('a', piecesOf(60));
      const [first, second] = [await cache.read('a'), await cache.read('a')];
      const begun = first?.[Symbol.asyncIterator]();
      const head = (await begun?.next())?.value as Uint8Array;
      await cache.write('a', piecesOf(2));
      for (let i = 0; i < 4; i++) await cache.write(`b${i}`, piecesOf(60));
      expect(await cache.has('a')).toBe(false);
      const pieces = [head];
      for (let turn = await begun?.next(); turn?.done === false; turn = await begun?.next())
        pieces.push(turn.value as Uint8Array);
      expect(hashOf(Buffer.concat(pieces))).toBe(hashOf(expected));
      expect(hashOf(await bytesOf(second))).toBe(hashOf(expected));
    });

    test.each(['gzip', 'deflate', 'brotli'] as const)(
      'what is compressed by %s comes back as it was, and takes less',
      async (compress) => {
        const cache = await newCache<unknown>({ compress });
        const expected = Buffer.concat([...piecesOf(40)]);
        await cache.write('a', piecesOf(40));
        await cache.write('empty', []);
        await cache.set('text', 'é'.repeat(500_000));
        await cache.set('object', { a: 'x'.repeat(500_000) });
        expect((await cache.entry('a'))?.bytes).toBeLessThan(expected.byteLength / 10);
        expect(hashOf(await bytesOf(await cache.read('a')))).toBe(hashOf(expected));
        expect(hashOf((await cache.get('a')) as Uint8Array)).toBe(hashOf(expected));
        expect(await bytesOf(await cache.read('empty'))).toHaveLength(0);
        expect(String(await bytesOf(await cache.read('text'))) === 'é'.repeat(500_000)).toBe(true);
        await expect(async () => bytesOf(await cache.read('object'))).rejects.toThrow(TypeError);
      },
    );

    test('a source that fails, or gives what is no bytes, leaves what was there', async () => {
      const cache = await newCache<Uint8Array>();
      await cache.write('a', piecesOf(3));
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield* piecesOf(5);
        throw new RangeError('the source is gone');
      };
      await expect(cache.write('a', failing())).rejects.toThrow('the source is gone');
      await expect(cache.write('a', [1] as never)).rejects.toThrow(/piece 0 .* not 1/);
      for (const wrong of ['text', Buffer.of(1), 1, undefined, null, {}])
        await expect(cache.write('a', wrong as never)).rejects.toThrow(TypeError);
      await expect(cache.write('a', [], { tll: 1 } as never)).rejects.toThrow('tll');
      expect(await cache.get('a')).toHaveLength(3 * 64 * KiB);
    });

    test('a signal ends it, also while the source gives nothing', async () => {
      const cache = await newCache<Uint8Array>();
      const controller = new AbortController();
      const reason = new Error('enough');
      const stalled = async function* (): AsyncGenerator<Uint8Array> {
        yield* piecesOf(3);
        setTimeout(() => controller.abort(reason), 20);
        await new Promise(() => undefined);
      };
      const written = cache.write('a', stalled(), { signal: controller.signal });
      await expect(written).rejects.toBe(reason);
      await expect(cache.write('a', [], { signal: controller.signal })).rejects.toBe(reason);
      expect(await cache.has('a')).toBe(false);
    });

    test('what is ended at whichever moment leaves nothing', async () => {
      const store = await engine.open();
      const cache = new Cache<Uint8Array>(store, 'files');
      const raw = await rawConnection(engine, store);
      const left = async (): Promise<number> => {
        if ((store.kind as string) === 'embedded') {
          const { directory } = JSON.parse(engine.location(store)) as { directory: string };
          const values = join(directory, 'values');
          return readdirSync(values, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
            .length;
        }
        const [row] = await raw(
          'SELECT (SELECT count(*) FROM value_uses) + (SELECT count(*) FROM value_chunks) AS n',
        );
        return Number(row?.['n']);
      };
      // The place for a value is made before the first of it is written.
      await cache.write('a', piecesOf(20));
      await cache.delete('a');
      await until(async () => (await left()) === 0, 'the first is left');
      for (let turns = 0; turns < 40; turns++) {
        const controller = new AbortController();
        const written = cache.write('a', piecesOf(20), { signal: controller.signal }).catch(() => undefined);
        for (let i = 0; i < turns; i++) await new Promise(setImmediate);
        controller.abort();
        await written;
        await cache.delete('a');
      }
      await pause(100);
      await until(async () => (await left()) === 0, 'something is left');
    });

    test('more than the whole cache may take is refused before the source has ended, and evicts nothing', async () => {
      const cache = await newCache<Uint8Array>({ maxBytes: '1MiB' });
      await cache.set('small', Buffer.alloc(10));
      let given = 0;
      const endless = function* (): Generator<Uint8Array> {
        for (;;) {
          given++;
          yield Buffer.alloc(64 * KiB);
        }
      };
      await expect(cache.write('a', endless())).rejects.toThrow(withCode('ERR_TOO_LARGE'));
      expect(given).toBeLessThan(100);
      expect(await cache.has('small')).toBe(true);
    });

    test('neither write nor read is allowed inside a transaction', async () => {
      const store = await engine.open();
      const cache = new Cache<Uint8Array>(store, 'files');
      await cache.set('a', Buffer.of(1));
      await rolledBack(store, function* () {
        for (const call of [() => cache.write('a', []), () => cache.read('a')])
          yield refused(store, call, withCode('ERR_IN_TRANSACTION'));
      });
    });

    test('what is being written when the store closes is not stored', async () => {
      const store = await engine.open();
      const cache = new Cache<Uint8Array>(store, 'files');
      await cache.set('a', Buffer.of(1));
      const stalled = async function* (): AsyncGenerator<Uint8Array> {
        yield* piecesOf(3);
        await new Promise(() => undefined);
      };
      const written = cache.write('a', stalled());
      await pause(50);
      await Promise.all([
        expect(written).rejects.toThrow(withCode('ERR_CLOSED')),
        (async () => store.close())(),
      ]);
      expect(await new Cache(await engine.reopen(store), 'files').get('a')).toEqual(Uint8Array.of(1));
    });

    test('what has gone leaves nothing', async () => {
      const store = await engine.open();
      const cache = new Cache<Uint8Array>(store, 'files');
      const raw = await rawConnection(engine, store);
      for (const key of ['a', 'b', 'c', 'd']) await cache.write(key, piecesOf(3));
      await cache.set('a', Buffer.of(1));
      await cache.delete('b');
      await cache.write('c', piecesOf(3));
      (await cache.read('c'))?.destroy();
      await cache.clear();
      const left = async (): Promise<number> => {
        const tables =
          (store.kind as string) === 'server'
            ? ['value_trash', 'value_uses', 'value_chunks']
            : ['value_trash'];
        let sum = 0;
        for (const table of tables)
          sum += Number((await raw(`SELECT count(*) AS n FROM ${table}`))[0]?.['n']);
        return sum;
      };
      await until(async () => (await left()) === 0, 'something is left');
    });

    test('a stream of the web that is written from, and gives nothing, is cancelled when that is aborted', async () => {
      const cache = new Cache<Uint8Array>(await engine.open(), 'c');
      let cancelled = false;
      const source = new ReadableStream<Uint8Array>({
        cancel() {
          cancelled = true;
        },
      });
      const controller = new AbortController();
      const written = cache.write('k', source, {
        signal: controller.signal,
      });
      await pause(50);
      controller.abort(new Error('stop'));
      await expect(written).rejects.toThrow('stop');
      await until(() => cancelled);
    });
  });
});
