import { mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Cache, Deque, Index, Queue, open, type AsyncStore, type Store } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { failure, openStore, raw, until } from './support.js';

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

forEachEngine((engine) => {
  test('a store in use is in order, and check tells what there is', async () => {
    const store = await engine.open();
    await fill(store);
    const report = await store.check();
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ structures: 4, entries: 28 + 20 + 13 + 3 });
    expect(await store.check({ repair: true })).toEqual(report);
  });
});
