import type { Client } from 'pg';
import { expect, inject, test } from 'vitest';
import { Deque, HoldfastError, Index } from '../../src/index.js';
import { connect } from '../../src/postgres.js';
import { sleep } from './proxy.js';
import { changedUrl, connected, newRole, once, outcome, rawClient, rows, schemaName } from './support.js';

/** The error that `connect` rejects with. */
async function refusal(server: unknown, options?: unknown): Promise<Error> {
  try {
    const store = await connect(server as string, options as { schema: string });
    await store.close();
  } catch (error) {
    return error as Error;
  }
  throw new Error('connect() did not reject.');
}

const code = (error: Error): string => (error instanceof HoldfastError ? error.code : error.name);

test('connect with a wrong password rejects with ERR_PERMISSION, and does not tell the password', async () => {
  const error = await refusal(changedUrl({ password: 'mistaken' }));
  expect(code(error)).toBe('ERR_PERMISSION');
  expect(error.message).not.toContain('mistaken');
  expect(error.cause).toBeInstanceOf(Error);
});

test('connect as a user who does not exist rejects with ERR_PERMISSION', async () => {
  expect(code(await refusal(changedUrl({ username: 'nobody_of_this_name' })))).toBe('ERR_PERMISSION');
});

test('connect to a port where nobody listens rejects with ERR_CONNECTION', async () => {
  expect(code(await refusal(changedUrl({ port: '1' })))).toBe('ERR_CONNECTION');
});

test('connect to a host that has no address rejects with ERR_CONNECTION', async () => {
  expect(code(await refusal('postgres://postgres@holdfast.invalid/postgres'))).toBe('ERR_CONNECTION');
});

test('connect to a database that does not exist rejects with ERR_NOT_FOUND', async () => {
  expect(code(await refusal(changedUrl({ pathname: '/no_such_database' })))).toBe('ERR_NOT_FOUND');
});

test.each<[unknown, unknown?]>([
  ['mysql://localhost/app'],
  ['localhost:5432/app'],
  [''],
  [undefined],
  [null],
  [42],
  [{}],
  [new URL('https://localhost/app')],
])('connect(%o) rejects with a TypeError', async (server) => {
  expect(code(await refusal(server))).toBe('TypeError');
});

test.each([
  'postgres://',
  'postgres://host:port/app',
  'postgres://%zz@localhost/app',
  'postgres://localhost:99999/app',
])(
  'connect(%o) rejects with a TypeError or an error of the library, never with one of the driver',
  async (url) => {
    const error = await refusal(url);
    expect(error instanceof HoldfastError || error instanceof TypeError, String(error)).toBe(true);
  },
);

test.each(['', 'Upper', '1st', 'a-b', 'a b', 'a"b', 'é', 'a'.repeat(41), 42, null])(
  'connect refuses the schema %o with a TypeError',
  async (schema) => {
    expect(code(await refusal(inject('postgresUrl'), { schema }))).toBe('TypeError');
  },
);

test.each([0, 1, 1.5, NaN, 10_001, -3, '5', null])('connect refuses connections: %o', async (connections) => {
  const error = await refusal(inject('postgresUrl'), { connections });
  expect(['RangeError', 'TypeError']).toContain(error.name);
});

test('connect refuses an option that it does not know', async () => {
  expect(code(await refusal(inject('postgresUrl'), { shema: 'typo' }))).toBe('TypeError');
});

test('connect takes a URL object, and a schema name of 40 characters that is a reserved word or begins with _', async () => {
  const store = await connect(new URL(inject('postgresUrl')), { schema: schemaName() });
  await store.close();
  for (const schema of ['_'.repeat(40), 'select']) {
    const named = await connect(inject('postgresUrl'), { schema });
    try {
      const index = new Index<string, number>(named, 'items');
      await index.set('a', 1);
      expect(await index.toMap()).toEqual(new Map([['a', 1]]));
      expect(await outcome(new Deque(named, 'd').take({ timeout: 50 }))).toEqual({ error: 'ERR_TIMEOUT' });
    } finally {
      await named.close();
      await once(`DROP SCHEMA "${schema}" CASCADE`);
    }
  }
});

test.each(['structures', 'entries', 'places', 'owners'])(
  'a schema with the name of a table, %s, is a schema like others',
  async (schema) => {
    const store = await connect(inject('postgresUrl'), { schema });
    try {
      const index = new Index<string, number>(store, 'i');
      await index.set('a', 1);
      const deque = new Deque<number>(store, 'd');
      await deque.push(1);
      expect([await index.get('a'), await deque.take(), await deque.size]).toEqual([1, 1, 0]);
      expect(await outcome(deque.take({ timeout: 50 }))).toEqual({ error: 'ERR_TIMEOUT' });
    } finally {
      await store.close();
      await once(`DROP SCHEMA "${schema}" CASCADE`);
    }
  },
);

