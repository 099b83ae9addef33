// Writes for some time as fast as it can, each write a transaction of its own; reports how many it did and its longest wait.
// Arguments: which ('holdfast' or 'by hand'), the library's module, the directory, the number of this process.
import { openDatabase, upsertInto } from '../candidates/sqlite.js';
import { keyOf, textOf } from '../lib/data.js';

const [which, build, directory, number] = process.argv.slice(2);

async function writer() {
  if (which === 'by hand') {
    const db = openDatabase(directory, 20_000);
    const set = db.prepare(upsertInto('entry'));
    return { set: (key, value) => set.run(key, value), close: () => db.close() };
  }
  const { open, Index } = await import(build);
  const store = open(directory, { busyTimeout: '20s' });
  const index = new Index(store, 'entries');
  return { set: (key, value) => index.set(key, value), close: () => store.close() };
}

const { set, close } = await writer();
set(keyOf(Number(number)), 'ready');

/** @param {number} end - Milliseconds since the epoch. */
function write(end) {
  const waits = [];
  let longest = 0;
  let count = 0;
  const first = Number(number) * 10_000_000;
  let last = performance.now();
  const stop = last + end - Date.now();
  while (last < stop) {
    const n = first + count;
    set(keyOf(n % 1000), textOf(n));
    const time = performance.now();
    const took = time - last;
    if (took > longest) longest = took;
    if (took > 1) waits.push(took);
    count++;
    last = time;
  }
  return { count, longest, waits };
}

process.once('message', ({ start, end }) => {
  setTimeout(() => {
    const result = write(end);
    close();
    process.send(result, () => process.disconnect());
  }, start - Date.now());
});
process.send('ready');
