import { createHash } from 'node:crypto';
import { isMap, isProxy, isSet } from 'node:util/types';
import { encodeValue } from './codec.js';
import { maxKeyBytes } from './key-bytes.js';
import type { Key } from './key.js';
import { maxDepth } from './plain.js';

/** How long a part of a key is that is there as it is, in characters or bytes; of a longer one there is the hash. */
const longest = 256;
/** The first byte of an argument that is no key by itself. */
const marks = { value: 0, hash: 1 } as const;

/**
 * The key under which the result of a call is stored: the name, and the arguments. Numbers, strings and the like are themselves; all else, and what
 * is long, is bytes that begin with a mark, which no other argument becomes. Where all of them might be more than a key may be, there is one hash.
 *
 * @throws `TypeError` when an argument can't be stored, naming the path to it.
 */
export function argumentKey(name: string, args: readonly unknown[]): Key[] {
  const parts = args.map((argument, i) => partOf(argument, `argument ${i + 1} of ${name}()`));
  const most = parts.reduce((sum: number, part) => sum + mostBytes(part), mostBytes(name));
  return most <= maxKeyBytes ? [name, ...parts] : [name, hashed(bytesOf(parts, name)), parts.length];
}

/** How many bytes a part may take in a key, with its tag and its end: in UTF-8, or with each byte escaped. */
function mostBytes(part: Key): number {
  if (typeof part === 'string') return 3 * part.length + 2;
  return part instanceof Uint8Array ? 2 * part.byteLength + 2 : 16;
}

function partOf(argument: unknown, what: string): Key {
  if (typeof argument === 'boolean') return argument;
  if (typeof argument === 'number' && !Number.isNaN(argument)) return argument;
  if (typeof argument === 'string' && argument.length <= longest && argument.isWellFormed()) return argument;
  const bytes = bytesOf(sorted(argument, 0, new Map()), what);
  return bytes.byteLength <= longest ? Buffer.concat([Buffer.of(marks.value), bytes]) : hashed(bytes);
}

function bytesOf(value: unknown, what: string): Buffer {
  const { encoding, column } = encodeValue(value, 'server', what);
  return Buffer.concat([
    Buffer.of(encoding),
    typeof column === 'object' ? column : Buffer.from(String(column)),
  ]);
}

const hashed = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(marks.hash), createHash('sha256').update(bytes).digest()]);

/**
 * The same value, with the properties of plain objects in one order. What is too deep is left to be refused; what was met before, as where an object
 * knows the one that it is in, is the same again.
 */
function sorted(value: unknown, depth: number, met: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null || isProxy(value) || depth > maxDepth) return value;
  const known = met.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    met.set(value, items);
    // Holes stay.
    items.length = value.length;
    value.forEach((item, i) => (items[i] = sorted(item, depth + 1, met)));
    return items;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Map.prototype && isMap(value)) {
    const entries = new Map<unknown, unknown>();
    met.set(value, entries);
    for (const [key, item] of value) entries.set(sorted(key, depth + 1, met), sorted(item, depth + 1, met));
    return entries;
  }
  if (prototype === Set.prototype && isSet(value)) {
    const items = new Set<unknown>();
    met.set(value, items);
    for (const item of value) items.add(sorted(item, depth + 1, met));
    return items;
  }
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy = {};
  met.set(value, copy);
  for (const [name, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    Object.defineProperty(copy, name, { value: sorted(item, depth + 1, met), enumerable: true });
  return copy;
}
