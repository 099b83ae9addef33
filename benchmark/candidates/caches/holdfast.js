// The library's Cache, as a user calls it.
import { computed } from '../../lib/caches.js';

/** @param {{ build: string, directory: string }} place @param {object} [options] - Of the cache. */
export async function openCache({ build, directory, ...options }) {
  const { open, Cache } = await import(build);
  const store = open(directory, { busyTimeout: '20s' });
  const cache = new Cache(store, 'entries', options);
  return {
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value),
    setFor: (key, value, ttl) => cache.set(key, value, { ttl }),
    delete: (key) => cache.delete(key),
    getMany: (keys) => cache.getMany(keys),
    setMany: (entries) => cache.setMany(entries),
    add: (key, value) => cache.add(key, value),
    touch: (key, ttl) => cache.touch(key, ttl),
    increment: (key) => cache.increment(key),
    memoized: cache.memoize(computed, { name: 'computed' }),
    /** Many, without a copy of them all. */
    fill: (entries) =>
      store.transaction(() => {
        for (const [key, value] of entries) cache.set(key, value);
      }),
    /** Writes which entries were read, which is done a second later otherwise. */
    settle: () => cache.stats(),
    size: () => cache.size,
    close: () => store.close(),
  };
}
