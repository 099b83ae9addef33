import Database from 'better-sqlite3';
import { expect, expectTypeOf, test } from 'vitest';
import {
  compareColumns,
  decodeKey,
  encodeKey,
  keyBounds,
  type Key,
  type KeyBounds,
  type KeyColumn,
  type KeyRange,
  type StoredKey,
} from '../../src/core/key.js';
import { randomFrom } from '../support/random.js';

const kinds = ['embedded', 'server'] as const;
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

/** Random keys that are close to each other, where orders differ. */
class Keys {
  readonly random: () => number;

  constructor(from: number) {
    this.random = randomFrom(from);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  key(depth = 0): Key {
    switch (this.below(depth > 3 ? 5 : 7)) {
      case 0:
        return this.number();
      case 1:
        return this.bigint();
      case 2:
        return this.text();
      case 3:
        return this.random() < 0.5;
      case 4:
        return this.bytes();
      default:
        return this.tuple(depth);
    }
  }

  number(): number {
    const edge = this.pick([
      0,
      -0,
      1,
      -1,
      0.5,
      2 ** 53,
      -(2 ** 53),
      2 ** 63,
      -(2 ** 63),
      5e-324,
      1e300,
      Infinity,
      -Infinity,
    ]);
    const near = this.pick([0, 0, 0, 1, -1, 0.25, edge / 2, edge * Number.EPSILON]);
    const sum = edge + near;
    return Number.isNaN(sum) ? edge : sum;
  }

  bigint(): bigint {
    const edge = this.pick([
      0n,
      1n,
      2n ** 53n,
      -(2n ** 53n),
      2n ** 62n,
      -(2n ** 62n),
      2n ** 63n,
      -(2n ** 63n),
    ]);
    return BigInt.asIntN(64, edge + BigInt(this.below(3000) - 1500));
  }

  text(): string {
    const chars = [
      '\0',
      '\u0001',
      'a',
      'b',
      '\u007f',
      '\u0080',
      'é',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\ufeff',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
    ];
    return Array.from({ length: this.below(4) }, () => this.pick(chars)).join('');
  }

  bytes(): Uint8Array {
    return Uint8Array.from({ length: this.below(4) }, () =>
      this.pick([0, 1, 0x10, 0x20, 0x50, 0x7f, 0x80, 0xfe, 0xff]),
    );
  }

  tuple(depth: number): Key[] {
    return Array.from({ length: this.below(4) }, () => this.key(depth + 1));
  }
}

const typeOf = (key: Key): string => {
  if (typeof key === 'object') return key instanceof Uint8Array ? '4 bytes' : '5 tuple';
  return { number: '1 number', bigint: '1 number', string: '2 string', boolean: '3 boolean' }[
    typeof key as 'number'
  ];
};

const compareValues = <T>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of keys as the documentation says it, without any bytes. */
function compareKeys(a: Key, b: Key): number {
  const types = compareValues(typeOf(a), typeOf(b));
  if (types !== 0) return types;
  if (typeof a === 'string') return compareLists(codePoints(a), codePoints(b as string), compareValues);
  if (typeof a !== 'object') return compareValues(a, b as typeof a);
  if (a instanceof Uint8Array) return compareLists([...a], [...(b as Uint8Array)], compareValues);
  return compareLists(a, b as readonly Key[], compareKeys);
}

const codePoints = (text: string): number[] => Array.from(text, (char) => char.codePointAt(0)!);

function compareLists<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** What a read is to give back. */
function stored(key: Key): Key {
  if (typeof key === 'bigint') return BigInt(Number(key)) === key ? Number(key) : key;
  if (typeof key === 'number') return key === 0 ? 0 : key;
  if (key instanceof Uint8Array) return Uint8Array.from(key);
  return typeof key === 'object' ? key.map(stored) : key;
}

/** A table of keys as a structure has it, in memory. */
function table(keys: readonly Key[]): Database.Database {
  const database = new Database(':memory:');
  database.defaultSafeIntegers(true);
  database.exec(
    'CREATE TABLE item (id INTEGER PRIMARY KEY, key ANY NOT NULL) STRICT; CREATE INDEX by_key ON item (key, id)',
  );
  const insert = database.prepare('INSERT INTO item (id, key) VALUES (?, ?)');
  for (const [id, key] of keys.entries()) insert.run(id, encodeKey(key, 'embedded'));
  return database;
}

/** The places of the keys within bounds, asked of SQLite. */
function selectBounds(database: Database.Database, bounds: KeyBounds): number[] {
  const low = bounds.low === null ? 'NULL IS ?' : `key ${bounds.lowInclusive ? '>=' : '>'} ?`;
  const high = bounds.high === null ? 'NULL IS ?' : `key ${bounds.highInclusive ? '<=' : '<'} ?`;
  const select = database.prepare(`SELECT id FROM item WHERE ${low} AND ${high} ORDER BY id`).pluck();
  return select.all(bounds.low, bounds.high).map(Number);
}

/** The places of the keys within bounds, by comparing bytes as PostgreSQL does. */
function filterBounds(columns: readonly KeyColumn[], bounds: KeyBounds): number[] {
  const compare = (a: KeyColumn, b: KeyColumn): number => Buffer.compare(a as Uint8Array, b as Uint8Array);
  const within = (column: KeyColumn): boolean => {
    const low = bounds.low === null ? 1 : compare(column, bounds.low);
    const high = bounds.high === null ? -1 : compare(column, bounds.high);
    return (
      (low > 0 || (low === 0 && bounds.lowInclusive)) && (high < 0 || (high === 0 && bounds.highInclusive))
    );
  };
  return columns.flatMap((column, id) => (within(column) ? [id] : []));
}

/** Whether a key is in a range, as the documentation says it. */
function inRange(key: Key, { gt, gte, lt, lte, prefix }: KeyRange<Key>): boolean {
  if (gt !== undefined && compareKeys(key, gt) <= 0) return false;
  if (gte !== undefined && compareKeys(key, gte) < 0) return false;
  if (lt !== undefined && compareKeys(key, lt) >= 0) return false;
  if (lte !== undefined && compareKeys(key, lte) > 0) return false;
  return prefix === undefined || hasPrefix(key, prefix);
}

function hasPrefix(key: Key, prefix: string | Uint8Array | readonly Key[]): boolean {
  if (typeOf(key) !== typeOf(prefix)) return false;
  if (typeof prefix === 'string') return (key as string).startsWith(prefix);
  const [list, start] = [[...(key as readonly Key[])], [...prefix]];
  return list.length >= start.length && start.every((element, i) => compareKeys(list[i]!, element) === 0);
}

test('keys are ordered by type, then by value, on both kinds of store', () => {
  const ascending: Key[] = [
    -Infinity, -(2n ** 63n), -(2n ** 63n) + 1n, -1.5, -1, -5e-324, 0, 5e-324, 1n, 1.5, 2n ** 53n, 2n ** 53n + 1n, 2 ** 53 + 2,
    2n ** 63n - 1025n, 2n ** 63n - 1n, 2 ** 63, Infinity,
    '', '\0', '\0\0', 'a', 'a\0', 'ab', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}',
    false, true,
    new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 255), Uint8Array.of(1), Uint8Array.of(255),
    [], [1], [1, 'a'], [1, 'a', 0], [1, 'a\0'], [1, 'a\0b'], [1, 'ab'], [2], ['a'], [true], [Uint8Array.of(0)], [[]], [[1]], [[1], 0], [[1, 0]],
  ]; // prettier-ignore
  for (const kind of kinds) {
    const columns = ascending.map((key) => encodeKey(key, kind));
    for (let i = 1; i < columns.length; i++) {
      expect(compareColumns(columns[i - 1]!, columns[i]!, kind), `${kind} at ${i}`).toBeLessThan(0);
      expect(compareColumns(columns[i]!, columns[i - 1]!, kind), `${kind} at ${i}`).toBeGreaterThan(0);
    }
  }
});

