// @ts-check
// A transaction that conflicts until nobody else may write, and then stops its process, or blocks its event loop until there is a file.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Index } from 'holdfast';
import { args, openStore, send } from '../processes/child.js';

const [location, how, sign = '', tries] = args;
const alone = Number(tries);
const store = await openStore(location);
const other = await openStore(location);
const mine = new Index(store, 'i');
const others = new Index(other, 'i');
await mine.set('a', 0);
let runs = 0;
await store.transaction(async () => {
  await mine.get('a');
  if (++runs < alone) await others.set('a', runs);
  if (runs === alone) {
    send('alone');
    await sleep(50);
    if (how === 'stopped') process.kill(process.pid, 'SIGSTOP');
    while (!existsSync(sign)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
  await mine.set('a', -runs);
});
send(runs);
await store.close();
await other.close();
