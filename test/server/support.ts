import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { inject, onTestFinished } from 'vitest';
import { Index, type AsyncIndex, type AsyncStore } from '../../src/index.js';
import { connect, type ConnectOptions } from '../../src/postgres.js';

export { sleep };

/** A name that no other test uses. */
export const unique = (): string => `test_${randomBytes(8).toString('hex')}`;

/** A schema of the test's own; it is dropped when the test has finished. */
export function schemaName(): string {
  const schema = unique();
  onTestFinished(() => once(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));
  return schema;
}

/** Runs statements on a connection of their own. */
export async function once(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** A connection of the test's own, as the administrator. */
export async function rawClient(): Promise<Client> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** All rows of a query, as arrays. */
export async function rows(client: Client, text: string, ...values: unknown[]): Promise<unknown[][]> {
  return (await client.query<unknown[]>({ text, values, rowMode: 'array' })).rows;
}

/** The first column of the first row, as a number. */
export async function count(client: Client, text: string, ...values: unknown[]): Promise<number> {
  return Number((await rows(client, text, ...values))[0]?.[0]);
}

export async function connected(
  schema: string,
  options: ConnectOptions & { readonly url?: string } = {},
): Promise<AsyncStore> {
  const { url = inject('postgresUrl'), ...rest } = options;
  const store = await connect(url, { ...rest, schema });
  onTestFinished(() => store.close());
  return store;
}

/** Several stores on one schema. */
export async function connectedMany(many: number, schema = schemaName()): Promise<AsyncStore[]> {
  return Promise.all(Array.from({ length: many }, () => connected(schema)));
}

/** An index with `a: 0`, through two stores. */
export async function two(): Promise<{
  readonly schema: string;
  readonly store: AsyncStore;
  readonly other: AsyncStore;
  readonly mine: AsyncIndex<string, number>;
  readonly others: AsyncIndex<string, number>;
}> {
  const schema = schemaName();
  const [store, other] = (await connectedMany(2, schema)) as [AsyncStore, AsyncStore];
  const both = { mine: new Index<string, number>(store, 'i'), others: new Index<string, number>(other, 'i') };
  await both.mine.set('a', 0);
  return { schema, store, other, ...both };
}

/** The server's address, for connections that can be told from all others by this name. */
export function namedUrl(name: string): string {
  const url = new URL(inject('postgresUrl'));
  url.searchParams.set('application_name', name);
  return url.href;
}

/** The server's address for another user, password, or database. */
export function changedUrl(
  changes: Partial<Pick<URL, 'username' | 'password' | 'port' | 'pathname'>>,
): string {
  return Object.assign(new URL(inject('postgresUrl')), changes).href;
}

/** Ends every session of that name, and waits until they are gone; tells how many there were. */
export async function terminate(raw: Client, name: string, condition = 'true'): Promise<number> {
  const those = `FROM pg_stat_activity WHERE application_name = $1 AND ${condition}`;
  const pids = (await rows(raw, `SELECT pid ${those}`, name)).map(([pid]) => pid);
  await raw.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS p(pid)', [pids]);
  await until(
    async () => (await count(raw, 'SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)', pids)) === 0,
  );
  return pids.length;
}

/** Waits until so many stand in the lines of a schema. */
export async function untilWaiting(
  raw: Client,
  schema: string,
  many: number,
  timeout?: number,
): Promise<void> {
  await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.waiters`)) === many, timeout);
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, timeout = 20_000): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`This did not come within ${timeout} ms: ${String(condition)}`);
    await sleep(10);
  }
}

/** How a promise ends within some time: its value, the code or name of its error, or `'pending'`. */
export async function outcome(promise: Promise<unknown>, ms = 20_000): Promise<unknown> {
  return Promise.race([
    promise.then(
      (value) => ({ value }),
      (error: unknown) => ({
        error: (error as { code?: string }).code ?? (error instanceof Error ? error.message : String(error)),
      }),
    ),
    sleep(ms, 'pending', { ref: false }),
  ]);
}

/** A role that may log in, and nothing else; gives the address for it. */
export async function newRole(): Promise<{ readonly role: string; readonly url: string }> {
  const role = unique();
  const password = randomBytes(8).toString('hex');
  await once(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
  onTestFinished(() => once(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`));
  return { role, url: changedUrl({ username: role, password }) };
}
