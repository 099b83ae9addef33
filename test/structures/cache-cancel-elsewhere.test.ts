import { expect, test } from 'vitest';
import { Cache, type AsyncCache } from '../../src/index.js';
import { startProcess } from '../support/processes.js';
import { engines, forEachEngine } from '../support/stores.js';
import { deferred, until, withCode } from './helpers.js';

type Removal = (cache: AsyncCache<string>) => unknown;

const removals: readonly (readonly [string, Removal])[] = [
  ['delete', (cache) => cache.delete('k')],
  ['invalidate', (cache) => cache.invalidate('t')],
  ['clear', (cache) => cache.clear()],
];

forEachEngine((engine) => {
  test.each(removals)(
    'what another process works out is not stored once it is removed by %s, and who asks then works it out anew',
    async (_, remove) => {
      const store = await engine.open();
      const cache: AsyncCache<string> = new Cache<string>(store, 'c');
      // Whoever asks does so before the other has ended, or after that.
      for (const early of [true, false]) {
        const other = startProcess('cache-cancel.js', engine.location(store));
        expect(await other.nextMessage()).toBe('begun');
        await remove(cache);
        if (early) expect(await cache.getOrSet('k', () => 'new')).toBe('new');
        await other.send('end');
        expect(await other.result()).toBe('old');
        expect(await cache.get('k')).toBe(early ? 'new' : undefined);
        expect(await cache.getOrSet('k', () => 'newer')).toBe(early ? 'new' : 'newer');
        await cache.clear();
      }
    },
  );

  test('who waits for what another process works out is woken when that is removed, and works it out anew', async () => {
    const store = await engine.open();
    const cache: AsyncCache<string> = new Cache<string>(store, 'c');
    const other = startProcess('cache-cancel.js', engine.location(store));
    expect(await other.nextMessage()).toBe('begun');
    const waiting = cache.getOrSet('k', () => 'new');
    const third: AsyncCache<string> = new Cache<string>(await engine.reopen(store), 'c');
    await third.delete('k');
    expect(await waiting).toBe('new');
    await other.send('end');
    expect(await other.result()).toBe('old');
    expect(await third.get('k')).toBe('new');
  });
});

/** A transaction on a server that has seen the store as it was before `meanwhile`; tells how often it was run. */
const server = async () => {
  const [, engine] = engines;
  const store = await engine.open();
  const cache: AsyncCache<string> = new Cache<string>(store, 'c');
  const other: AsyncCache<string> = new Cache<string>(await engine.reopen(store), 'c');
  await cache.set('seen', 'x');
  const transaction = async (
    meanwhile: () => Promise<unknown>,
    work: () => Promise<unknown>,
  ): Promise<number> => {
    let runs = 0;
    await store.transaction(async () => {
      await cache.get('seen');
      if (++runs === 1) await meanwhile();
      await work();
    });
    return runs;
  };
  return { store, cache, other, transaction };
};

test.each(removals)(
  '%s in a transaction that began before the value was worked out cancels that all the same',
  async (_, remove) => {
    const { cache, other, transaction } = await server();
    const gate = deferred<string>();
    let calls = 0;
    let asked: Promise<string> | undefined;
    const begin = async (): Promise<void> => {
      asked = other.getOrSet('k', async () => (calls++, gate.promise), { tags: ['t'] });
      await until(() => calls === 1);
    };
    expect(await transaction(begin, async () => remove(cache))).toBeGreaterThan(1);
    gate.resolve('old');
    expect(await asked).toBe('old');
    expect(await cache.get('k')).toBeUndefined();
  },
);

test.each(removals)(
  '%s in a transaction removes what was worked out and stored since that began',
  async (_, remove) => {
    const { cache, other, transaction } = await server();
    const produce = async (): Promise<unknown> => other.getOrSet('k', () => 'old', { tags: ['t'] });
    expect(await transaction(produce, async () => remove(cache))).toBeGreaterThan(1);
    expect(await cache.get('k')).toBeUndefined();
  },
);

test('a transaction that removes nothing of it is not run again for what is worked out meanwhile', async () => {
  /** How often it runs, and the store. */
  const once = async (): Promise<{ readonly runs: number } & Awaited<ReturnType<typeof server>>> => {
    const all = await server();
    const { cache, other, transaction } = all;
    const produce = async (): Promise<unknown> => other.getOrSet('k', () => 'new');
    const runs = await transaction(produce, async () => cache.set('mine', 'y'));
    expect(await cache.getMany(['k', 'mine'])).toEqual(['new', 'y']);
    return { ...all, runs };
  };
  let { runs, store, cache } = await once();
  // Two connections of sixteen may count in one row, by chance: then they do conflict.
  for (let tries = 1; runs > 1; tries++) {
    expect(tries).toBeLessThan(8);
    ({ runs, store, cache } = await once());
  }
  // What is worked out can't wait for the end of a transaction that may be run again.
  const refused = store.transaction(async () => cache.getOrSet('z', () => 'z'));
  await expect(refused).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
});
