import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { openStore, raw } from '../core/support.js';
import { pause } from './helpers.js';

// Of a function that is not async; of an async one it holds.
test.each(['stale', 'fresh'])(
  'a value that is there, and %s, is served where it can’t be worked out anew since nothing can be written',
  async (state) => {
    const store = openStore();
    const options =
      state === 'stale'
        ? { name: 'f', ttl: 1, staleFor: '1h' as const }
        : { name: 'f', ttl: '1h' as const, refreshAhead: Number.MAX_VALUE };
    const slowly = (): number => {
      const end = performance.now() + 2;
      while (performance.now() < end);
      return 1;
    };
    expect(new Cache<number>(store, 'c').memoize(slowly, options)()).toBe(1);
    await pause(10);
    const reading = new Cache<number>(openStore(store.directory, { readonly: true }), 'c');
    expect(await reading.memoize(async () => 2, options)()).toBe(1);
    expect.soft(() => reading.memoize(() => 2, options)()).not.toThrow();
    const busy = new Cache<number>(openStore(store.directory, { busyTimeout: 50 }), 'c');
    const other = raw(store.directory);
    other.exec('BEGIN IMMEDIATE');
    expect.soft(() => busy.memoize(() => 2, options)()).not.toThrow();
    other.exec('ROLLBACK');
  },
);
