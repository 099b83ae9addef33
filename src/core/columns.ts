import { decodeValue, encodeValue, encodings } from './codec.js';
import { encodedBy, nameOf, RawCodec, type Codec } from './codecs.js';
import { decodeCoded, type Coding } from './coding.js';
import { compressed, decompressed, isCompressed } from './compression.js';
import { HoldfastError } from './errors.js';
import { decodeKey, encodeKey, type Key, type KeyColumn, type StoredKey } from './key.js';
import { iterable } from './options.js';
import type { Kind } from './store.js';
import type { FileRef } from './value-files.js';

/** A value as it lies in its one column. */
export type ValueColumn = string | number | Uint8Array;

/**
 * How many bytes a value may take at most that a server sends in one row. The driver has them as text first, two characters a byte, and a string of
 * V8 holds some 2^29: it throws where nobody can catch that.
 */
export const mostOnServer = 250_000_000;

/** A value in its column, and the bytes that it takes there, but for the mark. */
export interface SizedColumn {
  readonly column: ValueColumn;
  readonly size: number;
}

/**
 * The first byte of a blob says how it is encoded, so that a value needs no second column: to read two columns costs half as much
 * again as to read one. MessagePack begins with none of these (they are its small negative numbers, and a number is never stored
 * as MessagePack); V8's format always begins with 0xff.
 */
const marks = { text: 0xf1, number: 0xf2, bytes: 0xf3, coded: 0xf4, file: 0xf6, clone: 0xff } as const;
const lowestMark = 0xe0;

/**
 * Keys of type `K` and values of type `V` in the columns of one kind of store.
 *
 * The database can't know the types that the user of a structure declared. Here, and only here, they are believed.
 */
export class Columns<K extends Key, V> {
  readonly #kind: Kind;
  readonly #coding: Coding | undefined;

  /** @param coding - How values are stored; they are read however they are. */
  constructor(kind: Kind, coding?: Coding) {
    this.#kind = kind;
    this.#coding = coding;
  }

