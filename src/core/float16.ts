import { isFloat32Array, isFloat64Array, isMap, isProxy, isSet } from 'node:util/types';
import { packr } from './codec.js';
import { BuiltInCodec, checkCodec, encodedBy, msgpack, nameOf, type Codec } from './codecs.js';
import { halves, toHalf } from './half.js';
import { maxDepth } from './plain.js';

/** A way from a value to one inside: names of properties, and places in arrays, Maps and Sets. */
type Path = readonly (string | number)[];
type Vector = Float32Array | Float64Array;

/** A vector, and where it is in the value: in several places, if it is shared. */
interface Found {
  readonly vector: Vector;
  readonly paths: Path[];
}

const isVector = (value: unknown): value is Vector => isFloat32Array(value) || isFloat64Array(value);

/** Bytes of the number that says how long the list of vectors is. */
const headBytes = 4;

/**
 * The bytes are: the length of the list of vectors; the list, as MessagePack, with the length of each and the paths to it; their half floats,
 * little-endian; and what the inner codec makes of the value without them. So nothing in the value can be taken for what stands for a vector.
 */
export class Float16Codec<V> extends BuiltInCodec<V> {
  readonly name: string;
  readonly #inner: Codec<V>;

  constructor(inner: Codec<V>) {
    super();
    this.#inner = inner;
    this.name = `float16(${nameOf(inner)})`;
  }

  encode(value: V): Uint8Array {
    const found = new Search().vectors(value);
    const list = packr.pack(found.map(({ vector, paths }) => [vector.length, paths]));
    const rest = found.length === 0 ? value : (new Copy().of(value) as V);
    const inner = encodedBy(this.#inner, rest);
    const length = found.reduce((sum, { vector }) => sum + vector.length, 0);
    const bytes = Buffer.allocUnsafe(headBytes + list.byteLength + 2 * length + inner.byteLength);
    bytes.writeUInt32LE(list.byteLength);
    bytes.set(list, headBytes);
    let at = headBytes + list.byteLength;
    for (const { vector, paths } of found) at = writeVector(bytes, at, vector, paths[0] ?? []);
    bytes.set(inner, at);
    return bytes;
  }

  decode(bytes: Uint8Array): V {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = headBytes + all.readUInt32LE();
    const list = packr.unpack(bytes.subarray(headBytes, at)) as [length: number, paths: Path[]][];
    const found = list.map(([length, paths]) => {
      const vector = readVector(all, at, length);
      at += 2 * length;
      return { vector, paths };
    });
    const restoring = new Restoring(this.#inner.decode(new Uint8Array(bytes.subarray(at))));
    for (const { vector, paths } of found) for (const path of paths) restoring.put(path, vector);
    return restoring.done() as V;
  }
}

/**
 * A codec that stores the numbers of every `Float32Array` and `Float64Array` in a value, at whatever depth, as half floats: 2 bytes each, some 3
 * decimal digits, up to ±65 504. They come back as `Float32Array`. That is enough for embeddings. Plain arrays of numbers stay exact: nothing tells a
 * vector among them from a list of counts or ids.
 *
 * @param codec - For the rest of the value; there, instances of classes become plain objects. @defaultValue {@link msgpack}
 * @throws `TypeError`, `RangeError` when `codec` is none. `RangeError` when storing a finite number beyond ±65 504.
 * @example
 * const embeddings = new Cache<Float32Array>(store, 'embeddings', { codec: float16() });
 */
export function float16<V>(codec: Codec<V> = msgpack<V>()): Codec<V> {
  checkCodec(codec);
  return new Float16Codec(codec);
}

function writeVector(bytes: Buffer, at: number, vector: Vector, path: Path): number {
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] ?? 0;
    const half = toHalf(value);
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(value))
      throw new RangeError(
        `${['value', ...path, i].join('.')} is ${value}, and a half float holds at most ±65504`,
      );
    bytes[at++] = half & 0xff;
    bytes[at++] = half >>> 8;
  }
  return at;
}

function readVector(bytes: Buffer, at: number, length: number): Float32Array {
  if (!(at + 2 * length <= bytes.length)) throw new RangeError('a vector is cut off');
  const table = halves();
  const vector = new Float32Array(length);
  for (let i = 0; i < length; i++)
    vector[i] = table[(bytes[at + 2 * i] ?? 0) | ((bytes[at + 2 * i + 1] ?? 0) << 8)] ?? 0;
  return vector;
}

