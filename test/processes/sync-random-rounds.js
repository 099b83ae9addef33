// @ts-check
// Meets the others at a barrier until it has passed so many rounds, giving up and mending at random; logs what it passed.
import { setTimeout as sleep } from 'node:timers/promises';
import { Barrier } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, parties, rounds, seed] = args;
const store = await openStore(location);
const barrier = new Barrier(store, 'meeting', { parties: Number(parties) });
let state = Number(seed);
/** The same as in the tests: mulberry32. */
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
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
