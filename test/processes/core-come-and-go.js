// @ts-check
// Opens a store, becomes an owner, and leaves, again and again, until it is told to stop.
import { Lock, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = ''] = args;
let stopped = false;
process.once('message', () => (stopped = true));
for (let i = 0; !stopped; i++) {
  const store = open(directory);
  new Lock(store, 'door').tryAcquire();
  store.close();
  if (i === 0) send('begun');
  await new Promise(setImmediate);
}
