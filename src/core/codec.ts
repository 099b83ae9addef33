import { isUtf8 } from 'node:buffer';
import { isUint8Array } from 'node:util/types';
import { Packr } from 'msgpackr';
import { deserialize, isStackOverflow, serialize } from './clone.js';
import { HoldfastError } from './errors.js';
import { isPlain } from './plain.js';
import type { Kind } from './store.js';

/**
 * How a value lies in its column. Written to disk beside each value: never change a number, append only.
 *
 * Most values are `text`, `number`, `bytes` (which the `sqlite3` shell shows as they are) or `msgpack`. What msgpackr
 * would change (see `plain.ts`), say a Map, a cycle or -0, makes the whole value `clone`, in V8's own format: some 8 times
 * slower on small values, but exactly the algorithm of `structuredClone`.
 */
export const encodings = {
  /** A well-formed string: TEXT, or its UTF-8 on a server. */
  text: 1,
  /** A finite number but -0: REAL, or 8 bytes, big-endian IEEE 754, on a server. */
  number: 2,
  /** A Uint8Array: BLOB. */
  bytes: 3,
  /** MessagePack, with the extensions of msgpackr for undefined and -1 for Date. */
  msgpack: 4,
  /** The format of `v8.serialize`, with the views of buffers as `clone.ts` writes them. */
  clone: 5,
} as const;

/** A value in the form its columns take. */
export interface StoredValue {
  /** One of {@link encodings}. */
  encoding: number;
  /** Never null. */
  column: string | number | Uint8Array;
  /** Bytes that the column takes: of text in UTF-8, 8 of a number. */
  size: number;
}

export const packr: Packr = new Packr({
  useRecords: false, // each value would define its records anew: no smaller, and packing takes 80 % longer
  variableMapSize: true, // else an object always takes two bytes more, and 65 536 keys are refused
  structuredClone: false, // shared references and cycles never come here
  moreTypes: false,
  useToJSON: false, // structuredClone ignores toJSON
});

/**
 * A value in the form its columns take.
 *
 * On an embedded store bytes are not copied, since they are bound at once: use the column before anyone changes the
 * value. On a server they are. The column is to have no affinity (`BLOB`, or `ANY` in a STRICT table).
 *
 * @param what - The name of the value in errors.
 * @throws TypeError when something in it can't be stored, naming the path: `value.user.callbacks[2] is a function, which
 * cannot be stored`. RangeError when it nests more than 1000 levels deep. What its getters throw (they are
 * read twice: to check, and to write).
 */
export function encodeValue(value: unknown, kind: Kind, what = 'value'): StoredValue {
  if (typeof value === 'string' && value.isWellFormed()) return encodeText(value, kind);
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0))
    return encodeNumber(value, kind);
  if (isUint8Array(value)) return blob(encodings.bytes, kind === 'server' ? new Uint8Array(value) : value);
  // Neither needs copying: msgpackr hands out each part of its buffer once.
  return isPlain(value)
    ? blob(encodings.msgpack, packr.pack(value))
    : blob(encodings.clone, serialize(value, what));
}

function encodeText(value: string, kind: Kind): StoredValue {
  const { text: encoding } = encodings;
  if (kind === 'embedded') return { encoding, column: value, size: Buffer.byteLength(value) };
  return blob(encoding, Buffer.from(value));
}

function encodeNumber(value: number, kind: Kind): StoredValue {
  const { number: encoding } = encodings;
  if (kind === 'embedded') return { encoding, column: value, size: 8 };
  const column = Buffer.allocUnsafe(8);
  column.writeDoubleBE(value);
  return blob(encoding, column);
}

function blob(encoding: number, column: Uint8Array): StoredValue {
  return { encoding, column, size: column.byteLength };
}

/**
 * The value in its columns: a fresh copy, which shares no memory with what the driver returned.
 *
 * @throws HoldfastError `ERR_CORRUPT` when the column holds nothing that {@link encodeValue} writes. Not every garbled byte
 * shows: there is no checksum.
 */
export function decodeValue(encoding: number, column: unknown, kind: Kind): unknown {
  switch (encoding) {
    case encodings.text:
      return kind === 'embedded' && typeof column === 'string' ? column : decodeText(bytesOf(column));
    case encodings.number:
      return kind === 'embedded' && isNumeric(column) ? Number(column) : decodeNumber(bytesOf(column));
    case encodings.bytes:
      return new Uint8Array(bytesOf(column));
    case encodings.msgpack:
      return decodeWith(unpack, bytesOf(column));
    case encodings.clone:
      return decodeWith(deserialize, bytesOf(column));
    default:
      throw corrupt(`its encoding ${encoding} is unknown; it may have been written by a newer version`);
  }
}

/** INTEGER, which comes as bigint, is what an UPDATE in the `sqlite3` shell leaves. */
function isNumeric(column: unknown): column is number | bigint {
  return typeof column === 'number' || typeof column === 'bigint';
}

function bytesOf(column: unknown): Uint8Array {
  if (isUint8Array(column)) return column;
  throw corrupt(`its column is ${column === null ? 'null' : typeof column}`);
}

export function decodeText(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw corrupt('its text is not UTF-8');
  return asBuffer(bytes).toString();
}

function decodeNumber(bytes: Uint8Array): number {
  if (bytes.byteLength !== 8) throw corrupt(`a number takes 8 bytes, not ${bytes.byteLength}`);
  return asBuffer(bytes).readDoubleBE(0);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const unpack = (bytes: Uint8Array): unknown => packr.unpack(bytes);

function decodeWith(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (error) {
    if (isStackOverflow(error)) throw error; // called too deep: the data is not to blame
    throw corrupt('it is garbled, or was written by a newer version of Node', error);
  }
}

function corrupt(reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'ERR_CORRUPT',
    `a stored value cannot be read: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}
