import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { Cache, type AsyncCache, type AsyncStore } from '../../src/index.js';
import {
  connected,
  count,
  namedUrl,
  outcome,
  rawClient,
  schemaName,
  terminate,
  unique,
  until,
} from './support.js';

const piece = 512 * 1024;

interface Setting {
  readonly name: string;
  readonly schema: string;
  readonly raw: Client;
  /** One whose connections can be cut, and another. */
  readonly store: AsyncStore;
  readonly cache: AsyncCache<Uint8Array>;
  readonly other: AsyncStore;
  readonly there: AsyncCache<Uint8Array>;
}

async function setting(): Promise<Setting> {
  const name = unique();
  const schema = schemaName();
  const raw = await rawClient();
  const store = await connected(schema, { url: namedUrl(name) });
  const other = await connected(schema);
  const cache: AsyncCache<Uint8Array> = new Cache<Uint8Array>(store, 'c');
  const there: AsyncCache<Uint8Array> = new Cache<Uint8Array>(other, 'c');
  return { name, schema, raw, store, cache, other, there };
}

const bytes = (count: number, byte: number): Uint8Array => new Uint8Array(count * piece).fill(byte);
const isOld = (value: Uint8Array | undefined): boolean =>
  Buffer.from(bytes(4, 1)).equals(value ?? new Uint8Array());
const chunks = ({ raw, schema }: Setting): Promise<number> =>
  count(raw, `SELECT count(*) FROM ${schema}.value_chunks`);

test.each([
  ['between two pieces', 'true'],
  ['while a piece is written', 'busy'],
])(
  'a stream whose connection is cut %s fails with ERR_CONNECTION, and the old value stays',
  async (_, when) => {
    const all = await setting();
    const { name, schema, raw, store, cache, other, there } = all;
    await cache.write('k', [bytes(4, 1)]);
    const before = await chunks(all);
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 6; i++) {
        yield bytes(1, 2);
        if (i === 3 && when !== 'busy') expect(await terminate(raw, name)).toBeGreaterThan(0);
        // Whoever writes a chunk has to wait for this.
        if (i === 2 && when === 'busy') await raw.query(`BEGIN; LOCK ${schema}.value_chunks IN SHARE MODE`);
      }
    };
    const written = outcome(cache.write('k', source()));
    if (when === 'busy') {
      const client = await rawClient();
      const waiting = `wait_event_type = 'Lock'`;
      await until(
        async () =>
          (await count(
            client,
            `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND ${waiting}`,
            name,
          )) > 0,
      );
      expect(await terminate(client, name)).toBeGreaterThan(0);
      await raw.query('ROLLBACK');
    }
    // Between two pieces the pool may have found that the connection is gone, and have taken another.
    const answer = await written;
    const isWritten = JSON.stringify(answer) === '{}';
    if (when === 'busy' || !isWritten) {
      expect(answer).toEqual({ error: 'ERR_CONNECTION' });
      for (const one of [cache, there]) expect(isOld(await one.get('k'))).toBe(true);
    } else expect((await there.get('k'))?.byteLength).toBe(6 * piece);
    await store.close();
    await other.check({ repair: true });
    expect((await other.check()).findings).toEqual([]);
    if (!isWritten) expect(await chunks(all)).toBe(before);
    await there.write('k', [bytes(2, 3)]);
    expect((await there.get('k'))?.byteLength).toBe(2 * piece);
  },
);

test('a stream that is read when its connection is cut goes on, or fails with ERR_CONNECTION, and nothing stays in use', async () => {
  const all = await setting();
  const { name, schema, raw, store, cache, other, there } = all;
  await cache.write('k', [bytes(4, 1)]);
  const stream = await cache.read('k');
  const read = async (): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    for await (const one of stream ?? []) {
      pieces.push(one as Uint8Array);
      if (pieces.length === 1) await terminate(raw, name);
    }
    return Buffer.concat(pieces);
  };
  const result = (await outcome(read())) as { value?: Uint8Array; error?: string };
  if (result.error === undefined) expect(isOld(new Uint8Array(result.value ?? []))).toBe(true);
  else expect(result.error).toBe('ERR_CONNECTION');
  expect(isOld(await there.get('k'))).toBe(true);
  await store.close();
  await there.delete('k');
  await other.check({ repair: true });
  expect((await other.check()).findings).toEqual([]);
  await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.value_uses`)) === 0);
});

test('a stream that is read to its end inside a transaction is in use no more then', async () => {
  const { schema, raw, store, cache } = await setting();
  await cache.write('k', [Buffer.alloc(2 * piece, 1)]);
  const stream = await cache.read('k');
  await store.transaction(async () => {
    for await (const one of stream ?? []) expect(one).toBeDefined();
  });
  await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.value_uses`)) === 0);
});
