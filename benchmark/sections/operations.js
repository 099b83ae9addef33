// Single operations on a store of 100 000 entries, Holdfast and its peers by turns.
import { keyOf, objectOf, textOf, varyingTextOf } from '../lib/data.js';
import { absent, distinct, fresh, together } from '../lib/operations.js';
import { removeDirectory, temporaryDirectory } from '../lib/temporary.js';

const updates = (value) => (round, entries, count) =>
  distinct(round, count, entries).map((n, i) => [keyOf(n), value(fresh(round, i), n)]);

/** @type {import('../lib/operations.js').Operation[][]} */
const operations = [
  [
    {
      name: 'Index.get',
      target: 1.25,
      perRound: 150,
      inputs: (round, entries, count) => distinct(round, count, entries).map(keyOf),
      call: (peer, key) => peer.get(key),
    },
  ],
  [
    {
      name: 'Index.set, overwriting, same length',
      target: 1.25,
      perRound: 40,
      inputs: updates((n) => textOf(n)),
      call: (peer, [key, value]) => peer.set(key, value),
    },
  ],
  [
    {
      name: 'Index.set, overwriting, other length',
      target: 1.25,
      perRound: 40,
      inputs: updates(varyingTextOf),
      call: (peer, [key, value]) => peer.set(key, value),
    },
  ],
  [
    {
      name: 'Index.set, inserting',
      target: 1.5,
      perRound: 40,
      inputs: (round, _, count) => absent(round, count).map((key, i) => [key, textOf(fresh(round, i))]),
      call: (peer, [key, value]) => peer.set(key, value),
    },
    {
      name: 'Index.delete',
      target: 1.5,
      perRound: 40,
      inputs: (round, _, count) => absent(round, count),
      call: (peer, key) => peer.delete(key),
    },
  ],
  [
    {
      name: '1 000 sets in one transaction',
      target: 1.3,
      perRound: 1,
      rounds: 60,
      inputs: (round, entries) => [updates(varyingTextOf)(round, entries, 1000)],
      call: (peer, entries) => peer.setAll(entries),
    },
  ],
  [
    {
      name: 'Deque.push',
      target: 1.3,
      perRound: 40,
      inputs: (round, _, count) => Array.from({ length: count }, (__, i) => textOf(fresh(round, i))),
      call: (peer, value) => peer.push(value),
    },
    {
      name: 'Deque.shift',
      target: 1.3,
      perRound: 40,
      inputs: (_, __, count) => Array.from({ length: count }),
      call: (peer) => peer.shift(),
    },
  ],
  [
    {
      name: 'Index.get, small objects',
      perRound: 150,
      inputs: (round, entries, count) => distinct(round, count, entries / 10).map(keyOf),
      call: (peer, key) => peer.getObject(key),
    },
  ],
  [
    {
      name: 'Index.set, small objects',
      perRound: 40,
      inputs: (round, entries, count) =>
        distinct(round, count, entries / 10).map((n, i) => [keyOf(n), objectOf(fresh(round, i))]),
      call: (peer, [key, value]) => peer.setObject(key, value),
    },
  ],
  [
    {
      name: 'Index.set, inserting small objects into the older of two indexes',
      perRound: 100,
      rounds: 200,
      inputs: (round, _, count) => absent(round, count).map((key, i) => [key, objectOf(fresh(round, i))]),
      call: (peer, [key, value]) => peer.setObject(key, value),
    },
  ],
];

/** Fills a peer: `entries` texts in random order of keys, as many items, a tenth as many objects. */
async function fill(peer, entries) {
  const step = 10_000;
  for (let from = 0; from < entries; from += step) {
    const pending = [];
    peer.batch(() => {
      for (let n = from; n < Math.min(from + step, entries); n++) {
        // The index of objects is the older one: its new entries fall in the midst of a tree that both share.
        if (n < entries / 10) pending.push(peer.setObject(keyOf(n), objectOf(n)));
        pending.push(peer.set(keyOf(n), textOf(n)), peer.push(textOf(n)));
      }
    });
    await Promise.all(pending);
  }
}

async function filled(candidate, entries) {
  const directory = temporaryDirectory();
  const peer = await candidate.open(directory);
  await fill(peer, entries);
  return { name: candidate.name, isAsync: candidate.isAsync === true, peer, directory };
}

/**
 * @param {{ candidates: { name: string, open(directory: string): any }[], quick: boolean, progress(what: string): void }} options
 *   The first candidate is what the others are compared with.
 */
export async function measureOperations({ candidates, quick, progress }) {
  const entries = quick ? 10_000 : 100_000;
  const rounds = quick ? 40 : 400;
  const peers = [];
  for (const candidate of candidates) {
    progress(`${candidate.name}: ${entries} entries`);
    const one = await filled(candidate, entries);
    peers.push(one);
  }
  const rows = [];
  try {
    for (const group of operations) {
      progress(group.map(({ name }) => name).join(', '));
      rows.push(...(await together(group, peers, { entries, rounds })));
    }
  } finally {
    for (const { peer, directory } of peers) {
      await peer.close();
      removeDirectory(directory);
    }
  }
  return { entries, rounds, peers: candidates.map(({ name }) => name), rows };
}
