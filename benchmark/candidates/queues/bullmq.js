// BullMQ on the Redis of the benchmark. What has ended is removed.
import { Queue, Worker } from 'bullmq';
import { jobOf } from '../../lib/jobs.js';

export async function openQueue({ port }) {
  const connection = { host: '127.0.0.1', port };
  const queue = new Queue('jobs', { connection, defaultJobOptions: { attempts: 3, removeOnComplete: true } });
  await queue.waitUntilReady();
  return {
    add: (n) => queue.add('job', jobOf(n)),
    addMany: (from, count) =>
      queue.addBulk(Array.from({ length: count }, (_, i) => ({ name: 'job', data: jobOf(from + i) }))),
    async work(handler, { concurrency = 1 }) {
      const worker = new Worker('jobs', async ({ data }) => handler(data.n), { connection, concurrency });
      await worker.waitUntilReady();
      return { stop: () => worker.close() };
    },
    async left() {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized', 'failed');
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    close: () => queue.close(),
  };
}
