import { isDate, isProxy } from 'node:util/types';

/**
 * How deep a value may nest. A limit far below what a stack holds, since a value that is written must be readable: V8
 * writes 3000 levels and fails to read them back (Node 20), as would a reader that is called deep in a stack of its own.
 */
export const maxDepth = 1000;

/**
 * Whether msgpackr carries a value exactly as `structuredClone` would: a tree of plain objects, arrays, Dates,
 * primitives.
 *
 * What it would change, by experiment with msgpackr 2.1.3 (each has a test in test/core/codec.test.ts):
 * - -0 becomes 0, an unpaired surrogate U+FFFD, the key `__proto__` `__proto_`, a hole undefined;
 * - a leading U+FEFF is lost where the optional native module is missing;
 * - other properties of arrays are lost, boxed primitives become empty objects, AggregateErrors garbled;
 * - a Map needs `mapsAsObjects: false`, and then objects become Maps;
 * - shared references and cycles need its `structuredClone`, which takes 30 % longer, and fails on objects that refer
 *   to themselves unless `useRecords` is on, which takes 80 % longer;
 * - own types are registered for the whole process, so that an application's types can collide: bigints beyond 64 bits
 *   use one of the numbers free for applications.
 *
 * So nothing is taught to msgpackr: it gets what it can do, and all else goes to V8 (`clone.ts`).
 */
export function isPlain(value: unknown): boolean {
  return isPlainValue(value, new Seen(), 0);
}

function isPlainValue(value: unknown, seen: Seen, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return isPlainText(value);
    case 'number':
      return value !== 0 || !Object.is(value, -0);
    case 'boolean':
    case 'undefined':
      return true;
    case 'object':
      return value === null || (depth < maxDepth && isPlainObject(value, seen, depth + 1));
    case 'bigint':
      return value === BigInt.asIntN(64, value);
    default:
      return false;
  }
}

function isPlainText(text: string): boolean {
  return text.isWellFormed() && text.charCodeAt(0) !== 0xfeff;
}

function isPlainObject(value: object, seen: Seen, depth: number): boolean {
  // A Proxy would pass for its target, but cannot be cloned. What is met a second time is shared, or a cycle.
  if (isProxy(value) || !seen.add(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return isPlainRecord(value, seen, depth);
  // msgpackr goes by `constructor`, so that must not be an own property that says something else.
  if (Array.isArray(value)) {
    return prototype === Array.prototype && value.constructor === Array && isPlainArray(value, seen, depth);
  }
  return prototype === Date.prototype && value.constructor === Date && isDate(value);
}

function isPlainRecord(value: object, seen: Seen, depth: number): boolean {
  const { constructor } = value as { constructor?: unknown };
  if (constructor !== Object && constructor !== undefined) return false;
  if (Object.prototype.toString.call(value) !== '[object Object]') return false; // `arguments`, a module's namespace
  for (const key in value) {
    // V8 compiles this one to nothing inside for…in: 16 ns for 4 keys, where Object.hasOwn takes 43 ns.
    if (!Object.prototype.hasOwnProperty.call(value, key)) continue;
    if (key === '__proto__' || !isPlainText(key)) return false;
    if (!isPlainValue((value as Record<string, unknown>)[key], seen, depth)) return false;
  }
  return true;
}

function isPlainArray(value: readonly unknown[], seen: Seen, depth: number): boolean {
  if (!hasOnlyElements(value)) return false;
  for (let i = 0; i < value.length; i++) {
    const element: unknown = value[i];
    if (element === undefined && !Object.hasOwn(value, i)) return false;
    if (!isPlainValue(element, seen, depth)) return false;
  }
  return true;
}

/** Whether an array without holes has no further properties, as the results of `RegExp.exec` have. */
function hasOnlyElements(value: readonly unknown[]): boolean {
  // Nothing asks V8 for the other properties alone. Making strings of 10 000 indices takes 90 µs, copying as many integers or
  // references 20 µs, packing them 135 µs; for a few the strings, which V8 keeps at hand, are quicker by a third.
  const { length } = value;
  return (length < 8 ? Object.keys(value) : Object.values(value)).length === length;
}

/** The objects met so far. Most values have few, and searching a short list beats making a Set. */
class Seen {
  readonly #few: object[] = [];
  #many: Set<object> | undefined;

  /** @returns Whether the object was not there yet. */
  add(value: object): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(value)) return false;
      if (this.#few.push(value) > 16) this.#many = new Set(this.#few);
      return true;
    }
    const { size } = this.#many;
    return this.#many.add(value).size > size;
  }
}