/** What is inside a value, with the steps to it. What has a state that is not in there has nothing inside. */
function* inside(value: object): Generator<readonly [step: string | number, value: unknown]> {
  if (isProxy(value) || ArrayBuffer.isView(value)) return;
  if (isMap(value)) yield* [...value.values()].entries();
  else if (isSet(value)) yield* [...value].entries();
  else if (Array.isArray(value) || isRecord(value)) yield* Object.entries(value);
}

const isRecord = (value: object): boolean => Object.prototype.toString.call(value) === '[object Object]';

/** The vectors in a value, in each place that is reached from there without going in a circle: a codec may make two of what is shared. */
class Search {
  readonly #found = new Map<Vector, Found>();
  readonly #above: object[] = [];
  readonly #path: (string | number)[] = [];

  vectors(value: unknown): Found[] {
    this.#visit(value);
    return [...this.#found.values()];
  }

  #visit(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if (isVector(value)) this.#add(value);
    // What is too deep, the inner codec refuses.
    else if (this.#above.length <= maxDepth && !this.#above.includes(value)) this.#descend(value);
  }

  #add(vector: Vector): void {
    const known = this.#found.get(vector);
    if (known === undefined) this.#found.set(vector, { vector, paths: [[...this.#path]] });
    else known.paths.push([...this.#path]);
  }

  #descend(value: object): void {
    this.#above.push(value);
    for (const [step, next] of inside(value)) {
      this.#path.push(step);
      this.#visit(next);
      this.#path.pop();
    }
    this.#above.pop();
  }
}

/** A copy of a value without its vectors: the same graph, and each has an object of its own in its place. */
class Copy {
  readonly #copies = new Map<object, unknown>();

  of(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (!this.#copies.has(value)) this.#make(value);
    return this.#copies.get(value);
  }

  #make(value: object): void {
    if (isVector(value)) this.#copies.set(value, []);
    else if (isProxy(value)) this.#copies.set(value, value);
    else if (isMap(value)) {
      const copy = new Map<unknown, unknown>();
      this.#copies.set(value, copy);
      for (const [key, item] of value) copy.set(key, this.of(item));
    } else if (isSet(value)) {
      const copy = new Set<unknown>();
      this.#copies.set(value, copy);
      for (const item of value) copy.add(this.of(item));
    } else if (Array.isArray(value) || isRecord(value)) {
      const copy = Array.isArray(value) ? new Array<unknown>(value.length) : {};
      this.#copies.set(value, copy);
      for (const [key, item] of Object.entries(value)) define(copy, key, this.of(item));
    } else this.#copies.set(value, value);
  }
}

/** Also for the key `__proto__`, which an assignment takes for something else. */
function define(target: object, key: string | number, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Puts vectors where something stands for them. What the inner codec has left out has no place for them. */
class Restoring {
  readonly #root: { value: unknown };
  /** The keys of Maps, and what is to be in Sets. */
  readonly #lists = new Map<object, unknown[]>();

  constructor(value: unknown) {
    this.#root = { value };
  }

  put(path: Path, vector: Float32Array): void {
    let target: unknown = this.#root;
    let step: string | number = 'value';
    for (const next of path) {
      target = this.#at(target, step);
      step = next;
    }
    this.#replace(target, step, vector);
  }

  done(): unknown {
    for (const [set, items] of this.#lists) {
      if (!isSet(set)) continue;
      set.clear();
      for (const item of items) set.add(item);
    }
    return this.#root.value;
  }

  #at(target: unknown, step: string | number): unknown {
    if (typeof target !== 'object' || target === null) return undefined;
    if (isMap(target)) return target.get(this.#list(target)[Number(step)]);
    if (isSet(target)) return this.#list(target)[Number(step)];
    return Object.getOwnPropertyDescriptor(target, step)?.value;
  }

  #replace(target: unknown, step: string | number, vector: Float32Array): void {
    if (typeof target !== 'object' || target === null) return;
    if (isMap(target)) target.set(this.#list(target)[Number(step)], vector);
    else if (isSet(target)) this.#list(target)[Number(step)] = vector;
    else if (Object.hasOwn(target, step)) define(target, step, vector);
  }

  #list(target: Map<unknown, unknown> | Set<unknown>): unknown[] {
    const known = this.#lists.get(target);
    if (known !== undefined) return known;
    const list = [...target.keys()];
    this.#lists.set(target, list);
    return list;
  }
}
