import { describe, expect, test } from 'vitest';
import { Columns } from '../../src/core/columns.js';
import { resolveCoding } from '../../src/core/coding.js';
import { halves, toHalf } from '../../src/core/half.js';
import { float16, json, msgpack, raw, type Codec } from '../../src/index.js';

/** A value as it is read, in memory that nobody else has. */
const roundTrip = <V>(codec: Codec<V>, value: V): V => codec.decode(new Uint8Array(codec.encode(value)));

describe('half floats', () => {
  const table = halves();
  const isNumber = (half: number): boolean => !Number.isNaN(table[half]);

  test('are the numbers that IEEE 754 says', () => {
    for (const [half, value] of [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65_504],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
      [0x7e00, Number.NaN],
    ] as const)
      expect(table[half]).toBe(value);
  });

  test('all come back as they were', () => {
    for (let half = 0; half < 0x10000; half++)
      if (isNumber(half) && toHalf(table[half]!) !== half) expect(toHalf(table[half]!)).toBe(half);
    expect(toHalf(Number.NaN)).toBe(0x7e00);
  });

  test('every other number becomes the nearest one, and the even one in the middle', () => {
    const floats = new Float32Array(1);
    const bits = new Uint32Array(floats.buffer);
    for (let half = 0; half < 0x7c00; half++) {
      const low = table[half]!;
      // Half way to infinity is where the next number would be, were there more exponents.
      const high = half === 0x7bff ? 65_536 : table[half + 1]!;
      floats[0] = (low + high) / 2;
      const middle = floats[0];
      bits[0]!--;
      const below = floats[0];
      bits[0]! += 2;
      const above = floats[0];
      const even = half % 2 === 0 ? half : half + 1;
      const found = [toHalf(below), toHalf(middle), toHalf(above), toHalf(-middle)];
      const right = [half, even, half + 1, even | 0x8000];
      if (found.join() !== right.join()) expect(found, `after ${low}`).toEqual(right);
    }
    expect(toHalf(1e30)).toBe(0x7c00);
  });
});

