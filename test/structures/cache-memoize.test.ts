import { expect, test } from 'vitest';
import { Cache, open, type AsyncCache, type Key } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { pause, until } from './helpers.js';

forEachEngine((engine) => {
  const newCache = async <V>(): Promise<AsyncCache<V>> => new Cache<V>(await engine.open(), 'c');

  test('an async function is called once for the same arguments, by whoever', async () => {
    const store = await engine.open();
    const caches = [new Cache<string>(store, 'c'), new Cache<string>(await engine.reopen(store), 'c')];
    let calls = 0;
    const greet = async (name: string, { loud = false, times = 1 } = {}): Promise<string> => {
      calls++;
      await pause(20);
      return (loud ? name.toUpperCase() : name).repeat(times);
    };
    const [one, two] = caches.map((cache) => cache.memoize(greet));
    const both = [one!('ada', { loud: true, times: 2 }), two!('ada', { times: 2, loud: true })];
    expect(await Promise.all(both)).toEqual(['ADAADA', 'ADAADA']);
    expect(calls).toBe(1);
    expect(await one!('ada')).toBe('ada');
    expect(calls).toBe(2);
    expect(one!.original).toBe(greet);
    expect(one!.name).toBe('greet');
  });

  test('many arguments, and long ones, are more than a key may be, and count all the same', async () => {
    const cache = await newCache<number>();
    let calls = 0;
    const count = cache.memoize(async (..._: unknown[]) => ++calls, { name: 'count'.repeat(100) });
    const calledWith = [
      ['字'.repeat(256), '字'.repeat(256), '字'.repeat(256)],
      ['字'.repeat(256), '字'.repeat(256), '字'.repeat(255)],
      Array.from({ length: 300 }, (_, i) => i),
      Array.from({ length: 300 }, (_, i) => `${i}`),
      ['\0'.repeat(256), '\0'.repeat(256), '\0'.repeat(256), '\0'.repeat(256), '\0'.repeat(256)],
    ];
    for (let round = 0; round < 2; round++)
      for (const [i, args] of calledWith.entries()) expect(await count(...args)).toBe(i + 1);
  });

  test('arguments that are equal have one key, in Maps and Sets too', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    const f = cache.memoize(async (_: unknown) => 1, { name: 'f' });
    expect(f.key(new Map([['m', { a: 1, b: 2 }]]))).toEqual(f.key(new Map([['m', { b: 2, a: 1 }]])));
    expect(f.key(new Set([{ a: 1, b: 2 }]))).toEqual(f.key(new Set([{ b: 2, a: 1 }])));
    expect(f.key(new Map([['m', { a: 1 }]]))).not.toEqual(f.key(new Map([['m', { a: 2 }]])));
  });

  test('a number and a bigint are two arguments, as a function may tell them apart', async () => {
    const cache = new Cache<string>(await engine.open(), 'c');
    const f = cache.memoize(async (x: unknown) => typeof x, { name: 'f' });
    expect([await f(1), await f(1n), await f({ x: 1 }), await f({ x: 1n })]).toEqual([
      'number',
      'bigint',
      'object',
      'object',
    ]);
    expect(f.key({ x: 1 })).not.toEqual(f.key({ x: 1n }));
  });

  test('each argument that can be stored counts, and different ones never meet', async () => {
    const cache = await newCache<number>();
    let calls = 0;
    const count = cache.memoize(async (..._: unknown[]) => ++calls, { name: 'count' });
    const all: unknown[][] = [
      [],
      [undefined],
      [null],
      [0],
      [true],
      [false],
      ['true'],
      ['0'],
      [Number.NaN],
      [['a']],
      ['a'],
      ['a', 'a'],
      [['a', 'a']],
      [{ a: 1, b: { c: 2, d: 3 } }],
      [{ a: 1, b: { c: 2 } }],
      [new Date(0)],
      [new Map([['a', 1]])],
      [new Set(['a'])],
      [Uint8Array.of(97)],
      [2n ** 80n],
      ['x'.repeat(5_000)],
      [`${'x'.repeat(4_999)}y`],
      [{ text: 'x'.repeat(5_000) }],
      ['\ud800'],
    ];
    for (const [i, args] of all.entries()) expect(await count(...args)).toBe(i + 1);
    for (const [i, args] of all.entries()) expect(await count(...args)).toBe(i + 1);
    expect(await count({ b: { d: 3, c: 2 }, a: 1 })).toBe(
      1 + all.findIndex(([first]) => typeof first === 'object' && first !== null && 'b' in first),
    );
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const cycles = [await count(cycle), await count(cycle)];
    expect(cycles).toEqual([all.length + 1, all.length + 1]);
    await expect(async () => count(() => 1)).rejects.toThrow(/argument 1 of count\(\)/);
  });

  test('a result can be found by its key, forgotten, and worked out anew', async () => {
    const cache = await newCache<number>();
    let calls = 0;
    const next = cache.memoize(async (_: string) => ++calls, { name: 'next', tags: ['n'], ttl: '1h' });
    expect(await next('a')).toBe(1);
    expect(await cache.get(next.key('a'))).toBe(1);
    expect(await cache.entry(next.key('a'))).toMatchObject({ tags: ['n'], expiresAt: expect.any(Date) });
    expect(await next.forget('a')).toBe(true);
    expect(await next.forget('a')).toBe(false);
    expect(await next('a')).toBe(2);
    expect(await next.refresh('a')).toBe(3);
    expect(await next('a')).toBe(3);
    expect(await cache.invalidate('n')).toBe(1);
    expect(await next('a')).toBe(4);
  });

  test('this is that of the function, and the key may be of less than the arguments', async () => {
    const cache = await newCache<string>();
    class Greeter {
      constructor(readonly word: string) {}
      greet = cache.memoize(
        async function (this: Greeter, name: string, _request: object) {
          return `${this.word} ${name}`;
        },
        { name: 'greet', key: (name) => [name] },
      );
    }
    const greeter = new Greeter('hello');
    expect(await greeter.greet('ada', {})).toBe('hello ada');
    expect(await new Greeter('bye').greet('ada', { other: () => 1 })).toBe('hello ada');
  });

  test('a function that fails is called again', async () => {
    const cache = await newCache<number>();
    let calls = 0;
    const flaky = cache.memoize(
      async () => {
        if (++calls === 1) throw new Error('not yet');
        return calls;
      },
      { name: 'flaky' },
    );
    await expect(flaky()).rejects.toThrow('not yet');
    expect(await flaky()).toBe(2);
    expect(await flaky()).toBe(2);
  });

  test('memoize refuses options that make no sense', async () => {
    const cache = await newCache<number>();
    expect(() => cache.memoize(async () => 1)).toThrow(RangeError);
    expect(() => cache.memoize(1 as never)).toThrow(TypeError);
    for (const options of [{ name: '' }, { nam: 'x' }, { name: 'x', key: 1 }, { name: 'x', async: 1 }])
      expect(() => cache.memoize(async () => 1, options as never)).toThrow(/nam|key|async/);
    for (const options of [
      { ttl: -1 },
      { staleFor: 'x' },
      { errorTtl: -1 },
      { refreshAhead: '5s' },
      { tags: 1 },
    ])
      expect(() => cache.memoize(async () => 1, { name: 'x', ...options } as never)).toThrow(
        new RegExp(Object.keys(options).join()),
      );
    expect(() => cache.memoize(undefined as never, { name: 'x' })).toThrow(/fn must be a function/);
    const keyed = cache.memoize(async (q: string) => q.length, { name: 'x', key: (q) => q as never });
    await expect(keyed('tea')).rejects.toThrow('key of x() must return an array');
  });
});

