import { expect, test } from 'vitest';
import { Cache, type AsyncCache } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, rolledBack, transact, until } from './helpers.js';

type Removal = (cache: AsyncCache<string>) => unknown;

const removals: readonly (readonly [string, Removal])[] = [
  ['delete', (cache) => cache.delete('k')],
  ['deleteMany', (cache) => cache.deleteMany(['k'])],
  ['pop', (cache) => cache.pop('k')],
  ['update to undefined', (cache) => cache.update('k', () => undefined)],
  ['invalidate', (cache) => cache.invalidate(['other', 'tag'])],
  ['clear', (cache) => cache.clear()],
];

forEachEngine((engine) => {
  /** Two objects of a cache, and a value that the first works out until it is let go. */
  const begun = async () => {
    const store = await engine.open();
    const one: AsyncCache<string> = new Cache<string>(store, 'c');
    const two: AsyncCache<string> = new Cache<string>(await engine.reopen(store), 'c');
    const gate = deferred<undefined>();
    let calls = 0;
    const produce = async (): Promise<string> => {
      if (++calls > 1) return 'new';
      await gate.promise;
      return 'old';
    };
    const ask = (cache: AsyncCache<string>) => cache.getOrSet('k', produce, { tags: ['tag'] });
    const first = ask(one);
    await until(() => calls === 1);
    return { store, one, two, gate, first, ask, calls: () => calls };
  };

  test.each(removals)('what is removed by %s while it is worked out is not stored', async (_, remove) => {
    const { one, two, gate, first, ask, calls } = await begun();
    const elsewhere = ask(two);
    await pause(50);
    await remove(two);
    expect(await ask(one)).toBe('new');
    expect(await elsewhere).toBe('new');
    gate.resolve(undefined);
    expect(await first).toBe('old');
    expect(await one.get('k')).toBe('new');
    expect(calls()).toBe(2);
  });

  test('what is set while another value is worked out stays', async () => {
    const { one, two, gate, first } = await begun();
    await two.set('k', 'set');
    gate.resolve(undefined);
    await first;
    expect(await one.get('k')).toBe('set');
  });

  test('a removal that is rolled back, of other tags, or of what has expired, cancels nothing', async () => {
    const { store, one, two, gate, first } = await begun();
    await rolledBack(store, function* () {
      for (const [, remove] of removals) yield remove(one);
    });
    await two.invalidate('other');
    await two.expire();
    await two.cull();
    gate.resolve(undefined);
    expect(await first).toBe('old');
    expect(await one.get('k')).toBe('old');
  });

  test.each(removals)('%s inside a transaction cancels once that is committed', async (_, remove) => {
    const { store, one, gate, first } = await begun();
    await transact(store, function* () {
      yield remove(one);
    });
    gate.resolve(undefined);
    await first;
    expect(await one.get('k')).toBe(undefined);
  });

  test('an expired value that may be served is not served once it is deleted', async () => {
    const cache: AsyncCache<number> = new Cache<number>(await engine.open(), 'c');
    await cache.getOrSet('k', () => 1, { ttl: 1, staleFor: '1h' });
    await pause(20);
    expect(await cache.delete('k')).toBe(false);
    expect(await cache.getOrSet('k', () => 2)).toBe(2);
  });

  test('an error that is kept is forgotten with its key, and with its tags', async () => {
    const cache: AsyncCache<number> = new Cache<number>(await engine.open(), 'c');
    const failing = (): number => {
      throw new Error('no');
    };
    for (const remove of [() => cache.delete('k'), () => cache.invalidate('t')]) {
      await expect(cache.getOrSet('k', failing, { errorTtl: '1h', tags: ['t'] })).rejects.toThrow('no');
      await remove();
      expect(await cache.getOrSet('k', () => 1)).toBe(1);
      await cache.delete('k');
    }
  });

  test('what is forgotten while it is refreshed is not stored, and a refresh keeps what its options say', async () => {
    const cache: AsyncCache<string> = new Cache<string>(await engine.open(), 'c');
    const gate = deferred<undefined>();
    let begun = false;
    const slow = cache.memoize(
      async () => {
        begun = true;
        await gate.promise;
        return 'old';
      },
      { name: 'slow' },
    );
    const refreshed = slow.refresh();
    await until(() => begun);
    await slow.forget();
    gate.resolve(undefined);
    expect(await refreshed).toBe('old');
    expect(await cache.get(slow.key())).toBe(undefined);
  });
});
