// @ts-check
// Works a value out until it is told to end, and tells what it got.
import { Cache } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const store = await openStore(args[0]);
/** @type {import('holdfast').AsyncCache<string>} */
const cache = new Cache(store, 'c');
const produce = async () => {
  send('begun');
  await receive();
  return 'old';
};
send(await cache.getOrSet('k', produce, { tags: ['t'] }));
await store.close();
