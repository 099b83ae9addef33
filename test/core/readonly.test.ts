import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Deque, Index, open } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { failure, modes, openStore } from './support.js';

test('a read-only store must exist, and makes nothing', () => {
  const parent = temporaryDirectory();
  for (const directory of [parent, join(parent, 'missing')]) {
    expect(failure(() => open(directory, { readonly: true })).code).toBe('ERR_NOT_FOUND');
  }
  expect(modes(parent)).toEqual({});
});

test('a read-only store refuses a database in which nothing has been created yet', () => {
  const directory = temporaryDirectory();
  openStore(directory).close();
  expect(openStore(directory, { readonly: true }).structures()).toEqual([]);
});

test('a read-only store sees what another process writes', async () => {
  const directory = temporaryDirectory();
  openStore(directory);
  const store = openStore(directory, { readonly: true });
  const openers = new Index<number, number>(store, 'openers');
  expect(openers.size).toBe(0);
  const child = startProcess('core-open.js');
  await child.nextMessage();
  for (let key = 0; key < 20; key++) {
    await child.send({ directory, key });
    await child.nextMessage();
    expect(openers.size).toBe(key + 1);
    expect(openers.get(key)).toBe(child.child.pid);
    await child.nextMessage();
  }
});

test('a read-only store reads while another process holds the write lock', async () => {
  const directory = temporaryDirectory();
  new Index(openStore(directory), 'pairs').set('key', 'value');
  const holder = startProcess('core-hold.js', directory);
  await holder.nextMessage();
  const store = openStore(directory, { readonly: true, busyTimeout: 0 });
  expect(new Index(store, 'pairs').get('key')).toBe('value');
  expect(store.structures().map(({ name }) => name)).toEqual(['pairs']);
});

test('every way to write to a read-only store throws ERR_READONLY, and changes nothing', async () => {
  const writable = openStore();
  new Index(writable, 'pairs').set('key', 'value');
  new Deque(writable, 'items').push(1, 2);
  const store = openStore(writable.directory, { readonly: true });
  const pairs = new Index<string, string>(store, 'pairs');
  const items = new Deque<number>(store, 'items', { maxLength: 1 });
  const ways: (() => unknown)[] = [
    () => pairs.set('key', 'other'),
    () => pairs.delete('key'),
    () => pairs.clear(),
    () => pairs.update('key', () => 'other'),
    () => items.push(3),
    () => items.shift(),
    () => items.rotate(),
    () => store.transaction(() => 1),
    () => new Index(store, 'missing').set('key', 'value'),
  ];
  for (const way of ways) {
    const error = failure(way);
    expect(error.code, String(way)).toBe('ERR_READONLY');
    expect(error.message).toContain(writable.directory);
  }
  await expect(items.take()).rejects.toMatchObject({ code: 'ERR_READONLY' });
  expect(pairs.get('key')).toBe('value');
  expect(items.toArray()).toEqual([1, 2]);
  expect(new Index(store, 'missing').size).toBe(0);
  expect(writable.structures()).toHaveLength(2);
});

test('a read-only store watches by looking again and again', async () => {
  const writable = openStore();
  const pairs = new Index<string, number>(writable, 'pairs');
  const store = openStore(writable.directory, { readonly: true });
  const seen: (number | undefined)[] = [];
  for await (const value of new Index<string, number>(store, 'pairs').watch('key')) {
    seen.push(value);
    if (value === 3) break;
    pairs.set('key', (value ?? 0) + 1);
  }
  expect(seen).toEqual([undefined, 1, 2, 3]);
});

test('a read-only store adds no file to those of whoever writes', async () => {
  const writable = openStore();
  new Index(writable, 'pairs').set('key', 'value');
  const before = modes(writable.directory);
  const store = openStore(writable.directory, { readonly: true });
  for await (const value of new Index(store, 'pairs').watch('key')) {
    expect(value).toBe('value');
    break;
  }
  expect(modes(writable.directory)).toEqual(before);
  store.close();
  expect(modes(writable.directory)).toEqual(before);
});

test('a read-only store that is alone leaves at most SQLite’s own two files, which the next writer removes', () => {
  const directory = temporaryDirectory();
  openStore(directory).close();
  const store = openStore(directory, { readonly: true });
  store.structures();
  store.close();
  expect(Object.values(modes(directory)).every((mode) => mode === '600')).toBe(true);
  expect(Object.keys(modes(directory)).filter((file) => !file.startsWith('holdfast.db'))).toEqual([]);
  openStore(directory).close();
  expect(Object.keys(modes(directory))).toEqual(['holdfast.db']);
});
