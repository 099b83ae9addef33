import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { expect, test, vi } from 'vitest';
import { Cache, open, type AsyncCache, type Clock } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, until, withCode } from './helpers.js';

/** What TypeScript makes of a module: decorators are lowered, since no Node has them. */
async function compiled(source: string): Promise<Record<string, unknown>> {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const file = join(temporaryDirectory(), 'compiled.mjs');
  writeFileSync(file, outputText);
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Record<string, unknown>;
}

const shops = `
export function shops(cache) {
  class Shop {
    calls = 0;
    constructor(factor) { this.factor = factor; }
    @cache.memoize({ name: 'Shop.price', ttl: '1h' })
    async price(item, times = 1) {
      this.calls++;
      return \`\${item} \${this.factor * times}\`;
    }
    @cache.memoize()
    async plain() {
      this.calls++;
      return 'plain';
    }
  }
  class Branch extends Shop {}
  return { Shop, Branch };
}
export function squares(cache) {
  return class Squares {
    calls = 0;
    @cache.memoize({ key: (n) => [Math.abs(n)] })
    square(n) {
      this.calls++;
      return n * n;
    }
    @cache.memoize({ name: 'static' })
    static twice(n) {
      return 2 * n;
    }
  };
}
export const refused = [
  (cache) => class { @cache.memoize() field = 1; },
  (cache) => class { @cache.memoize() get getter() { return 1; } },
  (cache) => class { @cache.memoize({ nam: 'x' }) method() {} },
];
`;

interface Method<A extends unknown[], R> {
  (...args: A): R;
  key(...args: A): string;
  forget(...args: A): unknown;
  refresh(...args: A): R;
  readonly original: unknown;
}
interface Shop {
  readonly calls: number;
  readonly price: Method<[item: string, times?: number], Promise<string>>;
  readonly plain: Method<[], Promise<string>>;
}
type ShopClass = new (factor: number) => Shop;
interface Fixture {
  shops(cache: unknown): { Shop: ShopClass; Branch: ShopClass };
  squares(cache: unknown): {
    new (): { calls: number; square: Method<[n: number], number> };
    twice(n: number): number;
  };
  readonly refused: readonly ((cache: unknown) => unknown)[];
}
const fixture = async (): Promise<Fixture> => (await compiled(shops)) as unknown as Fixture;

forEachEngine((engine) => {
  test('a decorated method is called once for its arguments, with its own this, whichever instance is asked', async () => {
    const cache: AsyncCache<string> = new Cache<string>(await engine.open(), 'c');
    const { Shop, Branch } = (await fixture()).shops(cache);
    const [one, two, branch] = [new Shop(2), new Shop(3), new Branch(5)];
    expect(await one.price('tea')).toBe('tea 2');
    expect(await two.price('tea')).toBe('tea 2');
    expect(await branch.price('tea')).toBe('tea 2');
    expect(await two.price('tea', 2)).toBe('tea 6');
    expect([one.calls, two.calls, branch.calls]).toEqual([1, 1, 0]);
    expect(await cache.get(one.price.key('tea'))).toBe('tea 2');
    expect(await two.price.forget('tea')).toBe(true);
    expect(await Promise.all([one, two, branch].map((shop) => shop.price('tea')))).toEqual(
      Array.from({ length: 3 }, () => 'tea 2'),
    );
    expect(await two.price.refresh.call(branch, 'tea')).toBe('tea 5');
    expect(await one.price('tea')).toBe('tea 5');
    expect([await one.plain(), await two.plain(), one.plain.name]).toEqual(['plain', 'plain', 'plain']);
    expect([one.calls, two.calls, branch.calls]).toEqual([3, 1, 1]);
    expect(one.price.original).toBeTypeOf('function');
  });

  test('whoever asks while a value is refreshed ahead gets the old one at once, and one refreshes it', async () => {
    const store = await engine.open();
    const caches = [store, await engine.reopen(store)].map(
      (one): AsyncCache<number> => new Cache<number>(one, 'c'),
    );
    const gate = deferred<undefined>();
    let calls = 0;
    const produce = async (): Promise<number> => {
      if (++calls > 1) await gate.promise;
      else await pause(5);
      return calls;
    };
    // So far ahead that each who asks would.
    const ask = (cache: AsyncCache<number> | undefined) =>
      cache?.getOrSet('k', produce, { ttl: '1h', refreshAhead: 1e9 });
    expect(await ask(caches[0])).toBe(1);
    // None of them could end if it waited.
    for (let i = 0; i < 40; i++) expect(await ask(caches[i % 2])).toBe(1);
    await until(() => calls === 2);
    for (let i = 0; i < 10; i++) expect(await ask(caches[i % 2])).toBe(1);
    expect(calls).toBe(2);
    gate.resolve(undefined);
    await until(async () => (await caches[1]?.get('k')) === 2);
  });
});

test('a decorated method that is not async stays so on an embedded store, and has what a memoized function has', async () => {
  const cache = new Cache<number>(open(temporaryDirectory()), 'c');
  const { squares, refused } = await fixture();
  const Squares = squares(cache);
  const [one, two] = [new Squares(), new Squares()];
  expect([one.square(3), one.square(-3), two.square(3)]).toEqual([9, 9, 9]);
  expect([one.calls, two.calls]).toEqual([1, 0]);
  expect(two.square.forget(-3)).toBe(true);
  expect([two.square(3), two.calls, Squares.twice(4), Squares.twice(4)]).toEqual([9, 1, 8, 8]);
  expect(cache.get(one.square.key(3))).toBe(9);
  for (const define of refused) expect(() => define(cache)).toThrow(TypeError);
});

