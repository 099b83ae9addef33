// From the kill -9 of a worker to the next start of its job, in another process that idles.
import { setTimeout as sleep } from 'node:timers/promises';
import { now, quantile, randomFrom } from '../../lib/measure.js';
import { inFreshPlace } from '../../lib/queues.js';
import { ended, nextMessage, startScript } from '../../lib/temporary.js';

/** @typedef {import('../../lib/queues.js').Places} Places */

/** How long a worker has to come to rest, in milliseconds. */
const rest = 120;

async function openQueue({ build, directory, url }) {
  const { open, Queue } = await import(build);
  const store =
    url === undefined
      ? open(directory)
      : await (await import(String(new URL('./postgres.js', build)))).connect(url);
  return { store, queue: new Queue(store, 'jobs') };
}

/** @param {number} n @returns {Promise<never>} */
async function tooLate(n) {
  await sleep(60_000, undefined, { ref: false });
  throw new Error(`job ${n} did not start again within a minute`);
}

/** Milliseconds from the kill to the next start, `times` times. */
async function kill({ times, holderOf, add }) {
  const random = randomFrom(20_260_105);
  const took = [];
  let holders = [await holderOf(), await holderOf()];
  for (let n = 0; n < times; n++) {
    await sleep(rest + 50 * random());
    const starts = holders.map(nextMessage);
    await add(n);
    const which = await Promise.race(starts.map(async (start, i) => [await start, i]));
    const [{ n: started }, victim] = which;
    const heir = 1 - victim;
    await sleep(10 + 50 * random());
    // The one that is killed never sends anything more; the other one the same job.
    const killed = now();
    const death = ended(holders[victim], 'SIGKILL');
    const { at, n: inherited, attempt } = await Promise.race([starts[heir], tooLate(n)]);
    if (started !== n || inherited !== n || attempt !== 1)
      throw new Error(`job ${n}: ${started} was started, then ${inherited} in attempt ${attempt}`);
    took.push((at - killed) / 1e6);
    holders[heir].send('end');
    await death;
    holders = [holders[heir], await holderOf()];
  }
  for (const holder of holders) await ended(holder, 'SIGKILL');
  return took;
}

/** @param {'directory' | 'postgres'} on @param {number} times @param {Places} places */
async function deathsOn(on, times, places) {
  return await inFreshPlace({ name: 'Holdfast', module: 'holdfast', on }, places, async (options) => {
    const { store, queue } = await openQueue(options);
    const holderOf = async () => {
      const child = startScript('queue-holder.js', [options.build, options.directory ?? options.url]);
      await nextMessage(child);
      return child;
    };
    const took = await kill({ times, holderOf, add: async (n) => void (await queue.add(n)) });
    await queue.idle({ timeout: '10s' });
    const { completed, failed, cancelled } = await queue.counts();
    if (completed !== times || failed + cancelled > 0)
      throw new Error(`${completed} of ${times} jobs were completed`);
    await store.close();
    return took;
  });
}

/** @param {{ quick: boolean, places: Places, progress(what: string): void }} options */
export async function measureDeaths({ quick, places, progress }) {
  const times = quick ? 5 : 30;
  const rows = [];
  for (const [name, on] of /** @type {const} */ ([
    ['Holdfast', 'directory'],
    ['Holdfast on PostgreSQL', 'postgres'],
  ])) {
    if (on === 'postgres' && places.postgres === undefined) continue;
    progress(`queue: kill -9, ${name}`);
    const took = await deathsOn(on, times, places);
    rows.push({ name, p50: quantile(took, 0.5), p99: quantile(took, 0.99), longest: Math.max(...took) });
  }
  return { times, rows };
}
