// Locks: alone, by turns with the same work by hand and with peers; several processes at one lock; and the death of who holds it.
import { quantile, clock, sideBySide } from '../lib/measure.js';
import { ended, nextMessage, removeDirectory, startScript, temporaryDirectory } from '../lib/temporary.js';
import { diskCacheAlone, diskCacheContended, hasDiskCache } from '../candidates/diskcache.js';
import { byHandLock, holdfastLock, properLockfile, redlock } from '../candidates/locks.js';

async function measureAlone(build, quick, redisPort) {
  const directories = [];
  const directory = () => {
    directories.push(temporaryDirectory());
    return directories.at(-1);
  };
  const found = [
    ['by hand', byHandLock(directory())],
    ['tryAcquire', await holdfastLock(build, directory(), 'tryAcquire')],
    ['acquire', await holdfastLock(build, directory(), 'acquire')],
    ['use', await holdfastLock(build, directory(), 'use')],
    ['proper-lockfile', await properLockfile(directory())],
    ['redlock', redisPort === undefined ? undefined : await redlock(redisPort)],
  ];
  const candidates = found.filter(([, candidate]) => candidate);
  const perRound = 40;
  const runners = candidates.map(([name, candidate]) => ({
    name,
    async run() {
      const stop = clock();
      for (let i = 0; i < perRound; i++) {
        const done = candidate.cycle();
        if (done instanceof Promise) await done;
      }
      return [stop()];
    },
  }));
  const [figures] = await sideBySide(runners, { rounds: quick ? 30 : 300, perRound: [perRound] });
  for (const [, candidate] of candidates) candidate.close();
  directories.forEach(removeDirectory);
  return figures;
}

async function contend(build, processes, hold, fair, seconds) {
  const directory = temporaryDirectory();
  try {
    const children = [];
    for (let i = 0; i < processes; i++) {
      const child = startScript('locker.js', [build, directory, String(hold), fair]);
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
    return summary(results, seconds);
  } finally {
    removeDirectory(directory);
  }
}

function summary(results, seconds) {
  const holds = results.flatMap(({ held }, process) =>
    Array.from({ length: held.length / 2 }, (_, i) => [held[2 * i], held[2 * i + 1], process]),
  );
  holds.sort(([a], [b]) => a - b);
  const handOvers = [];
  for (let i = 1; i < holds.length; i++) {
    const [before, after] = [holds[i - 1], holds[i]];
    if (after[0] < before[1]) throw new Error('two processes held the lock at the same time');
    if (before[2] !== after[2]) handOvers.push((after[0] - before[1]) / 1e6);
  }
  const counts = results.map(({ held }) => held.length);
  return {
    throughput: holds.length / seconds,
    handOvers: handOvers.length / seconds,
    p50: quantile(handOvers, 0.5),
    p99: quantile(handOvers, 0.99),
    longest: Math.max(...results.map(({ longest }) => longest)),
    unfairness: Math.max(...counts) / Math.min(...counts),
  };
}

/** The medians of several runs, and the worst of their longest waits. */
function together(runs) {
  const median = (what) =>
    quantile(
      runs.map((run) => run[what] ?? NaN),
      0.5,
    );
  return {
    ...Object.fromEntries(['throughput', 'p50', 'p99', 'unfairness'].map((what) => [what, median(what)])),
    longest: median('longest'),
    worst: Math.max(...runs.map(({ longest }) => longest)),
  };
}

/** From just before the holder is killed to the next holder, in milliseconds. */
async function inherit(build, times) {
  const directory = temporaryDirectory();
  const took = [];
  try {
    let holder = startScript('heir.js', [build, directory]);
    await nextMessage(holder);
    for (let i = 0; i < times; i++) {
      const heir = startScript('heir.js', [build, directory]);
      const held = nextMessage(heir);
      await waitsFor(build, directory);
      const killed = Number(process.hrtime.bigint());
      await ended(holder, 'SIGKILL');
      took.push(((await held) - killed) / 1e6);
      holder = heir;
    }
    await ended(holder, 'SIGKILL');
    return took;
  } finally {
    removeDirectory(directory);
  }
}

async function waitsFor(build, directory) {
  const { open, Lock } = await import(build);
  const store = open(directory);
  const lock = new Lock(store, 'lock');
  while (lock.waiters().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  store.close();
  // At any moment of the heir's polls.
  await new Promise((resolve) => setTimeout(resolve, 100 * Math.random()));
}

/** @param {{ build: string, quick: boolean, peers: boolean, redis?: { readonly port: number }, progress(what: string): void }} options */
export async function measureLocks({ build, quick, peers, redis, progress }) {
  progress('locks: alone');
  const alone = await measureAlone(build, quick, redis?.port);
  const peer = peers && hasDiskCache();
  if (peer) {
    // In a process of its own, and so not by turns.
    const median = await diskCacheAlone(quick ? 500 : 5000);
    alone.push({ name: 'DiskCache', median, ratio: median / alone[0].median });
  }
  const contended = [];
  for (const by of ['', 'fair', ...(peer ? ['DiskCache'] : [])]) {
    for (const [hold, processes] of [0, 1].flatMap((ms) => [2, 4, 8].map((n) => [ms, n]))) {
      progress(`locks: ${processes} processes, ${hold} ms ${by}`);
      const seconds = quick ? 1 : 4;
      const runs = [];
      for (let i = 0; i < (quick ? 1 : 3); i++) {
        runs.push(
          by === 'DiskCache'
            ? await diskCacheContended(processes, hold, seconds)
            : await contend(build, processes, hold, by, seconds),
        );
      }
      contended.push({ processes, hold, by, ...together(runs) });
    }
  }
  progress('locks: death');
  const deaths = await inherit(build, quick ? 10 : 100);
  return {
    alone,
    contended,
    deaths: {
      times: deaths.length,
      p50: quantile(deaths, 0.5),
      p99: quantile(deaths, 0.99),
      longest: Math.max(...deaths),
    },
  };
}
