import { expect, test, vi } from 'vitest';
import { ValueFiles } from '../../src/core/value-files.js';
import { Cache, open, type AsyncCache } from '../../src/index.js';
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
