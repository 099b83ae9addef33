import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, type Store } from '../../src/index.js';
import { mountDisk, openStore } from '../core/support.js';
import { withCode } from './helpers.js';

const mebibyte = 2 ** 20;

const filesOf = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /values.[0-9a-f]{2}.[^/\\]+$/.test(name),
  );

/** Bytes in pieces; `failure` is thrown behind the last. */
async function* pieces(count: number, failure?: Error): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(64 * 1024).fill(i);
  if (failure !== undefined) throw failure;
}

/** A store on a disk that has room for about a mebibyte, where it holds an old value of one. */
function nearlyFull(
  shards: number,
): { store: Store; cache: Cache<Uint8Array>; old: Uint8Array; free: () => void } | undefined {
  const disk = mountDisk(32 * mebibyte);
  if (disk === undefined) return undefined;
  const store = openStore(join(disk.directory, 'store'));
  const cache = new Cache<Uint8Array>(store, 'c', { shards });
  const old = new Uint8Array(randomBytes(mebibyte));
  for (const key of ['k', 'streamed']) cache.set(key, old, { tags: ['t'] });
  const ballast = join(disk.directory, 'ballast');
  const { bavail, bsize } = statfsSync(disk.directory);
  writeFileSync(ballast, new Uint8Array(bavail * bsize - mebibyte));
  return {
    store,
    cache,
    old,
    free: () => {
      rmSync(ballast);
    },
  };
}

test.each([1, 3])(
  'a large value that finds no room on the disk fails with ERR_FULL, and the old one stays (%i shards)',
  async (shards) => {
    const disk = nearlyFull(shards);
    if (disk === undefined) return;
    const { store, cache, old, free } = disk;
    const next = new Uint8Array(randomBytes(3 * mebibyte));
    const calls: readonly (() => unknown)[] = [
      () => {
        cache.set('k', next);
      },
      () => {
        cache.set('k', next, { tags: ['new'] });
      },
      () => {
        cache.setMany([
          ['k', next],
          ['new', next],
        ]);
      },
      () => cache.add('new', next),
      () => cache.update('k', () => next),
      () => cache.getOrSet('new', () => next),
      () => cache.memoize(() => next, { name: 'new' })(),
      () => cache.write('streamed', pieces(60)),
      () => cache.write('new', [next]),
    ];
    for (const call of calls) {
      await expect(async () => call(), String(call)).rejects.toThrow(withCode('ERR_FULL'));
      expect(filesOf(store.directory), String(call)).toHaveLength(2);
    }
    expect([...cache.keys()].sort()).toEqual(['k', 'streamed']);
    expect([...cache.keys({ tag: 't' })]).toHaveLength(2);
    for (const key of ['k', 'streamed'])
      expect(Buffer.from(old).equals(cache.get(key) ?? new Uint8Array())).toBe(true);
    expect(store.check().findings).toEqual([]);
    free();
    for (const call of calls) await call();
    expect(cache.get('streamed')).toHaveLength(60 * 64 * 1024);
    for (const key of ['k', 'new'])
      expect(Buffer.from(next).equals(cache.get(key) ?? new Uint8Array())).toBe(true);
    store.close();
    const again = openStore(store.directory);
    expect(again.check({ repair: true }).findings.every(({ mended }) => mended)).toBe(true);
    expect(again.check().findings).toEqual([]);
    expect(Buffer.from(next).equals(new Cache<Uint8Array>(again, 'c').get('k') ?? new Uint8Array())).toBe(
      true,
    );
  },
);

test('a stream whose source fails on a full disk, or by itself, leaves the old value, and no file', async () => {
  const disk = nearlyFull(1);
  if (disk === undefined) return;
  const { store, cache, old } = disk;
  await expect(cache.write('streamed', pieces(4, new RangeError('broken')))).rejects.toThrow('broken');
  await expect(cache.write('streamed', pieces(100, new RangeError('broken')))).rejects.toThrow(
    withCode('ERR_FULL'),
  );
  expect(filesOf(store.directory)).toHaveLength(2);
  expect(Buffer.from(old).equals(cache.get('streamed') ?? new Uint8Array())).toBe(true);
  expect(store.check().findings).toEqual([]);
});

test('a cache that is moved to a disk without room for its databases stays where it was', async () => {
  const disk = nearlyFull(1);
  if (disk === undefined) return;
  const { store, cache, old, free } = disk;
  await expect(cache.reshard(64)).rejects.toThrow(withCode('ERR_FULL'));
  expect(readdirSync(join(store.directory, 'shards'))).toEqual([]);
  expect(Buffer.from(old).equals(cache.get('k') ?? new Uint8Array())).toBe(true);
  expect(store.check().findings).toEqual([]);
  free();
  await cache.reshard(2);
  expect(Buffer.from(old).equals(cache.get('k') ?? new Uint8Array())).toBe(true);
  expect(store.check().findings).toEqual([]);
});