test('once a value is there, nobody waits for it any more as time goes on, since it is refreshed ahead', async () => {
  let now = 1e12;
  const clock: Clock = { wall: () => now, monotonic: () => now, boot: () => 'boot' };
  const cache = new Cache<number>(open(temporaryDirectory(), { clock }), 'c');
  let calls = 0;
  let gate = deferred<undefined>();
  const produce = async (): Promise<number> => {
    const mine = ++calls;
    if (mine === 1) await pause(5);
    else await gate.promise;
    await pause(5);
    return mine;
  };
  // Beginning some 5 s before it expires: by chance, but one in 10^20, within the last three of its ten.
  const ask = () => cache.getOrSet('k', produce, { ttl: '10s', refreshAhead: 1_000 });
  expect(await ask()).toBe(1);
  for (let round = 1; round <= 5; round++) {
    gate = deferred<undefined>();
    for (let step = 0; step < 90 && calls === round; step++) {
      now += 100;
      expect(await ask()).toBe(round);
      await pause(0);
    }
    await until(() => calls === round + 1);
    expect(await ask()).toBe(round);
    gate.resolve(undefined);
    await until(() => cache.get('k') === round + 1);
  }
  expect(calls).toBe(6);
});

test('the options of a memoized function that is not async hold for what it refreshes, too', async () => {
  const cache = new Cache<number>(open(temporaryDirectory()), 'c');
  let calls = 0;
  let broken = false;
  const next = cache.memoize(
    (_: string): number => {
      if (broken) throw new RangeError('broken');
      return ++calls;
    },
    { name: 'next', ttl: 10, staleFor: '1h', tags: ['n'] },
  );
  expect([next('a'), next.refresh('a')]).toEqual([1, 2]);
  await until(() => cache.get(next.key('a')) === undefined);
  broken = true;
  // What the refresh has stored is served stale.
  expect(next('a')).toBe(2);
  expect(() => next.refresh('a')).toThrow('broken');
  expect(next('a')).toBe(2);
  expect(cache.invalidate('n')).toBe(1);
  expect(() => next('a')).toThrow('broken');
  broken = false;
  expect(next('a')).toBe(3);
  next.forget('a');
  expect([next.forget('a'), next('a')]).toEqual([false, 4]);
  expect(next.key('a')).toEqual(next.key('a'));
  expect(next.key('a')).not.toEqual(next.key('b'));
});

test('a memoized function that is not async can be called inside a transaction, and goes with it', () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c');
  let calls = 0;
  const next = cache.memoize((_: string): number => ++calls, { name: 'next' });
  expect(() =>
    store.transaction(() => {
      expect([next('a'), next('a'), next.refresh('a')]).toEqual([1, 1, 2]);
      throw new RangeError('undone');
    }),
  ).toThrow('undone');
  expect([cache.size, next('a'), next('a')]).toEqual([0, 3, 3]);
  const readonly = new Cache<number>(open(store.directory, { readonly: true }), 'c');
  const reading = readonly.memoize((_: string): number => ++calls, { name: 'next' });
  expect(reading('a')).toBe(3);
  expect(() => reading('b')).toThrow(withCode('ERR_READONLY'));
});

test('arguments that know what they are in, or share what is in them, have a key, whatever the order of their properties', () => {
  using store = open(temporaryDirectory());
  const f = new Cache<number>(store, 'c').memoize((_: unknown) => 1, { name: 'f' });
  const family = (reversed: boolean): unknown => {
    const parent: { children: unknown[] } = { children: [] };
    for (const name of ['a', 'b']) parent.children.push(reversed ? { parent, name } : { name, parent });
    return parent;
  };
  expect(f.key(family(true))).toEqual(f.key(family(false)));
  let shared: unknown = { x: 1, y: 2 };
  for (let i = 0; i < 60; i++) shared = { left: shared, right: shared };
  expect(f(shared)).toBe(1);
});

test('with refreshAhead a value is worked out anew so much before it expires as XFetch says, by how long that takes, by chance and by the factor', () => {
  let now = 1e12;
  let chance = 0;
  const clock: Clock = { wall: () => now, monotonic: () => now, boot: () => 'boot' };
  const spies = [
    vi.spyOn(performance, 'now').mockImplementation(() => now),
    vi.spyOn(Math, 'random').mockImplementation(() => chance),
  ];
  try {
    const store = open(temporaryDirectory(), { clock });
    let calls = 0;
    const work = (): number => {
      now += 100;
      return ++calls;
    };
    const value = new Cache<number>(store, 'c').memoize(work, { ttl: 10_000, refreshAhead: 2 });
    expect(value()).toBe(1);
    const expires = now + 10_000;
    // 100 ms, times 2, times 3.
    chance = 1 - Math.exp(-3);
    now = expires - 601;
    expect(value()).toBe(1);
    now = expires - 599;
    chance = 0;
    expect(value()).toBe(1);
    chance = 1 - Math.exp(-3);
    expect(value()).toBe(2);
    store.close();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
});
