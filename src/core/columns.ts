import { decodeValue, encodeValue, encodings } from './codec.js';
import { HoldfastError } from './errors.js';
import { decodeKey, encodeKey, type Key, type KeyColumn, type StoredKey } from './key.js';
import type { Kind } from './store.js';

/** A value as it lies in its one column. */
export type ValueColumn = string | number | Uint8Array;

/**
 * The first byte of a blob says how it is encoded, so that a value needs no second column: to read two columns costs half as much
 * again as to read one. MessagePack begins with none of these (they are its small negative numbers, and a number is never stored
 * as MessagePack); V8's format always begins with 0xff.
 */
const marks = { text: 0xf1, number: 0xf2, bytes: 0xf3, clone: 0xff } as const;
const lowestMark = 0xe0;

/**
 * Keys of type `K` and values of type `V` in the columns of one kind of store.
 *
 * The database can't know the types that the user of a structure declared. Here, and only here, they are believed.
 */
export class Columns<K extends Key, V> {
  readonly #kind: Kind;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  encodeKey(key: K): KeyColumn {
    return encodeKey(key, this.#kind);
  }

  decodeKey(column: KeyColumn): StoredKey<K> {
    return decodeKey(column, this.#kind) as StoredKey<K>;
  }

  /** What {@link encodeValue} throws. */
  encodeValue(value: V): ValueColumn {
    const { encoding, column } = encodeValue(value, this.#kind);
    if (encoding === encodings.bytes) return marked(marks.bytes, column);
    if (this.#kind === 'embedded') return column;
    if (encoding === encodings.text) return marked(marks.text, column);
    return encoding === encodings.number ? marked(marks.number, column) : column;
  }

  decodeValue(column: unknown): V {
    if (typeof column === 'string') return decodeValue(encodings.text, column, this.#kind) as V;
    if (!(column instanceof Uint8Array)) return decodeValue(encodings.number, column, this.#kind) as V;
    const mark = column[0] ?? lowestMark;
    if (mark < lowestMark) return decodeValue(encodings.msgpack, column, this.#kind) as V;
    if (mark === marks.clone) return decodeValue(encodings.clone, column, this.#kind) as V;
    const rest = column.subarray(1);
    if (mark === marks.bytes) return decodeValue(encodings.bytes, rest, this.#kind) as V;
    if (mark === marks.text) return decodeValue(encodings.text, rest, 'server') as V;
    if (mark === marks.number) return decodeValue(encodings.number, rest, 'server') as V;
    throw new HoldfastError(
      'ERR_CORRUPT',
      'a stored value is garbled, or was written by a newer version of holdfast',
    );
  }
}

function marked(mark: number, column: ValueColumn): Uint8Array {
  const bytes = typeof column === 'object' ? column : Buffer.from(String(column));
  const all = new Uint8Array(bytes.byteLength + 1);
  all[0] = mark;
  all.set(bytes, 1);
  return all;
}

/** The bytes that a key or a value takes in its column. */
export function columnBytes(column: KeyColumn): number {
  if (typeof column === 'string') return Buffer.byteLength(column);
  return typeof column === 'object' ? column.byteLength : 8;
}
