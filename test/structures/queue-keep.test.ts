import { describe, expect, test } from 'vitest';
import { Queue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { delayOf } from '../../src/structures/queue/options.js';
import { forEachEngine } from '../support/stores.js';
import { pause, until, withCode } from './helpers.js';

const newQueue = (store: AsyncStore, ...rest: [options?: QueueOptions]) =>
  new Queue<string, string>(store, 'jobs', ...rest);

const handler = ({ data }: { data: string }): string => {
  if (data === 'bad') throw new Error('bad');
  return data;
};

/** For so long what has ended stays at least, in milliseconds. */
const least = 1_000;

forEachEngine((engine) => {
  describe('what has ended', () => {
    test('is not kept where none is to be, however it has ended', async () => {
      const none = { count: 0 };
      const keep = { completed: none, failed: none, cancelled: none };
      const queue = newQueue(await engine.open(), { keep, attempts: 1 });
      const expires = new Date(0);
      const [good, bad, late] = await queue.addMany([
        { data: 'good' },
        { data: 'bad' },
        { data: 'late', expires },
      ]);
      const results = [good, bad, late].map((job) => job?.result());
      const worker = queue.work(handler);
      const [, failed, expired] = await Promise.allSettled(results);
      expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'bad' } });
      expect(expired).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CANCELLED' } });
      await pause(least + 100);
      await worker.stop();
      expect(await queue.jobs()).toEqual([]);
      expect(await queue.counts()).toMatchObject({ completed: 0, failed: 0, cancelled: 0 });
    });

    test('is kept up to a thousand completed jobs, where nothing is said', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1 });
      await queue.addMany(
        Array.from({ length: 1_200 }, (_, i) => ({ data: i % 200 === 0 ? 'bad' : 'good' })),
      );
      const worker = queue.work(handler, { concurrency: 50 });
      await queue.idle();
      await pause(least + 100);
      // Somebody looks for those that are too many when another has ended.
      await (await queue.add('good')).result();
      await worker.stop();
      expect(await queue.counts()).toMatchObject({ completed: 1_000, failed: 6 });
    });

    test('goes by itself when there is too much, though nothing ends any more', async () => {
      const queue = newQueue(await engine.open(), { keep: { completed: { count: 10 } } });
      await queue.addMany(Array.from({ length: 300 }, () => ({ data: 'good' })));
      const worker = queue.work(handler, { concurrency: 50 });
      await queue.idle();
      await until(async () => (await queue.counts()).completed === 10);
      await worker.stop();
    });

    test('is kept for as long as its age says', async () => {
      const keep = { completed: { age: least }, failed: { age: '1h' } } as const;
      const queue = newQueue(await engine.open(), { keep, attempts: 1 });
      await queue.addMany([{ data: 'good' }, { data: 'bad' }, { data: 'good' }]);
      const worker = queue.work(handler);
      await queue.idle();
      expect(await queue.counts()).toMatchObject({ completed: 2, failed: 1 });
      await pause(least + 100);
      await worker.stop();
      expect(await queue.counts()).toMatchObject({ completed: 0, failed: 1 });
    });

    test('and is not kept gives no result: who waits for it is told, before and after', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { keep: { completed: { count: 0 } } });
      const handle = await queue.add('good');
      const other = newQueue(await engine.reopen(store))
        .handle(handle.id)
        .result();
      const before = handle.result();
      const told = Promise.allSettled([before, other]);
      await pause(50);
      await using _ = queue.work(handler);
      for (const end of await told)
        expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ERR_NOT_FOUND' } });
      await expect(handle.result()).rejects.toThrow(withCode('ERR_NOT_FOUND'));
    });
  });
});

describe('a backoff', () => {
  const range = (attempt: number, jitter: number): [least: number, most: number] => {
    const delay = delayOf({ type: 'exponential', delay: 1_000, max: 5_000, jitter });
    const delays = Array.from({ length: 1_000 }, () => delay(attempt));
    return [Math.min(...delays), Math.max(...delays)];
  };

  test('grows up to its most', () => {
    expect([1, 2, 3, 4, 2_000].map((attempt) => range(attempt, 0))).toEqual(
      [1_000, 2_000, 4_000, 5_000, 5_000].map((delay) => [delay, delay]),
    );
  });

  test('leaves as much of it to chance as its jitter says', () => {
    const [shortest, longest] = range(2, 0.25);
    expect(shortest).toBeGreaterThanOrEqual(1_500);
    expect(shortest).toBeLessThan(1_550);
    expect(longest).toBeGreaterThan(1_950);
    expect(longest).toBeLessThanOrEqual(2_000);
  });
});
