import { mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { Client } from 'pg';
import {
  Cache,
  Deque,
  Index,
  Lock,
  Queue,
  open,
  type AsyncStore,
  type Finding,
  type Store,
} from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { failure, openStore, raw } from './support.js';
import { checkTransfers } from './whole.js';

/** Something of everything that is counted. */
async function fill(store: AsyncStore): Promise<void> {
  const pairs = new Index<number, string>(store, 'pairs');
  const items = new Deque<string>(store, 'items');
  for (let i = 0; i < 30; i++) await pairs.set(i, 'x'.repeat(i));
  for (const key of [3, 7]) await pairs.delete(key);
  await pairs.set(5, 'longer than before');
  await items.push(...Array.from({ length: 20 }, (_, i) => 'y'.repeat(i)));
  await items.unshift('first');
  await items.set(4, 'another');
  await items.shift();
  const cache = new Cache<string>(store, 'cache', { fileThreshold: 1000 });
  for (let i = 0; i < 20; i++) await cache.set(i, 'z'.repeat(i * 100), { tags: ['all', `${i % 3}`] });
  await cache.invalidate('1');
  await cache.set(3, 'smaller');
  const queue = new Queue<string, string>(store, 'queue', { attempts: 1 });
  await queue.add('now');
  await queue.add('later', { delay: '1h' });
  await queue.add('d'.repeat(5000));
  const worker = queue.work(async (job) => {
    if ((await job).data === 'now') throw new Error('fails');
    return 'r'.repeat(100);
  });
  for (;;) {
    const { completed, failed } = await queue.counts();
    if (completed + failed === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await worker.stop();
}

/** Runs SQL behind the back of a store, whichever kind it is. */
async function behind(store: AsyncStore | Store, sql: string): Promise<void> {
  if (store.kind === 'embedded') {
    const db = raw(store.directory);
    db.pragma('foreign_keys = OFF');
    db.exec(sql);
    return;
  }
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  await client.query(`SET search_path TO ${store.schema}; ${sql}`).finally(() => client.end());
}

const codes = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code);

/** Expects findings of these codes without repair, mended with it, and none after. */
async function expectMended(store: AsyncStore | Store, ...expected: string[]): Promise<void> {
  const { findings } = await store.check();
  expect(codes(findings)).toEqual(expected);
  expect(findings.every(({ mended, message }) => !mended && message.length > 10)).toBe(true);
  const { findings: mended } = await store.check({ repair: true });
  expect(codes(mended)).toEqual(expected);
  expect(mended.every((one) => one.mended)).toBe(true);
  expect((await store.check()).findings).toEqual([]);
}

forEachEngine((engine) => {
  test('a store in use is in order, and check tells what there is', async () => {
    const store = await engine.open();
    await fill(store);
    const report = await store.check();
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ structures: 4, entries: 28 + 20 + 13 + 3 });
    expect(await store.check({ repair: true })).toEqual(report);
  });

  test('counts that are not those of the rows are found, and mended', async () => {
    const store = await engine.open();
    await fill(store);
    const entries = (await store.structures()).map((one) => [one.name, one.entries, one.bytes]);
    const tables = engine.name === 'server' ? 'tallies' : 'structures';
    await behind(
      store,
      `UPDATE ${tables} SET size = size + 3, bytes = bytes - 5 WHERE size > 0;
       UPDATE structures SET waiting = 4 WHERE kind = 'deque'; UPDATE structures SET bytes = bytes + 7 WHERE kind = 'deque';
       UPDATE job_counts SET waiting = waiting + 2, completed = 9 WHERE structure <> 0`,
    );
    const { findings } = await store.check({ repair: true });
    expect(new Set(codes(findings))).toEqual(new Set(['wrong-count']));
    expect(new Set(findings.map(({ structure }) => structure?.name))).toEqual(
      new Set(['pairs', 'items', 'cache', 'queue']),
    );
    expect((await store.check()).findings).toEqual([]);
    expect((await store.structures()).map((one) => [one.name, one.entries, one.bytes])).toEqual(entries);
  });

  test('rows that belong to what is not there are found, and removed', async () => {
    const store = await engine.open();
    await fill(store);
    const job = engine.name === 'server' ? "'\\x00'" : '0';
    await behind(
      store,
      `INSERT INTO cache_tags (structure, tag, entry) VALUES (3, 'left', 9007199254740993);
       INSERT INTO job_data (job, data) VALUES (999, ${job});
       INSERT INTO job_children (parent, place, child, policy) VALUES (998, 0, 1, 'fail')`,
    );
    await expectMended(store, 'orphan', 'orphan', 'orphan');
    expect(await new Cache(store, 'cache').invalidate('all')).toBe(12);
  });

  test('what a killed process has left is found, and removed; what one holds that lives is not', async () => {
    const store = await engine.open();
    const [dead, living] = await Promise.all(
      ['killed', 'living'].map(async (name) => {
        const child = startProcess('core-grant.js', engine.location(store), name);
        await child.nextMessage();
        return child;
      }),
    );
    expect((await store.check({ repair: true })).findings).toEqual([]);
    await dead?.kill9();
    // A server may take a moment to see it.
    while ((await store.check()).findings.length === 0);
    await expectMended(store, 'dead-owner');
    expect(await new Lock(store, 'killed').tryAcquire()).toBeDefined();
    expect(await new Lock(store, 'living').tryAcquire()).toBeUndefined();
    await living?.send('end');
  });

  test('options of check are checked', async () => {
    const store = await engine.open();
    for (const options of [{ repair: 1 }, { mend: true }, null])
      await expect(async () => store.check(options as never)).rejects.toThrow(TypeError);
    await expect((async () => store.transaction(async () => store.check()))()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(IN|ASYNC)_TRANSACTION$/),
    });
    await store.close();
    await expect(async () => store.check()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

/** The paths of a store's value files. */
function valueFiles({ directory }: Store): string[] {
  return readdirSync(join(directory, 'values'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('-'))
    .map((name) => join(directory, 'values', name));
}

test('an entry whose file is missing or was cut short is found, and removed; others stay', () => {
  const store = openStore();
  const cache = new Cache<string>(store, 'cache', { fileThreshold: 100 });
  for (let i = 0; i < 5; i++) cache.set(i, `${i}`.repeat(1000));
  const [one = '', two = ''] = valueFiles(store);
  rmSync(one);
  truncateSync(two, 10);
  const { findings } = store.check();
  expect(findings.map(({ code, mended, path }) => [code, mended, path]).sort()).toEqual(
    [one, two].sort().map((path) => ['missing-file', false, path]),
  );
  expect(findings[0]?.structure).toEqual({ kind: 'cache', name: 'cache' });
  expect(codes(store.check({ repair: true }).findings)).toEqual(['missing-file', 'missing-file']);
  expect(store.check().findings).toEqual([]);
  expect(cache.size).toBe(3);
  expect([...cache.entries()].every(([key, value]) => value === String(key).repeat(1000))).toBe(true);
});

test('a file without an entry is left over if its writer is dead, and is not touched if it lives', async () => {
  const store = openStore();
  new Cache(store, 'cache', { fileThreshold: 100 }).set('key', 'x'.repeat(1000));
  const child = startProcess('core-file.js', store.directory);
  const file = await child.nextMessage<string>();
  expect(valueFiles(store)).toHaveLength(2);
  expect(store.check({ repair: true }).findings).toEqual([]);
  expect(valueFiles(store)).toContain(file);
  await child.kill9();
  expect(store.check().findings.map(({ code, path }) => [code, path])).toEqual([
    ['dead-owner', expect.any(String)],
    ['stray-file', file],
  ]);
  mkdirSync(join(store.directory, 'values', 'zz'));
  writeFileSync(join(store.directory, 'values', 'zz', 'something'), 'x');
  expect(codes(store.check({ repair: true }).findings)).toEqual(['dead-owner', 'stray-file', 'stray-file']);
  expect(store.check().findings).toEqual([]);
  expect(valueFiles(store)).toHaveLength(1);
  expect(new Cache(store, 'cache').get('key')).toBe('x'.repeat(1000));
});

test('what an interrupted creation or restore has left is removed, once it is old', () => {
  const store = openStore();
  const name = (folder: string): string => join(store.directory, folder, `file.0123456789abcdef.new`);
  const folder = join(store.directory, 'restore.0123.partial');
  mkdirSync(join(folder, 'ab'), { recursive: true });
  mkdirSync(join(store.directory, 'owners'));
  writeFileSync(name(''), '');
  writeFileSync(name('owners'), '');
  expect(store.check().findings.map(({ path }) => path)).toEqual([folder]);
  for (const one of ['', 'owners']) utimesSync(name(one), 1, 1);
  expect(store.check({ repair: true }).findings).toHaveLength(3);
  expect(store.check().findings).toEqual([]);
  expect(readdirSync(store.directory).filter((one) => /partial|new/.test(one))).toEqual([]);
});

test('a damaged database is found, and nothing is mended by what it says', () => {
  const directory = temporaryDirectory();
  const store = open(directory);
  const cache = new Cache<string>(store, 'cache', { fileThreshold: 100 });
  for (let i = 0; i < 2000; i++) cache.set(i, 'x'.repeat(i % 90));
  cache.set('large', 'x'.repeat(1000));
  store.close();
  const db = raw(directory);
  const [file] = valueFiles(store);
  db.unsafeMode(true);
  db.pragma('writable_schema = ON');
  // The index has entries that no row has.
  db.exec(
    "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_key') WHERE name = 'cached_by_file'",
  );
  db.close();
  const again = openStore(directory);
  const { findings } = again.check({ repair: true });
  expect(codes(findings)).toContain('integrity');
  expect(findings.every(({ mended }) => !mended)).toBe(true);
  expect(valueFiles(again)).toEqual([file]);
});

test('a store that is opened to be read is checked, and not mended', () => {
  const writable = openStore();
  new Index(writable, 'pairs').set('key', 'value');
  raw(writable.directory).exec('UPDATE structures SET size = 5');
  const store = openStore(writable.directory, { readonly: true });
  expect(codes(store.check().findings)).toEqual(['wrong-count']);
  expect(failure(() => store.check({ repair: true })).code).toBe('ERR_READONLY');
});

test('repair while processes write takes nothing from them, and counts what they wrote meanwhile', async () => {
  const directory = temporaryDirectory();
  const writers = [1, 2, 3].map(() => startProcess('core-transfer.js', directory));
  for (const writer of writers) await writer.nextMessage();
  const store = openStore(directory);
  const other = openStore(directory);
  for (let i = 0; i < 5; i++) {
    raw(directory).exec("UPDATE structures SET size = size + 10, bytes = bytes + 100 WHERE kind <> 'deque'");
    const all = [...store.check({ repair: true }).findings, ...other.check({ repair: true }).findings];
    expect(new Set(codes(all)), JSON.stringify(all)).toEqual(new Set(['wrong-count']));
    expect(all.every(({ mended }) => mended)).toBe(true);
    expect(store.check().findings).toEqual([]);
  }
  for (const writer of writers) await writer.kill9();
  expect(checkTransfers(store, 'after repairs')).toBeGreaterThan(10);
  store.check({ repair: true });
  expect(store.check().findings).toEqual([]);
});

test('who leaves in good order while the store is checked is not taken for dead', async () => {
  const directory = temporaryDirectory();
  const guests = [1, 2].map(() => startProcess('core-come-and-go.js', directory));
  for (const guest of guests) await guest.nextMessage();
  const store = openStore(directory);
  for (let i = 0; i < 300; i++) expect(store.check().findings).toEqual([]);
  for (const guest of guests) {
    await guest.send('stop');
    await guest.result();
  }
});
