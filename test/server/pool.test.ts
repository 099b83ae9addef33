import { Client, Pool, type PoolClient } from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { connect } from '../../src/postgres.js';
import { namedUrl, outcome, rawClient, rows, schemaName, sleep, unique, until } from './support.js';

function newPool(max: number, url = inject('postgresUrl')): { pool: Pool; clients: PoolClient[] } {
  const pool = new Pool({ connectionString: url, max });
  const clients: PoolClient[] = [];
  pool.on('connect', (client) => {
    clients.push(client);
  });
  onTestFinished(() => pool.end());
  return { pool, clients };
}

/** How many listeners of each event an emitter has. */
function listeners(emitter: Pool | PoolClient): Record<string, number> {
  return Object.fromEntries(emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]));
}

test('a store on a pool of the user’s does all it does on one of its own', async () => {
  const { pool } = newPool(4);
  const store = await connect(pool, { schema: schemaName() });
  const index = new Index<string, number>(store, 'i');
  const deque = new Deque<number>(store, 'd');
  await index.set('a', 1);
  const taken = deque.take({ timeout: '10s' });
  await store.transaction(async () => {
    await index.update('a', (value) => (value ?? 0) + 1);
    await deque.push(7);
  });
  expect([await index.get('a'), await taken]).toEqual([2, 7]);
  await store.close();
});

test('a pool of the user’s can be used after close, with nothing of the store left on it', async () => {
  const { pool, clients } = newPool(4);
  await Promise.all(
    Array.from({ length: 4 }, () => pool.query('SET search_path TO pg_catalog; SELECT pg_sleep(0.1)')),
  );
  expect(clients.length).toBe(4);
  const before = listeners(pool);
  const idle = clients.map(listeners);
  const schema = schemaName();
  const store = await connect(pool, { schema });
  const index = new Index<number, number>(store, 'i');
  await Promise.all(Array.from({ length: 20 }, (_, i) => index.set(i, i)));
  await Promise.all(
    Array.from({ length: 8 }, () => store.transaction(() => index.update(0, (n) => (n ?? 0) + 1))),
  );
  await outcome(store.transaction(() => Promise.reject(new Error('undone'))));
  await outcome(new Deque<number>(store, 'd').take({ timeout: 50 }));
  await store.close();
  expect(listeners(pool)).toEqual(before);
  expect(pool.totalCount - pool.idleCount).toBe(0);
  expect(pool.waitingCount).toBe(0);
  // One was the store's alone, and is replaced.
  const left = clients.filter((client) => !Reflect.get(client, '_ended') && !Reflect.get(client, '_ending'));
  expect(left.length).toBe(3);
  for (const client of left) expect(listeners(client)).toEqual(idle[clients.indexOf(client)]);
  const held = await Promise.all(left.map(() => pool.connect()));
  for (const client of held) {
    const { rows: found } = await client.query('SHOW search_path');
    expect(found).toEqual([{ search_path: 'pg_catalog' }]);
    const { rows: locks } = await client.query(
      "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    );
    expect(locks).toEqual([]);
    expect((await client.query('SELECT pg_listening_channels()')).rows).toEqual([]);
    client.release();
  }
});

test('a pool of the user’s can carry several stores, one after another and at once', async () => {
  const { pool } = newPool(6);
  const before = listeners(pool);
  const schemas = [schemaName(), schemaName()];
  for (let round = 0; round < 3; round++) {
    const stores = await Promise.all(schemas.map((schema) => connect(pool, { schema })));
    const sizes = await Promise.all(
      stores.map(async (store, i) => {
        const deque = new Deque<string>(store, 'd');
        await deque.push(...Array.from({ length: i + 1 }, () => 'item'));
        return deque.size;
      }),
    );
    expect(sizes).toEqual([round + 1, (round + 1) * 2]);
    await Promise.all(stores.map((store) => store.close()));
  }
  expect(listeners(pool)).toEqual(before);
});

test('a connect that is refused leaves a pool of the user’s as it was', async () => {
  const { pool, clients } = newPool(2);
  const schema = schemaName();
  await (await connect(pool, { schema })).close();
  await pool.query(`INSERT INTO ${schema}.migrations VALUES (9, 1)`);
  const before = listeners(pool);
  const idle = listeners(clients[0]!);
  expect(await outcome(connect(pool, { schema }))).toEqual({ error: 'ERR_SCHEMA_TOO_NEW' });
  expect(listeners(pool)).toEqual(before);
  expect(listeners(clients[0]!)).toEqual(idle);
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
});

test('the parsers of types that a pool’s user has set do not change what a store reads', async () => {
  const types = { getTypeParser: () => () => 'set by the user' } as never;
  const pool = new Pool({ connectionString: inject('postgresUrl'), types });
  onTestFinished(() => pool.end());
  const store = await connect(pool, { schema: schemaName() });
  const index = new Index<string, unknown>(store, 'i');
  await index.set('a', [1, 'two', null]);
  expect([await index.get('a'), await index.size]).toEqual([[1, 'two', null], 1]);
  await store.close();
});

test('statements are prepared once on a connection, and used again', async () => {
  const { pool } = newPool(1);
  const store = await connect(pool, { schema: schemaName() });
  const index = new Index<string, number>(store, 'i');
  const deque = new Deque<number>(store, 'd');
  for (let i = 0; i < 10; i++) {
    await index.set('a', i);
    await index.get('a');
    await deque.push(i);
    await deque.shift();
  }
  await store.close();
  const { rows: prepared } = await pool.query<{ name: string; runs: number }>(
    'SELECT name, (generic_plans + custom_plans)::int AS runs FROM pg_prepared_statements',
  );
  expect(prepared.filter(({ runs }) => runs >= 9).length).toBeGreaterThanOrEqual(4);
  expect(prepared.every(({ name }) => name.startsWith('holdfast_'))).toBe(true);
});

test('a store never has more sessions than `connections`, and none once it is closed', async () => {
  const name = unique();
  const raw = await rawClient();
  const store = await connect(namedUrl(name), { schema: schemaName(), connections: 3 });
  const index = new Index<number, number>(store, 'i');
  const take = outcome(new Deque<number>(store, 'd').take({ timeout: 400 }));
  const work = Promise.all(Array.from({ length: 200 }, (_, i) => index.set(i, i)));
  const sessions = async (): Promise<number> =>
    (await rows(raw, 'SELECT pid FROM pg_stat_activity WHERE application_name = $1', name)).length;
  let most = 0;
  for (let i = 0; i < 20; i++) most = Math.max(most, await sessions());
  await work;
  expect(await take).toEqual({ error: 'ERR_TIMEOUT' });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(3);
  await store.close();
  await until(async () => (await sessions()) === 0);
});

test('close rejects a call that waits for a connection with ERR_CLOSED, and close again does nothing', async () => {
  const { pool } = newPool(1);
  const store = await connect(pool, { schema: schemaName() });
  const index = new Index<string, number>(store, 'i');
  const held = await pool.connect();
  const waiting = outcome(index.get('a'));
  await sleep(50);
  await store.close();
  await store.close();
  expect(await waiting).toEqual({ error: 'ERR_CLOSED' });
  expect(await outcome(index.get('a'))).toEqual({ error: 'ERR_CLOSED' });
  expect(await outcome(store.transaction(() => 1))).toEqual({ error: 'ERR_CLOSED' });
  held.release();
  await sleep(50);
  expect([pool.totalCount, pool.idleCount]).toEqual([1, 1]);
  expect(held instanceof Client).toBe(true);
});
