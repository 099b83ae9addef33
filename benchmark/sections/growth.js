// What each operation costs as the store grows: three stores by turns, of 1 000, 100 000 and 3 000 000 entries.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { byHand } from '../candidates/sqlite.js';
import { keyOf, textOf } from '../lib/data.js';
import { measureSizes } from '../lib/growth.js';
import { removeDirectory, temporaryDirectory } from '../lib/temporary.js';

/** Each works on `count` entries of one store, and leaves as many as there were. */
const operations = [
  { name: 'Index.get', target: 2, perRound: 100, call: ({ index }, { key }) => index.get(key) },
  { name: 'get by hand', perRound: 100, call: ({ hand }, { key }) => hand.get(key) },
  {
    name: 'Index.set, overwriting',
    target: 2,
    perRound: 40,
    call: ({ index }, { key, value }) => index.set(key, value),
  },
  [
    {
      name: 'Index.set, inserting',
      target: 2,
      perRound: 40,
      call: ({ index }, { absent, value }) => index.set(absent, value),
    },
    { name: 'Index.delete', target: 2, perRound: 40, call: ({ index }, { absent }) => index.delete(absent) },
  ],
  { name: 'Index.first', target: 2, perRound: 100, call: ({ index }) => index.first() },
  [
    { name: 'Index.popFirst', target: 2, perRound: 20, call: ({ index }) => index.popFirst() },
    { name: '', perRound: 20, call: ({ index }, { absent, value }) => index.set(absent, value) },
  ],
  {
    name: 'Index.range, 10 entries',
    target: 2,
    perRound: 20,
    call: ({ index }, { key }) => [...index.range({ gte: key, limit: 10 })],
  },
  { name: 'range by hand', perRound: 20, call: ({ hand }, { key }) => hand.range(key, 10) },
  { name: 'Index.size', target: 1.1, perRound: 200, call: ({ index }) => index.size },
  [
    { name: 'Deque.push', target: 2, perRound: 40, call: ({ deque }, { value }) => deque.push(value) },
    { name: 'Deque.shift', target: 2, perRound: 40, call: ({ deque }) => deque.shift() },
  ],
  { name: 'Deque.at, anywhere', target: 2, perRound: 40, call: ({ deque }, { n }) => deque.at(n) },
  { name: 'Deque.size', target: 1.1, perRound: 200, call: ({ deque }) => deque.size },
].map((group) => (Array.isArray(group) ? group : [group]));

/** Fills a store in transactions of 20 000; gives back how many seconds it took. */
function fill({ store, index, deque, hand }, entries) {
  let seconds = 0;
  const step = 20_000;
  for (let from = 0; from < entries; from += step) {
    hand.setAll(
      Array.from({ length: Math.min(step, entries - from) }, (_, i) => [keyOf(from + i), textOf(from + i)]),
    );
    const start = performance.now();
    store.transaction(() => {
      for (let n = from; n < Math.min(from + step, entries); n++) index.set(keyOf(n), textOf(n));
    });
    store.transaction(() => {
      for (let n = from; n < Math.min(from + step, entries); n++) deque.push(textOf(n));
    });
    seconds += (performance.now() - start) / 1000;
  }
  return seconds;
}

function opened({ open, Index, Deque }, entries) {
  const directory = temporaryDirectory();
  const store = open(directory);
  // Entries are deleted by popFirst in the order of insertion: an index of their own keeps what get and set look for.
  const parts = {
    store,
    index: new Index(store, 'entries'),
    deque: new Deque(store, 'items'),
    hand: byHand.open(mkdtempSync(join(directory, 'hand-'))),
  };
  return {
    ...parts,
    fillSeconds: fill(parts, entries),
    close() {
      store.close();
      parts.hand.close();
      removeDirectory(directory);
    },
  };
}

/** @param {{ library: any, quick: boolean, progress(what: string): void }} options */
export async function measureGrowth({ library, quick, progress }) {
  return await measureSizes({
    what: 'growth',
    sizes: quick ? [1000, 10_000, 100_000] : [1000, 100_000, 3_000_000],
    rounds: quick ? 32 : 200,
    operations,
    open: (entries) => opened(library, entries),
    progress,
  });
}
