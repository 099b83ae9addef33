// Takes and gives back a lock for some time, holding it for some milliseconds; reports when it held it, in nanoseconds of the machine's clock.
// Arguments: the library's module, the directory, the milliseconds, whether to be fair.
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../lib/measure.js';

const [build, directory, hold, fair] = process.argv.slice(2);
const { open, Lock } = await import(build);
const store = open(directory, { busyTimeout: '20s' });
const lock = new Lock(store, 'lock', { fair: fair === 'fair' });
(await lock.acquire()).release();

function work() {
  const end = now() + Number(hold) * 1e6;
  while (now() < end);
}

/** @param {number} end - Milliseconds since the epoch. */
async function run(end) {
  const held = [];
  let longest = 0;
  while (Date.now() < end) {
    const asked = now();
    const grant = await lock.acquire();
    const from = now();
    work();
    const to = now();
    grant.release();
    longest = Math.max(longest, from - asked);
    held.push(from, to);
    // What else a program does: else it would never see the one who waits.
    if (held.length % 64 === 0) await sleep(0);
  }
  return { held, longest: longest / 1e6 };
}

process.once('message', async ({ start, end }) => {
  await sleep(start - Date.now());
  const result = await run(end);
  process.send(result, () => {
    store.close();
    process.disconnect();
  });
});
process.send('ready');
