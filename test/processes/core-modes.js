// @ts-check
// Opens a store under a umask, and makes every kind of file that it can have.
import { Index, open } from 'holdfast';
import { args, receive, send } from './child.js';

process.umask(Number(args[1]));
const store = open(args[0] ?? '');
const pairs = new Index(store, 'pairs');
pairs.set('key', 'value');
// Now it has a place in a line, thus an owner and a bell.
await pairs.watch('key').next();
send('watching');
await receive();
store.close();
