import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, Deque, Index, open, restore } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { contents, modes, openStore, raw, seed } from './support.js';

const large = 'v'.repeat(300_000);

/** A backup of a store with a pair, and a value in a file. */
async function newBackup(value: string, count = 1): Promise<string> {
  const store = openStore();
  const pairs = new Index<string, string>(store, 'pairs');
  const cache = new Cache<string>(store, 'cache');
  for (let i = 0; i < count; i++) {
    pairs.set(`key${i}`, value.repeat(100));
    cache.set(i, value.repeat(150_000));
  }
  const to = join(temporaryDirectory(), 'backup');
  await store.backup(to);
  store.close();
  return to;
}

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

test('restore is refused while somebody has the store open, and succeeds when nobody has', async () => {
  const backup = await newBackup('b');
  const directory = temporaryDirectory();
  const store = open(directory);
  new Index(store, 'pairs').set('key0', 'old');
  await expect(restore(directory, backup)).rejects.toMatchObject({ code: 'ERR_BUSY' });
  const mirror = open(directory, { readonly: true });
  store.close();
  await expect(restore(directory, backup)).rejects.toMatchObject({ code: 'ERR_BUSY' });
  mirror.close();
  const other = startProcess('core-hold.js', directory);
  await other.nextMessage();
  await expect(restore(directory, backup)).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await other.kill9();
  const again = open(directory);
  expect(new Index(again, 'pairs').get('key0')).toBe('old');
  again.close();
  await restore(directory, backup);
  expect(new Index(openStore(directory), 'pairs').get('key0')).toBe('b'.repeat(100));
});

test('what is no whole store is not restored from, and the store stays as it was', async () => {
  const directory = temporaryDirectory();
  new Index(openStore(directory), 'pairs').set('key', 'old');
  openStore(directory).close();
  const missing = join(temporaryDirectory(), 'missing');
  await expect(restore(directory, missing)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  const foreign = temporaryDirectory();
  raw(foreign).exec('CREATE TABLE t (a)');
  await expect(restore(directory, foreign)).rejects.toMatchObject({ code: 'ERR_NOT_A_STORE' });
  const newer = await newBackup('b');
  raw(newer).exec('INSERT INTO migrations VALUES (99, 1)');
  await expect(restore(directory, newer)).rejects.toMatchObject({ code: 'ERR_SCHEMA_TOO_NEW' });
  const garbled = await newBackup('b');
  writeFileSync(join(garbled, 'holdfast.db'), 'garbled'.repeat(1000));
  await expect(restore(directory, garbled)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
  const cut = await newBackup('b', 20);
  truncateSync(join(cut, 'holdfast.db'), 40_960);
  await expect(restore(directory, cut)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
  await expect(restore(directory, directory)).rejects.toThrow(RangeError);
  await expect(restore(directory, join(directory, 'inside'))).rejects.toThrow(RangeError);
  await expect(restore(directory, 1 as never)).rejects.toThrow(TypeError);
  expect(readdirSync(directory).filter((name) => !name.startsWith('holdfast.db'))).toEqual([]);
  expect(new Index(openStore(directory), 'pairs').get('key')).toBe('old');
});

test('a store whose database or files are garbled is restored', async () => {
  const backup = await newBackup('b');
  const whole = await newBackup('a', 3);
  const garble: ((directory: string) => void)[] = [
    (directory) => writeFileSync(join(directory, 'holdfast.db'), 'garbled'.repeat(5000)),
    (directory) => {
      writeFileSync(join(directory, 'holdfast.db'), 'x'.repeat(10));
      writeFileSync(join(directory, 'holdfast.db-wal'), 'y'.repeat(10_000));
    },
    (directory) => {
      const bytes = readFileSync(join(directory, 'holdfast.db'));
      writeFileSync(join(directory, 'holdfast.db'), bytes.fill('x', 20_000));
    },
    (directory) => rmSync(join(directory, 'values'), { recursive: true }),
    (directory) => rmSync(join(directory, 'holdfast.db')),
  ];
  for (const damage of garble) {
    const directory = join(temporaryDirectory(), 'store');
    await restore(directory, whole);
    damage(directory);
    await restore(directory, backup);
    const store = openStore(directory);
    expect(new Index(store, 'pairs').get('key0'), String(damage)).toBe('b'.repeat(100));
    expect(new Cache(store, 'cache').get(0)).toBe('b'.repeat(150_000));
    expect(store.check().findings).toEqual([]);
    expect(new Set(Object.values(modes(directory)))).toEqual(new Set(['600', '700']));
  }
});

test('an entry whose file a backup lacks is not restored', async () => {
  const backup = await newBackup('b', 2);
  const [folder = ''] = readdirSync(join(backup, 'values'));
  rmSync(join(backup, 'values', folder), { recursive: true });
  const directory = join(temporaryDirectory(), 'store');
  await restore(directory, backup);
  const store = openStore(directory);
  expect(new Cache(store, 'cache').size).toBe(1);
  expect(store.check().findings).toEqual([]);
});

test('a restore that is killed leaves the store that was there, or the new one, whole', async () => {
  const [a, b] = [await newBackup('a', 6), await newBackup('b', 9)];
  const directory = join(temporaryDirectory(), 'store');
  const before = [contents(a), contents(b)];
  const random = randomFrom(seed);
  const seen = new Set<string>();
  await restore(directory, a);
  for (let round = 1; round <= 20; round++) {
    const hint = `SEED=${seed} round ${round}`;
    const child = startProcess('core-whole.js', 'restore', directory, b, a);
    await child.nextMessage();
    // In every other round once it was done, however slow the machine.
    if (round % 2 === 0) await child.nextMessage();
    await new Promise((resolve) => setTimeout(resolve, random() * 400));
    await child.kill9();
    const store = open(directory);
    const pairs = new Index<string, string>(store, 'pairs');
    const value = pairs.get('key0')?.[0] ?? '';
    seen.add(value);
    const count = value === 'a' ? 6 : 9;
    expect([...pairs.values()], hint).toEqual(Array.from({ length: count }, () => value.repeat(100)));
    const cache = new Cache<string>(store, 'cache');
    expect(
      [...cache.values()].every((one) => one === value.repeat(150_000)) && cache.size === count,
      hint,
    ).toBe(true);
    store.check({ repair: true });
    expect(store.check().findings, hint).toEqual([]);
    store.close();
    expect(readdirSync(directory).sort(), hint).toEqual(['holdfast.db', 'values']);
  }
  expect(seen).toEqual(new Set(['a', 'b']));
  expect([contents(a), contents(b)]).toEqual(before);
}, 240_000);

test('of processes that open the store while it is restored, each has the old one or the new one', async () => {
  const [a, b] = [await newBackup('a', 3), await newBackup('b', 3)];
  const directory = join(temporaryDirectory(), 'store');
  await restore(directory, a);
  const child = startProcess('core-whole.js', 'restore', directory, b, a);
  await child.nextMessage();
  let opened = 0;
  for (const start = performance.now(); opened < 50 && performance.now() - start < 20_000;) {
    const store = open(directory);
    const pairs = new Index<string, string>(store, 'pairs');
    const value = pairs.get('key0')?.[0] ?? '';
    expect([...pairs.values()]).toEqual([value.repeat(100), value.repeat(100), value.repeat(100)]);
    pairs.set('key0', value.repeat(100));
    store.close();
    opened++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(opened).toBe(50);
});
