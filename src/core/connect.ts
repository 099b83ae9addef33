import { setTimeout as sleep } from 'node:timers/promises';
import { resolveCheckOptions } from './checking.js';
import { HoldfastError, driverCode, translated } from './errors.js';
import { knownKeys, shown, wholeNumber } from './options.js';
import { checkServer } from './postgres-check.js';
import { OpenPool, Queries, types, type PgClient, type PgPool } from './postgres-driver.js';
import { Presence } from './postgres-presence.js';
import { Sessions } from './postgres-sessions.js';
import { ServerEngine } from './postgres.js';
import { migrations, refuseNewer } from './schema.js';
import { register, type AsyncStore } from './store.js';

/** How long closing waits for the pool to end, when none of its connections is in use, in milliseconds. */
const endWithin = 1_000;

/** Options of {@link connect}. */
export interface ConnectOptions {
  /**
   * The schema that holds the tables; it is created where it is missing. Lower-case letters, digits and `_`, at most 40.
   * @defaultValue `'holdfast'`
   */
  readonly schema?: string | undefined;
  /**
   * The most connections of the pool that is made from a URL: 2 or more, since one listens while something waits.
   * @defaultValue `10`
   */
  readonly connections?: number | undefined;
}

interface ResolvedOptions {
  readonly schema: string;
  readonly connections: number;
}

function resolveOptions(given: ConnectOptions): ResolvedOptions {
  knownKeys('options of connect()', given, ['schema', 'connections']);
  const { schema = 'holdfast', connections = 10 } = given;
  if (typeof schema !== 'string' || !/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw new TypeError(`schema must be 1 to 40 lower-case letters, digits or '_', not ${shown(schema)}`);
  }
  wholeNumber('connections', connections, 2, 10_000);
  return { schema, connections };
}

/**
 * Connects to a store on a PostgreSQL server (14 or later); creates its schema and tables where they are missing. Any number of
 * processes may be connected at once. A connection that is lost fails the calls under way with `ERR_CONNECTION`; later ones get a
 * new one.
 *
 * Waiting needs connections that stay the same for a session: PgBouncer in transaction mode won't do.
 *
 * @param server - A `postgres://` URL, or a `Pool` of the package `pg`, which {@link AsyncStore.close} leaves open.
 * @throws {@link HoldfastError} (as a rejection) `ERR_CONNECTION` when the server can't be reached, `ERR_PERMISSION` when it
 * denies access, `ERR_NOT_FOUND` when there is no such database, or the package `pg` is not installed,
 * `ERR_SCHEMA_TOO_NEW` when a newer version wrote the store.
 * @example
 * await using store = await connect('postgres://localhost/app');
 */
export async function connect(
  server: string | URL | PgPool,
  options: ConnectOptions = {},
): Promise<AsyncStore> {
  const { schema, connections } = resolveOptions(options);
  const where = `${nameOf(server)}, schema ${schema}`;
  const own = typeof server === 'string' || server instanceof URL;
  const pool = own ? await makePool(String(server), connections) : checkPool(server);
  // A connection that fails while it is idle is replaced at the next call; without a listener it would end the process.
  const ignore = (): void => undefined;
  pool.on('error', ignore);
  const queries = new Queries(schema);
  const closing = new AbortController();
  const open = new OpenPool(pool, closing.signal);
  try {
    await migrate(open, schema, where);
  } catch (error) {
    if (own) await pool.end();
    pool.removeListener('error', ignore);
    throw translated(error, where);
  }
  const sessions = new Sessions(open, queries, where);
  const presence = new Presence(open, queries, schema, where);
  const end = async (): Promise<void> => {
    await open.drain();
    // A connection that is being made to a server that is gone would hold it up.
    if (own) await Promise.race([pool.end(), sleep(endWithin, undefined, { ref: false })]);
    pool.removeListener('error', ignore);
  };
  return serverStore(schema, new ServerEngine({ schema, where, sessions, presence, closing, end }));
}

