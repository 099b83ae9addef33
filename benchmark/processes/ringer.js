// Commits something now and then that another process waits for, and notes when. Arguments: as of the listener, and how often.
import { futimesSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../lib/measure.js';

const [how, build, directory, times] = process.argv.slice(2);
const { open, Index, Deque } = await import(build);
const store = open(directory);
const index = new Index(store, 'entries');
const deque = new Deque(store, 'items');
const now = () => Number(process.hrtime.bigint());

/** Commits, and gives back the moment just before the commit. */
const committing = (change) => (value) =>
  store.transaction(() => {
    change(value);
    return now();
  });

/** Sets a file's time to the value, which the other reads; at the end writes to it. */
function touching() {
  const file = join(directory, 'touched');
  const descriptor = openSync(file, 'r+');
  return (value) => {
    const before = now();
    if (value === -1) writeFileSync(file, 'end');
    else futimesSync(descriptor, value, value);
    return before;
  };
}

const ring = {
  watch: () => committing((value) => index.set('bell', value)),
  take: () => committing((value) => deque.push(value)),
  touch: touching,
}[how]();
const random = randomFrom(20_260_103);
const rung = [];

for (let i = 0; i < Number(times); i++) {
  // Idle for 3 to 23 ms: long enough for the other to sleep.
  await sleep(3 + 20 * random());
  rung.push([i, ring(i), now()]);
}
await sleep(200);
ring(-1);
store.close();
process.send(rung, () => process.disconnect());
