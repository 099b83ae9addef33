// @ts-check
// Does what it is told, one call after the other, and sends what became of each.
import { Barrier, Latch } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, count] = args;
const store = await openStore(location);
const barrier = new Barrier(store, 'meeting', { parties: Number(count) });
const latch = new Latch(store, 'gate', { count: Number(count) });
/** @type {Record<string, () => Promise<unknown>>} */
const calls = {
  arrive: () => barrier.wait(),
  pass: () => latch.wait(),
  countDown: async () => latch.countDown(),
};
send('ready');
for (;;) {
  const call = calls[await receive()];
  if (call === undefined) break;
  try {
    send({ value: await call() });
  } catch (error) {
    send({ code: /** @type {any} */ (error).code });
  }
}
await store.close();
