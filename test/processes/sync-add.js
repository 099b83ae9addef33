// @ts-check
// Adds to a counter and an averager, and pops now and then; sends the sum of what it popped.
import { Averager, Counter } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, times] = args;
const store = await openStore(location);
const counter = new Counter(store, 'sum');
const averager = new Averager(store, 'mean');
let popped = 0;
await allStarted();
for (let i = 1; i <= Number(times); i++) {
  await counter.add(i);
  await averager.add(processNumber);
  if (i % 7 === processNumber % 7) popped += await counter.pop();
}
send(popped);
await store.close();
