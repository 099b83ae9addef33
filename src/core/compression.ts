import * as zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { HoldfastError } from './errors.js';
import { byteSize, knownKeys, oneOf, shown, wholeNumber, type Size } from './options.js';

/** How values can be compressed. */
export type CompressionAlgorithm = 'zstd' | 'brotli' | 'gzip' | 'deflate';

/** How values are compressed, in full. */
export interface CompressionOptions {
  /** `'zstd'` needs Node 22.15, 23.8 or later. */
  readonly algorithm: CompressionAlgorithm;
  /** The higher, the smaller and the slower: 1 to 9 for gzip and deflate, 0 to 11 for brotli, 1 to 22 for zstd. @defaultValue 5 for brotli, 6 for the others */
  readonly level?: number | undefined;
  /** Values that take less are stored as they are. @defaultValue `'1KiB'` */
  readonly threshold?: Size | undefined;
}

/** {@link CompressionOptions}, checked. */
export interface Compression {
  readonly algorithm: CompressionAlgorithm;
  readonly level: number;
  readonly threshold: number;
}

/** How one algorithm is called. */
interface Method {
  /** The first byte of what it has compressed. Written to disk: never change one. */
  readonly mark: number;
  /** The usual one is where smaller begins to cost much more time: docs/performance.md has the table. */
  readonly levels: readonly [least: number, most: number, usual: number];
  compress(bytes: Uint8Array, level: number): Uint8Array;
  decompress(bytes: Uint8Array): Uint8Array;
  compressor(level: number): Transform;
  decompressor(): Transform;
}

/** What of zlib not every Node has. */
interface Zstd {
  readonly zstdCompressSync: (bytes: Uint8Array, options: object) => Uint8Array;
  readonly zstdDecompressSync: (bytes: Uint8Array) => Uint8Array;
  readonly createZstdCompress: (options: object) => Transform;
  readonly createZstdDecompress: () => Transform;
}

const { constants } = zlib;
const newer: object = zlib;
const { zstdCompressSync, zstdDecompressSync, createZstdCompress, createZstdDecompress }: Partial<Zstd> =
  newer;

const brotliOptions = (level: number, size = 0): zlib.BrotliOptions => ({
  params: {
    [constants.BROTLI_PARAM_QUALITY]: level,
    [constants.BROTLI_PARAM_SIZE_HINT]: size,
  },
});
/** With a checksum, for zstd has none by itself. By the numbers of zstd.h: ZSTD_c_compressionLevel, ZSTD_c_checksumFlag. */
const zstdOptions = (level: number): object => ({ params: { 100: level, 201: 1 } });

const methods: Readonly<Record<CompressionAlgorithm, Method>> = {
  gzip: {
    mark: 0xe8,
    levels: [1, 9, 6],
    compress: (bytes, level) => zlib.gzipSync(bytes, { level }),
    decompress: (bytes) => zlib.gunzipSync(bytes),
    compressor: (level) => zlib.createGzip({ level }),
    decompressor: () => zlib.createGunzip(),
  },
  deflate: {
    mark: 0xe9,
    levels: [1, 9, 6],
    compress: (bytes, level) => zlib.deflateSync(bytes, { level }),
    decompress: (bytes) => zlib.inflateSync(bytes),
    compressor: (level) => zlib.createDeflate({ level }),
    decompressor: () => zlib.createInflate(),
  },
  brotli: {
    mark: 0xea,
    levels: [0, 11, 5],
    compress: (bytes, level) => zlib.brotliCompressSync(bytes, brotliOptions(level, bytes.byteLength)),
    decompress: (bytes) => zlib.brotliDecompressSync(bytes),
    compressor: (level) => zlib.createBrotliCompress(brotliOptions(level)),
    decompressor: () => zlib.createBrotliDecompress(),
  },
  zstd: {
    mark: 0xeb,
    levels: [1, 22, 6],
    compress: (bytes, level) => atHand(zstdCompressSync)(bytes, zstdOptions(level)),
    decompress: (bytes) => atHand(zstdDecompressSync)(bytes),
    compressor: (level) => atHand(createZstdCompress)(zstdOptions(level)),
    decompressor: () => atHand(createZstdDecompress)(),
  },
};
const algorithms = ['zstd', 'brotli', 'gzip', 'deflate'] as const;
const byMark = new Map(algorithms.map((algorithm) => [methods[algorithm].mark, methods[algorithm]]));

/** @throws {@link HoldfastError} `ERR_CODEC` where this Node lacks it. */
function atHand<F>(given: F | undefined): F {
  if (given !== undefined) return given;
  throw new HoldfastError(
    'ERR_CODEC',
    `this Node, ${process.version}, has no zstd: use 22.15, 23.8 or later, or another algorithm`,
  );
}

/** How values are to be compressed; `undefined` for not at all. @throws {@link HoldfastError} `ERR_CODEC` for zstd where this Node lacks it. */
export function resolveCompression(
  given: CompressionAlgorithm | CompressionOptions | undefined,
): Compression | undefined {
  if (given === undefined) return undefined;
  const value: unknown = given;
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null))
    throw new TypeError(
      `compress must be one of ${algorithms.join(', ')}, or an object, not ${shown(value)}`,
    );
  const options: CompressionOptions = typeof given === 'string' ? { algorithm: given } : given;
  knownKeys('compress', options, ['algorithm', 'level', 'threshold']);
  oneOf(typeof given === 'string' ? 'compress' : 'compress.algorithm', options.algorithm, algorithms);
  const { algorithm } = options;
  const [least, most, usual] = methods[algorithm].levels;
  const { level = usual, threshold = 1024 } = options;
  wholeNumber(`compress.level of ${algorithm}`, level, least, most);
  if (algorithm === 'zstd') atHand(zstdCompressSync);
  return { algorithm, level, threshold: byteSize('compress.threshold', threshold, 0) };
}

/** Bytes behind the mark of their algorithm; `undefined` where they don't become smaller. */
export function compressed(bytes: Uint8Array, { algorithm, level }: Compression): Uint8Array | undefined {
  const method = methods[algorithm];
  const small = method.compress(bytes, level);
  if (small.byteLength + 1 >= bytes.byteLength) return undefined;
  const all = new Uint8Array(small.byteLength + 1);
  all[0] = method.mark;
  all.set(small, 1);
  return all;
}

/** Whether what begins with this byte is compressed. */
export const isCompressed = (mark: number): boolean => byMark.has(mark);

/**
 * What {@link compressed} was given.
 *
 * @throws {@link HoldfastError} `ERR_CORRUPT` when it is garbled; `ERR_CODEC` where this Node lacks the algorithm.
 */
export function decompressed(column: Uint8Array): Uint8Array {
  const method = methodOf(column[0]);
  try {
    return method.decompress(column.subarray(1));
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('ERR_CORRUPT', 'a stored value cannot be decompressed', { cause: error });
  }
}

/** What compresses a stream; the mark goes in front of what comes out. */
export function compressor({ algorithm, level }: Compression): { mark: number; stream: Transform } {
  return { mark: methods[algorithm].mark, stream: methods[algorithm].compressor(level) };
}

/** What decompresses the stream behind a mark that {@link isCompressed}. @throws {@link HoldfastError} `ERR_CODEC` where this Node lacks the algorithm. */
export const decompressor = (mark: number): Transform => methodOf(mark).decompressor();

function methodOf(mark: number | undefined): Method {
  const method = mark === undefined ? undefined : byMark.get(mark);
  if (method === undefined) throw new HoldfastError('ERR_CORRUPT', 'a stored value is not compressed');
  return method;
}
