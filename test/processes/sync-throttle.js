// @ts-check
// Takes from a throttle, or waits for it, for some time; sends when each was admitted: the moments before and after, on the clock of the machine.
import { Throttle } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, how, options = '{}', milliseconds] = args;
const store = await openStore(location);
const throttle = new Throttle(store, 'api', JSON.parse(options));
const now = () => Number(process.hrtime.bigint()) / 1e6;
await throttle.peek();
await allStarted();

/** @type {[before: number, after: number, cost: number][]} */
const admitted = [];
const end = now() + Number(milliseconds);
while (now() < end) {
  const cost = 1 + (processNumber % 2);
  const before = now();
  if (how === 'wait') await throttle.wait({ cost });
  else if (!(await throttle.take({ cost })).allowed) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    continue;
  }
  admitted.push([before, now(), cost]);
}
await store.close();
send(admitted);
