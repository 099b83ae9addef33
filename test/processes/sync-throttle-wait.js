// @ts-check
// Waits once for a throttle, and says when its turn has come; with `close` it closes the store when told to.
import { Throttle } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, options = '{}', close] = args;
const store = await openStore(location);
const throttle = new Throttle(store, 'api', JSON.parse(options));
const waiting = throttle.wait();
if (close === 'close') {
  waiting.catch((error) => send(error.code));
  await receive();
} else {
  await waiting;
  send(Number(process.hrtime.bigint()) / 1e6);
}
await store.close();
