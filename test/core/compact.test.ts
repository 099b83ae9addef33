import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Index, open } from '../../src/index.js';
import { pause, settled, withCode } from '../structures/helpers.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { openStore, raw, seed } from './support.js';
import { checkTransfers, lastNoted } from './whole.js';

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

test('a store that is compacted again and again, and killed, loses nothing that others have written meanwhile', async () => {
  const directory = temporaryDirectory();
  const noted = join(temporaryDirectory(), 'noted');
  const random = randomFrom(seed);
  const writer = startProcess('core-transfer.js', directory, noted);
  await writer.nextMessage();
  for (let round = 1; round <= 10; round++) {
    const child = startProcess('core-whole.js', 'compact', directory);
    await child.nextMessage();
    await new Promise((resolve) => setTimeout(resolve, random() * 200));
    await child.kill9();
  }
  await writer.kill9();
  const store = open(directory);
  const hint = `SEED=${seed}`;
  expect(checkTransfers(store, hint), hint).toBeGreaterThanOrEqual(lastNoted(noted));
  store.check({ repair: true });
  expect(store.check().findings, hint).toEqual([]);
  store.close();
}, 240_000);

test('compact waits for who is writing, for as long as busyTimeout says', async () => {
  const { directory } = openStore();
  const store = openStore(directory, { busyTimeout: 50 });
  const holder = startProcess('core-hold.js', directory);
  await holder.nextMessage();
  await expect(store.compact()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await holder.kill9();
  await store.compact();
  await expect(openStore(directory, { readonly: true }).compact()).rejects.toMatchObject({
    code: 'ERR_READONLY',
  });
});

test('a store that is closed while compact waits for others who write ends that', async () => {
  for (let i = 0; i < 5; i++) {
    const store = openStore();
    const other = raw(store.directory);
    other.exec('BEGIN IMMEDIATE');
    const compaction = store.compact();
    compaction.catch(() => undefined);
    await pause(150 + 10 * i);
    store.close();
    expect(await settled(compaction, 2_000)).toEqual({ status: 'rejected', reason: withCode('ERR_CLOSED') });
    other.exec('ROLLBACK');
  }
}, 30_000);
