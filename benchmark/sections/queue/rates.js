// How many jobs a second are added, and done; each figure from processes of its own, the candidates by turns.
import { quantile } from '../../lib/measure.js';
import { inFreshPlace, startQueue } from '../../lib/queues.js';

/** @typedef {import('../../lib/queues.js').Candidate} Candidate */
/** @typedef {import('../../lib/queues.js').Places} Places */

/**
 * What is measured: how long it takes to add `jobs`, one at a time (`inFlight` at once) or in thousands, or to do them.
 *
 * @typedef {object} Cell
 * @property {'add' | 'addMany' | 'work'} what
 * @property {number} [inFlight]
 * @property {number} [concurrency] - In each process.
 * @property {boolean} [gathered] - Whether acknowledgements are gathered, and jobs claimed before they can run.
 * @property {number} [processes]
 */

/** Each job ran once: else the benchmark fails. @param {string} name @param {readonly string[]} counts @param {number} jobs */
function checkRuns(name, counts, jobs) {
  const [first, ...others] = counts.map((text) => Buffer.from(text, 'base64'));
  const runs = Array.from(first, (count, i) => others.reduce((sum, other) => sum + other[i], count));
  const wrong = runs.filter((count) => count !== 1).length;
  if (runs.length !== jobs || wrong > 0)
    throw new Error(`${name}: of ${jobs} jobs ${wrong} did not run exactly once`);
}

/** @typedef {Awaited<ReturnType<typeof startQueue>>} Running */

/** Jobs a second. @param {string} name @param {Running} queue @param {Cell} cell @param {number} jobs */
async function rateOfAdding(name, queue, { what, inFlight }, jobs) {
  const first = Math.ceil(jobs / 2);
  await queue.ask(what, { from: 0, count: first, inFlight });
  const took = await queue.ask(what, { from: first, count: jobs, inFlight });
  if ((await queue.ask('left')) !== first + jobs)
    throw new Error(`${name}: some of the jobs that were added are not there`);
  return jobs / (took / 1e9);
}

/** Jobs a second. @param {string} name @param {readonly Running[]} queues @param {Cell} cell @param {number} jobs */
async function rateOfWorking(name, queues, { concurrency, gathered }, jobs) {
  const how = { concurrency, gathered };
  const first = Math.ceil(jobs / 2);
  for (const queue of queues) {
    await queue.ask('addMany', { from: 0, count: first });
    checkRuns(name, [(await queue.ask('work', { from: 0, count: first, ...how })).seen], first);
  }
  await queues[0].ask('addMany', { from: 0, count: jobs });
  const startAt = Date.now() + 20;
  const results = await Promise.all(
    queues.map((queue) => queue.ask('work', { from: 0, count: jobs, startAt, ...how })),
  );
  checkRuns(
    name,
    results.map(({ seen }) => seen),
    jobs,
  );
  await queues[0].ask('check', { total: first * queues.length + jobs });
  const start = Math.min(...results.map((result) => result.first));
  const end = Math.min(...results.map((result) => result.end));
  return jobs / ((end - start) / 1e9);
}

/** Jobs a second. @param {Candidate} candidate @param {Cell} cell @param {number} jobs @param {Places} places */
export async function rateOf(candidate, cell, jobs, places) {
  return await inFreshPlace(candidate, places, async (options) => {
    const queues = [];
    for (let i = 0; i < (cell.processes ?? 1); i++) queues.push(await startQueue(candidate, options));
    const rate =
      cell.what === 'work'
        ? await rateOfWorking(candidate.name, queues, cell, jobs)
        : await rateOfAdding(candidate.name, queues[0], cell, jobs);
    for (const queue of queues) await queue.close();
    return rate;
  });
}

/**
 * The medians of several rounds, the candidates by turns.
 *
 * @param {readonly { readonly candidate: Candidate, readonly jobs: number }[]} entrants
 * @param {Cell} cell
 * @param {{ rounds: number, places: Places }} plan
 */
export async function ratesOf(entrants, cell, { rounds, places }) {
  const rates = entrants.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entrants.length; turn++) {
      const which = (round + turn) % entrants.length;
      const { candidate, jobs } = entrants[which];
      rates[which].push(await rateOf(candidate, cell, jobs, places));
    }
  }
  return entrants.map(({ candidate }, i) => ({
    name: candidate.name,
    rate: quantile(rates[i], 0.5),
    rates: rates[i],
  }));
}
