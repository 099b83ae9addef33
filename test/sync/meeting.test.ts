import { describe, expect, test } from 'vitest';
import { Averager, Barrier, Counter, Latch, type AsyncStore } from '../../src/index.js';
import { engines, forEachEngine } from '../support/stores.js';
import { checkTables, rawConnection, refused, rolledBack, withCode } from '../structures/helpers.js';

type Calls = Record<string, (store: AsyncStore) => unknown>;

const latch = (store: AsyncStore) => new Latch(store, 'latch', { count: 3 });
const barrier = (store: AsyncStore) => new Barrier(store, 'barrier', { parties: 2 });
const counter = (store: AsyncStore) => new Counter(store, 'counter');
const averager = (store: AsyncStore) => new Averager(store, 'averager');

/** Each call, for what all of them owe. */
const reads: Calls = {
  'Latch.count': (store) => latch(store).count,
  'Barrier.waiting': (store) => barrier(store).waiting,
  'Barrier.broken': (store) => barrier(store).broken,
  'Counter.get': (store) => counter(store).get(),
  'Averager.get': (store) => averager(store).get(),
  'Averager.count': (store) => averager(store).count,
  'Averager.sum': (store) => averager(store).sum,
};
const writes: Calls = {
  'Latch.countDown': (store) => latch(store).countDown(),
  'Latch.reset': (store) => latch(store).reset(),
  'Barrier.reset': (store) => barrier(store).reset(),
  'Counter.add': (store) => counter(store).add(1),
  'Counter.pop': (store) => counter(store).pop(),
  'Averager.add': (store) => averager(store).add(1),
  'Averager.pop': (store) => averager(store).pop(),
};
const waits: Calls = {
  'Latch.wait': (store) => latch(store).wait({ timeout: 0 }),
  'Barrier.wait': (store) => barrier(store).wait(),
};
const all = Object.entries({ ...reads, ...writes, ...waits });

const state = async (store: AsyncStore) => Promise.all(Object.values(reads).map((call) => call(store)));

forEachEngine((engine) => {
  test.each(all)('%s is refused once the store is closed, used before or not', async (_, call) => {
    const [used, unused] = [await engine.open(), await engine.open()];
    await averager(used).add(1);
    await latch(used).countDown();
    await used.close();
    await unused.close();
    for (const store of [used, unused]) await refused(store, async () => call(store), withCode('ERR_CLOSED'));
  });

  test.each(Object.entries(writes))(
    '%s leaves nothing in a transaction that is rolled back',
    async (_, call) => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      await rolledBack(store, function* () {
        yield call(store);
      });
      expect(await store.structures()).toEqual([]);
      await counter(store).add(5);
      await averager(store).add(5);
      await latch(store).countDown();
      const before = await state(store);
      await rolledBack(store, function* () {
        yield call(store);
        yield call(store);
      });
      expect(await state(store)).toEqual(before);
      await checkTables(raw, store);
    },
  );
});

describe('a store that was opened with readonly', () => {
  const [engine] = engines;
  const opened = async () => {
    const writer = await engine.open();
    await latch(writer).countDown();
    await counter(writer).add(2);
    await averager(writer).add(4);
    return engine.reopen(writer, { embedded: { readonly: true } });
  };

  test('reads what is there, and what would be', async () => {
    const store = await opened();
    expect(await state(store)).toEqual([2, 0, false, 2, 4, 1, 4]);
    expect(await new Latch(store, 'never used', { count: 7 }).count).toBe(7);
    expect(await new Counter(store, 'never used').get()).toBe(0);
    expect(await new Averager(store, 'never used').get()).toBe(undefined);
  });

  test.each(Object.entries({ ...writes, ...waits }))('refuses %s', async (_, call) => {
    const store = await opened();
    await refused(store, async () => call(store), withCode('ERR_READONLY'));
    expect(await state(store)).toEqual([2, 0, false, 2, 4, 1, 4]);
  });
});

describe('results', () => {
  test('are values on an embedded store, and promises on a server', async () => {
    for (const engine of engines) {
      const store = await engine.open();
      for (const [name, call] of Object.entries({ ...reads, ...writes })) {
        const result = call(store);
        expect(result instanceof Promise, name).toBe(engine.name === 'server');
        await result;
      }
    }
  });
});
