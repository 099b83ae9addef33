import { expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { until } from './helpers.js';

const newQueue = (store: AsyncStore, options = {}): AsyncQueue<string, string> =>
  new Queue<string, string>(store, 'jobs', options);

/** The bytes that a store says its queue takes. */
async function bytesOf(store: AsyncStore): Promise<number | undefined> {
  return (await store.structures()).find(({ kind }) => kind === 'queue')?.bytes;
}

forEachEngine((engine) => {
  test('a job that is retried gives back the bytes of what it had failed with', async () => {
    const store = await engine.open();
    const queue = newQueue(store, { attempts: 1 });
    const handle = await queue.add('x');
    const before = await bytesOf(store);
    for (let i = 0; i < 2; i++) {
      const worker = queue.work(() => {
        throw new Error('no');
      });
      await until(async () => (await handle.get())?.state === 'failed');
      await worker.stop();
      expect(await bytesOf(store)).toBeGreaterThan(before ?? 0);
      expect(await queue.retry(handle.id)).toBe(true);
      expect(await bytesOf(store)).toBe(before);
    }
  });
});
