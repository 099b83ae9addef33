import { HoldfastError } from './errors.js';
import { flipDouble, floorDouble, maxInt64, minInt64, tags, type Key } from './key-bytes.js';

/** Bytes of a number after its tag: a double, and what an int64 has beyond it. */
const numberBytes = 10;

/** Bytes being read back. Whatever could not have been written by {@link keyToBytes} is refused. */
class Reader {
  position = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.position === this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.position++] ?? this.fail('it ends too early');
  }

  rest(): Uint8Array {
    const rest = this.bytes.subarray(this.position);
    this.position = this.bytes.length;
    return rest;
  }

  fail(reason: string): never {
    throw new HoldfastError('ERR_CORRUPT', `a stored key is garbled: ${reason}`);
  }
}

/**
 * The key that {@link keyToBytes} wrote. Shares no memory with `bytes`.
 *
 * @throws HoldfastError `ERR_CORRUPT` when the bytes are no key.
 */
export function bytesToKey(bytes: Uint8Array): Key {
  const reader = new Reader(bytes);
  const tag = reader.byte();
  let key: Key;
  if (tag === tags.string) key = readText(reader, reader.rest());
  else if (tag === tags.bytes) key = new Uint8Array(reader.rest());
  else if (tag === tags.tuple) key = readElements(reader);
  else key = readElement(reader, tag);
  if (!reader.atEnd) reader.fail('bytes are left over');
  return key;
}

/** The elements up to the end of the bytes. */
function readElements(reader: Reader): Key[] {
  const elements: Key[] = [];
  while (!reader.atEnd) elements.push(readElement(reader, reader.byte()));
  return elements;
}

function readElement(reader: Reader, tag: number): Key {
  switch (tag) {
    case tags.number:
      return readNumber(reader);
    case tags.string:
      return readText(reader, readEscaped(reader));
    case tags.false:
      return false;
    case tags.true:
      return true;
    case tags.bytes:
      return readEscaped(reader);
    case tags.tuple: {
      const elements: Key[] = [];
      for (let next = reader.byte(); next !== 0; next = reader.byte())
        elements.push(readElement(reader, next));
      return elements;
    }
    default:
      return reader.fail(`0x${tag.toString(16)} is no type`);
  }
}

function readEscaped(reader: Reader): Uint8Array {
  const { bytes } = reader;
  const unescaped: number[] = [];
  for (let byte = reader.byte(); ; byte = reader.byte()) {
    if (byte === 0) {
      if (bytes[reader.position] !== 0xff) return Uint8Array.from(unescaped);
      reader.position++;
    }
    unescaped.push(byte);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(reader: Reader, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    // The decoder knows one mistake only, and says no more about it than this.
    return reader.fail('its text is not UTF-8');
  }
}

function readNumber(reader: Reader): number | bigint {
  const bytes = Buffer.from(reader.bytes.subarray(reader.position, reader.position + numberBytes)); // copied: flipped here
  reader.position += numberBytes;
  if (bytes.length < numberBytes) reader.fail('it ends too early');
  flipDouble(bytes, 0, (bytes[0] ?? 0) < 0x80);
  const double = bytes.readDoubleBE(0);
  const beyond = bytes.readUInt16BE(8);
  if (Number.isNaN(double) || Object.is(double, -0)) reader.fail(`${double} is no number key`);
  if (beyond === 0) return double;
  const key = Number.isInteger(double) ? BigInt(double) + BigInt(beyond) : 0n;
  if (key < minInt64 || key > maxInt64 || floorDouble(key) !== double) reader.fail('it is no 64-bit number');
  return key;
}
