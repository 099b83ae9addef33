// A stampede: many callers in several processes want one key that is not there.
import { quantile } from '../../lib/measure.js';
import { ended, nextMessage, removeDirectory, startScript, temporaryDirectory } from '../../lib/temporary.js';

const processes = 8;
const callers = 50;
/** How long the value takes to work out, in milliseconds: all have asked by then. */
const took = 100;

/** @param {{ places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureStampede({ places: { build }, quick, progress }) {
  const times = quick ? 5 : 50;
  const directory = temporaryDirectory();
  const children = [];
  const waits = [];
  const runs = [];
  try {
    for (let i = 0; i < processes; i++) {
      const child = startScript('cache-caller.js', [build, directory]);
      await nextMessage(child);
      children.push(child);
    }
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
  } finally {
    removeDirectory(directory);
  }
  return {
    ...{ processes, callers, times },
    most: Math.max(...runs),
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    longest: Math.max(...waits),
  };
}
