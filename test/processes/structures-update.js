// @ts-check
// Adds to counters of an index, beside its siblings.
import { Index } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, count] = args;
const store = await openStore(location);
/** @type {import('holdfast').AsyncIndex<string, number>} */
const index = new Index(store, 'counters');
await allStarted();
for (let i = 0; i < Number(count); i++) {
  await index.update('all', (n = 0) => n + 1);
  await index.update(`of ${processNumber % 2}`, (n = 0) => n + 1);
}
send(Number(count));
await store.close();