test('random keys have one order in SQLite, as bytes on a server, and as documented', () => {
  const keys = new Keys(seed);
  const list = Array.from({ length: 4_000 }, () => keys.key());
  const expected = [...list.keys()].sort((a, b) => compareKeys(list[a]!, list[b]!) || a - b);

  const inSqlite = table(list).prepare('SELECT id FROM item ORDER BY key, id').pluck().all().map(Number);
  expect(inSqlite, `SEED=${seed}`).toEqual(expected);

  const bytes = list.map((key) => encodeKey(key, 'server') as Uint8Array);
  const onServer = [...list.keys()].sort((a, b) => Buffer.compare(bytes[a]!, bytes[b]!) || a - b);
  expect(onServer, `SEED=${seed}`).toEqual(expected);

  for (const kind of kinds) {
    const columns = list.map((key) => encodeKey(key, kind));
    for (let i = 1; i < list.length; i++) {
      const [a, b] = [expected[i - 1]!, expected[i]!];
      const order = Math.sign(compareColumns(columns[a]!, columns[b]!, kind));
      expect(order, `SEED=${seed} ${kind} at ${i}`).toBe(Math.sign(compareKeys(list[a]!, list[b]!)));
    }
  }
});

test('random keys come back from both kinds of store as they were', () => {
  const keys = new Keys(seed);
  const list = Array.from({ length: 4_000 }, () => keys.key());
  const columns = table(list).prepare('SELECT key FROM item ORDER BY id').pluck().all();
  for (const [i, key] of list.entries()) {
    expect(decodeKey(columns[i], 'embedded'), `SEED=${seed} at ${i}`).toStrictEqual(stored(key));
    expect(decodeKey(encodeKey(key, 'server'), 'server'), `SEED=${seed} at ${i}`).toStrictEqual(stored(key));
  }
});

