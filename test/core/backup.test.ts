import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, Index, Lock, open } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { contents, modes, mountDisk, openStore, seed } from './support.js';
import { checkTransfers } from './whole.js';

/** How often a process is killed. */
const rounds = 12;

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

test('backups of a store that processes write to are each a state that was committed', async () => {
  const directory = temporaryDirectory();
  const writers = [1, 2, 3].map(() => startProcess('core-transfer.js', directory));
  for (const writer of writers) await writer.nextMessage();
  const store = openStore(directory);
  const parent = temporaryDirectory();
  let last = 0;
  for (let i = 0; i < 4; i++) {
    const to = join(parent, `${i}`);
    const totals = new Set<number>();
    await store.backup(to, { onProgress: ({ total }) => totals.add(total) });
    // It did not begin anew, for all that was written.
    expect(totals.size).toBeLessThanOrEqual(2);
    const copy = openStore(to);
    expect(copy.check().findings).toEqual([]);
    const reached = checkTransfers(copy, `backup ${i}`);
    expect(reached).toBeGreaterThan(last);
    last = reached;
  }
});

test('a backup that is killed leaves nothing but a folder that says so, and what was made before is whole', async () => {
  const directory = temporaryDirectory();
  const writer = startProcess('core-transfer.js', directory);
  await writer.nextMessage();
  const parent = temporaryDirectory();
  const random = randomFrom(seed);
  let whole = 0;
  for (let round = 1; round <= rounds; round++) {
    const hint = `SEED=${seed} round ${round}`;
    const child = startProcess('core-whole.js', 'backup', directory, parent);
    await child.nextMessage();
    // In every other round once it was done, however slow the machine.
    if (round % 2 === 0) await child.nextMessage();
    await new Promise((resolve) => setTimeout(resolve, random() * 150));
    await child.kill9();
    for (const name of readdirSync(parent)) {
      if (!name.endsWith('.partial')) {
        whole++;
        const copy = open(join(parent, name));
        checkTransfers(copy, hint);
        expect(copy.check().findings, hint).toEqual([]);
        copy.close();
      }
      rmSync(join(parent, name), { recursive: true });
    }
    const store = open(directory);
    store.check({ repair: true });
    expect(store.check().findings, hint).toEqual([]);
    store.close();
  }
  expect(whole).toBeGreaterThan(0);
}, 240_000);

test('a backup goes to a directory that is empty or missing, and leaves any other as it is', async () => {
  const store = openStore();
  const parent = temporaryDirectory();
  const full = join(parent, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'file'), 'text');
  for (const to of [full, join(full, 'file')])
    await expect(store.backup(to)).rejects.toMatchObject({ code: 'ERR_EXISTS' });
  expect(Object.fromEntries(contents(parent))).toEqual({ 'full/file': 'text' });
  mkdirSync(join(parent, 'empty'));
  await store.backup(join(parent, 'empty'));
  openStore(join(parent, 'empty'), { create: false });
  await expect(store.backup(join(store.directory, 'inside'))).rejects.toThrow(RangeError);
  await expect(store.backup('')).rejects.toThrow(TypeError);
  await expect(store.backup(join(parent, 'x'), { onprogress: () => 1 } as never)).rejects.toThrow(
    "'onprogress'".replaceAll("'", '"'),
  );
  await expect(store.backup(join(parent, 'x'), { signal: 1 as never })).rejects.toThrow(TypeError);
  expect(readdirSync(parent).sort()).toEqual(['empty', 'full']);
});

test('a backup ends when its signal is aborted, or its listener throws, and leaves nothing', async () => {
  const store = openStore();
  const pairs = new Index<number, string>(store, 'pairs');
  for (let i = 0; i < 100; i++) pairs.set(i, 'x'.repeat(20_000));
  const parent = temporaryDirectory();
  const reason = new Error('enough');
  await expect(store.backup(join(parent, 'copy'), { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
  const controller = new AbortController();
  const onProgress = (): void => controller.abort(reason);
  await expect(store.backup(join(parent, 'copy'), { onProgress, signal: controller.signal })).rejects.toBe(
    reason,
  );
  const thrown = (): never => {
    throw reason;
  };
  await expect(store.backup(join(parent, 'copy'), { onProgress: thrown })).rejects.toBe(reason);
  expect(readdirSync(parent)).toEqual([]);
});

test('what is done to a store as a whole is refused inside a transaction, and once it is closed', async () => {
  const store = openStore();
  const to = join(temporaryDirectory(), 'copy');
  const ways: (() => unknown)[] = [() => store.check(), () => store.backup(to), () => store.compact()];
  for (const [i, code] of ['ERR_IN_TRANSACTION', 'ERR_CLOSED'].entries()) {
    for (const way of ways) {
      const call = async (): Promise<unknown> => (i === 0 ? store.transaction(way as () => never) : way());
      const inside = async (): Promise<unknown> => {
        let result: unknown;
        if (i === 0) store.transaction(() => void (result = settled(way)));
        return i === 0 ? result : call();
      };
      await expect(inside()).rejects.toMatchObject({ code });
    }
    if (i === 0) store.close();
  }
  expect(existsSync(to)).toBe(false);
});

/** What a call throws or rejects with, as a rejection that somebody handles. */
async function settled(way: () => unknown): Promise<unknown> {
  return way();
}

test('a backup that finds the disk full says so, and leaves nothing', async () => {
  const disk = mountDisk(400_000);
  if (disk === undefined) return;
  const store = openStore();
  new Index(store, 'pairs').set('key', 'x'.repeat(500_000));
  await expect(store.backup(join(disk.directory, 'copy'))).rejects.toMatchObject({ code: 'ERR_FULL' });
  expect(readdirSync(disk.directory)).toEqual([]);
  new Cache(store, 'cache').set('key', large);
  new Index(store, 'pairs').clear();
  await store.compact();
  await expect(store.backup(join(disk.directory, 'copy'))).rejects.toMatchObject({ code: 'ERR_FULL' });
  expect(readdirSync(disk.directory)).toEqual([]);
});

test('a store that is opened to be read can be backed up', async () => {
  const { directory } = openStore();
  new Index(openStore(directory), 'pairs').set('key', 'value');
  const to = join(temporaryDirectory(), 'copy');
  await openStore(directory, { readonly: true }).backup(to);
  expect(new Index(openStore(to), 'pairs').get('key')).toBe('value');
});
