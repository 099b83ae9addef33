import { isUint8Array } from 'node:util/types';
import { crc32 } from 'node:zlib';
import { HoldfastError } from './errors.js';
import { checkNumber, checkString, describe, keyToBytes, narrowNumber, tags, type Key } from './key-bytes.js';
import { bytesToKey } from './key-parse.js';
import type { Kind } from './store.js';

export type { Key } from './key-bytes.js';

/** The form in which a key is stored in a column. */
export type KeyColumn = string | number | bigint | Uint8Array;

/**
 * What reads give back for keys of type `K`: a `bigint` may come back as `number` (whenever a double holds it exactly), a
 * `Buffer` as a plain `Uint8Array`, a tuple with its elements so changed; everything else as it is
 * (`Key` itself too, or the type would never end).
 */
export type StoredKey<K extends Key> = [Key] extends [K]
  ? K
  : K extends bigint
    ? number | bigint
    : K extends Uint8Array
      ? Uint8Array
      : K extends readonly Key[]
        ? { [Index in keyof K]: StoredKey<Extract<K[Index], Key>> }
        : K;

/**
 * A range of keys. At most one of `gt` and `gte`, and one of `lt` and `lte`; with `prefix` the narrower bound counts.
 */
export interface KeyRange<K> {
  /** Keys greater than this one. */
  readonly gt?: K | undefined;
  /** Keys greater than this one, and itself. */
  readonly gte?: K | undefined;
  /** Keys less than this one. */
  readonly lt?: K | undefined;
  /** Keys less than this one, and itself. */
  readonly lte?: K | undefined;
  /**
   * A string: the string keys that begin with it (`''`: every string); bytes: likewise; a tuple: the tuples whose first
   * elements are these (`[]`: every tuple).
   */
  readonly prefix?: string | Uint8Array | readonly Key[] | undefined;
}

/** A range in the terms of a column. `null` is unbounded. */
export interface KeyBounds {
  low: KeyColumn | null;
  lowInclusive: boolean;
  high: KeyColumn | null;
  highInclusive: boolean;
}

/**
 * A key in the form its column takes, so that the database's own order is the order of keys.
 *
 * Embedded: numbers as REAL (INTEGER when only 64 bits hold them), strings as TEXT, all else as BLOB: SQLite orders
 * numbers, text, blobs. The column must have no affinity (`BLOB`, or `ANY` in a STRICT table), or SQLite would
 * convert `'1'`. Server: bytes for a `bytea` column.
 *
 * @param what - The name of the key in errors.
 * @throws TypeError when it is not a key, naming the place (`key[1]`). RangeError when it is NaN, a bigint beyond 64 bits, a
 * string with an unpaired surrogate, or takes more than 2048 bytes (a string in UTF-8, a tuple encoded).
 */
export function encodeKey(key: Key, kind: Kind, what = 'key'): KeyColumn {
  if (kind === 'embedded') {
    switch (typeof key) {
      case 'string':
        checkString(key, what);
        return key;
      case 'number':
        checkNumber(key, what);
        return key + 0; // -0 + 0 is 0
      case 'bigint':
        checkNumber(key, what);
        return narrowNumber(key);
    }
  }
  return keyToBytes(key, what);
}

/**
 * The key in a column: numbers as `number` whenever a double holds them exactly, otherwise `bigint`; bytes as a fresh
 * `Uint8Array`.
 *
 * On the embedded engine INTEGER columns must be read as `bigint` (`safeIntegers`): as `number` they would be rounded.
 *
 * @throws HoldfastError `ERR_CORRUPT` when the column holds nothing that {@link encodeKey} writes.
 */
