import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, open, restore } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';

const count = 200;
const large = (i: number): string => `${i} `.repeat(100);

/** What a writer has noted so far. */
const noted = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);

test('a backup that is taken while a cache is moved and written to has each entry that was acknowledged before', async () => {
  const store = open(temporaryDirectory(), { busyTimeout: '60s' });
  const cache = new Cache<string>(store, 'c', { shards: 2, fileThreshold: 100, maxBytes: '8GiB' });
  for (let i = 0; i < count; i++) cache.set(`large${i}`, large(i));
  const file = join(temporaryDirectory(), 'acknowledged');
  closeSync(openSync(file, 'a'));
  const writer = startProcess('cache-shards.js', store.directory, 'write', file);
  const mover = startProcess('cache-shards.js', store.directory, 'reshard');
  await writer.nextMessage();
  for (let round = 0; round < 3; round++) {
    await mover.nextMessage();
    const before = noted(file);
    const backup = join(temporaryDirectory(), 'backup');
    await store.backup(backup);
    const target = temporaryDirectory();
    await restore(target, backup);
    for (const directory of [backup, target]) {
      const copy = open(directory, { readonly: directory === backup });
      expect(copy.check().findings).toEqual([]);
      const copied = new Cache<string>(copy, 'c');
      const values = copied.getMany(before);
      expect(before.filter((key, i) => values[i]?.startsWith(`${key}=`) !== true)).toEqual([]);
      for (let i = 0; i < count; i++) expect(copied.get(`large${i}`)).toBe(large(i));
      expect(copied.size).toBeGreaterThanOrEqual(count + before.length);
      copy.close();
    }
  }
  await mover.kill9();
  await writer.send('stop');
  await writer.result();
  expect(noted(file).length).toBeGreaterThan(100);
}, 240_000);
