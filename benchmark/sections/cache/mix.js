// DiskCache's own mix of operations (its tests/benchmark_core.py): 90 % get, 9 % set, 1 % delete, of 100 keys, in one process and in eight.
import { tmpdir } from 'node:os';
import { startDiskCache } from '../../lib/caches.js';
import { buckets, Histogram } from '../../lib/histogram.js';
import { quantile } from '../../lib/measure.js';
import { inFreshPlace } from '../../lib/queues.js';
import { ended, inMemory, nextMessage, startScript } from '../../lib/temporary.js';

/** @typedef {import('../../lib/queues.js').Candidate} Candidate */

const keys = 100;
const operations = ['get', 'set', 'delete'];

/** In memory no disk's stalls are measured: those who bound the longest wait, and the one they are compared with. */
const locking = ({ module }) => ['by-hand', 'holdfast', 'diskcache'].includes(module);
/** Those that can be spread over so many databases: with several processes they are measured so, too. */
const spread = (candidates) =>
  candidates
    .filter(({ module }) => ['holdfast', 'diskcache'].includes(module))
    .map((one) => ({ ...one, name: `${one.name}, 8 shards`, options: { shards: 8 } }));

/** A process that is ready to run the mix. */
async function started({ module }, place, number) {
  if (module === 'diskcache') {
    const { ask, close } = await startDiskCache(place.directory, { shards: place.shards });
    return async (task) => {
      const result = await ask({ mix: { ...task, number, buckets } });
      close();
      return result;
    };
  }
  const child = startScript('cache-mix.js', [module, JSON.stringify(place), String(number)]);
  await nextMessage(child);
  return async (task) => {
    const result = nextMessage(child);
    child.send(task);
    const taken = await result;
    await ended(child);
    return taken;
  };
}

async function once(candidate, places, processes, seconds) {
  return await inFreshPlace(candidate, places, async (place) => {
    const starts = [];
    for (let number = 0; number < processes; number++) starts.push(await started(candidate, place, number));
    const start = Date.now() + 200;
    const task = { start, end: start + seconds * 1000, keys };
    const results = await Promise.all(starts.map((run) => run(task)));
    const histograms = operations.map((name) => {
      const all = new Histogram();
      for (const { counts, longest } of results) all.merge({ counts: counts[name], longest: longest[name] });
      return [name, { p50: all.quantile(0.5), p99: all.quantile(0.99), longest: all.longest }];
    });
    const count = results.reduce((sum, result) => sum + result.count, 0);
    return { throughput: count / seconds, ...Object.fromEntries(histograms) };
  });
}

/** Medians of the runs, and the longest of them all. */
function together(runs) {
  const median = (read) => quantile(runs.map(read), 0.5);
  const figures = operations.map((name) => [
    name,
    {
      p50: median((run) => run[name].p50),
      p99: median((run) => run[name].p99),
      longest: median((run) => run[name].longest),
      worst: Math.max(...runs.map((run) => run[name].longest)),
    },
  ]);
  return { throughput: median((run) => run.throughput), ...Object.fromEntries(figures) };
}

/** @param {{ candidates: readonly Candidate[], places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureMix({ candidates, places, quick, progress }) {
  const runs = quick ? 1 : 3;
  const seconds = quick ? 1 : 3;
  const where = [{ name: 'on disk', parent: tmpdir(), all: candidates }];
  if (inMemory !== undefined)
    where.push({ name: 'in memory', parent: inMemory, all: candidates.filter(locking) });
  const rows = [];
  for (const { name, parent, all } of where) {
    for (const processes of [1, 8]) {
      const taking = processes === 1 ? all : [...all, ...spread(all)];
      const results = taking.map(() => []);
      for (let run = 0; run < runs; run++) {
        for (let i = 0; i < taking.length; i++) {
          const which = (run + i) % taking.length;
          progress(`cache: the mix, ${processes} processes, ${name}, ${taking[which].name}`);
          results[which].push(await once(taking[which], { ...places, parent }, processes, seconds));
        }
      }
      rows.push(
        ...taking.map((one, i) => ({ where: name, processes, name: one.name, ...together(results[i]) })),
      );
    }
  }
  return { runs, seconds, keys, rows };
}
