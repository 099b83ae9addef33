import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Index } from '../../src/index.js';
import { pause } from '../structures/helpers.js';
import { inProcesses, temporaryDirectory } from '../support/processes.js';
import { openStore, raw } from './support.js';

const pageSize = 4096;
const logOf = (directory: string): number => statSync(join(directory, 'holdfast.db-wal')).size / pageSize;

test('the log stays short while several processes write without a pause', async () => {
  const directory = temporaryDirectory();
  const store = openStore(directory);
  let longest = 0;
  const timer = setInterval(() => (longest = Math.max(longest, logOf(directory))), 5);
  // 200 000 pages, as many as writes, if the log never started again.
  await inProcesses(4, 'core-flood.js', directory, 50_000);
  clearInterval(timer);
  expect(new Index(store, 'entries').size).toBe(4_000);
  expect(longest).toBeGreaterThan(4_000);
  expect(longest).toBeLessThan(120_000);
});

test('the log is cut again when one large transaction has made it long', () => {
  const store = openStore();
  const index = new Index<number, string>(store, 'entries');
  index.setMany(Array.from({ length: 1_000 }, (_, n) => [n, 'x'.repeat(100_000)]));
  expect(logOf(store.directory)).toBeGreaterThan(20_000);
  for (let n = 0; n < 100; n++) index.set(n, `short ${n}`);
  expect(logOf(store.directory)).toBeLessThan(64 * 256 + 100);
  expect([index.get(99), index.get(100)?.length]).toEqual(['short 99', 100_000]);
});

test('the log grows while somebody reads an old state, and starts again after that', () => {
  const store = openStore();
  const index = new Index<number, string>(store, 'entries');
  const reader = raw(store.directory);
  index.set(0, 'old');
  reader.exec('BEGIN');
  const old = reader.prepare('SELECT value FROM entries').pluck().all();
  for (let n = 0; n < 100; n++)
    index.setMany(Array.from({ length: 20 }, (_, i) => [i, `${n}`.repeat(20_000)]));
  expect(reader.prepare('SELECT value FROM entries').pluck().all()).toEqual(old);
  const long = logOf(store.directory);
  reader.exec('COMMIT');
  for (let n = 0; n < 100; n++) index.set(n, `short ${n}`);
  expect(long).toBeGreaterThan(12_000);
  const [, length] = reader.prepare('PRAGMA wal_checkpoint(NOOP)').raw().get() as number[];
  expect(length).toBeLessThan(1_000);
});

test.runIf(existsSync('/proc/self/fd'))(
  'a store that is closed while its log goes to the disk has no file open afterwards',
  async () => {
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((file) => {
        try {
          return [readlinkSync(`/proc/self/fd/${file}`)];
        } catch {
          // What listed the directory.
          return [];
        }
      });
    const directory = temporaryDirectory();
    const here = (): string[] => open().filter((path) => path.startsWith(directory));
    const store = openStore(directory);
    const index = new Index<number, string>(store, 'entries');
    const written = { logs: 0 };
    for (let n = 0; n < 700; n++) {
      index.set(n, `${n}`.repeat(1_000));
      written.logs = Math.max(written.logs, here().filter((path) => path.endsWith('-wal')).length);
    }
    // One of SQLite's own, and one to have it written by.
    expect(written.logs).toBe(2);
    store.close();
    await vi.waitUntil(() => here().length === 0, 20_000);
    const again = new Index<number, string>(openStore(directory), 'entries');
    expect([again.size, again.get(699)]).toEqual([700, '699'.repeat(1_000)]);
  },
);

test.runIf(existsSync('/proc/self/fd'))(
  'a store that is closed when its log is on the disk has no file open afterwards',
  async () => {
    const store = openStore();
    const index = new Index<number, string>(store, 'entries');
    for (let n = 0; n < 700; n++) index.set(n, `${n}`.repeat(1_000));
    const here = (): number =>
      readdirSync('/proc/self/fd').filter((file) => {
        try {
          return readlinkSync(`/proc/self/fd/${file}`).startsWith(store.directory);
        } catch {
          return false;
        }
      }).length;
    await pause(1_000);
    expect(here()).toBeGreaterThan(2);
    store.close();
    expect(here()).toBe(0);
  },
);
