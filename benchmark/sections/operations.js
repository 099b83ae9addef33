// Single operations on a store of 100 000 entries, Holdfast and its peers by turns.
import { keyOf, objectOf, someOf, textOf, varyingTextOf } from '../lib/data.js';
import { clock, sideBySide } from '../lib/measure.js';
import { removeDirectory, temporaryDirectory } from '../lib/temporary.js';

const seed = 20_260_101;
/** Whatever a get gives back goes here, so that no call can be left out. */
let sink;

/**
 * What is measured. `inputs` are made for each round before the clock starts, and are the same for all.
 *
 * @typedef {object} Operation
 * @property {string} name
 * @property {number} [target] - The most that Holdfast's ratio to the work by hand may be.
 * @property {number} perRound
 * @property {number} [rounds]
 * @property {(round: number, entries: number, perRound: number) => unknown[]} inputs
 * @property {(peer: any, input: any) => unknown} call
 */

const distinct = (round, count, below) => someOf(count, below, seed + round);
/** A value that no earlier round has written: SQLite skips a write that changes nothing. */
const fresh = (round, i) => 1_000_000 + round * 10_000 + i;
/** Keys that are not there yet. */
const absent = (round, count) =>
  Array.from({ length: count }, (_, i) => keyOf(10_000_000 + round * count + i));
const updates = (value) => (round, entries, count) =>
  distinct(round, count, entries).map((n, i) => [keyOf(n), value(fresh(round, i), n)]);

/** Those in one list run by turns in the same rounds: what the first puts in, the second takes out. @type {Operation[][]} */
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

/** One round of one operation. */
async function timed({ call }, { isAsync }, peer, inputs) {
  const stop = clock();
  // Waiting costs a turn of the event loop: only what is a promise is awaited.
  if (isAsync) for (const input of inputs) sink = await call(peer, input);
  else for (const input of inputs) sink = call(peer, input);
  return stop();
}

/** Measures operations that belong together: each round runs all of them on every peer. */
async function together(group, peers, { entries, rounds }) {
  const runners = peers.map((one) => ({
    name: one.name,
    async run(round) {
      const samples = [];
      for (const operation of group) {
        const inputs = operation.inputs(round, entries, operation.perRound);
        samples.push(await timed(operation, one, one.peer, inputs));
      }
      return samples;
    },
  }));
  const plan = {
    rounds: Math.min(rounds, group[0].rounds ?? Infinity),
    perRound: group.map(({ perRound }) => perRound),
  };
  const figures = await sideBySide(runners, plan);
  return group.map(({ name, target }, i) => ({ name, target, figures: figures[i] }));
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
  return { entries, rounds, peers: candidates.map(({ name }) => name), rows, sink: sink === undefined };
}
