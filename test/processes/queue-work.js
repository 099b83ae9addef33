// @ts-check
// Works on a queue until it is told to stop; writes each start and end to the parent.
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, given = '{}'] = args;
const { concurrency = 1, prefetch = 0, time = 0, options = {} } = JSON.parse(given);
const store = await openStore(location);
/** @type {import('holdfast').AsyncQueue<any, number>} */
const queue = new Queue(store, 'jobs', options);
const worker = queue.work(
  async ({ id, data, attempt, signal }) => {
    send({ started: id, attempt, at: Number(process.hrtime.bigint()) });
    if (data === 'die') process.kill(process.pid, 'SIGKILL');
    if (data === 'block') for (const end = performance.now() + 1_500; performance.now() < end;);
    await sleep(data === 'hang' ? 2 ** 30 : time, undefined, data === 'hang' ? {} : { signal });
    return process.pid;
  },
  { concurrency, prefetch },
);
send('ready');
await receive();
await worker.stop();
await store.close();
send('done');
