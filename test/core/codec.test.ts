import Database from 'better-sqlite3';
import { createSecretKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeValue, encodeValue, encodings, type StoredValue } from '../../src/core/codec.js';
import { randomFrom } from '../support/random.js';

const kinds = ['embedded', 'server'] as const;
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

const database = new Database(':memory:');
database.defaultSafeIntegers(true);
database.exec('CREATE TABLE item (value ANY NOT NULL) STRICT');
const insert = database.prepare('INSERT INTO item VALUES (?)');
const take = database.prepare('DELETE FROM item RETURNING value').pluck();

/** A value written and read: through a table of SQLite, or as bytes somewhere in a larger buffer, as drivers return them. */
function roundTrip(value: unknown, kind: (typeof kinds)[number]): unknown {
  const stored = encodeValue(value, kind);
  let column: unknown = stored.column;
  if (kind === 'embedded') {
    insert.run(column);
    column = take.get();
  } else {
    column = Buffer.concat([Buffer.alloc(3), stored.column as Uint8Array, Buffer.alloc(5)]).subarray(3, -5);
  }
  const read = decodeValue(stored.encoding, column, kind);
  if (column instanceof Uint8Array) column.fill(0xee); // what was read must not lie in the driver's memory
  return read;
}

/**
 * Where two values differ, or undefined. Stricter than toStrictEqual and isDeepStrictEqual: it sees -0, holes, the order of
 * properties, prototypes, lastIndex, and which objects are one object. Views may differ in what of their buffers they leave out.
 */
