// @ts-check
// Meets the others at a barrier until it has passed so many rounds, giving up and mending at random; logs what it passed.
import { setTimeout as sleep } from 'node:timers/promises';
import { Barrier } from 'holdfast';
import { randomFrom } from '../support/random.js';
import { args, openStore, send } from './child.js';

const [location, parties, rounds, seed] = args;
const store = await openStore(location);
const barrier = new Barrier(store, 'meeting', { parties: Number(parties) });
const random = randomFrom(Number(seed));
const log = [];
let failures = 0;
while (log.length < Number(rounds)) {
  const came = process.hrtime.bigint();
  const dice = random();
  const time = 1 + Math.floor(random() * 30);
  // As often as not somebody of the others gives up, too.
  const options = dice < 0.05 ? { timeout: time } : dice < 0.1 ? { signal: AbortSignal.timeout(time) } : {};
  try {
    const number = await barrier.wait(options);
    log.push({ came, number, went: process.hrtime.bigint() });
  } catch {
    failures++;
    if (random() < 0.1 || (await barrier.broken)) await barrier.reset();
  }
  if (random() < 0.2) await sleep(random() * 5);
}
send({ log, failures });
await store.close();
