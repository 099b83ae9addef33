import { expect, test } from 'vitest';
import { Deque } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { openStore } from './support.js';

test.each(['update', 'setMany', 'push', 'shift', 'set', 'transaction'])(
  'a stack that is full in %s leaves no transaction open, and no half of one',
  async (way) => {
    const child = startProcess('core-full-stack.js', temporaryDirectory(), way);
    expect(await child.nextMessage()).toEqual({
      error: 'RangeError',
      others: 'ok',
      kept: true,
      halfDone: false,
    });
  },
);

test('shift and pop lose nothing where the stack has too little room to read an item', () => {
  const store = openStore(temporaryDirectory());
  const items = new Deque<object>(store, 'items');
  let deep = {};
  for (let level = 0; level < 900; level++) deep = { deep };
  items.push(deep, deep);
  const got: unknown[] = [];
  /** Calls at each depth of a full stack, from the deepest on, until it succeeds. */
  const atEachDepth = (call: () => unknown): void => {
    let done = false;
    const recurse = (): void => {
      try {
        recurse();
      } catch {
        // Full.
      }
      if (done) return;
      try {
        got.push(call());
        done = true;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    };
    recurse();
  };
  atEachDepth(() => items.shift());
  atEachDepth(() => items.pop());
  expect(got).toEqual([deep, deep]);
});
