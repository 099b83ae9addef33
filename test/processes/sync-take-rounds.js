// @ts-check
// Acquires and releases a lock so many times; sends the fences. An index proves that nobody else was inside.
import { Index, Lock } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, rounds] = args;
const store = await openStore(location);
const lock = new Lock(store, 'it');
/** @type {import('holdfast').AsyncIndex<string, number>} */
const inside = new Index(store, 'inside');
await inside.has('it');
await allStarted();
/** @type {bigint[]} */
const fences = [];
for (let i = 0; i < Number(rounds); i++) {
  await lock.use(async ({ fence }) => {
    if ((await inside.get('it')) !== undefined) throw new Error('somebody else is inside');
    await inside.set('it', processNumber);
    fences.push(fence);
    if ((await inside.get('it')) !== processNumber) throw new Error('somebody else came inside');
    await inside.delete('it');
  });
}
send(fences);
await store.close();
