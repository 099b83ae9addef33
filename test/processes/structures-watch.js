// @ts-check
// Watches an index until the last value has come; sends what it has seen.
import { Index } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, what, last] = args;
const store = await openStore(location);
/** @type {import('holdfast').AsyncIndex<string, number>} */
const index = new Index(store, 'things');
/** @type {unknown[]} */
const seen = [];
if (what === 'key') {
  for await (const value of index.watch('n')) {
    if (seen.push(value) === 1) send('watching');
    if (value === Number(last)) break;
  }
} else {
  for await (const entries of index.watch({ prefix: 'n' })) {
    if (seen.push(entries) === 1) send('watching');
    if (entries.some(([, value]) => value === Number(last))) break;
  }
}
send(seen);
await store.close();
