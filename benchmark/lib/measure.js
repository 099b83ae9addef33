/**
 * How long a round of work took, in nanoseconds; and whether the system took the processor away meanwhile.
 *
 * @typedef {{ readonly took: number, readonly disturbed: boolean }} Sample
 */

/**
 * One of several that are measured side by side. A round gives back a sample for each operation that is measured.
 *
 * @typedef {{ readonly name: string, run(round: number): Sample[] | Promise<Sample[]> }} Runner
 */

/**
 * What one runner took, in nanoseconds per operation; and its ratio to the first runner, round by round.
 *
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} median - Of the undisturbed rounds.
 * @property {number} mean - Of all rounds: rare costs are in it, a checkpoint of the log for one, and so is other load.
 * @property {number} ratio - Median of the ratios, of those rounds in which neither was disturbed.
 * @property {number} low - Lower quartile of these ratios.
 * @property {number} high - Upper quartile of these ratios.
 * @property {number} meanRatio - Ratio of the means.
 * @property {number} rounds - How many rounds the ratio is of.
 */

/** @param {readonly number[]} values @param {number} part - From 0 to 1. */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Nanoseconds since some moment, the same for all processes of the machine. */
export const now = () => Number(process.hrtime.bigint());

/** Starts the clock; gives back what stops it. @returns {() => Sample} */
export function clock() {
  const switches = process.resourceUsage().involuntaryContextSwitches;
  const start = process.hrtime.bigint();
  return () => {
    const took = Number(process.hrtime.bigint() - start);
    return { took, disturbed: process.resourceUsage().involuntaryContextSwitches > switches };
  };
}

/** With fewer undisturbed rounds than this, all are taken. */
const fewest = 12;

/** @param {Sample[]} samples @param {Sample[]} base @param {number} perRound */
function figureOf(samples, base, perRound) {
  const pairs = samples.map((sample, round) => [sample, base[round]]);
  const calm = pairs.filter(([a, b]) => !a.disturbed && !b.disturbed);
  const taken = calm.length >= fewest ? calm : pairs;
  const ratios = taken.map(([a, b]) => a.took / b.took);
  const all = mean(samples.map(({ took }) => took));
  return {
    median:
      quantile(
        taken.map(([a]) => a.took),
        0.5,
      ) / perRound,
    mean: all / perRound,
    ratio: quantile(ratios, 0.5),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    meanRatio: all / mean(base.map(({ took }) => took)),
    rounds: taken.length,
  };
}

/**
 * Runs all in short rounds by turns (A B C, B C A, C A B …), so that whatever else the machine does falls on each of them alike,
 * and so does what one leaves behind for the next.
 *
 * @param {readonly Runner[]} runners - The first is what the others are compared with.
 * @param {{ rounds: number, warmUp?: number, perRound: readonly number[] }} plan - How many times each operation is done in a round.
 * @returns {Promise<Figure[][]>} For each operation, for each runner.
 */
export async function sideBySide(runners, { rounds, warmUp = Math.ceil(rounds / 8), perRound }) {
  const samples = runners.map(() => perRound.map(() => /** @type {Sample[]} */ ([])));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (let turn = 0; turn < runners.length; turn++) {
      const which = (round + turn) % runners.length;
      const taken = await runners[which].run(round);
      if (round >= warmUp) taken.forEach((sample, i) => samples[which][i].push(sample));
    }
  }
  return perRound.map((count, i) =>
    runners.map(({ name }, which) => ({ name, ...figureOf(samples[which][i], samples[0][i], count) })),
  );
}

/**
 * Numbers that look random and are the same in every run.
 *
 * @param {number} seed
 * @returns {() => number} From 0 to 1, 1 excluded.
 */
export function randomFrom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