test('equal keys are one key in a unique index, and others are not', () => {
  const keys = new Keys(seed);
  const list = Array.from({ length: 2_000 }, () => keys.key());
  const distinct = list.filter(
    (key, i) => list.findIndex((other) => compareKeys(key, other) === 0) === i,
  ).length;
  expect(table(list).prepare('SELECT count(DISTINCT key) FROM item').pluck().get(), `SEED=${seed}`).toBe(
    BigInt(distinct),
  );
  const onServer = new Set(
    list.map((key) => Buffer.from(encodeKey(key, 'server') as Uint8Array).toString('hex')),
  );
  expect(onServer.size, `SEED=${seed}`).toBe(distinct);
});

test('random ranges hold the keys that their bounds and prefix say', () => {
  const keys = new Keys(seed);
  const list = Array.from({ length: 1_000 }, () => keys.key());
  const database = table(list);
  const onServer = list.map((key) => encodeKey(key, 'server'));
  let hits = 0;
  for (let step = 0; step < 2_000; step++) {
    const range = randomRange(keys, list);
    const expected = list.flatMap((key, id) => (inRange(key, range) ? [id] : []));
    expect(selectBounds(database, keyBounds(range, 'embedded')), `SEED=${seed} at ${step}`).toEqual(expected);
    expect(filterBounds(onServer, keyBounds(range, 'server')), `SEED=${seed} at ${step}`).toEqual(expected);
    if (expected.length > 0) hits++;
  }
  expect(hits, `SEED=${seed}: ranges that hold something`).toBeGreaterThan(500);
});

function randomRange(keys: Keys, list: readonly Key[]): KeyRange<Key> {
  const key = (): Key => (keys.random() < 0.5 ? keys.pick(list) : keys.key());
  const range: { -readonly [Bound in keyof KeyRange<Key>]: KeyRange<Key>[Bound] } = {};
  if (keys.random() < 0.4) range[keys.pick(['gt', 'gte'] as const)] = key();
  if (keys.random() < 0.4) range[keys.pick(['lt', 'lte'] as const)] = key();
  if (keys.random() < 0.6) range.prefix = keys.pick([keys.text(), keys.bytes(), keys.tuple(0).slice(0, 2)]);
  return range;
}

