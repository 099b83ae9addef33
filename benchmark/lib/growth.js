// What operations cost as a store grows: stores of several sizes by turns.
import { keyOf, someOf, textOf } from './data.js';
import { clock, sideBySide } from './measure.js';

const seed = 20_260_102;
const fresh = (round, i) => 10_000_000 + round * 1000 + i;
/** Whatever a call gives back goes here, so that none can be left out. */
export let sink;

/**
 * What an operation is given for each entry that it works on; `absent` is a key that is not there.
 *
 * @typedef {{ readonly n: number, readonly key: string, readonly absent: string, readonly value: string }} Input
 */

/**
 * What is measured on `perRound` entries of a store, which is to have as many afterwards; without a name it is not shown.
 *
 * @typedef {{ readonly name: string, readonly target?: number, readonly perRound: number, call(store: any, input: Input): unknown }} Growing
 */

function inputs(round, entries, perRound) {
  return someOf(Math.min(perRound, entries), entries, seed + round).map((n, i) => {
    const number = fresh(round, i);
    return { n, key: keyOf(n), absent: keyOf(number), value: textOf(number) };
  });
}

/** @param {readonly Growing[]} group @param {readonly { readonly entries: number }[]} stores @param {number} rounds */
async function together(group, stores, rounds) {
  const runners = stores.map((one) => ({
    name: String(one.entries),
    run: (round) =>
      group.map(({ call, perRound }) => {
        const list = inputs(round, one.entries, perRound);
        const stop = clock();
        for (const input of list) sink = call(one, input);
        return stop();
      }),
  }));
  const figures = await sideBySide(runners, { rounds, perRound: group.map(({ perRound }) => perRound) });
  return group
    .map(({ name, target }, i) => ({ name, target, figures: figures[i] }))
    .filter(({ name }) => name !== '');
}

/** Opens a store with so many entries for each size, and measures groups of operations, each of a group in every round. */
export async function measureSizes({ what, sizes, rounds, operations, open, progress }) {
  const stores = [];
  const rows = [];
  try {
    for (const entries of sizes) {
      progress(`${what}: a store of ${entries} entries`);
      stores.push({ entries, ...open(entries) });
    }
    for (const group of operations) {
      progress(`${what}: ${group[0].name}`);
      rows.push(...(await together(group, stores, rounds)));
    }
  } finally {
    for (const { close } of stores) close();
  }
  return { sizes, rounds, rows, fillSeconds: stores.at(-1)?.fillSeconds };
}