  /** @param what - The name of the key in errors. */
  encodeKey(key: K, what: string): KeyColumn {
    return encodeKey(key, this.#kind, what);
  }

  /** Keys that were given to be iterated. */
  encodeKeys(keys: Iterable<K>): KeyColumn[] {
    return Array.from(iterable('keys', keys), (key, i) => this.encodeKey(key, `keys[${i}]`));
  }

  /** Entries that were given to be iterated, each as `encode` makes it. @throws `TypeError` when one is no pair */
  encodeEntries<E>(
    entries: Iterable<readonly [K, V]>,
    encode: (key: KeyColumn, value: V, what: string) => E,
  ): E[] {
    return Array.from(iterable('entries', entries), (entry, i) => {
      if (!isPair(entry)) throw new TypeError(`entries[${i}] must be a pair of a key and a value`);
      return encode(this.encodeKey(entry[0], `entries[${i}][0]`), entry[1], `entries[${i}][1]`);
    });
  }

  decodeKey(column: KeyColumn): StoredKey<K> {
    return decodeKey(column, this.#kind) as StoredKey<K>;
  }

  /**
   * The value in its column, and the bytes it takes there, but for the mark. Throws what the codec throws.
   *
   * @param what - The name of the value in errors.
   */
  encodeValue(value: V, what: string): SizedColumn {
    const stored = this.#encode(value, what);
    if (this.#kind === 'server' && stored.size > mostOnServer)
      throw new HoldfastError(
        'ERR_TOO_LARGE',
        `${what} takes ${stored.size} bytes, and on a server it may take ${mostOnServer}; a Cache takes more as a stream`,
      );
    return stored;
  }

  #encode(value: V, what: string): SizedColumn {
    if (this.#coding === undefined) return this.#encodePlain(value, what);
    const { codec, compression } = this.#coding;
    const stored = codec === undefined ? this.#encodePlain(value, what) : coded(codec, value);
    if (compression === undefined || stored.size < compression.threshold) return stored;
    const column = compressed(selfDescribing(stored.column), compression);
    return column === undefined ? stored : { column, size: column.byteLength - 1 };
  }

  #encodePlain(value: V, what: string): SizedColumn {
    const stored = encodeValue(value, this.#kind, what);
    const { encoding, column, size } = stored;
    if (encoding === encodings.bytes) return { column: marked(marks.bytes, column), size };
    if (this.#kind === 'embedded') return stored;
    if (encoding === encodings.text) return { column: marked(marks.text, column), size };
    return encoding === encodings.number ? { column: marked(marks.number, column), size } : stored;
  }

  decodeValue(column: unknown): V {
    if (typeof column === 'string') return decodeValue(encodings.text, column, this.#kind) as V;
    if (!(column instanceof Uint8Array)) return decodeValue(encodings.number, column, this.#kind) as V;
    const mark = column[0] ?? lowestMark;
    if (mark < lowestMark) return decodeValue(encodings.msgpack, column, this.#kind) as V;
    return this.#decodeMarked(mark, column);
  }

  #decodeMarked(mark: number, column: Uint8Array): V {
    if (mark === marks.clone) return decodeValue(encodings.clone, column, this.#kind) as V;
    const rest = column.subarray(1);
    if (mark === marks.bytes) return decodeValue(encodings.bytes, rest, this.#kind) as V;
    if (mark === marks.text) return decodeValue(encodings.text, rest, 'server') as V;
    if (mark === marks.number) return decodeValue(encodings.number, rest, 'server') as V;
    if (mark === marks.coded) return decodeCoded(rest, this.#coding?.codec) as V;
    if (isCompressed(mark)) return this.decodeValue(decompressed(column));
    throw new HoldfastError(
      'ERR_CORRUPT',
      'a stored value is garbled, or was written by a newer version of holdfast',
    );
  }
}

/** A value that a codec has made: behind the mark the length of its name, its name, and the bytes. */
function coded(codec: Codec<unknown>, value: unknown): SizedColumn {
  const bytes = encodedBy(codec, value);
  // Whatever reads bytes can read these, a stream among them.
  if (codec instanceof RawCodec) return { column: marked(marks.bytes, bytes), size: bytes.byteLength };
  const name = Buffer.from(nameOf(codec));
  const column = new Uint8Array(2 + name.byteLength + bytes.byteLength);
  column[0] = marks.coded;
  column[1] = name.byteLength;
  column.set(name, 2);
  column.set(bytes, 2 + name.byteLength);
  return { column, size: column.byteLength - 1 };
}

/** What JavaScript may pass in place of an entry. */
function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2;
}

function marked(mark: number, column: ValueColumn): Uint8Array {
  const bytes = typeof column === 'object' ? column : Buffer.from(String(column));
  const all = new Uint8Array(bytes.byteLength + 1);
  all[0] = mark;
  all.set(bytes, 1);
  return all;
}

/** A column as bytes that tell by themselves what they are: what a file holds, and what is compressed. */
export function selfDescribing(column: ValueColumn): Uint8Array {
  if (typeof column === 'object') return column;
  if (typeof column === 'string') return marked(marks.text, column);
  const number = Buffer.allocUnsafe(8);
  number.writeDoubleBE(column);
  return marked(marks.number, number);
}

/** The column of a value that lies in a file. */
export function fileColumn({ name, size }: FileRef): Uint8Array {
  return marked(marks.file, `${name} ${size}`);
}

/** In which file a value lies; `undefined` where it is in its column. */
export function fileOf(column: unknown): FileRef | undefined {
  if (!(column instanceof Uint8Array) || column[0] !== marks.file) return undefined;
  const [name = '', size] = Buffer.from(column.subarray(1)).toString('latin1').split(' ');
  return { name, size: Number(size) };
}

/** Whether a column begins as one of bytes or of text does: what comes behind the first byte is the value itself, or its UTF-8. */
export const isRaw = (mark: number | undefined): boolean => mark === marks.bytes || mark === marks.text;

/** What a column of bytes begins with. */
export const bytesMark: number = marks.bytes;

/** The bytes that a key takes in its column. */
export function keyBytes(column: KeyColumn): number {
  if (typeof column === 'string') return Buffer.byteLength(column);
  return typeof column === 'object' ? column.byteLength : 8;
}
