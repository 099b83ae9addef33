import { checkCodec, decodedBy, json, msgpack, nameOf, raw, type Codec } from './codecs.js';
import {
  resolveCompression,
  type Compression,
  type CompressionAlgorithm,
  type CompressionOptions,
} from './compression.js';
import { HoldfastError } from './errors.js';
import { float16 } from './float16.js';
import { shown } from './options.js';

/** How an object stores its values. */
export interface CodingOptions<V> {
  /**
   * What makes bytes of values, and values of bytes: `json()`, `msgpack()`, `raw()`, `float16()`, or one of your own. Without it, all that
   * `structuredClone` carries can be stored. It belongs to this object, not to the data: what was stored with another is refused with `ERR_CODEC`,
   * but for those of this library, which can always be read.
   */
  readonly codec?: Codec<V> | undefined;
  /**
   * How values are compressed: the name of an algorithm, or an object with a level, and with a threshold below which they are not. One that does not
   * become smaller is stored as it is; a stream, where its first 64 KiB don’t. It belongs to this object: whatever is compressed can be read by all.
   * @defaultValue not at all
   */
  readonly compress?: CompressionAlgorithm | CompressionOptions | undefined;
}

/** {@link CodingOptions}, checked. */
export interface Coding {
  readonly codec: Codec<unknown> | undefined;
  readonly compression: Compression | undefined;
}

/** `undefined` where values are stored as usual. */
export function resolveCoding({ codec, compress }: CodingOptions<unknown>): Coding | undefined {
  if (codec !== undefined) checkCodec(codec);
  const compression = resolveCompression(compress);
  return codec === undefined && compression === undefined ? undefined : { codec, compression };
}

/** The codec of this library that has a name. */
function builtIn(name: string): Codec<unknown> | undefined {
  const [, inner] = /^float16\((.*)\)$/s.exec(name) ?? [];
  if (inner !== undefined) {
    const codec = builtIn(inner);
    return codec && float16(codec);
  }
  return name === 'json' ? json() : name === 'msgpack' ? msgpack() : name === 'raw' ? raw() : undefined;
}

/**
 * The value of what a codec has made: the length of its name, its name, and bytes.
 *
 * @throws {@link HoldfastError} `ERR_CODEC` when it was neither `own`, nor one of this library, or when it can't read them.
 */
export function decodeCoded(bytes: Uint8Array, own: Codec<unknown> | undefined): unknown {
  const start = 1 + (bytes[0] ?? 0);
  const name = Buffer.from(bytes.subarray(1, start)).toString();
  const codec = own !== undefined && nameOf(own) === name ? own : builtIn(name);
  if (codec !== undefined) return decodedBy(codec, new Uint8Array(bytes.subarray(start)));
  const ours = own === undefined ? 'this object has none' : `this object has ${shown(nameOf(own))}`;
  throw new HoldfastError('ERR_CODEC', `a stored value was made by the codec ${shown(name)}, and ${ours}`);
}
