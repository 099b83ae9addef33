// @ts-check
// Pushes items to a deque, at both ends, one and many at a time: numbers from the given start.
import { Deque } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, start, count] = args;
const store = await openStore(location);
const deque = new Deque(store, 'things');
const end = Number(start) + Number(count);
for (let i = Number(start); i < end;) {
  const items = Array.from({ length: Math.min(1 + (i % 3), end - i) }, (_, n) => i + n);
  if (i % 2 === 0) await deque.push(...items);
  else await deque.unshift(...items);
  i += items.length;
}
send('pushed');
await store.close();
