import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compressing, opened, streamOf } from '../../src/core/byte-streams.js';
import { resolveCoding } from '../../src/core/coding.js';
import { Columns, selfDescribing } from '../../src/core/columns.js';
import { compressed, decompressed, isCompressed, resolveCompression } from '../../src/core/compression.js';
import type { CompressionAlgorithm, CompressionOptions } from '../../src/index.js';
import { randomFrom } from '../support/random.js';

const hasZstd = 'zstdCompressSync' in zlib;
const algorithms: CompressionAlgorithm[] = [
  'gzip',
  'deflate',
  'brotli',
  ...(hasZstd ? ['zstd' as const] : []),
];
const marks = { gzip: 0xe8, deflate: 0xe9, brotli: 0xea, zstd: 0xeb };
const text = 'Ask, and it shall be answered. '.repeat(100);
const corrupt = expect.objectContaining({ code: 'ERR_CORRUPT' }) as Error;
const settings = (given: CompressionAlgorithm | CompressionOptions) => resolveCompression(given)!;
const random = randomFrom(7);
const noise = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random() * 256);

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.byteLength; i += size) yield bytes.subarray(i, i + size);
}

async function all(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of stream) parts.push(piece as Uint8Array);
  return Buffer.concat(parts);
}

const stream = (bytes: Uint8Array) => opened({ head: bytes[0] ?? 0, rest: streamOf(bytes.subarray(1)) });

describe.each(algorithms)('%s', (algorithm) => {
  test('is marked, and gives back what it got', () => {
    const bytes = Buffer.from(text);
    const small = compressed(bytes, settings(algorithm))!;
    expect(small[0]).toBe(marks[algorithm]);
    expect(isCompressed(marks[algorithm])).toBe(true);
    expect(small.byteLength).toBeLessThan(bytes.byteLength / 10);
    expect(Buffer.compare(decompressed(small), bytes)).toBe(0);
  });

  test('is garbled or cut short: ERR_CORRUPT', () => {
    const { column } = new Columns('embedded', resolveCoding({ compress: algorithm })).encodeValue(text, '');
    const columns = new Columns('server');
    const bytes = column as Uint8Array;
    expect(columns.decodeValue(bytes)).toBe(text);
    for (let length = 1; length < bytes.byteLength; length++)
      expect(() => columns.decodeValue(bytes.subarray(0, length))).toThrow(corrupt);
    const wrong = Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte : byte ^ 0x5a));
    expect(() => columns.decodeValue(wrong)).toThrow(corrupt);
  });

  test('takes a level from its range', () => {
    const [least, most] = { gzip: [1, 9], deflate: [1, 9], brotli: [0, 11], zstd: [1, 22] }[algorithm] as [
      number,
      number,
    ];
    const sizes = [least, most].map((level) => {
      const small = compressed(Buffer.from(text), settings({ algorithm, level }))!;
      expect(String(decompressed(small))).toBe(text);
      return small.byteLength;
    });
    expect(sizes[1]).toBeLessThanOrEqual(sizes[0]!);
    for (const level of [least - 1, most + 1, 1.5])
      expect(() => settings({ algorithm, level })).toThrow(
        `compress.level of ${algorithm} must be a whole number from ${least} to ${most}, not ${level}`,
      );
  });

  test('a stream is compressed if that makes its start smaller', async () => {
    for (const [size, most] of [
      [0, 1],
      [1_022, 1_023],
      [5_000, 200],
      [70_000, 500],
      [1_000_000, 3_000],
    ] as const) {
      const bytes = Buffer.concat([Buffer.of(0xf3), Buffer.alloc(size, text)]);
      for (const piece of [1_000, 64 * 1024, 300_000]) {
        const stored = await all(compressing(pieces(bytes, piece), settings(algorithm)));
        expect(stored.byteLength).toBeLessThanOrEqual(most);
        if (bytes.byteLength < 1_024) expect(Buffer.compare(stored, bytes)).toBe(0);
        expect(Buffer.compare(await all(stream(stored)), bytes.subarray(1))).toBe(0);
      }
    }
    const plain = Buffer.concat([Buffer.of(0xf3), noise(200_000)]);
    const stored = await all(compressing(pieces(plain, 10_000), settings(algorithm)));
    expect(Buffer.compare(stored, plain)).toBe(0);
    const mixed = Buffer.concat([Buffer.alloc(100_000, text), noise(200_000)]);
    const both = await all(
      compressing(pieces(Buffer.concat([Buffer.of(0xf3), mixed]), 9_000), settings(algorithm)),
    );
    expect(both.byteLength).toBeLessThan(202_000);
    expect(Buffer.compare(await all(stream(both)), mixed)).toBe(0);
  });

  test('a stream that is garbled fails with ERR_CORRUPT, one of something else with a TypeError', async () => {
    const columns = new Columns('embedded', resolveCoding({ compress: algorithm }));
    const bytes = selfDescribing(columns.encodeValue(text, '').column);
    expect(String(await all(stream(bytes)))).toBe(text);
    await expect(all(stream(bytes.subarray(0, -3)))).rejects.toThrow(corrupt);
    const object = selfDescribing(columns.encodeValue({ text }, '').column);
    await expect(all(stream(object))).rejects.toThrow(TypeError);
  });

  test('a stream ends what it reads from, also where nothing was read of it', async () => {
    const bytes = await all(
      compressing(
        pieces(Buffer.concat([Buffer.of(0xf3), noise(50_000), Buffer.alloc(10 ** 6)]), 9_000),
        settings(algorithm),
      ),
    );
    for (const isRead of [false, true]) {
      const rest = streamOf(bytes.subarray(1));
      const outer = opened({ head: bytes[0]!, rest });
      if (isRead) for await (const _ of outer) break;
      else outer.destroy();
      if (!rest.closed) await new Promise((resolve) => rest.once('close', resolve));
      expect(outer.destroyed).toBe(true);
    }
    const failing = streamOf(bytes.subarray(1, 1_000), () => Promise.reject(new Error('lost')));
    await expect(all(opened({ head: bytes[0]!, rest: failing }))).rejects.toThrow('lost');
  });
});

