import { expect, test, vi } from 'vitest';
import { ValueFiles } from '../../src/core/value-files.js';
import { Cache, Index, open, type AsyncCache } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { engines, forEachEngine } from '../support/stores.js';
import { checkCaches, pause, rawConnection, rolledBack, until } from './helpers.js';

const tries = 100;

/** On a server: what is done with the key `k`, while another connection deletes it a moment later, each time another one. */
async function beside(
  work: (cache: AsyncCache<unknown>, i: number) => Promise<unknown>,
  look: (cache: AsyncCache<unknown>, done: unknown, deleted: boolean) => Promise<void>,
): Promise<void> {
  const server = engines.find(({ name }) => name === 'server')!;
  const store = await server.open();
  const cache = new Cache<unknown>(store, 'c');
  const other = new Cache<unknown>(await server.reopen(store), 'c');
  for (let i = 0; i < tries; i++) {
    await cache.set('k', -1);
    const later = async (): Promise<boolean> => {
      await pause((i % 8) * 0.4);
      return other.delete('k');
    };
    const [done, deleted] = await Promise.all([work(cache, i), later()]);
    await look(cache, done, deleted);
  }
  await checkCaches(await rawConnection(server, store));
}

const storing: Readonly<Record<string, (cache: AsyncCache<unknown>, i: number) => Promise<void>>> = {
  set: (cache, i) => cache.set('k', i, { tags: ['t'] }),
  setMany: (cache, i) => cache.setMany([['k', i]], { tags: ['t'] }),
  write: (cache) => cache.write('k', [Uint8Array.of(1)], { tags: ['t'] }),
};

test.each(Object.entries(storing))(
  'what %s stores with a tag while another deletes the key is found by the tag, or is not there',
  async (_, store) => {
    await beside(store, async (cache) => {
      await cache.invalidate('t');
      expect([undefined, -1]).toContain(await cache.get('k'));
    });
  },
);

test('of pop and delete at the same moment one has removed the entry', async () => {
  await beside(
    async (cache) => cache.pop('k'),
    async (_cache, popped, deleted) => {
      expect(popped !== undefined).toBe(!deleted);
    },
  );
});

test('of an update that deletes and delete at the same moment one has removed the entry', async () => {
  let seen: unknown;
  await beside(
    async (cache) => cache.update('k', (current) => void (seen = current)),
    async (_cache, _done, deleted) => {
      expect(seen !== undefined).toBe(!deleted);
    },
  );
});

forEachEngine((engine) => {
  test('a stream is stored though the first use of the cache was rolled back', async () => {
    const store = await engine.open();
    const cache = new Cache<Uint8Array>(store, 'c');
    await rolledBack(store, function* () {
      yield cache.get('a');
    });
    await cache.write('a', [Uint8Array.of(1)]);
    expect(await cache.get('a')).toEqual(Uint8Array.of(1));
  });
});

test('what was read and counted before a cache is moved counts after it', async () => {
  const store = open(temporaryDirectory());
  const eviction = 'least-recently-used';
  const cache = new Cache<number>(store, 'c', { eviction, maxEntries: 6, shards: 2, statistics: true });
  for (const key of ['a', 'b', 'c']) {
    cache.set(key, 1);
    await pause(2);
  }
  for (let i = 0; i < 10; i++) cache.get('a');
  cache.get('none');
  await cache.reshard(1);
  // Without a call of the object: what was read is written by itself.
  const other = new Cache<number>(store, 'c', { maxEntries: 3 });
  await until(() => other.entry('a')?.hits === 10);
  expect(other.stats()).toMatchObject({ hits: 10, misses: 1 });
  other.set('d', 1);
  expect([...other.keys()]).toEqual(['a', 'c', 'd']);
});

test('what was read and counted before a move that failed counts after it', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', {
    eviction: 'least-recently-used',
    shards: 2,
    statistics: true,
  });
  for (let i = 0; i < 300; i++) cache.set(`${i}`, i);
  for (let i = 0; i < 10; i++) cache.get('7');
  const controller = new AbortController();
  const moving = cache.reshard(3, { signal: controller.signal, onProgress: () => controller.abort() });
  await expect(moving).rejects.toMatchObject({ name: 'AbortError' });
  expect(cache.stats()).toMatchObject({ hits: 10, misses: 0 });
  expect(cache.entry('7')).toMatchObject({ hits: 10 });
});

test('an increment of a number in a file counts, whoever else increments it when its file is read', () => {
  const directory = temporaryDirectory();
  const options = { fileThreshold: 0 };
  const cache = new Cache<number>(open(directory), 'c', options);
  cache.set('n', 0);
  let others = 0;
  const read = vi.spyOn(ValueFiles.prototype, 'read').mockImplementationOnce(function (
    this: ValueFiles,
    ref,
  ) {
    const other = open(directory, { busyTimeout: 1 });
    try {
      new Cache<number>(other, 'c', options).increment('n');
      others++;
    } catch (error) {
      // Who increments keeps others out.
      expect(error).toMatchObject({ code: 'ERR_BUSY' });
    } finally {
      // Which removes the file that it has replaced.
      other.close();
    }
    return this.read(ref);
  });
  try {
    cache.increment('n');
    expect(read).toHaveBeenCalled();
  } finally {
    read.mockRestore();
  }
  expect(cache.get('n')).toBe(1 + others);
});

test('hits and misses that were not written yet are counted where a cache is moved to', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', { statistics: true });
  cache.set('a', 1);
  for (const key of ['a', 'a', 'b']) cache.get(key);
  await cache.reshard(3);
  expect(cache.stats()).toMatchObject({ hits: 2, misses: 1 });
  for (const key of ['a', 'b', 'b']) cache.get(key);
  await new Cache<number>(open(store.directory), 'c').reshard(1);
  expect(cache.stats()).toMatchObject({ hits: 3, misses: 3 });
});

test('what is read while a cache is moved counts where it is then', async () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', { statistics: true, eviction: 'least-recently-used' });
  for (let i = 0; i < 300; i++) cache.set(`k${i}`, i);
  for (const shards of [3, 2, 1]) {
    let read = 0;
    await cache.reshard(shards, { onProgress: () => (cache.get('k0'), read++) });
    expect(read).toBeGreaterThan(1);
    expect(cache.stats({ reset: true })).toMatchObject({ hits: read });
    expect(cache.entry('k0')?.hits).toBeGreaterThanOrEqual(read);
  }
});

test('shards of a cache whose first use was rolled back are found again', () => {
  const store = open(temporaryDirectory());
  const cache = new Cache<number>(store, 'c', { shards: 2 });
  expect(() => {
    store.transaction(() => {
      expect(cache.size).toBe(0);
      throw new RangeError('rolled back');
    });
  }).toThrow(RangeError);
  new Index<string, number>(store, 'i').set('x', 1);
  for (let i = 0; i < 10; i++) cache.set(`k${i}`, i);
  expect(cache.size).toBe(10);
  expect(store.check({ repair: true }).findings.every(({ mended }) => mended)).toBe(true);
  expect(cache.size).toBe(10);
  const again = open(store.directory);
  expect(new Cache<number>(again, 'c').size).toBe(10);
});
