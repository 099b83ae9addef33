// plainjob, with a worker for each job that runs at once.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker } from 'plainjob';
import { jobOf, jobsFrom } from '../../lib/jobs.js';

const silent = () => {};
const logger = { error: console.error, warn: console.error, info: silent, debug: silent };
const [pending, processing] = [0, 1];

/** @param {any} options - `poll`: each so many milliseconds; its default is 1000. */
export async function openQueue({ directory, poll = 1000 }) {
  const connection = better(new Database(join(directory, 'plainjob.db'), { timeout: 10_000 }));
  const queue = defineQueue({ connection, logger });
  return {
    add: (n) => queue.add('job', jobOf(n)),
    addMany: (from, count) => queue.addMany('job', jobsFrom(from, count)),
    work(handler, { concurrency = 1 }) {
      const run = async ({ data }) => handler(JSON.parse(data).n);
      const options = { queue, logger, pollIntervall: poll };
      const workers = Array.from({ length: concurrency }, () => defineWorker('job', run, options));
      for (const worker of workers) void worker.start();
      return { stop: () => Promise.all(workers.map((worker) => worker.stop())) };
    },
    left: () => queue.countJobs({ status: pending }) + queue.countJobs({ status: processing }),
    close: () => queue.close(),
  };
}
