// @ts-check
// Three tasks that are started before anything was ever acquired here acquire at the same moment. Sends how many held it at a time.
import { setTimeout as sleep } from 'node:timers/promises';
import { RLock } from 'holdfast';
import { args, openStore, send } from './child.js';

const store = await openStore(args[0]);
const lock = new RLock(store, 'lock');
let holding = 0;
let most = 0;

async function task() {
  await sleep(0);
  const grant = await lock.acquire();
  most = Math.max(most, ++holding);
  await sleep(20);
  holding--;
  await grant.release();
}

await Promise.all([task(), task(), task()]);
send(most);
await store.close();
