// Callers that want one key at once: reports how often the value was worked out here, when that ended, and when the last caller had it.
// Arguments: the library's module, the directory.
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../lib/measure.js';

const [build, directory] = process.argv.slice(2);
const { open, Cache } = await import(build);
const store = open(directory, { busyTimeout: '20s' });
const cache = new Cache(store, 'answers');
cache.get('');

/** @param {{ key: string, callers: number, start: number, took: number }} task - `start` in milliseconds since the epoch; `took` is how long it takes to work the value out. */
async function call({ key, callers, start, took }) {
  let produced = 0;
  let ended = 0;
  const produce = async () => {
    produced++;
    await sleep(took);
    ended = now();
    return `the answer to ${key}`;
  };
  await sleep(start - Date.now());
  const answers = await Promise.all(
    Array.from({ length: callers }, async () => {
      const value = await cache.getOrSet(key, produce);
      return { value, at: now() };
    }),
  );
  if (answers.some(({ value }) => value !== `the answer to ${key}`))
    throw new Error(`a caller had another value for ${key}`);
  return { produced, ended, last: Math.max(...answers.map(({ at }) => at)) };
}

process.on('message', async (task) => {
  if (task === 'close') {
    store.close();
    process.disconnect();
  } else process.send(await call(task));
});
process.send('ready');
