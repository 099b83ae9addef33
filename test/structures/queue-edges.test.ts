import { expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, rawConnection, until, withCode } from './helpers.js';

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

  test('a store that others have taken for dead is told by its signals, and does not start what it had claimed', async () => {
    const store = await engine.open();
    const queue = newQueue(store, { attempts: 1 });
    const lost = newQueue(await engine.reopen(store));
    const raw = await rawConnection(engine, store);
    const handles = await queue.addMany([{ data: 'a' }, { data: 'b' }]);
    const started: string[] = [];
    const aborted = deferred<unknown>();
    const robbed = lost.work(
      async ({ data, signal }) => {
        started.push(data);
        signal.addEventListener('abort', () => aborted.resolve(signal.reason));
        await aborted.promise;
        return 'from the one that was robbed';
      },
      { prefetch: 1 },
    );
    await until(async () => (await queue.counts()).running === 2);
    await raw('DELETE FROM owners WHERE id = (SELECT owner FROM jobs LIMIT 1)');
    await using _ = queue.work(() => 'from the other');
    for (const handle of handles) expect(await handle.result()).toBe('from the other');
    expect(await aborted.promise).toEqual(withCode('ERR_NOT_OWNER'));
    await until(() => robbed.running === 0);
    await pause(20);
    expect(started).toEqual(['a']);
    for (const handle of handles) expect(await handle.get()).toMatchObject({ deaths: 1, state: 'completed' });
  });
});
