// @ts-check
// A worker with threads, and what is left of it.
import { createRequire } from 'node:module';
import { Queue } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, end, url = ''] = args;
const store = await openStore(location);
/** @type {import('holdfast').AsyncQueue<any, any>} */
const queue = new Queue(store, 'jobs');
const isLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('piscina'));
await queue.work(() => 'here').stop();
const before = isLoaded();
const worker = queue.work(new URL(url), {
  threads: 1,
  onError: (error) => send(/** @type {any} */ (error).code),
});
send('ready');
await receive();
if (end === 'stop') await worker.stop({ timeout: 0 });
await store.close();
send({ before, after: isLoaded() });
