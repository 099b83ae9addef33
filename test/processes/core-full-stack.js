// @ts-check
// Recurses until the stack is full, in one of several ways, in a process that has never rolled anything back. Then tells whether others can
// write, and whether its own next write is kept. Arguments: the directory, which way.
import { Deque, HoldfastError, Index, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = '', way = ''] = args;
const store = open(directory, { busyTimeout: 200 });
const other = open(directory, { busyTimeout: 200 });
const index = new Index(store, 'entries');
const items = new Deque(store, 'items');
index.set('a', 1);

/** @param {unknown} error */
const codeOf = (error) => (error instanceof HoldfastError ? error.code : String(error));

const calls = {
  update: () => index.update('a', (n) => n + 1),
  setMany: () => index.setMany([['a', 1]]),
  push: () => items.push(1, 2),
  shift: () => items.shift(),
  set: () => index.set('a', 1),
};
/** @type {Record<string, () => void>} */
const recursions = {
  ...Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [
      name,
      function recurse() {
        call();
        recurse();
      },
    ]),
  ),
  transaction: function recurse() {
    store.transaction(() => {
      index.set('nested', 1);
      recurse();
    });
  },
};

let error;
try {
  recursions[way]?.();
} catch (caught) {
  error = caught instanceof Error ? caught.name : caught;
}
let others = 'ok';
try {
  new Index(other, 'others').set('b', 1);
} catch (caught) {
  others = codeOf(caught);
}
index.set('later', 1);
send({
  error,
  others,
  kept: new Index(other, 'entries').has('later'),
  halfDone: new Index(other, 'entries').has('nested'),
});
