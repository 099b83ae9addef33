// @ts-check
// Uses a store, also to wait, and leaves it open.
import { Deque, Index, open } from 'holdfast';
import { args } from './child.js';

const store = open(args[0] ?? '');
new Index(store, 'pairs').set('key', 'value');
await new Deque(store, 'empty').take({ timeout: 20 }).catch(() => {});
