import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { catalog } from '../../src/core/catalog.js';
import { EmbeddedEngine } from '../../src/core/sqlite.js';
import { Cache, open, type CacheOptions, type Store } from '../../src/index.js';
import { shardOf } from '../../src/structures/cache/sharding.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { deferred, until, withCode } from './helpers.js';

const newCache = <V>(options?: CacheOptions): { store: Store; cache: Cache<V> } => {
  const store = open(temporaryDirectory());
  return { store, cache: new Cache<V>(store, 'c', options) };
};

const keys = Array.from({ length: 20 }, (_, i) => i);

/** The first key that is in a shard. */
const keyIn = (shard: number, shards: number): number =>
  keys.find((key) => shardOf(key, shards) === shard) ?? -1;

test('in a store that is only read a shard that nothing was stored in is empty, until something is', () => {
  const { store, cache } = newCache<number>({ shards: 4 });
  expect(cache.size).toBe(0);
  // As if nobody had used one of them yet.
  const other = open(temporaryDirectory());
  const lazy = new Cache<number>(other, 'c', { shards: 4 });
  lazy.get(keyIn(0, 4));
  other.close();
  for (const directory of [store.directory, other.directory]) {
    const readonly = new Cache<number>(open(directory, { readonly: true }), 'c', { statistics: true });
    const [there, absent] = [keyIn(0, 4), keyIn(3, 4)];
    expect([readonly.get(there), readonly.get(absent), readonly.has(absent)]).toEqual([
      undefined,
      undefined,
      false,
    ]);
    expect(readonly.getMany(keys)).toEqual(keys.map(() => undefined));
    expect([readonly.entry(absent), readonly.read(absent), readonly.size, readonly.bytes]).toEqual([
      undefined,
      undefined,
      0,
      0,
    ]);
    expect([...readonly.keys(), ...readonly.keys({ prefix: 'a' }), ...readonly.keys({ tag: 't' })]).toEqual(
      [],
    );
    expect([...readonly.entries({ reverse: true })]).toEqual([]);
    expect(readonly.stats()).toEqual({ hits: 0, misses: 0, evictions: 0, expirations: 0 });
    expect(() => {
      readonly.set(absent, 1);
    }).toThrow(withCode('ERR_READONLY'));
    expect(readonly.has(absent)).toBe(false);
    const writing = new Cache<number>(open(directory), 'c');
    for (const key of keys) writing.set(key, key);
    expect(readonly.getMany(keys)).toEqual(keys);
    expect(readonly.size).toBe(keys.length);
  }
});

test('a store that is only read follows a cache that is moved, also where its shards were not there', async () => {
  const { store, cache } = newCache<number>({ shards: 2 });
  cache.set(keyIn(0, 2), 0);
  const readonly = new Cache<number>(open(store.directory, { readonly: true }), 'c');
  expect(readonly.get(keyIn(1, 2))).toBeUndefined();
  for (const shards of [3, 1, 4]) {
    await cache.reshard(shards);
    expect(readonly.get(keyIn(0, 2))).toBe(0);
    expect(readonly.size).toBe(1);
  }
});

test('structures() counts the entries of all shards', async () => {
  const { store, cache } = newCache<number>();
  new Cache<number>(store, 'other').set('a', 1);
  for (const key of keys) cache.set(key, key);
  const expected = { kind: 'cache', name: 'c', entries: keys.length, bytes: cache.bytes };
  for (const shards of [1, 4, 2, 1, 3]) {
    await cache.reshard(shards);
    for (const one of [store, open(store.directory), open(store.directory, { readonly: true })])
      expect(one.structures()).toEqual([
        expected,
        { kind: 'cache', name: 'other', entries: 1, bytes: expect.any(Number) },
      ]);
  }
  cache.clear();
  expect(store.structures()[0]).toMatchObject({ entries: 0, bytes: 0 });
  const empty = newCache<number>({ shards: 3 });
  expect(empty.store.structures()).toEqual([]);
  expect(empty.cache.get('a')).toBeUndefined();
  expect(empty.store.structures()).toEqual([{ kind: 'cache', name: 'c', entries: 0, bytes: 0 }]);
});

test('structures() counts each entry once while the cache is moved again and again', async () => {
  const { store, cache } = newCache<number>({ shards: 2 });
  for (const key of keys) cache.set(key, key);
  const mover = startProcess('cache-shards.js', store.directory, 'reshard');
  for (let i = 0; i < 15; i++) {
    await mover.nextMessage();
    for (let j = 0; j < 5; j++) expect(store.structures()[0]?.entries).toBe(keys.length);
  }
  await mover.kill9();
});

