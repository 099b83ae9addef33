// From `add` in one process to the handler's first line in another, whose worker idles; and what it takes of a processor meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../lib/measure.js';
import { inFreshPlace, startQueue } from '../../lib/queues.js';

/** @typedef {import('../../lib/queues.js').Candidate} Candidate */
/** @typedef {import('../../lib/queues.js').Places} Places */

/** Milliseconds, for each of `count` jobs. @param {Candidate} candidate @param {number} count @param {Places} places */
async function waitsOf(candidate, count, places) {
  return await inFreshPlace(candidate, places, async (options) => {
    const worker = await startQueue(candidate, options);
    const adder = await startQueue(candidate, options);
    await worker.ask('listen');
    await sleep(200);
    const added = new Map(await adder.ask('addNowAndThen', { count }));
    const heard = await worker.ask('listened', { count });
    if (heard.length !== count || new Set(heard.map(([n]) => n)).size !== count)
      throw new Error(`${candidate.name}: of ${count} jobs ${heard.length} ran`);
    if ((await adder.ask('left')) !== 0) throw new Error(`${candidate.name}: some jobs are not over`);
    await worker.close();
    await adder.close();
    return heard.map(([n, at]) => (at - added.get(n)) / 1e6);
  });
}

/** The shares of a processor that idle workers take, in percent; all at the same time. @param {readonly Candidate[]} candidates @param {number} seconds @param {number} rest - Before that, in seconds: until the garbage of the start is gone. @param {Places} places */
async function idleOf(candidates, seconds, rest, places) {
  /** @type {((value?: unknown) => void)[]} */
  const starts = [];
  const started = candidates.map(() => new Promise((resolve) => starts.push(resolve)));
  const all = Promise.all(started).then(() => sleep(rest * 1000));
  return await Promise.all(
    candidates.map((candidate, i) =>
      inFreshPlace(candidate, places, async (options) => {
        const worker = await startQueue(candidate, options);
        await worker.ask('listen');
        starts[i]();
        await all;
        const share = await worker.ask('idle', { seconds });
        await worker.ask('listened', { count: 0 });
        await worker.close();
        return share * 100;
      }),
    ),
  );
}

/**
 * @param {readonly Candidate[]} candidates
 * @param {{ quick: boolean, places: Places, progress(what: string): void }} options
 */
export async function measureLatency(candidates, { quick, places, progress }) {
  progress('queue: idle workers');
  const idle = await idleOf(candidates, quick ? 1 : 10, quick ? 1 : 15, places);
  const count = quick ? 30 : 300;
  const rows = [];
  for (const [i, candidate] of candidates.entries()) {
    progress(`queue: from add to start, ${candidate.name}`);
    const waits = await waitsOf(candidate, count, places);
    rows.push({
      name: candidate.name,
      p50: quantile(waits, 0.5),
      p99: quantile(waits, 0.99),
      longest: Math.max(...waits),
      idle: idle[i],
    });
  }
  return { count, rows };
}