test.each(kinds)('a prefix holds what begins with it and nothing else (%s)', (kind) => {
  const high = (prefix: string | Uint8Array | readonly Key[]): KeyColumn | null =>
    keyBounds({ prefix }, kind).high;
  if (kind === 'embedded') {
    expect(high('ab')).toBe('ac');
    expect(high('\ud7ff')).toBe('\ue000');
    expect(high('\uffff')).toBe('\u{10000}');
    expect(high('a\u{10ffff}\u{10ffff}')).toBe('b');
    expect(high('\u{10ffff}')).toEqual(new Uint8Array(0));
    expect(high('')).toEqual(new Uint8Array(0));
  }
  const within = (key: Key, prefix: string | Uint8Array | readonly Key[]): boolean => {
    const bounds = keyBounds({ prefix }, kind);
    const column = encodeKey(key, kind);
    return compareColumns(column, bounds.low!, kind) >= 0 && compareColumns(column, bounds.high!, kind) < 0;
  };
  expect(within(['a', 1], ['a'])).toBe(true);
  expect(within(['a', '\u{10ffff}'], ['a'])).toBe(true);
  expect(within(['a\0b'], ['a'])).toBe(false); // its bytes begin with those of ['a']
  expect(within([Uint8Array.of(1, 0, 2)], [Uint8Array.of(1)])).toBe(false);
  expect(within([[1, 2]], [[1]])).toBe(false);
  expect(within([], [])).toBe(true);
  expect(within(Uint8Array.of(255, 255, 7), Uint8Array.of(255, 255))).toBe(true);
  expect(within([], Uint8Array.of(255, 255))).toBe(false);
  expect(within('x', new Uint8Array(0))).toBe(false);
});

test('a range without bounds is unbounded, and undefined bounds are none', () => {
  const unbounded = { low: null, lowInclusive: true, high: null, highInclusive: true };
  expect(keyBounds({}, 'embedded')).toEqual(unbounded);
  const range = { gt: undefined, lte: undefined, prefix: undefined } as unknown as KeyRange<string>;
  expect(keyBounds(range, 'server')).toEqual(unbounded);
});

test('a bound that is given narrows a prefix, and an exclusive bound wins over an inclusive one', () => {
  expect(keyBounds({ prefix: 'a', gt: 'a' }, 'embedded')).toEqual({
    low: 'a',
    lowInclusive: false,
    high: 'b',
    highInclusive: false,
  });
  expect(keyBounds({ prefix: 'a', lte: 'b' }, 'embedded')).toMatchObject({ high: 'b', highInclusive: false });
  expect(keyBounds({ prefix: 'a', lte: 'am', gte: 'a' }, 'embedded')).toEqual({
    low: 'a',
    lowInclusive: true,
    high: 'am',
    highInclusive: true,
  });
});

test('a range with both gt and gte, both lt and lte, or a prefix of a wrong type is refused', () => {
  expect(() => keyBounds({ gt: 1, gte: 1 }, 'embedded')).toThrow(
    new TypeError('gt and gte cannot both be given: choose one'),
  );
  expect(() => keyBounds({ lt: 1, lte: 1 }, 'server')).toThrow(
    new TypeError('lt and lte cannot both be given: choose one'),
  );
  for (const prefix of [1, null, true, {}]) {
    expect(() => keyBounds({ prefix } as unknown as KeyRange<string>, 'embedded')).toThrow(
      /^prefix must be a string, a Uint8Array or a tuple/,
    );
  }
  expect(() => keyBounds({ prefix: [null] } as unknown as KeyRange<Key>, 'embedded')).toThrow(
    /^prefix\[0\] is null/,
  );
  expect(() => keyBounds({ lte: NaN }, 'embedded')).toThrow(/^lte is NaN/);
  expect(() => keyBounds({ gt: '\ud800' }, 'server')).toThrow(/^gt has an unpaired surrogate/);
});

test('on an embedded store strings and numbers stay native columns', () => {
  expect(encodeKey('ada', 'embedded')).toBe('ada');
  expect(encodeKey(1.5, 'embedded')).toBe(1.5);
  expect(encodeKey(1n, 'embedded')).toBe(1);
  expect(encodeKey(-0, 'embedded')).toBe(0);
  expect(encodeKey(2n ** 53n + 1n, 'embedded')).toBe(2n ** 53n + 1n);
  expect(encodeKey(2n ** 62n, 'embedded')).toBe(2 ** 62);
});