test('16 that connect at once to a new schema all succeed, and find one store', async () => {
  const schema = schemaName();
  const stores = await Promise.all(Array.from({ length: 16 }, () => connected(schema, { connections: 2 })));
  await Promise.all(stores.map((store, i) => new Index<number, number>(store, 'i').set(i, i)));
  expect(await new Index(stores[0]!, 'i').size).toBe(16);
  const raw = await rawClient();
  expect(await rows(raw, `SELECT id::int, breaking::int FROM ${schema}.migrations`)).toEqual([[1, 1]]);
});

/** What a schema holds, down to the versions of its rows and definitions. */
async function fingerprint(raw: Client, schema: string): Promise<unknown> {
  return [
    await rows(raw, `SELECT xmin::text, * FROM ${schema}.migrations ORDER BY id`),
    await rows(
      raw,
      `SELECT relname, xmin::text, relfilenode FROM pg_class WHERE relnamespace = '${schema}'::regnamespace ORDER BY 1`,
    ),
    await rows(
      raw,
      `SELECT proname, xmin::text FROM pg_proc WHERE pronamespace = '${schema}'::regnamespace ORDER BY 1`,
    ),
  ];
}

test('a store that a newer version wrote in a breaking way is refused, and left untouched', async () => {
  const schema = schemaName();
  await (await connect(inject('postgresUrl'), { schema })).close();
  const raw = await rawClient();
  await raw.query(`INSERT INTO ${schema}.migrations VALUES (2, 0), (3, 1), (4, 0)`);
  const before = await fingerprint(raw, schema);
  const error = await refusal(inject('postgresUrl'), { schema });
  expect(code(error)).toBe('ERR_SCHEMA_TOO_NEW');
  expect(error.message).toContain(schema);
  expect(await fingerprint(raw, schema)).toEqual(before);
});

test('a newer version that broke nothing is accepted, and left untouched', async () => {
  const schema = schemaName();
  await (await connect(inject('postgresUrl'), { schema })).close();
  const raw = await rawClient();
  await raw.query(`INSERT INTO ${schema}.migrations VALUES (2, 0), (3, 0)`);
  const before = await fingerprint(raw, schema);
  const index = new Index<string, number>(await connected(schema), 'i');
  await index.set('a', 1);
  expect(await index.get('a')).toBe(1);
  expect(await fingerprint(raw, schema)).toEqual(before);
});

const use = (schema: string, role: string): string => `
  GRANT USAGE ON SCHEMA ${schema} TO ${role};
  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};
  GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`;

test('a user who may only use the tables, and create nothing, can do all that a store does', async () => {
  const schema = schemaName();
  await (await connect(inject('postgresUrl'), { schema })).close();
  const { role, url } = await newRole();
  await once(use(schema, role));
  const store = await connected(schema, { url });
  const index = new Index<string, number>(store, 'i');
  await index.set('a', 1);
  await index.update('a', (value) => (value ?? 0) + 1);
  await index.set('b', 3);
  expect(await index.delete('b')).toBe(true);
  const deque = new Deque<number>(store, 'd');
  const taken = deque.take({ timeout: '10s' });
  await store.transaction(() => deque.push(5));
  expect([await index.get('a'), await index.size, await taken]).toEqual([2, 1, 5]);
});

test('a user who may not use the schema, or may not create a missing one, is refused with ERR_PERMISSION', async () => {
  const schema = schemaName();
  await (await connect(inject('postgresUrl'), { schema })).close();
  const { url } = await newRole();
  expect(code(await refusal(url, { schema }))).toBe('ERR_PERMISSION');
  expect(code(await refusal(url, { schema: schemaName() }))).toBe('ERR_PERMISSION');
});

test('a user who may only read can read, and is refused with ERR_PERMISSION when it writes', async () => {
  const schema = schemaName();
  const index = new Index<string, number>(await connected(schema), 'i');
  await index.set('a', 1);
  const { role, url } = await newRole();
  await once(
    `GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
  );
  const reading = new Index<string, number>(await connected(schema, { url }), 'i');
  expect([await reading.get('a'), await reading.size]).toEqual([1, 1]);
  expect(await outcome(reading.set('a', 2))).toEqual({ error: 'ERR_PERMISSION' });
  expect(await reading.get('a')).toBe(1);
});

test('the owner of an empty schema, who may not create schemas, can make a store in it', async () => {
  const schema = schemaName();
  const { role, url } = await newRole();
  await once(`CREATE SCHEMA ${schema} AUTHORIZATION ${role}`);
  const index = new Index<string, number>(await connected(schema, { url }), 'i');
  await index.set('a', 1);
  expect(await index.get('a')).toBe(1);
});

test('a connect that is refused leaves no session behind', async () => {
  const raw = await rawClient();
  const { role, url } = await newRole();
  await refusal(url, { schema: schemaName() });
  const sessions = () => rows(raw, 'SELECT state FROM pg_stat_activity WHERE usename = $1', role);
  // The server hears of the end after the client; a pool that was left open would let go of its session in 10 seconds.
  const deadline = performance.now() + 6000;
  while ((await sessions()).length > 0 && performance.now() < deadline) await sleep(20);
  expect(await sessions()).toEqual([]);
});
