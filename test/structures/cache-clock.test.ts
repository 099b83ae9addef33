import { expect, onTestFinished, test, vi } from 'vitest';
import { Cache, type Store } from '../../src/index.js';
import { engines } from '../support/stores.js';
import { pause, until } from './helpers.js';
import { Machine } from './machine.js';

const hour = 3_600_000;

/** What gives an entry an hour. */
const ways: Readonly<
  Record<string, (cache: Cache<number>, transaction: (work: () => void) => void) => void>
> = {
  'was set': (cache) => {
    cache.set('k', 1, { ttl: hour });
  },
  'was set in a transaction': (cache, transaction) => {
    transaction(() => {
      cache.set('k', 1, { ttl: hour });
    });
  },
  'was touched': (cache) => {
    cache.touch('k', hour);
  },
};

test.each(Object.entries(ways))(
  'what %s expires in its time over a reboot, also when the wall clock was set back before',
  async (_, change) => {
    const machine = new Machine();
    const store = machine.open();
    const cache = new Cache<number>(store, 'c');
    cache.set('k', 0);
    machine.now += hour;
    machine.offset -= 10 * hour;
    change(cache, (work) => store.transaction(work));
    // Where the clock is may be noted a moment later.
    await pause(50);
    store.close();
    machine.reboot(hour / 2);
    const again = new Cache<number>(machine.open(), 'c');
    machine.now += hour / 4;
    expect(again.has('k')).toBe(true);
    machine.now += hour / 2;
    expect(again.has('k')).toBe(false);
  },
);

test('what has expired is removed by itself also after a reboot that the clock has not gone on over', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const machine = new Machine();
  const store = machine.open();
  const cache = new Cache<number>(store, 'c');
  cache.set('a', 1, { ttl: 1 });
  await vi.advanceTimersByTimeAsync(0);
  machine.now += hour;
  await vi.advanceTimersByTimeAsync(7_000);
  expect(cache.size).toBe(0);
  store.close();
  machine.offset -= 10 * hour;
  machine.reboot();
  const again = new Cache<number>(machine.open(), 'c');
  again.set('b', 1, { ttl: 1 });
  machine.now += 10;
  await vi.advanceTimersByTimeAsync(7_000);
  expect(again.size).toBe(0);
});

test('on a server nobody removes what a transaction is giving more time', async () => {
  const server = engines.find(({ name }) => name === 'server');
  const store = await server!.open();
  const cache = new Cache<number>(store, 'c');
  const beside = new Cache<number>(await server!.reopen(store), 'c');
  await cache.set('k', 1, { ttl: 200 });
  await store.transaction(async () => {
    expect(await cache.touch('k', hour)).toBe(true);
    await until(async () => !(await beside.has('k')));
    expect(await beside.expire()).toBe(0);
  });
  expect(await beside.expire()).toBe(0);
  expect(await cache.get('k')).toBe(1);
});

test('of several that look for what has expired one at a time does, and the others when it has gone', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  const random = vi.spyOn(Math, 'random');
  onTestFinished(() => {
    vi.useRealTimers();
    random.mockRestore();
  });
  const machine = new Machine();
  /** Looks after so many milliseconds, over and over. */
  const opened = (every: number): { store: Store; cache: Cache<number> } => {
    random.mockReturnValue((every / 5_000 - 0.8) / 0.4);
    const store = machine.open();
    const cache = new Cache<number>(store, 'c');
    cache.set('kept', 0);
    return { store, cache };
  };
  const one = opened(4_000);
  const other = opened(6_000);
  const elapse = async (ms: number): Promise<void> => {
    machine.now += ms;
    await vi.advanceTimersByTimeAsync(ms);
  };
  const expire = async (): Promise<void> => {
    one.cache.set('a', 1, { ttl: 1 });
    await elapse(10);
  };
  await expire();
  await elapse(3_990);
  expect(one.cache.size).toBe(1);
  await expire();
  // The other looks, and so has the one a moment ago.
  await elapse(1_990);
  expect(one.cache.size).toBe(2);
  await elapse(2_000);
  expect(one.cache.size).toBe(1);
  await expire();
  one.store.close();
  await elapse(3_990);
  expect(other.cache.size).toBe(1);
});
