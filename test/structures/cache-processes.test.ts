import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { inProcesses, startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { collect } from './helpers.js';

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

forEachEngine((engine) => {
  test('sixteen processes that add the same keys add each once', async () => {
    const store = await engine.open();
    const keys = 1_000;
    const added = await inProcesses<number>(16, 'cache-work.js', engine.location(store), 'add', keys);
    expect(sum(added)).toBe(keys);
    const cache = new Cache<number>(store, 'c');
    expect(await cache.size).toBe(keys);
    const owners = await collect(cache.values());
    for (const [process, count] of added.entries())
      expect(owners.filter((one) => one === process)).toHaveLength(count);
  }, 240_000);

  test('eight processes that increment a number count exactly', { timeout: 300_000 }, async () => {
    const store = await engine.open();
    const each = 1_000;
    await inProcesses(8, 'cache-work.js', engine.location(store), 'increment', each);
    expect(await new Cache<number>(store, 'c').get('n')).toBe(8 * each);
  });

  test('four processes that increment a number in a file, which each replaces, count exactly', async () => {
    const store = await engine.open();
    const options = JSON.stringify({ fileThreshold: 0 });
    await inProcesses(4, 'cache-work.js', engine.location(store), 'increment', 100, options);
    expect(await new Cache<number>(store, 'c').get('n')).toBe(400);
  });

  test('of eight processes with fifty callers each one works a value out, once', async () => {
    const store = await engine.open();
    const location = engine.location(store);
    const all = await inProcesses<{ calls: number; by: number[] }>(
      8,
      'cache-work.js',
      location,
      'stampede',
      50,
    );
    expect(sum(all.map(({ calls }) => calls))).toBe(1);
    const leader = all.findIndex(({ calls }) => calls === 1);
    for (const { by } of all) expect(by).toEqual([leader]);
  });

  test('when the process that works a value out is killed, another takes over', async () => {
    const store = await engine.open();
    const hanging = startProcess('cache-work.js', engine.location(store), 'hang');
    expect(await hanging.nextMessage()).toBe('begun');
    const value = new Cache<string>(store, 'c').getOrSet('k', () => 'mine');
    hanging.child.kill('SIGKILL');
    expect(await value).toBe('mine');
  });
});
