import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { connected, rawClient, schemaName } from './proxy.js';

// Of a piece of 280 MB, which write() took, what read() asked for was an uncaught exception in the driver (ERR_STRING_TOO_LONG), and read() never ended.
test('a stream is stored in rows of half a megabyte, however large its pieces are', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const cache = new Cache<Uint8Array>(await connected(schema), 'c', { maxBytes: '2GiB' });
  const value = Buffer.concat([Buffer.alloc(700_000, 1), Buffer.alloc(3_000_000, 2), Buffer.alloc(5, 3)]);
  await cache.write('k', [
    value.subarray(0, 700_000),
    value.subarray(700_000, 3_700_000),
    value.subarray(3_700_000),
  ]);
  const { rows } = await raw.query<{ most: number }>(
    `SELECT max(length(data)) AS most FROM ${schema}.value_chunks`,
  );
  expect(rows[0]?.most).toBe(512 * 1024);
  const pieces: Uint8Array[] = [];
  for await (const piece of (await cache.read('k')) ?? []) pieces.push(piece as Uint8Array);
  expect(Buffer.concat(pieces).equals(value)).toBe(true);
  expect(value.equals((await cache.get('k')) ?? new Uint8Array())).toBe(true);
});

test('a value whose chunks were lost is corrupt, by whichever call it is read', async () => {
  const schema = schemaName();
  const cache = new Cache<Uint8Array>(await connected(schema), 'c');
  await cache.write('k', [Buffer.alloc(3_000_000, 1)]);
  await (await rawClient()).query(`DELETE FROM ${schema}.value_chunks`);
  for (const call of [
    () => cache.get('k'),
    () => cache.getMany(['k']),
    () => cache.entry('k'),
    () => cache.getOrSet('k', () => new Uint8Array()),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
});
