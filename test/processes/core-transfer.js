// @ts-check
// Moves amounts between structures, in transactions that keep their sum, and notes in a file what is committed.
import { openSync, writeSync } from 'node:fs';
import { Cache, Deque, Index, open } from 'holdfast';
import { args, processNumber, send } from './child.js';

const [directory = '', acknowledgements = '/dev/null'] = args;
const store = open(directory);
/** @type {Index<string, number>} */
const accounts = new Index(store, 'accounts');
const log = new Deque(store, 'log');
/** @type {Cache<string>} */
const cache = new Cache(store, 'cache', { fileThreshold: 1000 });
const file = openSync(acknowledgements, 'a');

for (let first = true; ; first = false) {
  const done = store.transaction(() => {
    const n = (accounts.get('last') ?? 0) + 1;
    accounts.set('a', (accounts.get('a') ?? 0) + n);
    accounts.set('b', (accounts.get('b') ?? 0) - n);
    accounts.set('last', n);
    log.push(n);
    if (n % 3 === 0) cache.set(`large${n % 7}`, `${n} `.repeat(2000));
    if (n % 5 === 0) cache.set(`small${n % 50}`, 'x'.repeat(n % 900));
    return n;
  });
  writeSync(file, `${done}\n`);
  if (first) send(processNumber);
  // Lets the channel tell when the test ends, and the files of values that are gone be removed.
  await new Promise(done % 8 === 0 ? (resolve) => setTimeout(resolve, 1) : setImmediate);
}
