// @ts-check
// One PostgreSQL for those that need one: that which was given, or the one that the tests have, which then waits for the disk as it does by default.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { atEnd } from './temporary.js';

const keeperScript = new URL('../../test/support/postgres-keeper.js', import.meta.url);

/** @returns {Promise<string | undefined>} `undefined` where there is none. */
async function start() {
  // Detached, as for the tests: it ends by itself once this process is gone.
  const keeper = fork(keeperScript, ['--durable'], { detached: true, execArgv: [] });
  const exited = once(keeper, 'exit');
  const url = await Promise.race([
    once(keeper, 'message').then(([message]) => String(message)),
    exited.then(() => undefined),
  ]);
  if (url !== undefined)
    atEnd(async () => {
      if (keeper.connected) keeper.disconnect();
      await exited;
    });
  return url;
}

/** Runs one statement. @param {string} url @param {string} sql */
async function ask(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

/** @param {string | undefined} given - A URL of one whose user may create databases. */
export async function findPostgres(given) {
  const server = given ?? (await start());
  if (server === undefined) return undefined;
  const [row] = await ask(server, 'SHOW server_version');
  let count = 0;
  return {
    version: String(row?.[0]),
    /** The URL of a new, empty database. */
    async create() {
      const name = `holdfast_bench_${process.pid}_${++count}`;
      await ask(server, `CREATE DATABASE ${name}`);
      const url = new URL(server);
      url.pathname = `/${name}`;
      return String(url);
    },
    /** @param {string} url */
    async drop(url) {
      await ask(server, `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
    },
  };
}
