import {
  PassThrough,
  pipeline as pipelineOf,
  Readable,
  Transform,
  type TransformCallback,
} from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isRaw } from './columns.js';
import { compressed, compressor, decompressor, isCompressed, type Compression } from './compression.js';
import { HoldfastError } from './errors.js';
import { shown } from './options.js';
import { refuseAborted } from './signals.js';

/** A stream of Node, of bytes. It is to be read to its end, or destroyed. */
export type Stream = Readable;

/** Bytes that come piece by piece: a stream of Node or of the web, or any iterable. A string stands for its UTF-8. */
export type ByteSource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/** What makes other pieces of pieces. */
type Change = (pieces: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** Refuses what gives no pieces: also what could be stored at once. */
export function byteSource(what: string, value: unknown): asserts value is ByteSource {
  const isOne = typeof value === 'string' || ArrayBuffer.isView(value);
  if (typeof value === 'object' && value !== null && !isOne)
    if (Symbol.asyncIterator in value || Symbol.iterator in value) return;
  throw new TypeError(
    `${what} must be a stream, or another iterable of bytes, not ${isOne ? 'a value that set() stores' : shown(value)}`,
  );
}

/** Closes a source should the work with it fail, as pipelines do. */
export async function closing<T>(source: ByteSource, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (source instanceof Readable) source.destroy();
    // Refused where somebody else has it, or reads it.
    if (source instanceof ReadableStream) source.cancel(error).catch(() => undefined);
    throw error;
  }
}

/**
 * Has `prefix`, and all of a source, go through `transform` to `sink`, at the speed of the slowest. Rejects with what the source throws, with the
 * reason of a signal that aborts, and with a `TypeError` where a piece is neither bytes nor a string: see {@link closing}.
 */
export async function pump(
  prefix: Uint8Array,
  source: ByteSource,
  transform: Change | undefined,
  sink: (pieces: AsyncIterable<Uint8Array>) => Promise<void>,
  signals: readonly AbortSignal[],
): Promise<void> {
  refuseAborted(signals);
  const signal = AbortSignal.any([...signals]);
  // One of the web is locked by who iterates over it, and could not be cancelled.
  const reader: ReadableStreamDefaultReader<Uint8Array | string> | undefined =
    source instanceof ReadableStream ? source.getReader() : undefined;
  const first = Readable.from(bytesOf(prefix, reader === undefined ? source : piecesOf(reader)), {
    objectMode: false,
  });
  let failure: { readonly error: unknown } | undefined;
  // The pipeline may call it an abort.
  const end = (pieces: AsyncIterable<Uint8Array>): Promise<void> =>
    sink(pieces).catch((error: unknown) => {
      failure ??= { error };
      throw error;
    });
  const done = pipeline(first, transform ?? new PassThrough(), end, { signal });
  let stop: (() => void) | undefined;
  // A source that gives nothing can't be interrupted, and would keep the pipeline from ending.
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop);
  });
  try {
    await Promise.race([done, aborted]);
    refuseAborted(signals);
  } catch (error) {
    done.catch(() => undefined);
    reader?.cancel(error).catch(() => undefined);
    refuseAborted(signals);
    throw failure === undefined ? error : failure.error;
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

async function* piecesOf<T>(reader: ReadableStreamDefaultReader<T>): AsyncGenerator<T> {
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  reader.releaseLock();
}

async function* bytesOf(prefix: Uint8Array, source: ByteSource): AsyncGenerator<Uint8Array> {
  yield prefix;
  let count = 0;
  for await (const piece of source) {
    const bytes: unknown = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (!(bytes instanceof Uint8Array))
      throw new TypeError(`piece ${count} of the source must be bytes or a string, not ${shown(bytes)}`);
    count++;
    if (bytes.byteLength > 0) yield bytes;
  }
}

/** A stream of bytes, and then of what `next` gives, until that is `undefined`. */
export function streamOf(
  first: Uint8Array,
  next: () => Promise<Uint8Array | undefined> = () => Promise.resolve(undefined),
): Stream {
  return Readable.from(following(first, next), { objectMode: false });
}

async function* following(
  first: Uint8Array,
  next: () => Promise<Uint8Array | undefined>,
): AsyncGenerator<Uint8Array> {
  for (let piece: Uint8Array | undefined = first; piece !== undefined; piece = await next())
    if (piece.byteLength > 0) yield piece;
}

/** How many bytes at the start of a stream tell whether compressing makes it smaller. */
const sampleSize = 64 * 1024;

/** Compresses a column that comes in pieces, unless its start does not become smaller. */
export async function* compressing(
  pieces: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  const all = pieces[Symbol.asyncIterator]();
  const sample: Uint8Array[] = [];
  let size = 0;
  let next = await all.next();
  for (; next.done !== true && size < sampleSize; next = await all.next()) {
    sample.push(next.value);
    size += next.value.byteLength;
  }
  const start = Buffer.concat(sample);
  const isSmall = next.done === true && size < compression.threshold;
  const small = isSmall ? undefined : compressed(start, compression);
  if (next.done === true) yield small ?? start;
  else if (small === undefined) yield* continued(start, next.value, all);
  else {
    const { mark, stream } = compressor(compression);
    yield Uint8Array.of(mark);
    const first = Readable.from(continued(start, next.value, all), { objectMode: false });
    yield* pipelineOf(first, stream, () => undefined);
  }
}

async function* continued(
  first: Uint8Array,
  second: Uint8Array,
  others: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first;
  for (let piece = second; ;) {
    yield piece;
    const next = await others.next();
    if (next.done === true) return;
    piece = next.value;
  }
}

/**
 * A stream of a value, given what its column begins with, and what comes behind that.
 *
 * @throws `TypeError` where the value is neither bytes nor text; where it is compressed, that is what the stream fails with. {@link HoldfastError}
 * `ERR_CODEC` where this Node can't decompress it.
 */
export function opened({ head, rest }: { readonly head: number; readonly rest: Readable }): Stream {
  if (isRaw(head)) return rest;
  try {
    if (!isCompressed(head)) throw notRaw();
    const unpacking = decompressor(head);
    const value = new Unpacked(rest);
    // What fails on the way is what the last of them fails with.
    pipelineOf(rest, unpacking, value, () => undefined);
    return value;
  } catch (error) {
    rest.destroy();
    throw error;
  }
}

const notRaw = (): TypeError =>
  new TypeError('the value is neither bytes nor a string, and can’t be read as a stream: use get()');

/** What was compressed, without the mark that it begins with. */
class Unpacked extends Transform {
  #isMarked = true;
  #failure: Error | undefined;

  constructor(packed: Readable) {
    super();
    packed.once('error', (error) => (this.#failure = error));
  }

  override _transform(piece: Buffer, _encoding: string, done: TransformCallback): void {
    const mark = this.#isMarked ? piece[0] : undefined;
    if (mark !== undefined && !isRaw(mark)) {
      done(notRaw());
      return;
    }
    this.#isMarked = false;
    done(null, mark === undefined ? piece : piece.subarray(1));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const isOwn = error === null || error === this.#failure || error instanceof TypeError;
    done(
      isOwn
        ? error
        : new HoldfastError('ERR_CORRUPT', 'a stored value cannot be decompressed', { cause: error }),
    );
  }
}
