// @ts-check
// Works on a cache beside its siblings: adds, counts, asks for a value that takes time to work out, or dies while it works that out.
import { setTimeout as sleep } from 'node:timers/promises';
import { Cache } from 'holdfast';
import { allStarted, args, openStore, processNumber, send } from './child.js';

const [location, work = '', count, options = '{}'] = args;
const store = await openStore(location);
/** @type {import('holdfast').AsyncCache<any>} */
const cache = new Cache(store, 'c', JSON.parse(options));

/** @type {Record<string, () => Promise<unknown>>} */
const works = {
  async add() {
    let added = 0;
    for (let i = 0; i < Number(count); i++) if (await cache.add(i, processNumber)) added++;
    return added;
  },
  async increment() {
    for (let i = 0; i < Number(count); i++) await cache.increment('n');
  },
  async stampede() {
    let calls = 0;
    const produce = async () => {
      calls++;
      await sleep(300);
      return { by: processNumber };
    };
    const all = await Promise.all(Array.from({ length: Number(count) }, () => cache.getOrSet('k', produce)));
    return { calls, by: [...new Set(all.map(({ by }) => by))] };
  },
  async hang() {
    await cache.getOrSet('k', () => {
      send('begun');
      return sleep(1e9);
    });
  },
};

if (work !== 'hang') await allStarted();
send((await works[work]?.()) ?? null);
await store.close();
