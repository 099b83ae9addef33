// @ts-check
// Reads from a cache whenever it is asked to, and tells how many files it has open then.
import { readdirSync } from 'node:fs';
import { Cache, open } from 'holdfast';
import { args, receive, send } from './child.js';

const store = open(args[0] ?? '');
/** @type {Cache<number>} */
const cache = new Cache(store, 'c');
for (;;) {
  const message = await receive();
  if (message === 'end') break;
  if (typeof message === 'number') await cache.reshard(message);
  const values = cache.getMany(Array.from({ length: 20 }, (_, i) => i));
  send({ values, files: readdirSync('/proc/self/fd').length });
}
store.close();