test('stored bytes never change their meaning', () => {
  const hex = (key: Key): string => Buffer.from(encodeKey(key, 'server') as Uint8Array).toString('hex');
  expect(hex(0)).toBe('10' + '8000000000000000' + '0000');
  expect(hex(-1)).toBe('10' + '400fffffffffffff' + '0000');
  expect(hex(2n ** 53n + 1n)).toBe('10' + 'c340000000000000' + '0001');
  expect(hex('a\0é')).toBe('20' + '6100c3a9');
  expect(hex(false) + hex(true)).toBe('30' + '31');
  expect(hex(Uint8Array.of(0, 1))).toBe('40' + '0001');
  expect(hex(['a\0', [true, []], Uint8Array.of(0)])).toBe(
    '50' + '206100ff00' + '50315000' + '00' + '4000ff00',
  );
});

test('bytes are copied, and a Buffer comes back as a plain Uint8Array', () => {
  for (const kind of kinds) {
    const given = Buffer.from('abc');
    const column = encodeKey(given, kind);
    given[0] = 0;
    const read = decodeKey(column, kind) as Uint8Array;
    expect(read).toStrictEqual(Uint8Array.of(97, 98, 99));
    expect(Object.getPrototypeOf(read)).toBe(Uint8Array.prototype);
    read[0] = 7;
    expect(decodeKey(column, kind)).toStrictEqual(Uint8Array.of(97, 98, 99));
    expect(Object.getPrototypeOf((decodeKey(encodeKey([given], kind), kind) as Key[])[0])).toBe(
      Uint8Array.prototype,
    );
  }
});

test.each(kinds)('what is no key is refused with its place and what is allowed (%s)', (kind) => {
  const cycle: unknown[] = [1];
  cycle.push([cycle]);
  const refused: [unknown, string][] = [
    [null, 'key is null'],
    [undefined, 'key is undefined'],
    [{}, 'key is an object'],
    [new Date(0), 'key is a Date'],
    [new ArrayBuffer(1), 'key is an ArrayBuffer'],
    [new Uint16Array(1), 'key is a Uint16Array'],
    [() => 1, 'key is a function'],
    [Symbol('x'), 'key is a symbol'],
    [['a', null], 'key[1] is null'],
    [[1, [2, { a: 1 }]], 'key[1][1] is an object'],
    // eslint-disable-next-line no-sparse-arrays
    [[1, , 3], 'key[1] is undefined'],
    [new Array(2 ** 32 - 1), 'key[0] is undefined'],
    [cycle, 'key[1][0] contains itself'],
  ];
  for (const [key, message] of refused) {
    expect(() => encodeKey(key as Key, kind)).toThrow(
      new TypeError(
        `${message}; a key is a string, number, bigint, boolean, Uint8Array or an array of these`,
      ),
    );
  }
  expect(() => encodeKey([null] as unknown as Key, kind, 'group')).toThrow(/^group\[0\] is null/);
});

test.each(kinds)('values that have no place in the order are refused (%s)', (kind) => {
  for (const key of [NaN, 2n ** 63n, -(2n ** 63n) - 1n, '\ud800', 'a\udc00b', '\udc00\ud800']) {
    expect(() => encodeKey(key, kind)).toThrow(RangeError);
    expect(() => encodeKey([key], kind)).toThrow(RangeError);
    expect(() => encodeKey([[], key], kind)).toThrow(/^key\[1\] /);
  }
});

test.each(kinds)('a key takes at most 2048 bytes (%s)', (kind) => {
  const fits = [
    'x'.repeat(2048),
    'é'.repeat(1024),
    '日'.repeat(682) + 'ab',
    new Uint8Array(2048),
    ['x'.repeat(2046)],
    Array<boolean>(2048).fill(true),
  ];
  for (const key of fits) expect(decodeKey(encodeKey(key, kind), kind)).toStrictEqual(key);
  const tooLong = [
    'x'.repeat(2049),
    'é'.repeat(1025),
    '日'.repeat(683),
    new Uint8Array(2049),
    ['x'.repeat(2047)],
    [new Uint8Array(1024)],
    Array<boolean>(2049).fill(true),
  ];
  for (const key of tooLong) {
    expect(() => encodeKey(key, kind)).toThrow(RangeError);
    expect(() => encodeKey(key, kind)).toThrow(/too long: a key takes at most 2048 bytes/);
  }
  let deep: Key = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(() => encodeKey(deep, kind)).toThrow(RangeError);
});

