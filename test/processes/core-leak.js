// @ts-check
// Opens and closes a store many times, and ends by itself.
import { readdirSync } from 'node:fs';
import { Deque, Index, open } from 'holdfast';
import { args, send } from './child.js';

const descriptors = () => readdirSync('/proc/self/fd').length;

async function use() {
  const store = open(args[0] ?? '');
  new Index(store, 'pairs').set('key', 'value');
  for await (const _ of new Index(store, 'pairs').watch('key')) break;
  await new Deque(store, 'empty').take({ timeout: 1 }).catch(() => {});
  const waits = new Deque(store, 'empty').take().catch(() => {});
  await new Promise(setImmediate);
  store.close();
  await waits;
}

await use();
const before = descriptors();
for (let i = 0; i < Number(args[1]); i++) await use();
send({ before, after: descriptors() });