function difference(
  a: unknown,
  b: unknown,
  path = 'value',
  pairs = new Map<unknown, unknown>(),
): string | undefined {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return Object.is(a, b) ? undefined : `${path}: ${String(a)} and ${String(b)}`;
  }
  if (pairs.has(a) || pairs.has(b))
    return pairs.get(a) === b && pairs.get(b) === a ? undefined : `${path}: identity`;
  pairs.set(a, b).set(b, a);
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return differenceOfViews(a, b, path, pairs);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${path}: prototype`;
  const partsOfA = parts(a);
  const partsOfB = parts(b);
  if (partsOfA.length !== partsOfB.length) return `${path}: ${partsOfA.length} and ${partsOfB.length} parts`;
  for (const [i, [name, part]] of partsOfA.entries()) {
    const [otherName, otherPart] = partsOfB[i]!;
    if (name !== otherName) return `${path}: ${name} and ${otherName}`;
    const found = difference(part, otherPart, `${path}.${name}`, pairs);
    if (found !== undefined) return found;
  }
  return undefined;
}

function differenceOfViews(
  a: ArrayBufferView,
  b: ArrayBufferView,
  path: string,
  pairs: Map<unknown, unknown>,
): string | undefined {
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return `${path}: kind of view`;
  if (!bytesOf(a).equals(bytesOf(b))) return `${path}: bytes`;
  const whole = a.byteLength === a.buffer.byteLength && b.byteLength === b.buffer.byteLength;
  return whole ? difference(a.buffer, b.buffer, `${path}.buffer`, pairs) : undefined;
}

const bytesOf = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength);

/** All that makes up an object, by names. */
function parts(value: object): [string, unknown][] {
  const properties: [string, unknown][] = Object.entries(value);
  if (Array.isArray(value)) return [['length', value.length], ...properties];
  if (value instanceof Date) return [['time', value.getTime()], ...properties];
  if (value instanceof RegExp) return [['flags', value.flags], ['source', value.source], ['lastIndex', value.lastIndex], ...properties]; // prettier-ignore
  if (value instanceof Map) return [...[...value].flatMap(([k, v], i): [string, unknown][] => [[`key${i}`, k], [`value${i}`, v]]), ...properties]; // prettier-ignore
  if (value instanceof Set)
    return [...[...value].map((v, i): [string, unknown] => [`value${i}`, v]), ...properties];
  if (value instanceof Error)
    return ['name', 'message', 'stack', 'cause'].map((k) => [k, value[k as 'cause']]);
  if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) return [['primitive', value.valueOf()], ...properties]; // prettier-ignore
  if (value instanceof ArrayBuffer) return [['bytes', Buffer.from(value).toString('hex')]];
  return properties;
}

function expectFaithful(value: unknown, note: string): void {
  const expected: unknown = structuredClone(value);
  for (const kind of kinds)
    expect(difference(roundTrip(value, kind), expected), `${note} (${kind})`).toBeUndefined();
}

class Point {
  x = 1;
  #hidden = 2;
  get sum(): number {
    return this.x + this.#hidden;
  }
  toJSON(): string {
    return 'a point';
  }
}

/** Builds a value, and hands it to a function that adds to it: for values that refer to themselves. */
function built<T>(value: T, add: (value: T) => unknown): T {
  add(value);
  return value;
}

function nested(levels: number, wrap: (inner: unknown) => unknown, innermost: unknown = 1): unknown {
  let value = innermost;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

const shared = { a: 1 };
const buffer = new ArrayBuffer(8);

const faithful: Record<string, unknown> = {
  'undefined, null and booleans': [undefined, null, true, false],
  'undefined at the top': undefined,
  'properties that are undefined': { a: undefined },
  'strings': ['', 'a', '\0', 'é', '日本語', '🙂', 'x'.repeat(70), 'é'.repeat(40_000), '\u{10ffff}'],
  'unpaired surrogates': '\ud800',
  'unpaired surrogates inside': { a: ['x'.repeat(70) + '\udc00'] },
  'unpaired surrogates in keys': { '\ud800': 1 },
  'a leading byte order mark': '\ufeffa',
  'a leading byte order mark inside': ['\ufeffa', '\ufeff' + 'abc'.repeat(40), { ['\ufeff' + 'k'.repeat(100)]: 1 }],
  'negative zero': -0,
  'negative zero inside': [{ a: -0 }],
  'NaN and the infinities': [NaN, Infinity, -Infinity],
  'NaN at the top': NaN,
  'Infinity at the top': -Infinity,
  'numbers of all sizes': [0, 1, -1, 127, 128, 255, 256, -32, -33, 65_536, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 53, 1e300, 5e-324, 0.1],
  'small bigints': [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  'large bigints': [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n, 2n ** 200n, -(2n ** 70_000n)],
  'holes in arrays': [1, , 3], // eslint-disable-line no-sparse-arrays
  'arrays that end in holes': built([1], (array) => (array.length = 5)),
  'long sparse arrays': built([], (array: number[]) => (array[100_000] = 1)),
  'arrays with further properties': Object.assign([1, 2], { x: 1 }),
  'arrays with as many further properties as holes': Object.assign([1, , 3], { x: 1 }), // eslint-disable-line no-sparse-arrays
  'long arrays with further properties': Object.assign(Array(100).fill(0), { x: 1 }),
  'the result of a regular expression': /b(?<c>.)/.exec('abcd'),
  'an array whose constructor is something else': Object.assign([1], { constructor: 1 }),
  'boxed primitives': [Object('s'), Object(1), Object(-0), Object(true), Object(2n)],
  'Maps': new Map<unknown, unknown>([[1, 'a'], ['1', 'b'], [1n, 'c'], [-0, 'd'], [null, new Map()]]), // prettier-ignore
  'Sets': new Set<unknown>([1, '1', 1n, { a: 1 }, new Set()]),
  'Dates': [0, 1, 999, -1, -123_456_789, 4_294_967_295_999, 4_294_967_296_000, 8.64e15, -8.64e15].map((time) => new Date(time)),
  'an invalid Date': { at: new Date(NaN) },
  'Dates with own properties': Object.assign(new Date(5), { x: 1, constructor: 1 }),
  'regular expressions': [/a\/b/giu, /\n/s, built(/a/g, (regex) => (regex.lastIndex = 3))],
  'Errors': [new Error('a'), new RangeError('b', { cause: { code: 5 } }), built(new Error('c'), (error) => (error.name = 'Own'))],
  'an Error with properties and a class of its own': built(new (class Own extends TypeError {})('x'), (e) => Object.assign(e, { code: 1 })),
  'AggregateErrors': new AggregateError([1], 'x'),
  'an Error whose cause is met elsewhere': built([new Error('x', { cause: shared })] as unknown[], (list) => list.unshift(shared)),
  'ArrayBuffers': [new ArrayBuffer(0), Uint8Array.of(1, 2, 3).buffer],
  'a DataView': new DataView(Uint8Array.of(1, 2, 3).buffer),
  'typed arrays': [
    Int8Array.of(-1), Uint8Array.of(1), Uint8ClampedArray.of(1), Int16Array.of(-1), Uint16Array.of(1), Int32Array.of(-1),
    Uint32Array.of(1), Float32Array.of(1.5), Float64Array.of(-0, NaN), BigInt64Array.of(-1n), BigUint64Array.of(1n),
  ], // prettier-ignore
  'typed arrays at odd places': ['x', BigInt64Array.of(1n, 2n), 'xyz', Float64Array.of(1)],
  'bytes at the top': Uint8Array.of(0, 1, 255),
  'no bytes at the top': new Uint8Array(0),
  'views of one buffer': [buffer, new Uint8Array(buffer), new DataView(buffer), new BigInt64Array(buffer)],
  'views of parts of a buffer': [new Uint8Array(buffer, 1, 3), new Uint16Array(buffer, 2, 1), new DataView(buffer, 1, 2)],
  'a key called __proto__': JSON.parse('{"__proto__":{"polluted":1},"a":2}'),
  'keys called constructor, hasOwnProperty and toJSON': { constructor: 1, hasOwnProperty: 2, toJSON: 3, length: 4, then: 5 },
  'keys that look like numbers': { 1: 1, a: 2, 0: 3, '-1': 4, '01': 5 },
  'long and empty keys': { '': 1, ['k'.repeat(300)]: 2 },
  'keys that are symbols, which are left out': { [Symbol('x')]: () => 1, a: 1 },
  'properties that are not enumerable, which are left out': Object.defineProperty({ a: 1 }, 'b', { value: () => 1 }),
  'inherited properties, which are left out': Object.create({ a: 1 }, { b: { value: 2, enumerable: true } }),
  'objects without prototype': Object.assign(Object.create(null), { a: 1 }),
  'instances of classes, which become plain objects': { point: new Point(), list: [new Point()] },
  'instances of subclasses of built-in classes': [new (class extends Array<number> {})(1, 2), new (class extends Map<number, number> {})([[1, 2]]), new (class extends Date {})(5), new (class extends Uint8Array {})(2)], // prettier-ignore
  'getters': { get a() { return { b: 1 }; } }, // prettier-ignore
  'an object tagged as something else': { [Symbol.toStringTag]: 'Map', a: 1 },
  'an instance of a class of the same name as one of the web': new (class { a = 1; get [Symbol.toStringTag](): string { return 'Event'; } })(), // prettier-ignore
  'frozen and sealed objects': Object.freeze({ a: Object.seal([1]) }),
  'many keys': Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key ${i}`, i])),
  'many objects': Array.from({ length: 1_000 }, (_, i) => ({ i, list: [i] })),
  'long arrays': Array.from({ length: 70_000 }, (_, i) => i / 7),
  'shared references': [shared, { shared }, new Map([['shared', shared]])],
  'shared Dates': built([new Date(5)], (list) => list.push(...list)),
  'shared references after many others': built(Array.from({ length: 50 }, () => ({})), (list) => list.push(list[40]!)),
  'shared references to the first of many others': built(Array.from({ length: 50 }, () => ({})), (list) => list.push(list[0]!)),
  'an object that only inherits from Array': Object.create(Array.prototype),
  'an object that only inherits from Date': Object.create(Date.prototype),
  'a hidden toJSON': Object.defineProperty(Object.create(null), 'toJSON', { value: () => 5 }),
  'shared Errors': built([new Error('x', { cause: {} })], (list) => list.push(...list)),
  // One by one: in a list, the first that is not plain would hide the others.
  'an object with a hidden constructor': Object.defineProperty({ a: 1 }, 'constructor', { value: Map }),
  'an array with a hidden constructor': Object.defineProperty([1], 'constructor', { value: Map }),
  'a Date with a hidden constructor': Object.defineProperty(new Date(5), 'constructor', { value: Map }),
  'an object inside itself': built<Record<string, unknown>>({}, (value) => (value['self'] = { value })),
  'an array inside itself': built([] as unknown[], (value) => value.push(value, value)),
  'a Map inside itself': built(new Map<unknown, unknown>(), (value) => value.set(value, value)),
  'a Set inside itself': built(new Set<unknown>(), (value) => value.add({ value })),
  'large text': 'é🙂'.repeat(1_000_000),
}; // prettier-ignore

