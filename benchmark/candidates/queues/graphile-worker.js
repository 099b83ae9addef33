// graphile-worker. With gathered acknowledgements it has its local queue, and completes jobs in batches.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { jobOf } from '../../lib/jobs.js';

const logger = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(message);
});
/** What its own performance test takes. */
const batches = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

export async function openQueue({ url }) {
  const pgPool = new pg.Pool({ connectionString: url, max: 60 });
  // It asks for these.
  pgPool.on('error', console.error);
  pgPool.on('connect', (client) => client.on('error', console.error));
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    add: (n) => utils.addJob('job', jobOf(n)),
    addMany: (from, count) =>
      utils.addJobs(
        Array.from({ length: count }, (_, i) => ({ identifier: 'job', payload: jobOf(from + i) })),
      ),
    work: (handler, { concurrency = 1, gathered = false }) =>
      run({
        ...{ pgPool, logger, concurrency, noHandleSignals: true },
        taskList: { job: async ({ n }) => handler(n) },
        preset: { worker: gathered ? batches : {} },
      }),
    async left() {
      const { rows } = await pgPool.query('SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
      return rows[0].left;
    },
    async close() {
      await utils.release();
      await pgPool.end();
    },
  };
}