test.each([
  [2, 1],
  [1, 2],
  [2, 3],
])(
  'structures() counts each entry once where the cache is moved from %i to %i shards before the store itself is asked',
  (from, to) => {
    const { store, cache } = newCache<number>({ shards: from });
    for (const key of keys) cache.set(key, key);
    const program = `import { Cache, open } from 'holdfast';
      const store = open(process.argv[1]);
      await new Cache(store, 'c').reshard(${to});
      store.close();`;
    const real = EmbeddedEngine.prototype.all;
    let moves = 0;
    const spy = vi.spyOn(EmbeddedEngine.prototype, 'all').mockImplementation(function (
      this: EmbeddedEngine,
      ...asked: Parameters<typeof real>
    ) {
      if (this.directory === store.directory && (asked[0] as unknown) === catalog.list && moves++ === 0) {
        const child = ['--input-type=module', '-e', program, store.directory];
        execFileSync(process.execPath, child, { timeout: 60_000, cwd: import.meta.dirname });
      }
      return real.apply(this, asked);
    });
    try {
      expect(store.structures()).toMatchObject([{ name: 'c', entries: keys.length }]);
      expect(moves).toBe(2);
    } finally {
      spy.mockRestore();
    }
  },
);

test.runIf(existsSync('/proc/self/fd'))(
  'the files of shards are closed when the cache was moved, by who has moved it and by who finds that',
  async () => {
    const { store, cache } = newCache<number>({ shards: 3 });
    for (const key of keys) cache.set(key, key);
    const processes = [0, 1].map(() => startProcess('cache-descriptors.js', store.directory));
    const [mover, follower] = processes;
    const ask = async (shards: number): Promise<number[]> => {
      const files: number[] = [];
      for (const [process, message] of [
        [mover, shards],
        [follower, 'read'],
      ] as const) {
        await process?.send(message);
        const answer = await process?.nextMessage<{ values: unknown[]; files: number }>();
        expect(answer?.values).toEqual(keys);
        files.push(answer?.files ?? NaN);
      }
      return files;
    };
    for (const shards of [2, 3]) await ask(shards);
    const before = await ask(3);
    for (let i = 0; i < 20; i++) await ask(2 + (i % 2));
    expect(await ask(3)).toEqual(before);
    for (const process of processes) await process.send('end');
    for (const process of processes) await process.result();
  },
);

test('who works a value out, or waits for it, goes on when the shard is closed since the cache was moved', async () => {
  const { store, cache } = newCache<number>({ shards: 3 });
  const other = new Cache<number>(store, 'c');
  const value = deferred<number>();
  let calls = 0;
  let aborted = false;
  const produce = async ({ signal }: { signal: AbortSignal }): Promise<number> => {
    calls++;
    signal.addEventListener('abort', () => (aborted = true));
    return value.promise;
  };
  const asked = [cache, cache, cache].map((one) => one.getOrSet('k', produce));
  await until(() => calls === 1);
  await other.reshard(2);
  expect(other.get('k')).toBeUndefined();
  value.resolve(7);
  expect(await Promise.all(asked)).toEqual([7, 7, 7]);
  expect([calls, aborted]).toEqual([1, false]);
  await until(() => other.get('k') === 7);
  expect(existsSync(join(store.directory, 'shards'))).toBe(true);
});

/** Tags that can be read once only. */
function* oneShot(...tags: string[]): Generator<string> {
  yield* tags;
}

test('tags that can be read once only are there also when a call is made again since the cache was moved', async () => {
  const calls: readonly ((cache: Cache<number>, key: string) => unknown)[] = [
    (one, key) => {
      one.set(key, 1, { tags: oneShot('t') });
    },
    (one, key) => {
      one.setMany([[key, 1]], { tags: oneShot('t') });
    },
    (one, key) => one.add(key, 1, { tags: oneShot('t') }),
    (one, key) => one.increment(key, 1, { tags: oneShot('t') }),
    (one, key) => one.decrement(key, 1, { tags: oneShot('t') }),
    (one, key) => one.update(key, () => 1, { tags: oneShot('t') }),
    (one, key) => one.getOrSet(key, () => 1, { tags: oneShot('t') }),
  ];
  for (const [from, to] of [
    [1, 3],
    [3, 2],
    [2, 1],
  ] as const) {
    const { store, cache } = newCache<number>({ shards: from });
    cache.set('known', 1);
    const others = calls.map(() => new Cache<number>(open(store.directory), 'c'));
    for (const other of others) other.get('known');
    await cache.reshard(to);
    for (const [i, call] of calls.entries()) await call(others[i] ?? cache, `k${i}`);
    expect([...cache.keys({ tag: 't' })].sort()).toEqual(calls.map((_, i) => `k${i}`));
  }
});

test('a memoized function has all its results stored with tags that can be read once only', () => {
  const { cache } = newCache<number>({ shards: 2 });
  const double = cache.memoize((n: number) => 2 * n, { name: 'double', tags: oneShot('a', 'b') });
  for (const n of [1, 2, 3]) double(n);
  expect(cache.invalidate('b')).toBe(3);
  for (const tags of [5, {}, oneShot('')])
    expect(() => {
      cache.set('x', 1, { tags: tags as never });
    }).toThrow(/tag/);
});

test('add of a key that is there is refused, too, where nothing may be written', () => {
  for (const shards of [1, 4]) {
    const { store, cache } = newCache<number>({ shards });
    cache.set('a', 1);
    const readonly = new Cache<number>(open(store.directory, { readonly: true }), 'c');
    expect(() => readonly.add('a', 2)).toThrow(withCode('ERR_READONLY'));
    if (shards === 1) continue;
    store.transaction(() => {
      expect(() => cache.add('a', 2)).toThrow(withCode('ERR_IN_TRANSACTION'));
    });
  }
});
