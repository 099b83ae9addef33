// DiskCache's own mix of operations on a cache, for some time, as fast as it can: 90 % get, 9 % set, 1 % delete. Reports how many of each took how long.
// Arguments: the candidate's module, its place as JSON, the number of this process.
import { openCache } from '../lib/caches.js';
import { Histogram } from '../lib/histogram.js';
import { randomFrom } from '../lib/measure.js';

const [module, place, number] = process.argv.slice(2);
const cache = await openCache({ module }, JSON.parse(place));
const isAsync = cache.isAsync === true;
/** What a program does elsewhere: timers, and what came in. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** @param {{ end: number, keys: number }} task - `end` in milliseconds since the epoch. */
async function mix({ end, keys }) {
  const random = randomFrom(Number(number));
  const took = { get: new Histogram(), set: new Histogram(), delete: new Histogram() };
  const stop = performance.now() + end - Date.now();
  let count = 0;
  for (let last = 0; last < stop; count++) {
    const key = String(Math.floor(random() * keys));
    const value = String(count).repeat(1 + Math.floor(random() * 99));
    const choice = random();
    const operation = choice < 0.9 ? 'get' : choice < 0.99 ? 'set' : 'delete';
    const start = performance.now();
    const done = operation === 'set' ? cache.set(key, value) : cache[operation](key);
    if (isAsync) await done;
    last = performance.now();
    took[operation].add((last - start) * 1e6);
    if (count % 256 === 0) await turn();
  }
  return {
    count,
    counts: Object.fromEntries(Object.entries(took).map(([name, { counts }]) => [name, counts])),
    longest: Object.fromEntries(Object.entries(took).map(([name, { longest }]) => [name, longest])),
  };
}

// What opens a database, or makes it, at its first use, has done so before the clock starts.
for (let key = 0; key < 200; key++) {
  const found = cache.get(String(key));
  if ((isAsync ? await found : found) === undefined && number === '0') await cache.set(String(key), 'first');
}

process.once('message', (task) => {
  setTimeout(async () => {
    const result = await mix(task);
    await cache.close();
    process.send(result, () => process.disconnect());
  }, task.start - Date.now());
});
process.send('ready');
