// @ts-check
// Writes until it can't; sends what came of it, and what can be read; goes on when it is told to.
import { Deque, Index, open } from 'holdfast';
import { args, receive, send } from './child.js';

const store = open(args[0] ?? '');
const pairs = new Index(store, 'pairs');
const items = new Deque(store, 'items');

function fill() {
  let done = pairs.size;
  try {
    for (;;) {
      store.transaction(() => {
        pairs.set(done, 'x'.repeat(8_000));
        items.push(done, 'y'.repeat(8_000));
      });
      done++;
    }
  } catch (error) {
    const { name, code, message } = /** @type {import('holdfast').HoldfastError} */ (error);
    return { name, code, message, done, pairs: pairs.toMap().size, items: items.toArray().length };
  }
}

send(fill());
await receive();
const before = pairs.size;
pairs.set('after', 1);
send({ more: pairs.size - before, value: pairs.get('after') });
store.close();
