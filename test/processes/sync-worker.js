// @ts-check
// Run in a worker thread: takes a lock, tells so, and stays.
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { open, Lock } from 'holdfast';
import { connect } from 'holdfast/postgres';

const { engine, directory, url, schema } = JSON.parse(workerData);
/** @type {import('holdfast').AsyncStore} */
const store = engine === 'server' ? await connect(url, { schema }) : /** @type {any} */ (open(directory));
const { fence } = await new Lock(store, 'it').acquire();
parentPort?.postMessage({ fence, thread: threadId });
setInterval(() => {}, 1_000);