test.each(Object.entries(faithful))('carries as structuredClone does: %s', (name, value) => {
  expectFaithful(value, name);
  expect((Object.prototype as { polluted?: 1 }).polluted).toBeUndefined();
});

test('random values come back as structuredClone gives them', () => {
  const values = new Values(seed);
  const used = new Map<number, number>();
  for (let step = 0; step < 4_000; step++) {
    const value = values.start();
    const { encoding } = encodeValue(value, 'server');
    used.set(encoding, (used.get(encoding) ?? 0) + 1);
    expectFaithful(value, `SEED=${seed} at ${step}`);
  }
  for (const encoding of Object.values(encodings))
    expect(used.get(encoding), `SEED=${seed} ${encoding}`).toBeGreaterThan(50);
});

test('random Dates, numbers and bigints come back as they were', () => {
  const values = new Values(seed);
  for (let step = 0; step < 10_000; step++)
    expectFaithful([values.date(), values.number(), values.bigint()], `SEED=${seed} at ${step}`);
});

/** Random values, most of them small, some with shared references, cycles and rare types. */
class Values {
  /** The next number in [0, 1). */
  readonly random: () => number;
  #made: unknown[] = [];
  #exotic = false;

  constructor(from: number) {
    this.random = randomFrom(from);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  start(): unknown {
    this.#made = [];
    this.#exotic = this.random() < 0.5;
    return this.random() < 0.1
      ? Uint8Array.from({ length: this.below(20) }, () => this.below(256))
      : this.value(0);
  }

  value(depth: number): unknown {
    if (this.#exotic && this.#made.length > 0 && this.random() < 0.05) return this.pick(this.#made);
    if (this.random() < 0.2 + depth / 6) return this.leaf();
    const value = this.pick([
      [],
      {},
      ...(this.#exotic ? [new Map<unknown, unknown>(), new Set<unknown>(), Object.create(null)] : []),
    ]);
    this.#made.push(value);
    for (let i = this.below(6); i > 0; i--) this.#add(value, depth + 1);
    return value;
  }

  #add(to: unknown, depth: number): void {
    const value = this.value(depth);
    if (Array.isArray(to)) to.push(value);
    else if (to instanceof Map) to.set(this.value(depth), value);
    else if (to instanceof Set) to.add(value);
    else
      Object.defineProperty(to, this.text(), { value, enumerable: true, configurable: true, writable: true });
  }

  leaf(): unknown {
    const usual = [
      () => this.text(),
      () => this.number(),
      () => this.bigint(),
      () => this.date(),
      () => this.pick([null, undefined, true, false]),
    ];
    const rare = [
      () => '\ud83d', () => -0, () => 2n ** 64n, () => /x/g, () => Buffer.from('abc'), () => Float64Array.of(this.number()),
      () => new RangeError(this.text()), () => Object(1) as unknown, () => new Array<number>(3), () => new DataView(new ArrayBuffer(3)),
    ]; // prettier-ignore
    const leaf = this.pick(this.#exotic && this.random() < 0.3 ? rare : usual)();
    if (typeof leaf === 'object' && leaf !== null) this.#made.push(leaf);
    return leaf;
  }

  text(): string {
    const chars = ['a', 'b', 'k', '\0', 'é', '日', '🙂', '\ufeff'];
    const length = this.pick([0, 1, 3, 8, 20, 40, 70, 300]);
    return Array.from({ length }, () => this.pick(this.random() < 0.9 ? ['a', 'b', 'k'] : chars)).join('');
  }

  number(): number {
    return this.pick([
      0,
      1,
      -1,
      NaN,
      Infinity,
      this.below(300),
      -this.below(300),
      this.random(),
      this.random() * 2 ** this.below(100),
      this.below(2 ** 40) - 2 ** 39,
    ]);
  }

  bigint(): bigint {
    return BigInt.asIntN(1 + this.below(80), BigInt(this.below(2 ** 53)) * BigInt(this.below(2 ** 53)));
  }

  date(): Date {
    return new Date(Math.trunc((this.random() - 0.5) * this.pick([1e4, 1e10, 1e13, 17.2e15])));
  }
}

test('the usual values are stored in the encodings that are quick and can be read by people', () => {
  const embedded = (value: unknown): StoredValue => encodeValue(value, 'embedded');
  expect(embedded('é')).toEqual({ encoding: 1, column: 'é', size: 2 });
  expect(embedded(1.5)).toEqual({ encoding: 2, column: 1.5, size: 8 });
  expect(embedded(Uint8Array.of(1))).toEqual({ encoding: 3, column: Uint8Array.of(1), size: 1 });
  const plain = {
    id: 1,
    tags: ['a', undefined, null, true],
    at: new Date(0),
    n: 5n,
    at2: NaN,
    o: Object.create(null),
    list: Array(100).fill(1.5),
  };
  for (const value of [plain, null, undefined, false, 1n, NaN, [], {}, new Date(5)])
    expect(embedded(value).encoding).toBe(4);
  expect(embedded(new Map()).encoding).toBe(5);
});

test('stored values never change their meaning', () => {
  const stored = (encoding: number, hex: string): unknown =>
    decodeValue(encoding, Buffer.from(hex, 'hex'), 'server');
  expect(stored(1, 'c3a9')).toBe('é');
  expect(stored(2, '3ff8000000000000')).toBe(1.5);
  expect(stored(3, '0001')).toStrictEqual(Uint8Array.of(0, 1));
  expect(stored(4, '82a161d40000a162d6ff00000001')).toStrictEqual({ a: undefined, b: new Date(1000) });
  expect(stored(4, 'd30000000000000001')).toBe(1n);
  // A Map with a view of a part, which has bytes of its own, and a view of a whole buffer, which is a value of its own.
  const map = 'ff0f3b2204706172745c0500020600220577686f6c655c0201420201022205616761696e5e033a06';
  const whole = Uint8Array.of(1, 2);
  const expected = new Map<string, unknown>([['part', Uint16Array.of(6)], ['whole', whole], ['again', whole.buffer]]); // prettier-ignore
  expect(difference(stored(5, map), expected)).toBeUndefined();
});

test('size is what the column takes', () => {
  for (const value of ['', 'é🙂', 5, Uint8Array.of(1, 2), { a: 1 }, new Map([[1, 2]])]) {
    for (const kind of kinds) {
      const { column, size } = encodeValue(value, kind);
      expect(size).toBe(
        typeof column === 'string'
          ? Buffer.byteLength(column)
          : typeof column === 'number'
            ? 8
            : column.length,
      );
    }
  }
});

test('a column that is kept is not changed by later encodings, nor on a server by later changes to the value', () => {
  const values = Array.from({ length: 5_000 }, (_, i) =>
    i % 3 === 0 ? { i, text: 'x'.repeat(i % 500) } : `text ${i}`,
  );
  const kept = values.map((value) => encodeValue(value, 'server'));
  for (const [i, { encoding, column }] of kept.entries())
    expect(decodeValue(encoding, column, 'server')).toStrictEqual(values[i]);
  const bytes = Uint8Array.of(1, 2);
  const stored = encodeValue(bytes, 'server');
  bytes[0] = 9;
  expect(stored.column).toEqual(Uint8Array.of(1, 2));
});

test('each read gives a fresh copy', () => {
  for (const value of [Uint8Array.of(1, 2), { list: [1] }, [Uint8Array.of(1)], new Map([[1, {}]])]) {
    const { encoding, column } = encodeValue(value, 'server');
    const first = decodeValue(encoding, column, 'server');
    const second = decodeValue(encoding, column, 'server');
    expect(first).toStrictEqual(second);
    expect(first).not.toBe(second);
    if (first instanceof Uint8Array) first[0] = 9;
    expect(decodeValue(encoding, column, 'server')).toStrictEqual(second);
  }
});

test('a Buffer comes back as a plain Uint8Array, with its own bytes and not those of its pool', () => {
  const secret = Buffer.from('another secret');
  const given = Buffer.from('abc');
  expect(given.buffer).toBe(secret.buffer); // else the test shows nothing
  for (const kind of kinds) {
    for (const read of [
      roundTrip(given, kind),
      (roundTrip([given], kind) as unknown[])[0],
      (roundTrip(new Map([[1, given]]), kind) as Map<number, unknown>).get(1),
    ]) {
      expect(Object.getPrototypeOf(read)).toBe(Uint8Array.prototype);
      expect((read as Uint8Array).buffer).toEqual(Uint8Array.of(97, 98, 99).buffer);
    }
    const stored = Buffer.from(
      encodeValue({ given, view: new DataView(given.buffer, given.byteOffset, 3) }, kind)
        .column as Uint8Array,
    );
    expect(stored.includes('secret')).toBe(false);
  }
});

test('bytes in shared memory are stored as they are at the moment', () => {
  const view = new Uint8Array(new SharedArrayBuffer(2)).fill(7);
  for (const kind of kinds) {
    expect(roundTrip(view, kind)).toStrictEqual(Uint8Array.of(7, 7));
    expect(roundTrip([view], kind)).toStrictEqual([Uint8Array.of(7, 7)]);
  }
});

function wasmModule(): unknown {
  // The types of Node do not have it.
  const { Module } = Reflect.get(globalThis, 'WebAssembly') as { Module: new (bytes: Uint8Array) => unknown };
  return new Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
}

const refused: Record<string, [unknown, string]> = {
  'a function': [() => 1, 'value is a function, which cannot be stored'],
  'a symbol': [Symbol('x'), 'value is a symbol, which cannot be stored'],
  'a function in an array': [{ user: { callbacks: [1, 2, () => 1] } }, 'value.user.callbacks[2] is a function, which cannot be stored'],
  'a class in a Map': [{ m: new Map([['a b', [Point]]]) }, "value.m.get('a b')[0] is a function, which cannot be stored"],
  'a symbol as a key of a Map': [new Map([[1, 1], [Symbol('x'), 1]] as [unknown, 1][]), 'value.keys()[1] is a symbol, which cannot be stored'],
  'a function under an object in a Map': [new Map([[{}, () => 1]]), 'value.values()[0] is a function, which cannot be stored'],
  'a function in a Set': [[new Set([1, { f() { return 1; } }])], 'value[0].values()[1].f is a function, which cannot be stored'],
  'a function under a strange key': [{ 'a-b': { '': { 5: () => 1 } } }, "value['a-b']['']['5'] is a function"],
  'a function as a further property of an array': [Object.assign([1], { x: () => 1 }), 'value.x is a function, which cannot be stored'],
  'a function in an instance': [{ p: Object.assign(new Point(), { f: () => 1 }) }, 'value.p.f is a function, which cannot be stored'],
  'a function behind a getter': [{ get a() { return () => 1; } }, 'value.a is a function, which cannot be stored'],
  'a function as the cause of an Error': [[new Error('x', { cause: () => 1 })], 'value[0].cause is a function, which cannot be stored'],
  'a function called constructor': [{ constructor: Map }, 'value.constructor is a function, which cannot be stored'],
  'a Promise': [{ a: Promise.resolve() }, 'value.a is a Promise, which cannot be stored'],
  'a WeakMap': [{ a: new WeakMap() }, 'value.a is a WeakMap, which cannot be stored'],
  'a WeakSet': [[new WeakSet()], 'value[0] is a WeakSet, which cannot be stored'],
  'a WeakRef': [[new WeakRef({})], 'value[0] is a WeakRef, which cannot be stored'],
  'a Proxy of a plain object': [{ a: new Proxy({}, {}) }, 'value.a is a Proxy, which cannot be stored'],
  'a Proxy of an array': [{ a: new Proxy([1], {}) }, 'value.a is a Proxy, which cannot be stored'],
  'a Proxy of a function': [[new Proxy(() => 1, {})], 'value[0] is a function, which cannot be stored'],
  'a generator': [{ a: (function* () { yield 1; })() }, 'value.a is a Generator, which cannot be stored'],
  'an iterator': [{ a: new Map().entries() }, 'value.a is a Map Iterator, which cannot be stored'],
  'arguments': [{ a: (function () { return arguments; })() }, 'value.a is an Arguments, which cannot be stored'], // eslint-disable-line prefer-rest-params
  'a boxed symbol': [[Object(Symbol('x'))], 'value[0] is a Symbol, which cannot be stored'],
  'shared memory': [{ a: new SharedArrayBuffer(1) }, 'value.a is a SharedArrayBuffer, which cannot be stored'],
  'an Intl object': [{ a: new Intl.NumberFormat() }, 'value.a is an Intl.NumberFormat, which cannot be stored'],
  'a URL': [{ a: new URL('http://example.org') }, 'value.a is a URL, which cannot be stored'],
  'a Blob': [{ a: new Blob(['x']) }, 'value.a is a Blob, which cannot be stored'],
  'an AbortSignal': [{ a: AbortSignal.abort() }, 'value.a is an AbortSignal, which cannot be stored'],
  'a DOMException': [{ a: new DOMException('x') }, 'value.a is a DOMException, which cannot be stored'],
  'a port': [{ a: new MessageChannel().port1 }, 'value.a is an EventTarget, which cannot be stored'],
  'a WebAssembly module': [{ a: wasmModule() }, 'value.a is a WebAssembly.Module, which cannot be stored'],
  'an object of Node with a native part': [{ a: [createSecretKey(Buffer.from('abc'))] }, 'value.a[0] is a KeyObject, which cannot be stored'],
  'an Error that is its own cause': [built(new Error('x'), (error) => (error.cause = { error })), 'value.cause.error is an Error inside itself, which cannot be stored'],
}; // prettier-ignore

test.each(Object.entries(refused))('refuses with the path: %s', (_name, [value, message]) => {
  for (const kind of kinds) {
    expect(() => encodeValue(value, kind)).toThrow(TypeError);
    expect(() => encodeValue(value, kind)).toThrow(message);
  }
});

test('a detached buffer is refused', () => {
  const detached = new ArrayBuffer(1);
  structuredClone(detached, { transfer: [detached] });
  expect(() => encodeValue([detached], 'embedded')).toThrow(TypeError);
});

test('what a getter throws reaches the caller, and the next value is stored as ever', () => {
  const failure = new Error('from the getter');
  const value = { a: [1], get b(): never { throw failure; } }; // prettier-ignore
  expect(() => encodeValue(value, 'embedded')).toThrow(failure);
  expectFaithful({ a: 1 }, 'after a getter threw');
});

test('a getter may encode values itself', () => {
  const value = { a: 'x', get b(): number { return encodeValue({ c: ['y'] }, 'embedded').size; } }; // prettier-ignore
  expectFaithful(value, 'a getter that encodes');
});

const wraps: Record<string, (inner: unknown) => unknown> = {
  object: (a) => ({ a }),
  array: (a) => [a],
  Map: (a) => new Map([[1, a]]),
  'key of a Map': (a) => new Map([[a, 1]]),
  Set: (a) => new Set([a]),
  'cause of an Error': (cause) => new Error('x', { cause }),
  instance: (a) => Object.assign(new Point(), { a }),
  'mixture of all': (a) => ({ a: [new Map([[new Set([a]), 1]])] }),
};

test.each(Object.entries(wraps))('nests 1000 levels deep and no deeper: %s', (name, wrap) => {
  const levels = name.startsWith('mixture') ? 250 : 1000;
  const innermost: unknown = name === 'cause of an Error' ? 1 : new Date(5);
  const deep = nested(levels - (innermost === 1 ? 0 : 1), wrap, innermost);
  for (const kind of kinds) expect(roundTrip(deep, kind)).toBeTypeOf('object');
  for (const tooDeep of [nested(1001, wrap), nested(10_000, wrap), nested(200_000, wrap)]) {
    expect(() => encodeValue(tooDeep, 'embedded')).toThrow(RangeError);
    expect(() => encodeValue(tooDeep, 'embedded')).toThrow(
      /nested too deep: at most 1000 levels can be stored/,
    );
  }
  expectFaithful({ a: 1 }, 'after a value that was too deep');
});

test('a read that is called too deep in the stack says so, and does not blame the value', () => {
  for (const deep of [nested(900, (a) => [a]), nested(900, (a) => new Set([a]))]) {
    const { encoding, column } = encodeValue(deep, 'server');
    const deeper = (): void => {
      decodeValue(encoding, column, 'server');
      deeper();
    };
    expect(deeper).toThrow(RangeError);
  }
});

test('an encoding that is not known is reported as possibly of a newer version', () => {
  for (const encoding of [0, 6, -1, NaN]) {
    expect(() => decodeValue(encoding, Buffer.alloc(8), 'embedded')).toThrow(
      expect.objectContaining({ code: 'ERR_CORRUPT', message: expect.stringContaining('newer version') }),
    );
  }
});

test('a column that does not fit its encoding is reported as corrupt', () => {
  const garbled: [number, unknown, (typeof kinds)[number]][] = [
    ...Object.values(encodings).flatMap((encoding) =>
      kinds.map((kind) => [encoding, null, kind] as [number, null, typeof kind]),
    ),
    [encodings.text, 5, 'embedded'],
    [encodings.text, 'text', 'server'],
    [encodings.text, Uint8Array.of(0xff), 'server'],
    [encodings.number, 'text', 'embedded'],
    [encodings.number, 5, 'server'],
    [encodings.number, Buffer.alloc(7), 'server'],
    [encodings.bytes, 'text', 'embedded'],
    [encodings.msgpack, Buffer.alloc(0), 'server'],
    [encodings.msgpack, Buffer.from('93', 'hex'), 'embedded'],
    [encodings.msgpack, Buffer.from('c1c1', 'hex'), 'embedded'],
    [encodings.clone, Buffer.alloc(0), 'embedded'],
    [encodings.clone, Buffer.from('ffff', 'hex'), 'embedded'],
    [encodings.clone, Buffer.from('ff0f5c6300', 'hex'), 'embedded'], // an unknown kind of view
    [encodings.clone, Buffer.from('ff0f5c0200ffff7f', 'hex'), 'embedded'], // more bytes than there are
  ];
  for (const [encoding, column, kind] of garbled) {
    expect(() => decodeValue(encoding, column, kind), `${encoding} ${String(column)} ${kind}`).toThrow(
      expect.objectContaining({ code: 'ERR_CORRUPT' }),
    );
  }
  const error = (): unknown => decodeValue(encodings.clone, Buffer.alloc(3), 'embedded');
  expect(error).toThrow(expect.objectContaining({ cause: expect.any(Error) }));
});

test('an INTEGER that somebody wrote with the sqlite3 shell is read as the number it is', () => {
  expect(decodeValue(encodings.number, 5n, 'embedded')).toBe(5);
});

test('garbled values are read as something or reported as corrupt, and harm nothing', () => {
  const values = new Values(seed);
  for (let step = 0; step < 6_000; step++) {
    const { encoding, column } = encodeValue(values.start(), 'server');
    const bytes = Uint8Array.from(column as Uint8Array);
    for (let i = values.below(4); i >= 0; i--) bytes[values.below(bytes.length)] = values.below(256);
    try {
      decodeValue(encoding, bytes.subarray(0, bytes.length - values.below(3)), 'server');
    } catch (error) {
      expect(error, `SEED=${seed} at ${step}`).toMatchObject({ code: 'ERR_CORRUPT' });
    }
  }
  expectFaithful({ a: [1, new Map()] }, `SEED=${seed} after garbled values`);
});
