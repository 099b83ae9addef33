// What each operation of a cache costs as it grows.
import { keyOf, textOf } from '../../lib/data.js';
import { openCache } from '../../lib/caches.js';
import { measureSizes } from '../../lib/growth.js';
import { removeDirectory, temporaryDirectory } from '../../lib/temporary.js';

/** @type {import('../../lib/growth.js').Growing[][]} */
const operations = [
  [{ name: 'get', target: 2, perRound: 100, call: ({ cache }, { key }) => cache.get(key) }],
  [{ name: 'get by hand', perRound: 100, call: ({ hand }, { key }) => hand.get(key) }],
  [
    {
      name: 'set, overwriting',
      target: 2,
      perRound: 40,
      call: ({ cache }, { key, value }) => cache.set(key, value),
    },
  ],
  [
    {
      name: 'set, overwriting, by hand',
      perRound: 40,
      call: ({ hand }, { key, value }) => hand.set(key, value),
    },
  ],
  [
    {
      name: 'set, new',
      target: 2,
      perRound: 40,
      call: ({ cache }, { absent, value }) => cache.set(absent, value),
    },
    { name: 'delete', target: 2, perRound: 40, call: ({ cache }, { absent }) => cache.delete(absent) },
  ],
  [{ name: 'size', target: 1.1, perRound: 200, call: ({ cache }) => cache.size() }],
];

/** Fills caches in transactions of 20 000; gives back how many seconds the first took. */
function fill([cache, ...others], entries) {
  let seconds = 0;
  const step = 20_000;
  for (let from = 0; from < entries; from += step) {
    const some = Array.from({ length: Math.min(step, entries - from) }, (_, i) => [
      keyOf(from + i),
      textOf(from + i),
    ]);
    for (const other of others) other.fill(some);
    const start = performance.now();
    cache.fill(some);
    seconds += (performance.now() - start) / 1000;
  }
  return seconds;
}

/** @param {{ places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureGrowth({ places: { build }, quick, progress }) {
  const directories = [];
  const place = () => {
    directories.push(temporaryDirectory());
    return { build, directory: directories.at(-1) };
  };
  const sizes = quick ? [1000, 10_000, 100_000] : [1000, 100_000, 1_000_000, 3_000_000];
  const pairs = [];
  for (const _ of sizes)
    pairs.push({
      cache: await openCache({ module: 'holdfast' }, place()),
      hand: await openCache({ module: 'by-hand' }, place()),
    });
  const open = (entries) => {
    const { cache, hand } = pairs[sizes.indexOf(entries)];
    return {
      cache,
      hand,
      fillSeconds: fill([cache, hand], entries),
      close() {
        cache.close();
        hand.close();
      },
    };
  };
  try {
    return await measureSizes({
      what: 'cache, growth',
      ...{ sizes, rounds: quick ? 32 : 200, operations, open, progress },
    });
  } finally {
    directories.forEach(removeDirectory);
  }
}
