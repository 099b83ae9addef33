import { isUint8Array } from 'node:util/types';
import { deserialize, isStackOverflow, serialize } from './clone.js';
import { decodeText, packr } from './codec.js';
import { HoldfastError } from './errors.js';
import { functionOf, shown } from './options.js';
import { isPlain } from './plain.js';

/**
 * Makes values into bytes, and bytes into values.
 *
 * @example
 * const secret: Codec<string> = { name: 'secret', encode: (text) => encrypt(text), decode: (bytes) => decrypt(bytes) };
 */
export interface Codec<V> {
  /**
   * It is stored with each value: a cache with another codec refuses to read it, and names it. Give one name to one format: 1 to 255 bytes of UTF-8,
   * and not that of a codec of this library.
   * @defaultValue `'custom'`
   */
  readonly name?: string | undefined;
  /** The bytes of a value. It must not be async. What it throws, the caller gets, and nothing is stored. Inside `update` it may be called again. */
  encode(value: V): Uint8Array;
  /** The value of bytes, a `Uint8Array` and no `Buffer`: its own to keep and to change. What it throws is the `cause` of an `ERR_CODEC`. */
  decode(bytes: Uint8Array): V;
}

/** A codec of this library: what it has stored can be read by whatever codec. */
export abstract class BuiltInCodec<V> implements Codec<V> {
  abstract readonly name: string;
  abstract encode(value: V): Uint8Array;
  abstract decode(bytes: Uint8Array): V;
}

/** The bytes that a codec makes of a value. @throws `TypeError` where it returns something else; whatever it throws. */
export function encodedBy<V>(codec: Codec<V>, value: V): Uint8Array {
  const bytes: unknown = codec.encode(value);
  if (isUint8Array(bytes)) return bytes;
  throw new TypeError(
    `encode() of the codec ${shown(nameOf(codec))} must return a Uint8Array, not ${shown(bytes)}`,
  );
}

/** The value that a codec makes of bytes. @throws {@link HoldfastError} `ERR_CODEC` when it can't, with what it threw as the cause. */
export function decodedBy<V>(codec: Codec<V>, bytes: Uint8Array): V {
  try {
    return codec.decode(bytes);
  } catch (error) {
    if (isStackOverflow(error)) throw error; // called too deep: nothing is wrong with the data
    const reason = error instanceof Error ? error.message : String(error);
    throw new HoldfastError(
      'ERR_CODEC',
      `the codec ${shown(nameOf(codec))} cannot read a stored value: ${reason}`,
      { cause: error },
    );
  }
}

/** The names of codecs of this library. */
const ours = /^(json|msgpack|raw|float16\(.*\))$/s;

/** @throws `TypeError`, `RangeError` where it is no codec, or has no name of its own. */
export function checkCodec(codec: Codec<unknown>): void {
  const value: unknown = codec;
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`codec must be an object with encode and decode, not ${shown(value)}`);
  functionOf('codec.encode', Reflect.get(value, 'encode'));
  functionOf('codec.decode', Reflect.get(value, 'decode'));
  const name: unknown = nameOf(codec);
  if (typeof name !== 'string') throw new TypeError(`codec.name must be a string, not ${shown(name)}`);
  // Its length lies in one byte.
  const length = Buffer.byteLength(name);
  if (length < 1 || length > 255 || !name.isWellFormed())
    throw new RangeError(`codec.name must be well-formed, with 1 to 255 bytes of UTF-8, not ${length}`);
  if (ours.test(name) && !(codec instanceof BuiltInCodec))
    throw new TypeError(`codec.name must not be ${shown(name)}: a codec of holdfast has that name`);
}

/** The name under which values of a codec are stored. */
export const nameOf = ({ name = 'custom' }: Codec<unknown>): string => name;

class JsonCodec<V> extends BuiltInCodec<V> {
  readonly name = 'json';

  encode(value: V): Uint8Array {
    const text: unknown = JSON.stringify(value);
    if (typeof text !== 'string') throw new TypeError(`JSON has nothing for ${shown(value)}`);
    return Buffer.from(text);
  }

  decode(bytes: Uint8Array): V {
    return JSON.parse(decodeText(bytes)) as V;
  }
}

/** In front of what MessagePack has no form for: an extension of its own type, with 32 bits of length, which msgpackr never begins with. */
const extension = 0xc9;
const cloneType = 0x68;
const extensionBytes = 6;

class MsgpackCodec<V> extends BuiltInCodec<V> {
  readonly name = 'msgpack';

  encode(value: V): Uint8Array {
    if (isPlain(value)) return packr.pack(value);
    const clone = serialize(value);
    const bytes = Buffer.allocUnsafe(extensionBytes + clone.byteLength);
    bytes[0] = extension;
    bytes.writeUInt32BE(clone.byteLength, 1);
    bytes[5] = cloneType;
    bytes.set(clone, extensionBytes);
    return bytes;
  }

  decode(bytes: Uint8Array): V {
    const isClone = bytes[0] === extension && bytes[5] === cloneType;
    return (isClone ? deserialize(bytes.subarray(extensionBytes)) : packr.unpack(bytes)) as V;
  }
}

/** What it has stored is stored as all bytes are. */
export class RawCodec extends BuiltInCodec<Uint8Array> {
  readonly name = 'raw';

  encode(value: Uint8Array): Uint8Array {
    if (isUint8Array(value)) return value;
    throw new TypeError(`the codec raw() takes a Uint8Array, not ${shown(value)}`);
  }

  decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

/**
 * A codec that stores JSON, as `JSON.stringify` makes it: other programs can read it. What JSON doesn't know is changed or left out, as there: a
 * `Date` becomes a string, a `Map` an empty object. `undefined` is refused.
 */
export function json<V>(): Codec<V> {
  return new JsonCodec<V>();
}

/**
 * A codec that stores MessagePack: what is stored without a codec, but always MessagePack, which other programs can read. All values can be stored;
 * what MessagePack can't carry exactly, such as a `Map`, is a `structuredClone` in an extension of the type 104.
 */
export function msgpack<V>(): Codec<V> {
  return new MsgpackCodec<V>();
}

/** A codec for bytes: they are stored as they are, and all else is refused by a `TypeError`. */
export function raw(): Codec<Uint8Array> {
  return new RawCodec();
}
