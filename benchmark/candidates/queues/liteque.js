// liteque. It hands an async function to better-sqlite3's transaction(), which newer versions refuse: so it gets an older one.
import { join } from 'node:path';
import Database from 'better-sqlite3-of-liteque';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrateDB, Runner, SqliteQueue } from 'liteque';
import { jobOf } from '../../lib/jobs.js';

/** @param {any} options - `poll`: each so many milliseconds; it has no default. */
export async function openQueue({ directory, poll = 10 }) {
  const client = new Database(join(directory, 'liteque.db'), { timeout: 10_000 });
  // As buildDBClient() sets them.
  for (const pragma of [
    'journal_mode = WAL',
    'synchronous = NORMAL',
    'cache_size = -65536',
    'foreign_keys = ON',
    'temp_store = MEMORY',
  ])
    client.pragma(pragma);
  const db = drizzle(client);
  migrateDB(db);
  const queue = new SqliteQueue('jobs', db, { defaultJobArgs: { numRetries: 3 }, keepFailedJobs: false });
  return {
    add: (n) => queue.enqueue(jobOf(n)),
    async addMany(from, count) {
      for (let i = 0; i < count; i++) await queue.enqueue(jobOf(from + i));
    },
    work(handler, { concurrency = 1 }) {
      const run = async ({ data }) => handler(data.n);
      const runner = new Runner(queue, { run }, { concurrency, pollIntervalMs: poll, timeoutSecs: 60 });
      const end = runner.run();
      return {
        async stop() {
          runner.stop();
          await end;
        },
      };
    },
    async left() {
      const { pending, pending_retry, running } = await queue.stats();
      return pending + pending_retry + running;
    },
    close: () => client.close(),
  };
}
