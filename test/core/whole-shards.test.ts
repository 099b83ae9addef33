import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, Index, open, restore, type Store } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { openStore, raw } from './support.js';

/** As a cache with two shards lies on the disk; gives back where they are. */
function sharded(): { store: Store; shards: string } {
  const store = openStore();
  new Index(store, 'pairs').set('key', 'value');
  new Cache(store, 'cache').set('key', 1);
  new Cache(store, 'cache').clear();
  const db = raw(store.directory);
  const id = Number(db.prepare('SELECT structure FROM caches').pluck().get());
  db.exec('UPDATE caches SET shards = 2, generation = 5');
  db.close();
  const shards = join(store.directory, 'shards', `${id}-5`);
  for (const i of [0, 1]) {
    const shard = open(join(shards, `${i}`));
    new Cache(shard, 'cache').set(`in${i}`, `${i}`.repeat(200_000));
    shard.close();
  }
  return { store, shards };
}

/** What is in the shards of a store, whatever their directory is called. */
function values(directory: string): unknown[] {
  const [folder = '', ...others] = readdirSync(join(directory, 'shards'));
  expect(others).toEqual([]);
  return [0, 1].map((i) => {
    const shard = openStore(join(directory, 'shards', folder, `${i}`), { create: false });
    const [entry] = new Cache<string>(shard, 'cache').entries();
    shard.close();
    return entry;
  });
}

const expected = [0, 1].map((i) => [`in${i}`, `${i}`.repeat(200_000)]);

test('check looks into the shards of caches, and finds directories of shards that no cache has', () => {
  const { store, shards } = sharded();
  expect(store.check()).toEqual({ findings: [], structures: 2, entries: 3, files: 2 });
  raw(join(shards, '1')).exec('UPDATE structures SET size = 7');
  const left = shards.replace(/5$/, '6');
  mkdirSync(join(left, '0'), { recursive: true });
  const { findings } = store.check();
  expect(findings.map(({ code, path }) => [code, path])).toEqual([
    ['stray-shard', left],
    ['wrong-count', undefined],
  ]);
  expect(findings[1]?.message).toContain('/1 of cache cache');
  expect(store.check({ repair: true }).findings.every(({ mended }) => mended)).toBe(true);
  expect(store.check().findings).toEqual([]);
  expect([existsSync(left), existsSync(shards)]).toEqual([false, true]);
});

test('shards are backed up, restored under a name that was never used, and compacted', async () => {
  const { store, shards } = sharded();
  const backup = join(temporaryDirectory(), 'backup');
  await store.backup(backup);
  expect(values(backup)).toEqual(expected);
  const shard = open(join(shards, '0'));
  new Cache(shard, 'cache').clear();
  shard.close();
  expect((await store.compact()).freed).toBeTypeOf('number');
  store.close();
  await restore(store.directory, backup);
  expect(values(store.directory)).toEqual(expected);
  expect(existsSync(shards)).toBe(false);
  const again = openStore(store.directory);
  expect(again.check().findings).toEqual([]);
  expect(again.check().files).toBe(2);
});