describe('float16()', () => {
  const vector = Float32Array.of(0.5, -2, 1024, 1 / 3);
  const rounded = Float32Array.of(0.5, -2, 1024, 0.333251953125);

  test('finds vectors anywhere in a value, and gives the rest back as it was', () => {
    const value = {
      name: 'x',
      ids: [1, 2.000001, 70_000],
      vector,
      list: [[vector], { deep: new Float64Array(vector) }, new Float32Array(0)],
      map: new Map<string, unknown>([
        ['a', vector.slice()],
        ['b', 'not one'],
        ['c', { inner: vector.slice() }],
      ]),
      set: new Set<unknown>([1, vector.slice(), 'z']),
      bytes: Uint8Array.of(1, 2),
      when: new Date(5),
    };
    const read = roundTrip<unknown>(float16(), value);
    expect(read).toEqual({
      ...value,
      vector: rounded,
      list: [[rounded], { deep: rounded }, new Float32Array(0)],
      map: new Map<string, unknown>([
        ['a', rounded],
        ['b', 'not one'],
        ['c', { inner: rounded }],
      ]),
      set: new Set<unknown>([1, rounded, 'z']),
    });
    expect([...(read as typeof value).map.keys()]).toEqual(['a', 'b', 'c']);
    expect(value.vector).toBe(vector); // what was given is as it was
    expect(roundTrip<unknown>(float16(), vector)).toEqual(rounded);
  });

  test('takes 2 bytes for a number', () => {
    const long = Float32Array.from({ length: 1536 }, (_, i) => Math.sin(i));
    expect(float16().encode(long as never).byteLength).toBeLessThan(2 * 1536 + 20);
    expect(float16().encode({ text: 'abc', vector: long }).byteLength).toBeLessThan(2 * 1536 + 50);
  });

  test('takes nothing in a value for something of its own', () => {
    const strange = [
      { vector: [], value: null, 0: [], list: [[], null, undefined] },
      JSON.parse('{"__proto__": [1], "constructor": {"a": []}}') as unknown,
      [],
      null,
      undefined,
      'float16',
    ];
    for (const value of strange) {
      expect(roundTrip<unknown>(float16(), value)).toEqual(value);
      expect(roundTrip<unknown>(float16(), [value, vector])).toEqual([value, rounded]);
    }
    const own = JSON.parse('{"__proto__": {"v": 0}}') as { ['__proto__']: { v: unknown } };
    (Object.getOwnPropertyDescriptor(own, '__proto__')?.value as { v: unknown }).v = vector;
    const read = roundTrip<object>(float16(), own);
    expect(Object.getOwnPropertyDescriptor(read, '__proto__')?.value).toEqual({ v: rounded });
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  });

  test('keeps cycles and what is shared', () => {
    const shared = { vector };
    const value: Record<string, unknown> = { a: shared, b: shared, c: vector };
    value['self'] = value;
    const read = roundTrip<Record<string, unknown>>(float16(), value);
    expect(read['self']).toBe(read);
    expect(float16().encode(value as never).byteLength).toBeLessThan(200);
    expect(read['a']).toBe(read['b']);
    expect(read['c']).toBe((read['a'] as { vector: unknown }).vector);
    expect(read['c']).toEqual(rounded);
    const apart = roundTrip<unknown>(float16(json()), [shared, shared]);
    expect(apart).toEqual([{ vector: rounded }, { vector: rounded }]);
  });

  test('refuses a number that a half float can’t hold, and says where it is', () => {
    const value = { items: [{ vector: Float32Array.of(1, 65_520) }] };
    expect(() => float16<typeof value>().encode(value)).toThrow(/value\.items\.0\.vector\.1 is 65520/);
    const most = Float32Array.of(65_519, -Infinity, Number.NaN);
    expect(roundTrip<unknown>(float16(), most)).toEqual(Float32Array.of(65_504, -Infinity, Number.NaN));
  });

  test('has the rest of a value made by another codec', () => {
    const codec = float16<{ vector: Float32Array; when: unknown }>(json());
    expect(roundTrip(codec, { vector, when: new Date(0) })).toEqual({
      vector: rounded,
      when: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('the other codecs', () => {
  test('msgpack() is MessagePack', () => {
    expect([...msgpack().encode({ a: 1 })]).toEqual([0x81, 0xa1, 0x61, 1]);
    expect([...msgpack().encode(-1 as never)]).toEqual([0xff]);
    const clone = msgpack<unknown>().encode(new Map());
    expect([clone[0], clone[5]]).toEqual([0xc9, 104]);
    expect(Buffer.from(clone).readUInt32BE(1)).toBe(clone.byteLength - 6);
  });

  test('json() is JSON, and refuses what has none', () => {
    const text = '{"a":[1,"é\\ud800"]}';
    expect(String(json<unknown>().encode(JSON.parse(text)))).toBe(text);
    expect(() => json<unknown>().encode(undefined)).toThrow(/JSON has nothing for undefined/);
    expect(() => json<unknown>().decode(Uint8Array.of(0x22, 0xff, 0x22))).toThrow();
  });

  test('raw() takes bytes only', () => {
    expect(roundTrip(raw(), Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
    expect(() => raw().encode('text' as never)).toThrow(/raw\(\) takes a Uint8Array, not "text"/);
  });

  test('what is garbled is an error, and never another value’s end', () => {
    for (const codec of [json<unknown>(), msgpack<unknown>(), float16<unknown>()]) {
      const columns = new Columns<string, unknown>('embedded', resolveCoding({ codec }));
      const { column } = columns.encodeValue({ text: 'some text', vector: Float32Array.of(1, 2) }, 'value');
      const bytes = column as Uint8Array;
      for (let length = 1; length < bytes.byteLength; length++)
        expect(() => columns.decodeValue(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'ERR_CODEC' }),
        );
    }
  });
});
