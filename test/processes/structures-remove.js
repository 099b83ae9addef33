// @ts-check
// Removes items from a deque by the method that is given, until it is told to stop; sends what it got.
import { setTimeout as sleep } from 'node:timers/promises';
import { Deque } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, method] = args;
const store = await openStore(location);
const deque = new Deque(store, 'things');
const stop = new AbortController();
void receive().then(() => stop.abort());

/** @returns {Promise<unknown[]>} */
async function some() {
  switch (method) {
    case 'take':
      return [await deque.take({ signal: stop.signal })];
    case 'takeLast':
      return [await deque.takeLast({ signal: stop.signal })];
    case 'shiftMany':
      return deque.shiftMany(2);
    default: {
      const item = await (method === 'pop' ? deque.pop() : deque.shift());
      return item === undefined ? [] : [item];
    }
  }
}

/** @type {unknown[]} */
const removed = [];
try {
  while (!stop.signal.aborted) {
    const items = await some();
    removed.push(...items);
    if (items.length === 0) await sleep(1);
  }
} catch (error) {
  if (error !== stop.signal.reason) throw error;
}
send(removed);
await store.close();
