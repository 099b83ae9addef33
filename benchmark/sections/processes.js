// Several processes that write to one store at once, each write a transaction of its own; by turns with the same work by hand
// under SQLite's own busy handler.
import { quantile } from '../lib/measure.js';
import { tmpdir } from 'node:os';
import { inMemory, nextMessage, removeDirectory, startScript, temporaryDirectory } from '../lib/temporary.js';

/** @returns What all together did: writes in a second, the longest wait in milliseconds, most against fewest of a process. */
async function once(which, place, build, processes, seconds) {
  const directory = temporaryDirectory(place);
  try {
    const children = [];
    for (let number = 0; number < processes; number++) {
      const child = startScript('writer.js', [which, build, directory, String(number)]);
      await nextMessage(child);
      children.push(child);
    }
    const start = Date.now() + 100;
    const results = await Promise.all(
      children.map((child) => {
        const result = nextMessage(child);
        child.send({ start, end: start + seconds * 1000 });
        return result;
      }),
    );
    const counts = results.map(({ count }) => count);
    return {
      throughput: counts.reduce((sum, count) => sum + count, 0) / seconds,
      longest: Math.max(...results.map(({ longest }) => longest)),
      unfairness: Math.max(...counts) / Math.min(...counts),
    };
  } finally {
    removeDirectory(directory);
  }
}

const median = (runs, what) =>
  quantile(
    runs.map((run) => run[what]),
    0.5,
  );

/** @param {{ build: string, quick: boolean, progress(what: string): void }} options */
export async function measureProcesses({ build, quick, progress }) {
  const repeats = quick ? 1 : 3;
  const seconds = quick ? 1 : 3;
  const summary = (list) => ({
    throughput: median(list, 'throughput'),
    longest: Math.max(...list.map(({ longest }) => longest)),
    unfairness: Math.max(...list.map(({ unfairness }) => unfairness)),
  });
  const rows = [];
  const places = [['on disk', tmpdir()]];
  if (inMemory !== undefined) places.push(['in memory', inMemory]);
  for (const [where, place, processes] of places.flatMap((one) => [1, 2, 4, 8].map((n) => [...one, n]))) {
    progress(`${processes} writing at once, ${where}`);
    const runs = { holdfast: [], 'by hand': [] };
    for (let i = 0; i < repeats; i++) {
      for (const which of i % 2 === 0 ? ['holdfast', 'by hand'] : ['by hand', 'holdfast']) {
        runs[which].push(await once(which, place, build, processes, seconds));
      }
    }
    rows.push({ where, processes, holdfast: summary(runs.holdfast), byHand: summary(runs['by hand']) });
  }
  return { repeats, seconds, rows };
}
