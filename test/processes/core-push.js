// @ts-check
// Adds an item to a deque.
import { Deque, open } from 'holdfast';
import { args, send } from './child.js';

const store = open(args[0] ?? '');
new Deque(store, args[1] ?? '').push(Number(args[2]));
store.close();
send('pushed');
