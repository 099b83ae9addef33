// Single operations, all peers by turns.
import { keyOf, someOf } from './data.js';
import { clock, sideBySide } from './measure.js';

const seed = 20_260_101;
/** Whatever a get gives back goes here, so that no call can be left out. */
export let sink;

/**
 * What is measured. `inputs` are made for each round before the clock starts, and are the same for all.
 *
 * @typedef {object} Operation
 * @property {string} name
 * @property {number} [target] - The most that Holdfast's ratio to the work by hand may be.
 * @property {number} perRound
 * @property {number} [rounds]
 * @property {(round: number, entries: number, perRound: number) => unknown[]} inputs
 * @property {(peer: any, input: any) => unknown} [call]
 * @property {string} [method] - In place of `call`: what of a peer is called, with an input as its arguments. Those that have no such method are left out.
 */

/**
 * One of those that do it. `peer.remote`, where it is in a process that measures itself, is given a method and inputs, and gives back a sample.
 *
 * @typedef {{ readonly name: string, readonly isAsync: boolean, readonly peer: any }} Peer
 */

/** Different numbers, others in each round. @param {number} round @param {number} count @param {number} below */
export const distinct = (round, count, below) => someOf(count, below, seed + round);
/** A value that no earlier round has written: SQLite skips a write that changes nothing. @param {number} round @param {number} i */
export const fresh = (round, i) => 1_000_000 + round * 10_000 + i;
/** Keys that are not there yet. @param {number} round @param {number} count */
export const absent = (round, count) =>
  Array.from({ length: count }, (_, i) => keyOf(10_000_000 + round * count + i));

/** One round of one operation. @param {Operation} operation @param {Peer} one @param {unknown[]} inputs */
async function timed({ method, call = (peer, input) => peer[method](...input) }, { isAsync, peer }, inputs) {
  if (peer.remote !== undefined) return await peer.remote(method, inputs);
  const stop = clock();
  // Waiting costs a turn of the event loop: only what is a promise is awaited.
  if (isAsync) for (const input of inputs) sink = await call(peer, input);
  else for (const input of inputs) sink = call(peer, input);
  return stop();
}

/**
 * Measures operations that belong together: each round runs all of them on every peer; what the first puts in, the second takes out.
 *
 * @param {readonly Operation[]} group @param {readonly Peer[]} peers @param {{ entries: number, rounds: number }} size
 */
export async function together(group, peers, { entries, rounds }) {
  const able = peers.filter(({ peer }) =>
    group.every(
      ({ method }) =>
        method === undefined || peer[method] !== undefined || peer.methods?.includes(method) === true,
    ),
  );
  const runners = able.map((one) => ({
    name: one.name,
    async run(round) {
      const samples = [];
      for (const operation of group) {
        const inputs = operation.inputs(round, entries, operation.perRound);
        samples.push(await timed(operation, one, inputs));
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