export function decodeKey(column: unknown, kind: Kind): Key {
  if (kind === 'embedded') {
    if (typeof column === 'string' || typeof column === 'number') return column;
    if (typeof column === 'bigint') return narrowNumber(column);
  }
  if (!isUint8Array(column))
    throw new HoldfastError('ERR_CORRUPT', `a stored key is garbled: its column is ${typeof column}`);
  const key = bytesToKey(column);
  if (
    kind === 'embedded' &&
    (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint')
  ) {
    throw new HoldfastError('ERR_CORRUPT', `a stored key is garbled: a ${typeof key} in a blob`);
  }
  return key;
}

/**
 * The bounds of a range, for `WHERE key >= low AND key < high` and its like. A range that holds nothing has its bounds
 * crossed; that needs no care.
 *
 * @throws TypeError when both `gt` and `gte` or both `lt` and `lte` are given, or `prefix` is neither string, bytes nor
 * tuple; what {@link encodeKey} throws.
 */
export function keyBounds<K extends Key>(range: KeyRange<K>, kind: Kind): KeyBounds {
  const { gt, gte, lt, lte, prefix } = range;
  if (gt !== undefined && gte !== undefined)
    throw new TypeError('gt and gte cannot both be given: choose one');
  if (lt !== undefined && lte !== undefined)
    throw new TypeError('lt and lte cannot both be given: choose one');
  const low = gt ?? gte;
  const high = lt ?? lte;
  const bounds = {
    low: low === undefined ? null : encodeKey(low, kind, gt === undefined ? 'gte' : 'gt'),
    lowInclusive: gt === undefined,
    high: high === undefined ? null : encodeKey(high, kind, lt === undefined ? 'lte' : 'lt'),
    highInclusive: lt === undefined,
  };
  return prefix === undefined ? bounds : intersect(bounds, prefixBounds(prefix, kind), kind);
}

function prefixBounds(
  prefix: string | Uint8Array | readonly Key[],
  kind: Kind,
): { low: KeyColumn; high: KeyColumn } {
  if (typeof prefix !== 'string' && !isUint8Array(prefix) && !Array.isArray(prefix)) {
    throw new TypeError(`prefix must be a string, a Uint8Array or a tuple, not ${describe(prefix)}`);
  }
  const low = encodeKey(prefix, kind, 'prefix');
  if (typeof low === 'string') return { low, high: successorOfText(low) };
  const bytes = low as Uint8Array; // numbers are no prefixes
  // Not the successor of the bytes: `['a']` ends in 0x00, and so does the start of `['a\0b']`, but there 0xff follows.
  return {
    low,
    high: Array.isArray(prefix) ? Buffer.concat([bytes, Uint8Array.of(0xff)]) : successorOfBytes(bytes),
  };
}

/** The first column after every text that begins with this one. */
function successorOfText(prefix: string): string | Uint8Array {
  const points = Array.from(prefix, (char) => char.codePointAt(0) ?? 0);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return new Uint8Array(0); // every text is below the first blob
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

/** The first bytes after all that begin with these. They have a tag in front, so some byte can always be raised. */
function successorOfBytes(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (prefix[end - 1] === 0xff) end--;
  const successor = new Uint8Array(prefix.subarray(0, end)); // a copy, which slice() of a Buffer is not
  successor[end - 1] = (successor[end - 1] ?? tags.bytes) + 1;
  return successor;
}

function intersect(bounds: KeyBounds, prefix: { low: KeyColumn; high: KeyColumn }, kind: Kind): KeyBounds {
  // On equality the given bound stays below (it may exclude), and the prefix's above (it excludes).
  const lowStays = bounds.low !== null && compareColumns(bounds.low, prefix.low, kind) >= 0;
  const highStays = bounds.high !== null && compareColumns(bounds.high, prefix.high, kind) < 0;
  return {
    low: lowStays ? bounds.low : prefix.low,
    lowInclusive: lowStays ? bounds.lowInclusive : true,
    high: highStays ? bounds.high : prefix.high,
    highInclusive: highStays ? bounds.highInclusive : false,
  };
}

/** 32 bits of a key, the same in each process and version; of keys that are one, say 1 and 1n, too. Throws what {@link encodeKey} throws. */
export function hashOfKey(key: Key): number {
  return crc32(keyToBytes(key, 'key'));
}

/** Compares two columns as the database does: negative, zero or positive. */
export function compareColumns(a: KeyColumn, b: KeyColumn, kind: Kind): number {
  if (kind === 'embedded') {
    const types = storageOrder(a) - storageOrder(b);
    if (types !== 0) return types;
    if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  if (isUint8Array(a) && isUint8Array(b)) return Buffer.compare(a, b);
  return a < b ? -1 : a > b ? 1 : 0; // numbers: between bigint and number exactly, as SQLite does
}

/** SQLite's order of storage classes (https://www.sqlite.org/datatype3.html, section 4.1). */
function storageOrder(column: KeyColumn): number {
  if (typeof column === 'string') return 1;
  return isUint8Array(column) ? 2 : 0;
}
