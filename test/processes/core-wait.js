// @ts-check
// Waits for an item of a deque.
import { Deque, open } from 'holdfast';
import { args, send } from './child.js';

const store = open(args[0] ?? '');
const item = new Deque(store, args[1] ?? '').take();
send('waiting');
send(await item);
store.close();
