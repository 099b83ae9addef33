import { decodeValue, encodeValue, type StoredValue } from './codec.js';
import { decodeKey, encodeKey, type Key, type KeyColumn, type StoredKey } from './key.js';
import type { Kind } from './store.js';

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

  encodeValue(value: V): StoredValue {
    return encodeValue(value, this.#kind);
  }

  decodeValue(encoding: number | bigint, column: unknown): V {
    return decodeValue(Number(encoding), column, this.#kind) as V;
  }
}

/** The bytes that a key takes. */
export function keyBytes(column: KeyColumn): number {
  if (typeof column === 'string') return Buffer.byteLength(column);
  return typeof column === 'object' ? column.byteLength : 8;
}
