// @ts-check
// Waits in line for one item, and sends it.
import { Deque } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, method] = args;
const store = await openStore(location);
const deque = new Deque(store, 'things');
send({ item: await (method === 'takeLast' ? deque.takeLast() : deque.take()) });
await store.close();
