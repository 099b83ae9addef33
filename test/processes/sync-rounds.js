// @ts-check
// Meets the others at a barrier, round by round, and logs when it came and when it went on.
import { setTimeout as sleep } from 'node:timers/promises';
import { Barrier } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, parties, rounds] = args;
const store = await openStore(location);
const barrier = new Barrier(store, 'meeting', { parties: Number(parties) });
const log = [];
await allStarted();
for (let round = 0; round < Number(rounds); round++) {
  // Another comes late each time.
  if (round % Number(parties) === processNumber) await sleep(2);
  const came = process.hrtime.bigint();
  const number = await barrier.wait();
  log.push({ came, number, went: process.hrtime.bigint() });
}
send(log);
await store.close();
