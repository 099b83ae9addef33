import {
  byteSource,
  compressing,
  opened,
  pump,
  streamOf,
  type ByteSource,
  type Stream,
} from '../../core/byte-streams.js';
import {
  bytesMark,
  fileColumn,
  fileOf,
  keyBytes,
  selfDescribing,
  type ValueColumn,
} from '../../core/columns.js';
import { decompressed, isCompressed } from '../../core/compression.js';
import type { Key, KeyColumn } from '../../core/key.js';
import { outside } from '../../core/outside.js';
import { get, owner, run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import type { FileRef, FileWriter } from '../../core/value-files.js';
import { Chunks, chunksOf } from './chunks.js';
import { sql as chunks } from './chunk-statements.js';
import { tooLarge } from './evicting.js';
import { resolveWrite, type Storing, type WriteOptions } from './options.js';
import type { CacheParts } from './parts.js';
import type { CacheScripts, EncodedEntry } from './scripts.js';
import { sql } from './statements.js';
import type { Uses } from './uses.js';

/** How many bytes of a stream lie in the row at most, whatever `fileThreshold` says: they are in memory until all are there. */
const mostInRow = 16 * 1024 * 1024;

/** What becomes of the bytes of a stream: few lie in the row. */
class Incoming<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #most: number;
  readonly #limit: number;
  readonly #keySize: number;
  #pieces: Uint8Array[] = [];
  #writer: FileWriter | undefined;
  #adding: Promise<void> | undefined;
  #isAbandoned = false;
  chunks: Chunks<S> | undefined;
  size = 0;

  /** @param most - How many bytes lie in the row at most; `limit` how many there may be at all, with those of the key. */
  constructor(scope: Scope<S>, most: number, limit: number, keySize: number) {
    this.#scope = scope;
    this.#most = most;
    this.#limit = limit;
    this.#keySize = keySize;
  }

  add(piece: Uint8Array): Promise<void> {
    this.#adding = this.#add(piece);
    return this.#adding;
  }

  async #add(piece: Uint8Array): Promise<void> {
    if (this.#isAbandoned) throw new Error('nobody waits for it any more');
    this.size += piece.byteLength;
    // It may be without an end: it is not waited for.
    const bytes = this.size + this.#keySize;
    if (bytes > this.#limit) throw tooLarge(`${bytes} or more`, this.#limit);
    if (this.#writer !== undefined) return this.#writer.write(piece);
    this.#pieces.push(piece);
    if (this.size <= this.#most) return;
    const writer = await this.#begin();
    this.#writer = writer;
    for (const one of this.#pieces.splice(0)) await writer.write(one);
  }

  /** The column of the value, and what names it where it is not in the row. */
  async end(): Promise<Pick<EncodedEntry, 'column' | 'file'>> {
    if (this.#writer === undefined) return { column: Buffer.concat(this.#pieces), file: null };
    const ref = await this.#writer.end();
    return { column: fileColumn(ref), file: ref.name };
  }

  /** Behind what is being written: that may make the file, or add to what is removed. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#adding?.catch(nothing);
    await this.#writer?.abandon();
  }

  async #begin(): Promise<FileWriter> {
    if (this.#scope.files !== undefined) return this.#scope.files.begin();
    this.chunks = await Chunks.begin(this.#scope);
    return this.chunks;
  }
}

/** Values that are written and read piece by piece. */
export class Streams<S extends Kind, V> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<Key, V>;
  readonly #uses: Uses<S>;
  readonly #ttl: number | null;
  readonly #storing: Storing;

  constructor({ scope, scripts, uses }: CacheParts<S, V, Key>, ttl: number | null, storing: Storing) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#uses = uses;
    this.#ttl = ttl;
    this.#storing = storing;
  }

  async write(key: Key, source: ByteSource, options: WriteOptions | undefined): Promise<void> {
    const scope = this.#scope;
    scope.refuseInTransaction('write()');
    scope.checkWritable();
    const { keeping, signals } = resolveWrite(options, this.#ttl, scope.closing);
    const column = this.#scripts.key(key);
    byteSource('source', source);
    const limit = await scope.one(
      sql.fill,
      nothing,
      (structure) => [structure],
      // Where nothing is stored of the cache yet, storing it finds out.
      (row) => row?.[1] ?? Infinity,
    );
    const { fileThreshold, coding } = this.#storing;
    const compression = coding?.compression;
    const most = Math.min(fileThreshold, mostInRow);
    const incoming = new Incoming(scope, most, limit, keyBytes(column));
    try {
      const sink = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
        for await (const piece of pieces) await incoming.add(piece);
      };
      const packing =
        compression && ((pieces: AsyncIterable<Uint8Array>) => compressing(pieces, compression));
      await pump(Uint8Array.of(bytesMark), source, packing, sink, signals);
      const stored = await incoming.end();
      const bytes = incoming.size + keyBytes(column);
      await this.#store({ key: column, bytes, isLarge: false, ...keeping, ...stored }, incoming.chunks);
    } catch (error) {
      await incoming.abandon();
      throw error;
    }
  }

  read(key: Key): Result<S, Stream | undefined> {
    return this.#scope.files === undefined ? this.#readChunks(key) : this.#readFile(key);
  }

  /** A stream would outlive the transaction, and on a server its connection. */
  #toRead(key: Key): KeyColumn {
    this.#scope.refuseInTransaction('read()');
    return this.#scripts.key(key);
  }

  async #store(entry: EncodedEntry, written: Chunks<S> | undefined): Promise<void> {
    const scripts = this.#scripts;
    const store = function* (structure: number): Script<boolean> {
      if ((yield* scripts.put(structure, entry)) === undefined) return false;
      if (written !== undefined) yield* written.settle();
      return true;
    };
    while (!(await this.#scope.soon(store)));
  }

  #readFile(key: Key): Result<S, Stream | undefined> {
    const { files } = this.#scope;
    let column: KeyColumn = '';
    return this.#scope.one(
      sql.get,
      () => (column = this.#toRead(key)),
      (structure) => [structure, column],
      (row) => {
        if (!this.#uses.found(column, row)) return undefined;
        const ref = fileOf(row[0]);
        return ref === undefined || files === undefined ? ofColumn(row[0]) : opened(files.stream(ref));
      },
    );
  }

  #readChunks(key: Key): Result<S, Stream | undefined> {
    const scope = this.#scope;
    let column: KeyColumn = '';
    // Chunks are in use by this store's number, and a script can't wait for one.
    const numbered = scope.owner === undefined ? this.#number(key) : undefined;
    const find = (): Result<S, FoundChunks | { readonly value: unknown } | undefined> =>
      scope.write(
        () => (column = this.#toRead(key)),
        (structure) => findChunks(structure, column),
      );
    return scope.after(scope.between(numbered, find, nothing), (one) => {
      if (!this.#uses.found(column, one)) return undefined;
      return 'use' in one ? this.#streamed(one) : ofColumn(one.value);
    });
  }

  async #number(key: Key): Promise<void> {
    this.#toRead(key);
    await this.#scope.soon(function* () {
      yield* owner();
    });
  }

  #streamed({ use, ref, first }: FoundChunks): Stream {
    const scope = this.#scope;
    const stream = streamOf(first.subarray(1), chunksOf(scope, ref, first));
    // However it ends, also before anything was read.
    stream.once('close', () => {
      // It may be read to its end inside a transaction, which this is no part of.
      outside(() =>
        scope.aside(function* () {
          yield* run(chunks.unuse, use);
        }),
      );
    });
    return opened({ head: first[0] ?? 0, rest: stream });
  }
}

interface FoundChunks {
  readonly use: number;
  readonly ref: FileRef;
  readonly first: Uint8Array;
}

/** Where a value lies; where in chunks, these stay for as long as they are in use here. */
function* findChunks(
  structure: number,
  column: KeyColumn,
): Script<FoundChunks | { readonly value: unknown } | undefined> {
  const row = yield* get(chunks.find, structure, column);
  if (row === undefined) return undefined;
  const ref = fileOf(row[0]);
  if (ref === undefined) return { value: row[0] };
  const [use] = (yield* get(chunks.use, ref.name, yield* owner())) ?? [0];
  const [first] = (yield* get(chunks.chunk, ref.name, 0)) ?? [new Uint8Array(0)];
  return { use, ref, first };
}

/** A stream of a value that lies in its row. */
function ofColumn(column: unknown): Stream {
  const stored = isColumn(column) ? selfDescribing(column) : new Uint8Array(0);
  const bytes = isCompressed(stored[0] ?? 0) ? decompressed(stored) : stored;
  return opened({ head: bytes[0] ?? 0, rest: streamOf(bytes.subarray(1)) });
}

const isColumn = (column: unknown): column is ValueColumn =>
  typeof column === 'string' || typeof column === 'number' || column instanceof Uint8Array;
