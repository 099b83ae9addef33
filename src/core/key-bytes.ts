import { isUint8Array } from 'node:util/types';

/**
 * What may be a key. Keys are ordered by type, then by value: numbers (`number` and `bigint` together, so that `1` and
 * `1n` are one key), strings (by code point), booleans, bytes, tuples (element by element, the shorter one first).
 *
 * A key takes up to 2,048 bytes: a string in UTF-8, bytes, a tuple with all its elements. `NaN`, bigints beyond 64 bits and strings
 * with an unpaired surrogate are none.
 */
export type Key = string | number | bigint | boolean | Uint8Array | readonly Key[];

/**
 * Keys as bytes whose order under memcmp is the order of the keys, after the tuple layer of FoundationDB
 * (https://github.com/apple/foundationdb/blob/main/design/tuple.md).
 *
 * Why not `ordered-binary` (1.6.3): it writes bytes without a type, so that `'a'` and the byte 0x61 become one key, and
 * it does not escape zero bytes in strings of 64 characters or more, so that `['x'.repeat(64) + '\0y', 'z']` and
 * `['x'.repeat(64), 'y', 'z']` become one key too.
 */

/**
 * The first byte of every encoded key or element. Written to disk: never change one, and leave 0x00 (it terminates) and
 * 0xff (it escapes, and bounds the prefixes of tuples from above) unused.
 */
export const tags = {
  number: 0x10,
  string: 0x20,
  false: 0x30,
  true: 0x31,
  bytes: 0x40,
  tuple: 0x50,
} as const;

/**
 * How many bytes a key may take, not counting its first tag: a string in UTF-8, bytes, the elements of a tuple.
 * PostgreSQL takes 2704 bytes per row of a B-tree index, and the structure's number goes in beside the key.
 */
export const maxKeyBytes = 2048;

/** The bounds of an int64. */
export const minInt64 = -(2n ** 63n);
export const maxInt64 = 2n ** 63n - 1n;
const allowed = 'a key is a string, number, bigint, boolean, Uint8Array or an array of these';

