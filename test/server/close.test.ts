import type { Client } from 'pg';
import { Pool } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Deque, Index, Queue, type AsyncStore } from '../../src/index.js';
import { connect } from '../../src/postgres.js';
import { proxy, type Link } from './proxy.js';
import { connected, count, namedUrl, outcome, rawClient, schemaName, unique, until } from './support.js';

const closed = { error: 'ERR_CLOSED' };

interface Setting {
  readonly name: string;
  readonly schema: string;
  readonly raw: Client;
  readonly store: AsyncStore;
}

/** A store, with a pool of its own or of the user's, whose sessions can be told from all others. */
async function setting(pool: 'own' | 'given'): Promise<Setting> {
  const name = unique();
  const schema = schemaName();
  const given = new Pool({ connectionString: namedUrl(name) });
  const store = await connect(pool === 'own' ? namedUrl(name) : given, { schema });
  onTestFinished(async () => {
    await store.close();
    await given.end();
  });
  return { name, schema, raw: await rawClient(), store };
}

async function sessions({ name, raw }: Setting, condition = 'true'): Promise<number> {
  return count(
    raw,
    `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND ${condition}`,
    name,
  );
}

const blocked = `wait_event_type = 'Lock'`;

describe.each(['own', 'given'] as const)('close, of a store with a pool of its %s', (pool) => {
  test.each<[string, (store: AsyncStore) => Promise<unknown>]>([
    ['a call that is one statement', async (store) => new Index<string, number>(store, 'i').set('a', 2)],
    [
      'a call that is a transaction',
      async (store) => new Index<string, number>(store, 'i').update('a', () => 2),
    ],
    [
      'a transaction of the user’s',
      async (store) =>
        store.transaction(async () => {
          await new Index<string, number>(store, 'other').set('a', 2);
          await new Index<string, number>(store, 'i').set('a', 2);
        }),
    ],
  ])(
    'does not wait for a lock that somebody else holds: %s is cancelled, and does nothing later',
    async (_, call) => {
      const all = await setting(pool);
      const { raw, schema, store } = all;
      const index = new Index<string, number>(await connected(schema), 'i');
      await index.set('a', 1);
      await raw.query(`BEGIN; LOCK TABLE ${schema}.entries`);
      const called = outcome(call(store), 60_000);
      await until(
        async () =>
          (await count(await rawClient(), 'SELECT count(*) FROM pg_stat_activity WHERE ' + blocked)) > 0,
      );
      expect(await outcome(store.close(), 30_000)).toEqual({ value: undefined });
      expect(await called).toEqual(closed);
      await raw.query('ROLLBACK');
      await until(async () => (await sessions(all)) === 0);
      expect(await index.get('a')).toBe(1);
    },
  );

  test('does not wait for a lock on what it gives up itself', async () => {
    const all = await setting(pool);
    const { raw, schema, store } = all;
    const take = outcome(new Deque(store, 'd').take(), 60_000);
    await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.waiters`)) === 1);
    await raw.query(`BEGIN; LOCK TABLE ${schema}.owners`);
    expect(await outcome(store.close(), 30_000)).toEqual({ value: undefined });
    expect(await take).toEqual(closed);
    await raw.query('ROLLBACK');
    await until(async () => (await sessions(all, pool === 'own' ? 'true' : `state <> 'idle'`)) === 0);
  });

  test('lets a statement end that is under way', async () => {
    const { store, schema, raw } = await setting(pool);
    const index = new Index<string, number>(store, 'i');
    await index.set('a', 1);
    await raw.query(`BEGIN; LOCK TABLE ${schema}.entries`);
    const set = outcome(index.set('a', 2));
    const other = await rawClient();
    await until(
      async () => (await count(other, `SELECT count(*) FROM pg_stat_activity WHERE ${blocked}`)) === 1,
    );
    const closing = store.close();
    await raw.query('ROLLBACK');
    await closing;
    expect(await set).toEqual({ value: undefined });
    expect(await new Index<string, number>(await connected(schema), 'i').get('a')).toBe(2);
  });
});

test('close does not wait for a transaction that does not end', async () => {
  const all = await setting('own');
  const { store } = all;
  let inside = false;
  void outcome(
    store.transaction(async () => {
      await new Index<string, number>(store, 'i').set('a', 1);
      inside = true;
      await new Promise(() => {});
    }),
  );
  await until(() => inside);
  expect(await outcome(store.close(), 30_000)).toEqual({ value: undefined });
  await until(async () => (await sessions(all)) === 0);
});

test('close does not wait for a server that does not answer', async () => {
  const schema = schemaName();
  const links = new Set<Link>();
  let silent = false;
  const url = await proxy((_, link) => {
    links.add(link);
    return silent;
  });
  const store = await connected(schema, { url });
  const index = new Index<string, number>(store, 'i');
  await index.set('a', 1);
  const take = outcome(new Deque(store, 'd').take(), 60_000);
  const raw = await rawClient();
  await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.waiters`)) === 1);
  silent = true;
  const got = outcome(index.get('a'), 60_000);
  const worker = new Queue<string>(store, 'q').work(() => undefined, { onError: () => undefined });
  expect(await outcome(store.close(), 30_000)).toEqual({ value: undefined });
  expect(await got).toEqual(closed);
  expect(await take).toEqual(closed);
  await worker.stop();
});
