// pg-boss. A worker of one job at a time waits half a second between them: so jobs are fetched and completed by hand; or, with gathered
// acknowledgements, in batches by its workers.
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { jobOf } from '../../lib/jobs.js';

const batch = { batchSize: 500, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };

/** Fetches and completes one job after the other. */
async function byHand(boss, handler, isStopped) {
  while (!isStopped()) {
    const jobs = await boss.fetch('jobs');
    if (jobs.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const { id, data } of jobs) {
      handler(data.n);
      await boss.complete('jobs', id);
    }
  }
}

async function workByHand(boss, handler, concurrency) {
  let stopped = false;
  const ends = Array.from({ length: concurrency }, () => byHand(boss, handler, () => stopped));
  return {
    async stop() {
      stopped = true;
      await Promise.all(ends);
    },
  };
}

/** @param {any} options - `notified`: its workers are woken. */
export async function openQueue({ url, notified = false }) {
  const boss = new PgBoss({ connectionString: url, max: 60, useListenNotify: notified });
  boss.on('error', console.error);
  await boss.start();
  await boss.createQueue('jobs', { notify: notified });
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const workInBatches = async (handler, options) => {
    const run = async (jobs) => {
      for (const { data } of jobs) handler(data.n);
    };
    await boss.work('jobs', options, run);
    return { stop: () => boss.offWork('jobs') };
  };
  return {
    add: (n) => boss.send('jobs', jobOf(n)),
    addMany: (from, count) =>
      boss.insert(
        'jobs',
        Array.from({ length: count }, (_, i) => ({ data: jobOf(from + i) })),
      ),
    work: (handler, { concurrency, gathered }) => {
      if (gathered === undefined) return workInBatches(handler, {});
      return gathered
        ? workInBatches(handler, { ...batch, localConcurrency: 2 })
        : workByHand(boss, handler, concurrency);
    },
    async left() {
      const { rows } = await pool.query(
        `SELECT count(*)::int AS left FROM pgboss.job WHERE state < 'completed'`,
      );
      return rows[0].left;
    },
    async close() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}
