// What it costs to claim, run and finish a job, with more and more jobs that wait or can't be run; all by turns.
// Arguments: the library's module, what there is (as JSON: pairs of a kind and a number of jobs), the rounds, and a directory for each.
import { jobOf } from '../lib/jobs.js';
import { clock, now, sideBySide } from '../lib/measure.js';

const [build, backlogs, rounds, ...directories] = process.argv.slice(2);
const { open, Queue } = await import(build);
const perRound = 1000;
/** Of these there are so many in any case, so that none runs short. */
const alwaysWaiting = 1000;

const adders = {
  waiting: () => ({}),
  delayed: () => ({ delay: '1d' }),
  saturated: () => ({ group: 'full' }),
};

function addMany(queue, count, options) {
  for (let left = count; left > 0; left -= 10_000)
    queue.addMany(Array.from({ length: Math.min(left, 10_000) }, (_, n) => ({ data: jobOf(n), ...options })));
}

/** A job of the group runs for as long as this process does. */
async function saturate(queue) {
  queue.add(jobOf(0), { group: 'full' });
  await new Promise((resolve) => {
    queue.work(() => {
      resolve();
      return new Promise(() => {});
    });
  });
}

async function prepare(kind, count, directory) {
  const store = open(directory);
  const keep = { completed: { count: 0 } };
  const groups = kind === 'saturated' ? { groups: { concurrency: 1 } } : {};
  const queue = new Queue(store, 'jobs', { keep, ...groups });
  if (kind === 'saturated') await saturate(queue);
  addMany(queue, count, adders[kind]());
  if (kind !== 'waiting') addMany(queue, alwaysWaiting, {});
  return queue;
}

/** Adds jobs; gives back how long it takes to do as many. */
async function round(queue) {
  addMany(queue, perRound, {});
  let runs = 0;
  let stop;
  let worker;
  const sample = await new Promise((resolve) => {
    worker = queue.work(
      async () => {
        runs++;
        if (runs === 1) stop = clock();
        if (runs === 1 + perRound) resolve(stop());
      },
      { concurrency: 10, prefetch: 200 },
    );
  });
  await worker.stop();
  addMany(queue, runs - perRound, {});
  return sample;
}

const start = now();
const runners = [];
for (const [i, [kind, count]] of JSON.parse(backlogs).entries()) {
  const queue = await prepare(kind, count, directories[i]);
  const before = queue.counts();
  const check = () => {
    if (JSON.stringify(queue.counts()) !== JSON.stringify(before))
      throw new Error(`${kind}: ${JSON.stringify(before)} has become ${JSON.stringify(queue.counts())}`);
  };
  runners.push({ name: kind, run: async () => [await round(queue)], check });
}
const filled = now();
const [figures] = await sideBySide(runners, { rounds: Number(rounds), perRound: [perRound] });
for (const { check } of runners) check();
process.send({ figures, fillSeconds: (filled - start) / 1e9 }, () => process.exit());
