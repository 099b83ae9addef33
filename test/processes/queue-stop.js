// @ts-check
// Workers that stop at SIGTERM.
import { Queue } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, given = '{}'] = args;
const { queues = ['jobs'], url, listens = false, ...options } = JSON.parse(given);
const store = await openStore(location);

/** @param {import('holdfast').AsyncJob<any, any>} job */
async function handler({ id, data, signal }) {
  send({ started: id });
  // As would what a handler waits for.
  const busy = setInterval(() => undefined, 1_000);
  if (data.do === 'go') await receive();
  if (data.do === 'heed') await new Promise((resolve) => signal.addEventListener('abort', resolve));
  if (data.do === 'ignore') await new Promise(() => undefined);
  clearInterval(busy);
  signal.throwIfAborted();
  return 'done';
}

if (listens) process.on('SIGTERM', () => send('heard'));
const workers = queues.map((/** @type {string} */ name) => {
  /** @type {import('holdfast').AsyncQueue<any, any>} */
  const queue = new Queue(store, name);
  const all = { stopOn: /** @type {const} */ (['SIGTERM', 'SIGINT']), ...options };
  return url === undefined ? queue.work(handler, all) : queue.work(new URL(url), all);
});
send('ready');
if (listens) {
  await receive();
  await Promise.all(workers.map((/** @type {{ stop(): Promise<void> }} */ worker) => worker.stop()));
  await store.close();
  send('ended');
}
