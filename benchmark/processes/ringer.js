// Commits something now and then that another process waits for, and notes when. Arguments: as of the listener, and how often.
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../lib/measure.js';

const [how, build, directory, times] = process.argv.slice(2);
const { open, Index, Deque } = await import(build);
const store = open(directory);
const index = new Index(store, 'entries');
const deque = new Deque(store, 'items');
const ring = how === 'watch' ? (value) => index.set('bell', value) : (value) => deque.push(value);
const random = randomFrom(20_260_103);
const rung = [];

for (let i = 0; i < Number(times); i++) {
  // Idle for 3 to 23 ms: long enough for the other to sleep.
  await sleep(3 + 20 * random());
  const before = Number(process.hrtime.bigint());
  ring(i);
  rung.push([i, before, Number(process.hrtime.bigint())]);
}
await sleep(200);
ring(-1);
store.close();
process.send(rung, () => process.disconnect());