async function makePool(url: string, connections: number): Promise<PgPool> {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new TypeError(`server must be a postgres:// URL or a Pool of pg, not ${shown(url)}`);
  try {
    const { default: pg } = await import('pg');
    return new pg.Pool({ connectionString: url, max: connections, application_name: 'holdfast' });
  } catch (error) {
    if (driverCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new HoldfastError('ERR_NOT_FOUND', 'the package pg is not installed; run: npm install pg', {
      cause: error,
    });
  }
}

function checkPool(pool: PgPool): PgPool {
  // What JavaScript, or a cast, may pass.
  const given: unknown = pool;
  if (typeof given !== 'object' || given === null || !('connect' in given)) {
    throw new TypeError(`server must be a postgres:// URL or a Pool of pg, not ${shown(pool)}`);
  }
  return pool;
}

/** For messages: without the password. */
function nameOf(server: string | URL | PgPool): string {
  if (typeof server !== 'string' && !(server instanceof URL)) return 'PostgreSQL';
  const url = URL.canParse(String(server)) ? new URL(server) : undefined;
  return url === undefined ? 'PostgreSQL' : `PostgreSQL at ${url.host}${url.pathname}`;
}

/** Under a lock of the server, since many processes may start at once. */
async function migrate(pool: OpenPool, schema: string, where: string): Promise<void> {
  const client = await pool.connect();
  try {
    if (await isUpToDate(client, schema, where)) return;
    await ask(
      client,
      `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(hashtext('holdfast migration ${schema}'))`,
    );
    // Not IF NOT EXISTS: that needs the right to create one, even where there is one.
    const { rows } = await ask(client, `SELECT to_regnamespace('"${schema}"') IS NULL`);
    if (rows[0]?.[0] === true) await ask(client, `CREATE SCHEMA "${schema}"`);
    await ask(client, `SET LOCAL search_path TO "${schema}"`);
    await ask(
      client,
      'CREATE TABLE IF NOT EXISTS migrations (id bigint PRIMARY KEY, breaking bigint NOT NULL)',
    );
    const done = await newest(client, 'migrations', where);
    for (const [i, { postgres, breaking }] of migrations.entries()) {
      if (i < done) continue;
      await ask(client, postgres);
      await ask(client, `INSERT INTO migrations (id, breaking) VALUES (${i + 1}, ${breaking ? 1 : 0})`);
    }
    await ask(client, 'COMMIT');
  } catch (error) {
    await ask(client, 'ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    pool.release(client);
  }
}

/** Only reads, so that a user who may not create anything can connect. */
async function isUpToDate(client: PgClient, schema: string, where: string): Promise<boolean> {
  const table = `"${schema}".migrations`;
  const { rows } = await ask(client, `SELECT to_regclass('${table}') IS NOT NULL`);
  if (rows[0]?.[0] !== true) return false;
  return (await newest(client, table, where)) >= migrations.length;
}

async function newest(client: PgClient, table: string, where: string): Promise<number> {
  const sql = `SELECT coalesce(max(id), 0)::int, coalesce(max(id) FILTER (WHERE breaking = 1), 0)::int FROM ${table}`;
  const { rows } = await ask(client, sql);
  refuseNewer({ newest: Number(rows[0]?.[0]), breaking: Number(rows[0]?.[1]) }, where);
  return Number(rows[0]?.[0]);
}

const ask = (client: PgClient, text: string) => client.query({ text, rowMode: 'array', types });

function serverStore(schema: string, engine: ServerEngine): AsyncStore {
  const store: AsyncStore = {
    kind: 'server',
    schema,
    transaction: (work) => engine.transaction(work),
    structures: () => engine.structures(),
    check: async (options = {}) => {
      const { repair } = resolveCheckOptions(options);
      engine.checkOutside('check()');
      return checkServer(engine, repair);
    },
    close: () => engine.close(),
    [Symbol.asyncDispose]: () => engine.close(),
  };
  register(store, engine);
  return store;
}