test('zstd is refused where this Node lacks it, and so is what was compressed by it', () => {
  const missing = { code: 'ERR_CODEC', message: expect.stringContaining('no zstd') as string };
  const refusal = expect.objectContaining(missing) as Error;
  const cutShort = Uint8Array.of(0xeb, 0x28, 0xb5, 0x2f, 0xfd);
  for (const given of ['zstd', { algorithm: 'zstd', level: 3 }] as const)
    if (hasZstd) expect(resolveCompression(given)).toMatchObject({ algorithm: 'zstd' });
    else expect(() => resolveCompression(given)).toThrow(refusal);
  expect(() => new Columns('embedded').decodeValue(cutShort)).toThrow(hasZstd ? corrupt : refusal);
  if (!hasZstd) expect(() => stream(cutShort)).toThrow(refusal);
});

test('what is below the threshold, or does not become smaller, stays as it is', () => {
  const columnOf = (value: unknown, given: CompressionAlgorithm | CompressionOptions) =>
    new Columns<string, unknown>('embedded', resolveCoding({ compress: given })).encodeValue(value, 'value');
  const stays = (value: unknown, given: CompressionAlgorithm | CompressionOptions): void => {
    expect(columnOf(value, given)).toEqual(
      new Columns<string, unknown>('embedded').encodeValue(value, 'value'),
    );
  };
  const changes = (value: unknown, given: CompressionAlgorithm | CompressionOptions): void => {
    const { column, size } = columnOf(value, given);
    expect((column as Uint8Array)[0]).toBe(0xe8);
    expect(size).toBe((column as Uint8Array).byteLength - 1);
  };
  stays('x'.repeat(1_023), 'gzip');
  changes('x'.repeat(1_024), 'gzip');
  stays('é'.repeat(511), 'gzip');
  changes('é'.repeat(512), 'gzip');
  changes('x'.repeat(100), { algorithm: 'gzip', threshold: 100 });
  stays('x'.repeat(2_000), { algorithm: 'gzip', threshold: '2KiB' });
  for (const value of ['', 'x', 5, Uint8Array.of(1), noise(5_000), null])
    stays(value, { algorithm: 'gzip', threshold: 0 });
});

test('options that make no sense are refused', () => {
  for (const [given, error] of [
    ['lzma', /compress must be one of "zstd", "brotli", "gzip", "deflate", not "lzma"/],
    [true, /compress must be one of .*gzip.*, or an object, not true/],
    [{}, /compress\.algorithm must be one of/],
    [{ algorithm: 'gzip', levels: 1 }, /compress has no option "levels"; it has algorithm, level, threshold/],
    [{ algorithm: 'gzip', threshold: -1 }, /compress\.threshold must be/],
    [{ algorithm: 'gzip', threshold: '1 kb' }, /compress\.threshold must be/],
  ] as const)
    expect(() => resolveCompression(given as never)).toThrow(error);
});
