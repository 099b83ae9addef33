// A stampede: many callers in several processes want one key that is not there. And what becomes of them when the one that works it out is killed.
import { setTimeout as pause } from 'node:timers/promises';
import { now, quantile } from '../../lib/measure.js';
import { ended, nextMessage, removeDirectory, startScript, temporaryDirectory } from '../../lib/temporary.js';

const processes = 8;
const callers = 50;
/** How long the value takes to work out, in milliseconds: all have asked by then. */
const took = 100;

/** A process that is ready to call. */
async function started(build, directory) {
  const child = startScript('cache-caller.js', [build, directory]);
  await nextMessage(child);
  return child;
}

/** From just before the process that works a value out is killed until another, which waits for it, has worked it out, in milliseconds: that takes it no time. */
async function inherit({ build, directory, times, progress }) {
  const heir = await started(build, directory);
  const waits = [];
  for (let time = 0; time < times; time++) {
    progress(`cache: a death, ${time} of ${times}`);
    const leader = await started(build, directory);
    const task = { key: `legacy ${time}`, callers: 1, start: Date.now() };
    leader.send({ ...task, took: 2 ** 31 - 1 });
    await pause(150);
    const answer = nextMessage(heir);
    heir.send({ ...task, took: 0 });
    // At any moment of its polls.
    await pause(150 + 100 * Math.random());
    const killed = now();
    await ended(leader, 'SIGKILL');
    const { produced, last } = await answer;
    if (produced !== 1) throw new Error('the heir had a value that it did not work out');
    waits.push((last - killed) / 1e6);
  }
  heir.send('close');
  await ended(heir);
  return waits;
}

/** @param {readonly number[]} waits */
const figures = (waits) => ({
  times: waits.length,
  p50: quantile(waits, 0.5),
  p99: quantile(waits, 0.99),
  longest: Math.max(...waits),
});

/** @param {{ places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureStampede({ places: { build }, quick, progress }) {
  const times = quick ? 5 : 50;
  const directory = temporaryDirectory();
  const children = [];
  const waits = [];
  const runs = [];
  try {
    for (let i = 0; i < processes; i++) children.push(await started(build, directory));
    for (let time = 0; time < times; time++) {
      progress(`cache: a stampede, ${time} of ${times}`);
      const answers = Promise.all(children.map(nextMessage));
      const start = Date.now() + 20;
      for (const child of children) child.send({ key: `question ${time}`, callers, start, took });
      const results = await answers;
      runs.push(results.reduce((sum, { produced }) => sum + produced, 0));
      const end = Math.max(...results.map((result) => result.ended));
      waits.push((Math.max(...results.map(({ last }) => last)) - end) / 1e6);
    }
    for (const child of children) child.send('close');
    await Promise.all(children.map((child) => ended(child)));
    const deaths = await inherit({ build, directory, times: quick ? 5 : 30, progress });
    return {
      ...{ processes, callers, most: Math.max(...runs), ...figures(waits) },
      deaths: figures(deaths),
    };
  } finally {
    removeDirectory(directory);
  }
}