/** Bytes being written, with the name of the key for errors. */
class Writer {
  length = 0;
  #bytes = Buffer.allocUnsafe(64);
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  /** Makes room for `count` more bytes and returns where they begin. */
  reserve(count: number): number {
    const start = this.length;
    this.length += count;
    if (this.length > 1 + maxKeyBytes) throw tooLong(this.#what);
    if (this.length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    return start;
  }

  byte(value: number): void {
    const start = this.reserve(1);
    this.#bytes[start] = value;
  }

  bytes(value: Uint8Array): void {
    const start = this.reserve(value.length);
    this.#bytes.set(value, start);
  }

  double(value: number): void {
    const start = this.reserve(8);
    this.#bytes.writeDoubleBE(value, start);
    flipDouble(this.#bytes, start, value < 0);
  }

  uint16(value: number): void {
    const start = this.reserve(2);
    this.#bytes.writeUInt16BE(value, start);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/** Makes IEEE 754 bits sort as unsigned bytes (its own inverse, given the sign): negatives inverted, the sign flipped. */
export function flipDouble(bytes: Uint8Array, start: number, negative: boolean): void {
  if (!negative) {
    bytes[start] = (bytes[start] ?? 0) ^ 0x80;
    return;
  }
  for (let i = start; i < start + 8; i++) bytes[i] = ~(bytes[i] ?? 0);
}

/**
 * A key as tag and payload. At the top level nothing follows, so strings and bytes need neither escape nor terminator.
 *
 * @throws TypeError or RangeError as {@link checkString} and {@link checkNumber} do, and for what is no key.
 */
export function keyToBytes(key: Key, what: string): Uint8Array {
  const writer = new Writer(what);
  if (typeof key === 'string') {
    checkString(key, what);
    writer.byte(tags.string);
    writer.bytes(Buffer.from(key));
  } else if (isUint8Array(key)) {
    writer.byte(tags.bytes);
    writer.bytes(key);
  } else if (Array.isArray(key)) {
    writer.byte(tags.tuple);
    writeElements(writer, key, what, [key]);
  } else {
    writeElement(writer, key, what, []);
  }
  return writer.finish();
}

function writeElements(
  writer: Writer,
  tuple: readonly unknown[],
  what: string,
  ancestors: readonly unknown[],
): void {
  // By index, since iteration would not tell a hole from undefined, nor give its place.
  for (let i = 0; i < tuple.length; i++) writeElement(writer, tuple[i], `${what}[${i}]`, ancestors);
}

function writeElement(writer: Writer, key: unknown, what: string, ancestors: readonly unknown[]): void {
  if (typeof key === 'number' || typeof key === 'bigint') {
    writeNumber(writer, key, what);
  } else if (typeof key === 'boolean') {
    writer.byte(key ? tags.true : tags.false);
  } else if (typeof key === 'string') {
    checkString(key, what);
    writer.byte(tags.string);
    writeEscaped(writer, Buffer.from(key));
  } else if (isUint8Array(key)) {
    writer.byte(tags.bytes);
    writeEscaped(writer, key);
  } else if (Array.isArray(key)) {
    if (ancestors.includes(key)) throw new TypeError(`${what} contains itself; ${allowed}`);
    writer.byte(tags.tuple);
    writeElements(writer, key, what, [...ancestors, key]);
    writer.byte(0);
  } else {
    throw new TypeError(`${what} is ${describe(key)}; ${allowed}`);
  }
}

/** 0x00 becomes 0x00 0xff, then 0x00 ends it: no tag is 0xff, so an end sorts before a zero byte. */
function writeEscaped(writer: Writer, bytes: Uint8Array): void {
  let from = 0;
  for (let zero = bytes.indexOf(0); zero !== -1; zero = bytes.indexOf(0, from)) {
    writer.bytes(bytes.subarray(from, zero + 1));
    writer.byte(0xff);
    from = zero + 1;
  }
  writer.bytes(bytes.subarray(from));
  writer.byte(0);
}

function writeNumber(writer: Writer, key: number | bigint, what: string): void {
  checkNumber(key, what);
  const double = typeof key === 'number' ? key + 0 : floorDouble(key); // -0 + 0 is 0
  writer.byte(tags.number);
  writer.double(double);
  writer.uint16(typeof key === 'number' ? 0 : Number(key - BigInt(double)));
}

const doubleBits = new DataView(new ArrayBuffer(8));

/** The largest double that is not above an int64. The distance is below 1024: doubles are that far apart near 2^63. */
export function floorDouble(key: bigint): number {
  const nearest = Number(key);
  if (BigInt(nearest) <= key) return nearest;
  doubleBits.setFloat64(0, nearest);
  doubleBits.setBigInt64(0, doubleBits.getBigInt64(0) + (nearest > 0 ? -1n : 1n));
  return doubleBits.getFloat64(0);
}

/** A number that a double holds exactly as `number`, another int64 as it is. */
export function narrowNumber(key: bigint): number | bigint {
  const double = Number(key);
  return BigInt(double) === key ? double : key;
}

/**
 * @throws RangeError when the string has an unpaired surrogate (UTF-8 has no place for it, so two such keys would become
 * one), or takes more than {@link maxKeyBytes}.
 */
export function checkString(key: string, what: string): void {
  if (!key.isWellFormed())
    throw new RangeError(`${what} has an unpaired surrogate: a string key must be well-formed`);
  // A UTF-16 unit takes at most three bytes, so short strings need not be measured.
  if (key.length * 3 > maxKeyBytes && Buffer.byteLength(key) > maxKeyBytes) throw tooLong(what);
}

/** @throws RangeError when the number is NaN, or the bigint does not fit 64 bits. */
export function checkNumber(key: number | bigint, what: string): void {
  if (typeof key === 'number' ? Number.isNaN(key) : key < minInt64 || key > maxInt64) {
    const limit =
      typeof key === 'number' ? 'NaN has no place in an order' : 'a bigint key is within -2^63 and 2^63 - 1';
    throw new RangeError(`${what} is ${key}: ${limit}`);
  }
}

function tooLong(what: string): RangeError {
  return new RangeError(
    `${what} is too long: a key takes at most ${maxKeyBytes} bytes (a string in UTF-8, a tuple encoded)`,
  );
}

/** A value in the words of an error: `null`, `a function`, `an ArrayBuffer`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  return name === 'Object' ? 'an object' : `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}
