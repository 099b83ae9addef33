import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, open } from '../../src/index.js';
import { raw } from '../core/support.js';
import { temporaryDirectory } from '../support/processes.js';
import { withCode } from './helpers.js';

/** How many transactions are in the log of a database: the frames that end one say how large it is then. */
function commitsIn(directory: string): number {
  const log = readFileSync(join(directory, 'holdfast.db-wal'));
  const frame = 24 + log.readUInt32BE(8);
  const salts = log.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + frame <= log.byteLength; at += frame)
    if (salts.equals(log.subarray(at + 8, at + 16)) && log.readUInt32BE(at + 4) > 0) commits++;
  return commits;
}

const removals: Readonly<Record<string, (cache: Cache<number>) => number>> = {
  clear: (cache) => cache.clear(),
  invalidate: (cache) => cache.invalidate('t'),
  expire: (cache) => cache.expire(),
  cull: (cache) => cache.cull(),
};

test.each(Object.entries(removals))(
  '%s of many entries takes several transactions, so that others can write in between',
  (name, remove) => {
    let now = 1e12;
    const clock = { wall: () => now, monotonic: () => now, boot: () => 'boot' };
    const store = open(temporaryDirectory(), { clock });
    const cache = new Cache<number>(store, 'c');
    const entries = Array.from({ length: 1_201 }, (_, i) => [i, i] as const);
    cache.setMany(entries, { tags: ['t'], ttl: name === 'expire' ? 1 : Infinity });
    now += 10;
    const removing = name === 'cull' ? new Cache<number>(store, 'c', { maxEntries: 1 }) : cache;
    expect(removing.size).toBe(1_201);
    const before = commitsIn(store.directory);
    expect(remove(removing)).toBe(name === 'cull' ? 1_200 : 1_201);
    expect(commitsIn(store.directory) - before).toBeGreaterThanOrEqual(3);
  },
);

test('a process ends by itself with a cache open that has something to write and to look after', () => {
  const program = `import { Cache, open } from 'holdfast';
    const cache = new Cache(open(process.argv[1]), 'c', { eviction: 'least-recently-used', statistics: true });
    cache.set('a', 1, { ttl: '1h' });
    cache.get('a');`;
  const { status, stderr, signal } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, temporaryDirectory()],
    { encoding: 'utf8', timeout: 20_000, cwd: import.meta.dirname },
  );
  expect({ status, stderr, signal }).toEqual({ status: 0, stderr: '', signal: null });
});

test('get of a policy that goes by use waits for nobody who writes', () => {
  const store = open(temporaryDirectory(), { busyTimeout: 0 });
  const cache = new Cache<number>(store, 'c', { eviction: 'least-recently-used', statistics: true });
  cache.set('a', 1);
  const other = raw(store.directory);
  other.exec('BEGIN IMMEDIATE');
  for (let i = 0; i < 100; i++) expect([cache.get('a'), cache.getMany(['a'])]).toEqual([1, [1]]);
  expect(() => {
    cache.set('a', 2);
  }).toThrow(withCode('ERR_BUSY'));
  other.exec('ROLLBACK');
  expect([cache.stats().hits, cache.entry('a')?.hits]).toEqual([200, 200]);
});

test('who writes to one shard keeps nobody from writing to the others', () => {
  const store = open(temporaryDirectory(), { busyTimeout: 0 });
  const cache = new Cache<number>(store, 'c', { shards: 4 });
  const keys = Array.from({ length: 80 }, (_, i) => i);
  for (const key of keys) cache.set(key, key);
  const [folder = ''] = readdirSync(join(store.directory, 'shards'));
  const other = raw(join(store.directory, 'shards', folder, '0'));
  const inside = Number(other.prepare('SELECT count(*) FROM cached_entries').pluck().get());
  expect(inside).toBeGreaterThan(0);
  other.exec('BEGIN IMMEDIATE');
  let refused = 0;
  for (const key of keys)
    try {
      cache.set(key, -1);
    } catch (error) {
      expect(error).toEqual(withCode('ERR_BUSY'));
      refused++;
    }
  other.exec('ROLLBACK');
  expect(refused).toBe(inside);
});
