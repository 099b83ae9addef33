// @ts-check
// Works on a queue, and notes when each run begins and ends, by the clock that all processes of a machine share.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Index, Queue } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, file = '', given = '{}'] = args;
const { options, ...work } = JSON.parse(given);
const store = await openStore(location);
/** @type {import('holdfast').AsyncQueue<{ time: number, fails?: number, exact?: boolean }, number>} */
const queue = new Queue(store, 'jobs', options);
/** @type {import('holdfast').AsyncIndex<number, number>} */
const effects = new Index(store, 'effects');
let runs = 0;

/** @param {unknown[]} what */
const note = (...what) =>
  appendFileSync(file, `${[process.hrtime.bigint(), process.pid, ...what].join(' ')}\n`);

/** @param {number} id */
function effect(id) {
  /** @type {unknown} */
  const counted = effects.update(id, (count = 0) => count + 1);
  return counted instanceof Promise ? counted.then(() => process.pid) : process.pid;
}

const worker = queue.work(
  async (job) => {
    const run = ++runs;
    note(run, job.id, 'begin', job.group ?? '');
    if (job.data.time >= 1_000) send({ started: job.id });
    // Whoever has it after a timeout is quick.
    await sleep(job.attempt === 1 ? job.data.time : 0);
    note(run, job.id, 'end');
    if (job.attempt <= (job.data.fails ?? 0)) throw new Error('not yet');
    if (job.data.exact !== true) return process.pid;
    try {
      return await job.complete(/** @type {any} */ (() => effect(job.id)));
    } catch (error) {
      send({ refused: job.id, code: /** @type {{ code?: string }} */ (error).code });
      throw error;
    }
  },
  { ...work, onError: (error) => appendFileSync(`${file}.troubles`, `${error}\n`) },
);
send('ready');
const how = await receive();
if (how === 'stop') await worker.stop();
await store.close();
