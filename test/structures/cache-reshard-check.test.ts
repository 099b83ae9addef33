import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, Index, open, type CacheOptions, type Store } from '../../src/index.js';
import { raw } from '../core/support.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { until, withCode } from './helpers.js';

const newCache = <V>(options?: CacheOptions): { store: Store; cache: Cache<V> } => {
  const store = open(temporaryDirectory(), { busyTimeout: '1h' });
  return { store, cache: new Cache<V>(store, 'c', options) };
};

const count = 300;
const value = (i: number): string => `${i} `.repeat(100);

function fill(cache: Cache<string>): void {
  for (let i = 0; i < count; i++) cache.set(i, value(i));
}

function expectAll(cache: Cache<string>): void {
  const keys = Array.from({ length: count }, (_, i) => i);
  expect(cache.getMany(keys)).toEqual(keys.map(value));
}

test.each([
  [1, 3],
  [3, 2],
  [2, 1],
])(
  'check does not wait for who moves a cache, and mends the rest later (%i to %i shards)',
  async (from, to) => {
    const { store, cache } = newCache<string>({ shards: from, fileThreshold: 100 });
    fill(cache);
    new Index(store, 'pairs').set('a', 1);
    const db = raw(store.directory);
    db.exec("UPDATE structures SET size = size + 1 WHERE kind = 'index'");
    const folder = temporaryDirectory();
    const mover = startProcess('cache-reshard-hold.js', store.directory, to, folder);
    await until(() => existsSync(join(folder, 'begun')));
    for (const repair of [false, true]) {
      // From one shard, or to one, the whole store is locked.
      const mended = repair && from > 1 && to > 1;
      expect(store.check({ repair }).findings).toMatchObject([{ code: 'wrong-count', mended }]);
    }
    writeFileSync(join(folder, 'go'), '');
    await mover.result();
    expect(store.check({ repair: true }).findings.every((finding) => finding.mended)).toBe(true);
    expect(store.check()).toMatchObject({ findings: [], files: count });
    expectAll(cache);
  },
);

test('check finds nothing, and does not fail, while a cache is moved again and again', async () => {
  const { store, cache } = newCache<string>({ shards: 2, fileThreshold: 100 });
  fill(cache);
  const mover = startProcess('cache-shards.js', store.directory, 'reshard');
  for (let i = 0; i < 10; i++) {
    await mover.nextMessage();
    for (const repair of [false, true])
      expect(store.check({ repair })).toMatchObject({ findings: [], entries: count, files: count });
  }
  await mover.kill9();
  store.check({ repair: true });
  expect(store.check().findings).toEqual([]);
  expectAll(cache);
});

test('check finds a directory of shards that is left over also where the first shard was never used', () => {
  const { store, cache } = newCache<number>({ shards: 2 });
  cache.set('a', 1);
  const [folder = ''] = readdirSync(join(store.directory, 'shards'));
  const left = join(
    store.directory,
    'shards',
    folder.replace(/\d+$/, (n) => `${Number(n) + 7}`),
  );
  mkdirSync(join(left, '0'), { recursive: true });
  cache.clear();
  store.close();
  rmSync(join(store.directory, 'shards', folder, '0'), { recursive: true });
  const again = open(store.directory);
  expect(again.check().findings).toMatchObject([{ code: 'stray-shard', path: left, mended: false }]);
  expect(again.check({ repair: true }).findings).toMatchObject([{ code: 'stray-shard', mended: true }]);
  expect(again.check().findings).toEqual([]);
  expect(existsSync(left)).toBe(false);
});

test('a cache with an entry whose file was lost is not moved, until check has removed that', async () => {
  for (const [from, to] of [
    [1, 3],
    [3, 1],
    [2, 4],
  ] as const) {
    const { store, cache } = newCache<string>({ shards: from, fileThreshold: 100 });
    fill(cache);
    const files = readdirSync(store.directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /values.[0-9a-f]{2}.[^/\\]+$/.test(name),
    );
    expect(files).toHaveLength(count);
    rmSync(join(store.directory, files[count / 2] ?? ''));
    const lost = Array.from({ length: count }, (_, i) => i).filter((key) => {
      try {
        return cache.get(key) === undefined;
      } catch (error) {
        expect(error).toEqual(withCode('ERR_CORRUPT'));
        return true;
      }
    });
    expect(lost).toHaveLength(1);
    await expect(cache.reshard(to)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_CORRUPT',
        message: expect.stringContaining('check({ repair: true })'),
      }),
    );
    expect([
      cache.size,
      readdirSync(store.directory).includes('shards') && readdirSync(join(store.directory, 'shards')).length,
    ]).toEqual([count, from > 1 ? 1 : 0]);
    cache.set('writable', value(1));
    expect(store.check({ repair: true }).findings).toMatchObject([{ code: 'missing-file', mended: true }]);
    await cache.reshard(to);
    expect(cache.size).toBe(count);
    expect(store.check().findings).toEqual([]);
  }
});
