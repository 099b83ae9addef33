// @ts-check
// Writes numbered items to several structures, each number in one transaction, and notes in a file what is committed.
import { openSync, writeSync } from 'node:fs';
import { Deque, Index, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = '', acknowledgements = ''] = args;
const store = open(directory);
const pairs = new Index(store, 'pairs');
const items = new Deque(store, 'items');
const counters = new Index(store, 'counters');
const file = openSync(acknowledgements, 'a');

/** Sizes of many kinds, some of them larger than a page. @param {number} i */
const text = (i) => `${i}:`.padEnd(i % 97 === 0 ? 20_000 : (i * 37) % 300, 'x');

for (let first = true; ; first = false) {
  const done = store.transaction(() => {
    const i = (counters.get('last') ?? 0) + 1;
    pairs.set(i, text(i));
    items.push(text(i));
    if (i % 3 === 0) items.shift();
    if (i % 5 === 0) pairs.set(i - 1, text(i + 1));
    if (i % 7 === 0) pairs.delete(i - 2);
    if (i % 11 === 0) items.set(0, text(i));
    counters.set('last', i);
    return i;
  });
  writeSync(file, `${done}\n`);
  if (first) send('writing');
  // Lets the channel tell when the test ends.
  if (done % 64 === 0) await new Promise(setImmediate);
}
