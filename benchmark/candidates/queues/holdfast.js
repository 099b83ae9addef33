// Queue itself, embedded or on PostgreSQL.
import { jobOf } from '../../lib/jobs.js';

/** Claimed beyond those that run, where acknowledgements are gathered: for jobs that take no time. */
const prefetch = 500;
const groups = 100;
/** What is kept of what has ended: nothing, as it is by default, everything. */
const keeps = {
  nothing: { completed: { count: 0 } },
  newest: {},
  everything: { completed: { count: Infinity } },
};

async function openStore({ build, directory, url, durability }) {
  const { open, Queue } = await import(build);
  if (url === undefined) return [open(directory, { durability }), Queue];
  const { connect } = await import(String(new URL('./postgres.js', build)));
  return [await connect(url, { connections: 60 }), Queue];
}

/** @param {any} options - Where; and what is in use: `keep`, `results`, `keys`, `grouped`. */
export async function openQueue({
  keep = 'nothing',
  results = false,
  keys = false,
  grouped = false,
  ...where
}) {
  const [store, Queue] = await openStore(where);
  const queue = new Queue(store, 'jobs', {
    keep: keeps[keep],
    ...(grouped ? { groups: { concurrency: 10 } } : {}),
  });
  const optionsOf = (n) => ({
    ...(keys ? { key: `key ${n}` } : {}),
    ...(grouped ? { group: `group ${n % groups}` } : {}),
  });
  const plain = !keys && !grouped;
  return {
    add: plain ? (n) => queue.add(jobOf(n)) : (n) => queue.add(jobOf(n), optionsOf(n)),
    addMany: (from, count) =>
      queue.addMany(
        Array.from({ length: count }, (_, i) => ({ data: jobOf(from + i), ...optionsOf(from + i) })),
      ),
    work: (handler, { concurrency = 1, gathered }) =>
      queue.work(
        async (job) => {
          handler(job.data.n);
          if (results) return { done: job.data };
        },
        { concurrency, ...(gathered === undefined ? {} : gathered ? { prefetch } : { ack: 'each' }) },
      ),
    async left() {
      const { waiting, delayed, running } = await queue.counts();
      return waiting + delayed + running;
    },
    async check(total) {
      const { completed, failed, cancelled } = await queue.counts();
      if (failed + cancelled > 0) throw new Error(`${failed} jobs failed, ${cancelled} were cancelled`);
      const least = { nothing: 0, newest: Math.min(1000, total), everything: total }[keep];
      const most = keep === 'nothing' ? 0 : total;
      if (completed < least || completed > most) throw new Error(`${completed} of ${total} jobs are kept`);
    },
    close: () => store.close(),
  };
}
