// Single operations of caches, Holdfast and its peers by turns.
import { openCache } from '../../lib/caches.js';
import { keyOf, pageOf } from '../../lib/data.js';
import { absent, distinct, fresh, together } from '../../lib/operations.js';
import { removeDirectory, temporaryDirectory } from '../../lib/temporary.js';

/** How long the values are, and how many there are of a kind: the keys of each begin at a number of their own. */
const kinds = [
  { size: '1 KiB', length: 1024, first: 0, entries: 10_000, gets: 100, sets: 20 },
  { size: '64 KiB', length: 65_536, first: 100_000, entries: 500, gets: 20, sets: 8 },
  { size: '1 MiB', length: 1_048_576, first: 200_000, entries: 40, gets: 4, sets: 2, rounds: 60 },
];
const [small] = kinds;
const ttl = 3_600_000;

const keysOf =
  ({ first, entries }) =>
  (round, _, count) =>
    distinct(round, count, entries).map((n) => [keyOf(first + n)]);
const newKeys = (round, _, count) => absent(round, count).map((key) => [key]);
const pagesFor =
  (kind, keys, ...rest) =>
  (round, entries, count) =>
    keys(round, entries, count).map(([key], i) => [key, pageOf(fresh(round, i), kind.length), ...rest]);
const hundred = { entries: small.entries, count: 100 };

/** @type {import('../../lib/operations.js').Operation[][]} */
const operations = [
  ...kinds.flatMap((kind) => {
    const { size, gets, sets, rounds } = kind;
    return [
      [
        {
          name: `get, ${size}`,
          target: 1.3,
          perRound: gets,
          rounds,
          method: 'get',
          inputs: keysOf(kind),
        },
      ],
      [
        {
          name: `set, overwriting, ${size}`,
          twice: true,
          perRound: sets,
          rounds,
          method: 'set',
          inputs: pagesFor(kind, keysOf(kind)),
        },
      ],
      [
        {
          name: `set, new, ${size}`,
          twice: true,
          perRound: sets,
          rounds,
          method: 'set',
          inputs: pagesFor(kind, newKeys),
        },
        { name: `delete, ${size}`, perRound: sets, method: 'delete', inputs: newKeys },
      ],
    ];
  }),
  [{ name: 'get of a key that is not there', target: 1.3, perRound: 100, method: 'get', inputs: newKeys }],
  [
    {
      name: 'set, overwriting, with a ttl, 1 KiB',
      twice: true,
      perRound: 20,
      method: 'setFor',
      inputs: pagesFor(small, keysOf(small), ttl),
    },
  ],
  [
    {
      name: 'getMany of 100, 1 KiB',
      perRound: 1,
      method: 'getMany',
      inputs: (round) => [[keysOf(small)(round, hundred.entries, hundred.count).map(([key]) => key)]],
    },
  ],
  [
    {
      name: 'setMany of 100, overwriting, 1 KiB',
      perRound: 1,
      method: 'setMany',
      inputs: (round) => [[pagesFor(small, keysOf(small))(round, hundred.entries, hundred.count)]],
    },
  ],
  [{ name: 'touch', perRound: 20, method: 'touch', inputs: withTtl(keysOf(small)) }],
  [
    {
      name: 'add of a key that is there, 1 KiB',
      perRound: 20,
      method: 'add',
      inputs: pagesFor(small, keysOf(small)),
    },
  ],
  [
    {
      name: 'increment',
      perRound: 20,
      method: 'increment',
      inputs: (round, _, count) => distinct(round, count, 100).map((n) => [`count ${n}`]),
    },
  ],
  [
    {
      name: 'a memoized function, hit, 1 KB',
      perRound: 100,
      method: 'memoized',
      inputs: (round, _, count) => distinct(round, count, 200).map((n) => [n]),
    },
  ],
];

function withTtl(keys) {
  return (...args) => keys(...args).map(([key]) => [key, ttl]);
}

/** Fills a cache, in parts of some megabytes. */
async function fill(cache) {
  for (const { first, entries, length } of kinds) {
    const step = Math.ceil(4e6 / length);
    for (let from = 0; from < entries; from += step) {
      await cache.fill(
        Array.from({ length: Math.min(step, entries - from) }, (_, i) => [
          keyOf(first + from + i),
          pageOf(from + i, length),
        ]),
      );
    }
  }
}

/**
 * @param {{ candidates: readonly import('../../lib/queues.js').Candidate[], places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options
 *   The first candidate is what the others are compared with.
 */
export async function measureOperations({ candidates, places: { build, redis }, quick, progress }) {
  const rounds = quick ? 24 : 200;
  const peers = [];
  try {
    for (const candidate of candidates) {
      progress(`cache: filling ${candidate.name}`);
      const directory = temporaryDirectory();
      const peer = await openCache(
        candidate,
        candidate.on === 'redis' ? { port: redis?.port } : { build, directory },
      );
      peers.push({ name: candidate.name, isAsync: peer.isAsync === true, peer, directory });
      await fill(peer);
    }
    const rows = [];
    for (const group of operations) {
      progress(`cache: ${group.map(({ name }) => name).join(', ')}`);
      const measured = await together(group, peers, { entries: small.entries, rounds });
      rows.push(...measured.map((row, i) => ({ ...row, twice: group[i].twice === true })));
    }
    return { rounds, peers: candidates.map(({ name }) => name), rows };
  } finally {
    for (const { peer, directory } of peers) {
      await peer.close();
      removeDirectory(directory);
    }
  }
}
