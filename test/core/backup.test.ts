import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, Deque, Index, Lock, open, restore } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { contents, failure, modes, openStore, raw } from './support.js';

const large = 'v'.repeat(300_000);

test('a backup is a store with all that was there, files included, which nobody else can read', async () => {
  const store = openStore();
  new Index(store, 'pairs').set('key', 'value');
  new Cache(store, 'cache').set('large', large);
  expect(new Lock(store, 'lock').tryAcquire()).toBeDefined();
  const to = join(temporaryDirectory(), 'above', 'copy');
  const seen: { done: number; total: number }[] = [];
  await store.backup(to, { onProgress: (progress) => seen.push(progress) });
  expect(seen.length).toBeGreaterThan(1);
  expect(seen.every(({ done, total }) => done <= total)).toBe(true);
  expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
  expect(new Set(Object.values(modes(dirname(to))))).toEqual(new Set(['600', '700']));
  expect(readdirSync(dirname(to))).toEqual(['copy']);
  for (const readonly of [true, false]) {
    const copy = openStore(to, { readonly });
    expect(new Index(copy, 'pairs').get('key')).toBe('value');
    expect(new Cache(copy, 'cache').get('large')).toBe(large);
    expect(copy.check().findings).toEqual([]);
    // Who held it in the store is not in the copy.
    if (!readonly) expect(new Lock(copy, 'lock').tryAcquire()).toBeDefined();
    copy.close();
  }
});

test('a backup does not change when the store does', async () => {
  const store = openStore();
  const cache = new Cache(store, 'cache');
  cache.set('large', large);
  const to = join(temporaryDirectory(), 'copy');
  await store.backup(to);
  for (const folder of readdirSync(join(store.directory, 'values')))
    for (const name of readdirSync(join(store.directory, 'values', folder)))
      writeFileSync(join(store.directory, 'values', folder, name), 'garbled');
  cache.clear();
  expect(new Cache(openStore(to), 'cache').get('large')).toBe(large);
});

test('restore puts a backup in the place of a store, or where there is none', async () => {
  const store = openStore();
  const pairs = new Index<string, string>(store, 'pairs');
  const cache = new Cache<string>(store, 'cache');
  pairs.set('key', 'before');
  cache.set('large', large);
  const backup = join(temporaryDirectory(), 'copy');
  await store.backup(backup);
  pairs.set('key', 'after');
  new Deque(store, 'items').push(1);
  cache.set('large', 'w'.repeat(200_000));
  cache.set('larger', 'w'.repeat(200_000));
  store.close();
  const before = contents(backup);
  for (const directory of [store.directory, join(temporaryDirectory(), 'new', 'place')]) {
    await restore(directory, backup);
    const again = openStore(directory);
    expect(new Index(again, 'pairs').get('key')).toBe('before');
    expect(new Cache(again, 'cache').get('large')).toBe(large);
    expect(again.structures().map(({ name }) => name)).toEqual(['cache', 'pairs']);
    expect(again.check().findings).toEqual([]);
    expect(again.check().files).toBe(1);
    again.close();
    expect(Object.keys(modes(directory)).filter((file) => /values.*-/.test(file))).toHaveLength(1);
  }
  expect(contents(backup)).toEqual(before);
});

test('compact gives space back, and keeps what is there', async () => {
  const store = openStore();
  const pairs = new Index<number, string>(store, 'pairs');
  for (let i = 0; i < 200; i++) pairs.set(i, 'x'.repeat(20_000));
  for (let i = 0; i < 200; i++) if (i % 10 > 0) pairs.delete(i);
  const { freed } = await store.compact();
  expect(freed).toBeGreaterThan(3_000_000);
  expect(pairs.size).toBe(20);
  expect(pairs.get(110)).toBe('x'.repeat(20_000));
  expect(store.check().findings).toEqual([]);
});