test('a decorator that is not one of TC39, or is given no method, is refused by name', () => {
  using store = open(temporaryDirectory());
  const decorate = new Cache<number>(store, 'c').memoize({ name: 'x' });
  const legacy = decorate as unknown as (...args: unknown[]) => unknown;
  expect(() => legacy({}, 'method', { value: () => 1 })).toThrow(/experimentalDecorators/);
  expect(() => legacy(undefined, { kind: 'field', name: 'x' })).toThrow(/decorates methods/);
});

test('a rejected promise of a function that should be at once is not left unhandled', async () => {
  using store = open(temporaryDirectory());
  const broken = new Cache<number>(store, 'c').memoize(() => Promise.reject(new Error('broken')) as never, {
    name: 'broken',
  });
  const unhandled: unknown[] = [];
  const listener = (error: unknown): number => unhandled.push(error);
  process.on('unhandledRejection', listener);
  expect(() => broken()).toThrow(/async: true/);
  await new Promise(setImmediate);
  process.off('unhandledRejection', listener);
  expect(unhandled).toEqual([]);
});

test('on an embedded store a function that is not async stays so', async () => {
  using store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c');
  let calls = 0;
  const square = cache.memoize(
    (n: number): number => {
      calls++;
      if (n < 0) throw new RangeError('negative');
      return n * n;
    },
    { name: 'square', ttl: '1h' },
  );
  const result: number = square(3);
  expect(result).toBe(9);
  expect(square(3)).toBe(9);
  expect(calls).toBe(1);
  expect(square.refresh(3)).toBe(9);
  expect(calls).toBe(2);
  expect(square.forget(3)).toBe(true);
  expect(() => square(-1)).toThrow('negative');
  // What has expired is served where there is nothing better.
  let broken = false;
  const fragile = cache.memoize(
    (): number => {
      if (broken) throw new Error('broken');
      return 1;
    },
    { name: 'fragile', ttl: 1, staleFor: '1h' },
  );
  expect(fragile()).toBe(1);
  broken = true;
  await pause(20);
  expect(fragile()).toBe(1);
});

test('an undefined that has expired is served, too, when working it out anew fails', () => {
  let now = 1_000;
  using store = open(temporaryDirectory(), {
    clock: { wall: () => now, monotonic: () => now, boot: () => 'boot' },
  });
  let broken = false;
  const nothing = new Cache<string | undefined>(store, 'c').memoize(
    (): string | undefined => {
      if (broken) throw new Error('broken');
      return undefined;
    },
    { name: 'nothing', ttl: 1, staleFor: '1h' },
  );
  nothing();
  [broken, now] = [true, 2_000];
  expect(nothing()).toBe(undefined);
});

test('a function that returns a promise and is not async has to say so', async () => {
  using store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c');
  const later = (): Promise<number> => Promise.resolve(1);
  const wrong = cache.memoize(later, { name: 'wrong' });
  expect(() => wrong()).toThrow(/async: true/);
  const right = cache.memoize(later, { name: 'right', async: true });
  expect(await right()).toBe(1);
  expect(right()).toBeInstanceOf(Promise);
  const key: Key = right.key();
  await until(() => cache.get(key) === 1);
});
