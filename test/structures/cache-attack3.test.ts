import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import { Cache } from '../../src/index.js';
import { openStore } from '../core/support.js';
import { pause } from './helpers.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

// Upkeep is to keep no cache in memory: src/structures/cache/keeper.ts.
test.each([{}, { eviction: 'least-recently-used' }, { statistics: true }] as const)(
  'a cache that nobody uses any more is looked after no longer: %o',
  async (options) => {
    const store = openStore();
    const timers: NodeJS.Timeout[] = [];
    const { setInterval: real } = globalThis;
    const spy = vi.spyOn(globalThis, 'setInterval').mockImplementation(((
      ...args: Parameters<typeof real>
    ) => {
      const timer = real(...args);
      timers.push(timer);
      return timer;
    }) as typeof real);
    for (let i = 0; i < 20; i++) {
      const cache = new Cache<number>(store, 'c', options);
      cache.set('k', 1);
      cache.get('k');
    }
    spy.mockRestore();
    expect(timers.length).toBeGreaterThanOrEqual(20);
    await pause(1_500);
    gc();
    await pause(7_000);
    const left = timers.filter((timer) => !(timer as unknown as { _destroyed: boolean })._destroyed);
    expect(left.length).toBeLessThan(5);
  },
  20_000,
);
