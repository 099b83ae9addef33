// What it costs that a cache knows which entries are to go: a get that counts as a use; and a set that has another entry go.
import { setImmediate as turn } from 'node:timers/promises';
import { openCache } from '../../lib/caches.js';
import { keyOf, pageOf } from '../../lib/data.js';
import { clock, randomFrom, sideBySide } from '../../lib/measure.js';
import { absent, fresh } from '../../lib/operations.js';
import { removeDirectory, temporaryDirectory } from '../../lib/temporary.js';

const entries = 20_000;
const length = 1000;
/** How often a program that reads without pause lets others have their turn: after so many gets. */
const getsAtOnce = 200;
const policies = ['least-recently-stored', 'least-recently-used', 'least-frequently-used'];
const own = { name: 'Holdfast', module: 'holdfast' };
const byHand = { name: 'by hand', module: 'by-hand' };

async function opened(candidate, options) {
  const directory = temporaryDirectory();
  const cache = await openCache(candidate, { directory, ...options });
  for (let from = 0; from < entries; from += 1000) {
    const some = Array.from({ length: 1000 }, (_, i) => [keyOf(from + i), pageOf(from + i, length)]);
    await cache.fill(some);
  }
  return {
    cache,
    async close() {
      await cache.close();
      removeDirectory(directory);
    },
  };
}

/** Those that write each use at once do so little in a round, or it would take minutes. */
const slowShare = 0.1;

/** Gets, and all the writing that comes of them. */
async function read({ get, settle, remote }, keys) {
  if (remote !== undefined)
    return await remote(
      'get',
      keys.map((key) => [key]),
    );
  const stop = clock();
  for (let from = 0; from < keys.length; from += getsAtOnce) {
    for (let i = from; i < from + getsAtOnce; i++) get(keys[i]);
    await turn();
  }
  settle?.();
  return stop();
}

/** `gets` of keys by chance, of the first `of` or of all, in each round: about as many as a program can do until uses are written. */
async function measureGets(stores, { of, gets, rounds }) {
  const runners = stores.map(({ name, cache, get = cache.get, share }) => ({
    name,
    async run(round) {
      const random = randomFrom(round);
      const keys = Array.from({ length: gets * share }, () => keyOf(Math.floor(random() * of)));
      const { took, disturbed } = await read({ ...cache, get }, keys);
      return [{ took: took / share, disturbed }];
    },
  }));
  const [figures] = await sideBySide(runners, { rounds, perRound: [gets] });
  return { of, figures };
}

/** @param {{ candidates: readonly import('../../lib/queues.js').Candidate[], places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureUses({ candidates, places: { build }, quick, progress }) {
  const stores = [];
  const add = async (name, candidate, options, share = 1, how = () => undefined) => {
    progress(`cache: filling ${name}`);
    const store = await opened(candidate, options);
    stores.push({ name, ...store, share, get: how(store.cache) });
  };
  try {
    await add('by hand', byHand, {});
    for (const eviction of policies) await add(eviction, own, { build, eviction });
    await add('by hand, each use written', byHand, {}, slowShare, (cache) => cache.getAndUse);
    const diskCache = candidates.find(({ module }) => module === 'diskcache');
    if (diskCache !== undefined)
      await add('DiskCache, least-recently-used', diskCache, { eviction: 'least-recently-used' }, slowShare);
    const rows = [];
    for (const of of [500, entries]) {
      progress(`cache: get of ${of} keys, by policy`);
      rows.push(await measureGets(stores, { of, gets: quick ? 10_000 : 60_000, rounds: quick ? 6 : 16 }));
    }
    return { entries, rows };
  } finally {
    for (const { close } of stores) await close();
  }
}

/** New entries, one at a time; those that did not have another go are deleted afterwards. */
function addingTo({ cache, name }, count) {
  return {
    name,
    async run(round) {
      const list = absent(round, count).map((key, i) => [key, pageOf(fresh(round, i), length)]);
      const stop = clock();
      for (const [key, value] of list) cache.set(key, value);
      const sample = stop();
      if (name === 'room') for (const [key] of list) cache.delete(key);
      return [sample];
    },
  };
}

/** @param {{ places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureFull({ places: { build }, quick, progress }) {
  const rows = [];
  const perRound = 8;
  for (const [candidate, eviction] of [...policies.map((policy) => [own, policy]), [byHand, undefined]]) {
    progress(`cache: full, ${eviction ?? candidate.name}`);
    const options = candidate === own ? { build, eviction } : {};
    const stores = [
      { name: 'room', ...(await opened(candidate, options)) },
      { name: 'full', ...(await opened(candidate, { ...options, maxEntries: entries })) },
    ];
    const plan = { rounds: quick ? 24 : 200, perRound: [perRound] };
    const runners = stores.map((store) => addingTo(store, perRound));
    const [figures] = await sideBySide(runners, plan);
    rows.push({ name: eviction ?? candidate.name, figures });
    for (const { close } of stores) await close();
  }
  return { entries, rows };
}