test('a column that holds no key is reported as corrupt', () => {
  const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
  const garbled: [unknown, (typeof kinds)[number]][] = [
    ...[null, undefined, {}, true].flatMap((column) =>
      kinds.map((kind) => [column, kind] as [unknown, typeof kind]),
    ),
    ['text', 'server'],
    [1, 'server'],
    ...['', '00', 'ff', '99', '3000', '10', '1080', '20ff', '50', '5020', '502061', '5040', '5050', '5000', '50ff', '5010'].map(
      (hex) => [bytes(hex), 'embedded'] as [unknown, 'embedded'],
    ).filter(([column]) => (column as Uint8Array).length !== 1 || (column as Uint8Array)[0] !== 0x50), // prettier-ignore
    [bytes('2061'), 'embedded'], // text, but in a blob
    [bytes('1080000000000000000000'), 'embedded'], // a number, but in a blob
    [bytes('20ff'), 'server'], // not UTF-8
    [bytes('10fff80000000000000000'), 'server'], // NaN
    [bytes('107fffffffffffffff0000'), 'server'], // -0
    [bytes('1080000000000000000001'), 'server'], // a rest where a double is exact
    [bytes('10fff00000000000000001'), 'server'], // Infinity and a rest
    [bytes('10c3e00000000000000001'), 'server'], // 2^63 and a rest
    [bytes('108000000000000000000000'), 'server'], // too long
  ];
  for (const [column, kind] of garbled) {
    const shown = column instanceof Uint8Array ? Buffer.from(column).toString('hex') : String(column);
    expect(() => decodeKey(column, kind), `${shown} ${kind}`).toThrow(
      expect.objectContaining({ code: 'ERR_CORRUPT' }),
    );
  }
});

test('random bytes are either no key or the only form of one', () => {
  const keys = new Keys(seed);
  for (let step = 0; step < 20_000; step++) {
    const bytes = Uint8Array.from(encodeKey(keys.key(), 'server') as Uint8Array);
    bytes[keys.below(bytes.length)] = keys.below(256);
    let key: Key;
    try {
      key = decodeKey(bytes, 'server');
    } catch (error) {
      expect(error, `SEED=${seed} at ${step}`).toMatchObject({ code: 'ERR_CORRUPT' });
      continue;
    }
    expect(Buffer.compare(encodeKey(key, 'server') as Uint8Array, bytes), `SEED=${seed} at ${step}`).toBe(0);
  }
});

test('the type of a stored key says what a read gives', () => {
  expectTypeOf<StoredKey<string>>().toEqualTypeOf<string>();
  expectTypeOf<StoredKey<'a' | 'b'>>().toEqualTypeOf<'a' | 'b'>();
  expectTypeOf<StoredKey<bigint>>().toEqualTypeOf<number | bigint>();
  expectTypeOf<StoredKey<boolean | 1n>>().toEqualTypeOf<boolean | number | bigint>();
  expectTypeOf<StoredKey<Buffer>>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<StoredKey<[user: string, at: bigint]>>().toEqualTypeOf<[user: string, at: number | bigint]>();
  expectTypeOf<StoredKey<readonly [string, ...bigint[]]>>().toEqualTypeOf<
    readonly [string, ...(number | bigint)[]]
  >();
  expectTypeOf<StoredKey<[string, [Buffer, 5]]>>().toEqualTypeOf<[string, [Uint8Array, 5]]>();
  expectTypeOf<StoredKey<Key[]>>().toEqualTypeOf<Key[]>();
  expectTypeOf<StoredKey<bigint[] | 'x'>>().toEqualTypeOf<(number | bigint)[] | 'x'>();
  const anything: StoredKey<Key> = ['a', [1]];
  const key: Key = anything; // a key that was read may be written again
  expect(key).toBe(anything);
  // @ts-expect-error a Date is no key
  expectTypeOf<StoredKey<Date>>();
});
