import { describe, expect, test } from 'vitest';
import { Queue, type AsyncStore, type Duration, type QueueOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, until, withCode } from './helpers.js';

type Options = QueueOptions;
const newQueue = (store: AsyncStore, options?: Options) => new Queue<string>(store, 'jobs', options);

/** A worker that holds each job until it is told to go on, and what it ran. */
function held(queue: ReturnType<typeof newQueue>) {
  const ran: string[] = [];
  const gates: ReturnType<typeof deferred<undefined>>[] = [];
  const worker = queue.work(async ({ data }) => {
    const gate = deferred<undefined>();
    ran.push(data);
    gates.push(gate);
    await gate.promise;
  });
  return { worker, ran, goOn: () => gates.shift()?.resolve(undefined) };
}

forEachEngine((engine) => {
  describe('a key', () => {
    test('is taken until its job has ended: whoever adds another gets that one', async () => {
      const queue = newQueue(await engine.open());
      const first = await queue.add('a', { key: 'k' });
      expect((await queue.add('b', { key: 'k' })).id).toBe(first.id);
      expect((await queue.add('c', { key: 'other' })).id).not.toBe(first.id);
      const { worker, ran, goOn } = held(queue);
      await until(() => ran.length === 1);
      expect((await queue.add('d', { key: 'k' })).id).toBe(first.id);
      goOn();
      await until(() => ran.length === 2);
      const next = await queue.add('e', { key: 'k' });
      expect(next.id).not.toBe(first.id);
      goOn();
      await until(() => ran.length === 3);
      goOn();
      await worker.stop();
      expect(ran).toEqual(['a', 'c', 'e']);
    });

    test('that is taken only while its job waits is free when that starts', async () => {
      const queue = newQueue(await engine.open());
      const add = (data: string) => queue.add(data, { key: 'k', unique: 'waiting' });
      const first = await add('a');
      expect((await add('b')).id).toBe(first.id);
      const { worker, ran, goOn } = held(queue);
      await until(() => ran.length === 1);
      const second = await add('c');
      expect(second.id).not.toBe(first.id);
      expect((await add('d')).id).toBe(second.id);
      goOn();
      await until(() => ran.length === 2);
      goOn();
      await worker.stop();
      expect(ran).toEqual(['a', 'c']);
    });

    test('can be taken for a time, also when its job has ended', async () => {
      const queue = newQueue(await engine.open(), { keep: { completed: { count: 0 } } });
      const add = (key: string, window: Duration) => queue.add('a', { key, unique: { window } });
      const first = await add('long', '1h');
      const short = await add('short', 50);
      await using _ = queue.work(() => undefined);
      await queue.idle();
      expect((await add('long', 1)).id).toBe(first.id);
      await until(async () => (await add('short', 50)).id !== short.id);
    });

    test('of which many add at once in several stores has one job', async () => {
      const store = await engine.open();
      const stores = [store, await engine.reopen(store), await engine.reopen(store)];
      const handles = await Promise.all(
        stores.flatMap((one) => [1, 2, 3].map(async (n) => newQueue(one).add(String(n), { key: 'k' }))),
      );
      expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
      expect(await newQueue(store).counts()).toMatchObject({ waiting: 1 });
    });

    test('is free again when its job is cancelled, removed or has failed', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1 });
      const add = () => queue.add('a', { key: 'k' });
      const first = await add();
      await first.cancel();
      const second = await add();
      expect(second.id).not.toBe(first.id);
      await queue.remove(second.id);
      const third = await add();
      expect(third.id).not.toBe(second.id);
      await using _ = queue.work(() => {
        throw new Error('no');
      });
      await expect(third.result()).rejects.toThrow('no');
      expect((await add()).id).not.toBe(third.id);
    });

    test('is still taken while its job waits to be tried again', async () => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: '1h' } });
      const first = await queue.add('a', { key: 'k' });
      await using _ = queue.work(() => {
        throw new Error('no');
      });
      await until(async () => (await first.get())?.state === 'delayed');
      expect((await queue.add('b', { key: 'k' })).id).toBe(first.id);
    });
  });

  describe('a duplicate', () => {
    test('is not to be said what is done with, where there is no key', async () => {
      const queue = new Queue<string>(await engine.open(), 'jobs');
      for (const options of [{ unique: 'waiting' }, { onDuplicate: 'error' }] as const)
        await expect(async () => queue.add('a', options)).rejects.toThrow(TypeError);
      expect(await queue.counts()).toMatchObject({ waiting: 0 });
    });

    test('is refused where it is to be an error, and nothing of what was added with it is left', async () => {
      const queue = newQueue(await engine.open());
      await queue.add('a', { key: 'k' });
      await expect(async () =>
        queue.addMany([{ data: 'b' }, { data: 'c', key: 'k', onDuplicate: 'error' }]),
      ).rejects.toThrow(withCode('ERR_DUPLICATE'));
      expect(await queue.counts()).toMatchObject({ waiting: 1 });
    });

    test('replaces the data, options and priority of the job that waits, which keeps its time', async () => {
      const queue = newQueue(await engine.open());
      await queue.add('before', { priority: 5 });
      const first = await queue.add('a', { key: 'k', delay: '1h' });
      const { dueAt } = (await first.get())!;
      const large = 'x'.repeat(5_000);
      const second = await queue.add(large, { key: 'k', onDuplicate: 'replace', delay: '2h', priority: 9 });
      expect(second.id).toBe(first.id);
      const replaced = (await first.get())!;
      expect(replaced).toMatchObject({ data: large, priority: 9 });
      expect(Math.abs(replaced.dueAt!.getTime() - dueAt!.getTime())).toBeLessThan(1_000);
      await queue.add('small', { key: 'k', onDuplicate: 'replace' });
      expect(await first.get()).toMatchObject({ data: 'small' });
    });

    test('that bounces begins the delay anew', async () => {
      const queue = newQueue(await engine.open());
      const first = await queue.add('a', { key: 'k', delay: '1h' });
      await queue.add('b', { key: 'k', delay: '3h', onDuplicate: 'debounce' });
      const { dueAt, data } = (await first.get())!;
      expect(data).toBe('b');
      expect(dueAt!.getTime() - Date.now()).toBeGreaterThan(2.5 * 3_600_000);
      expect(await queue.counts()).toMatchObject({ delayed: 1, waiting: 0 });
    });

    test('of a job that runs runs once more when that has ended, with the newest data', async () => {
      const queue = newQueue(await engine.open());
      await queue.add('a', { key: 'k' });
      const { worker, ran, goOn } = held(queue);
      await until(() => ran.length === 1);
      for (const data of ['b', 'c', 'd']) await queue.add(data, { key: 'k', onDuplicate: 'again' });
      expect(await queue.counts()).toMatchObject({ running: 1, waiting: 0 });
      goOn();
      await until(() => ran.length === 2);
      goOn();
      await queue.idle();
      await worker.stop();
      expect(ran).toEqual(['a', 'd']);
    });

    test('so it does when the job is not kept, or fails for good', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1, keep: { completed: { count: 0 } } });
      const ran: string[] = [];
      await using _ = queue.work(async (job) => {
        ran.push(job.data);
        if (job.data === 'a' || job.data === 'b')
          await queue.add(job.data === 'a' ? 'b' : 'c', { key: 'k', onDuplicate: 'again' });
        if (job.data === 'b') throw new Error('no');
      });
      await queue.add('a', { key: 'k' });
      await queue.idle();
      await pause(20);
      expect(ran).toEqual(['a', 'b', 'c']);
      expect(await queue.counts()).toMatchObject({ failed: 1, completed: 0, waiting: 0 });
    });
  });

  test('keys and what is done with duplicates are checked', async () => {
    const queue = newQueue(await engine.open());
    const add = async (options: object) => queue.add('a', options);
    await expect(add({ key: '' })).rejects.toThrow(RangeError);
    await expect(add({ key: 5 })).rejects.toThrow(TypeError);
    await expect(add({ key: 'k', unique: 'always' })).rejects.toThrow(TypeError);
    await expect(add({ key: 'k', unique: { windows: 1 } })).rejects.toThrow(/no option "windows"/);
    await expect(add({ key: 'k', onDuplicate: 'drop' })).rejects.toThrow(TypeError);
  });
});
