import { describe, expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, isEmbedded, pause, rawConnection, until } from './helpers.js';

const fail = (): never => {
  throw new Error('no');
};

forEachEngine((engine) => {
  describe('what stays of a job', () => {
    test('a failed job that is retried has its key again', async () => {
      const queue = new Queue<string>(await engine.open(), 'jobs', { attempts: 1 });
      const first = await queue.add('a', { key: 'k' });
      const worker = queue.work(fail);
      await queue.idle();
      await worker.stop();
      expect(await queue.retry(first.id)).toBe(true);
      expect((await queue.add('b', { key: 'k' })).id).toBe(first.id);
      expect(await queue.counts()).toMatchObject({ waiting: 1 });
    });

    test('a failed job is not retried beside another that has its key', async () => {
      const queue = new Queue<string>(await engine.open(), 'jobs', { attempts: 1 });
      const first = await queue.add('a', { key: 'k' });
      const worker = queue.work(fail);
      await queue.idle();
      await worker.stop();
      await queue.add('b', { key: 'k' });
      // Refused in whichever way.
      await Promise.allSettled([(async () => queue.retry(first.id))()]);
      expect(await queue.counts()).toMatchObject({ waiting: 1, failed: 1 });
    });

    test('what a job tells in the turn in which it completes itself is kept', async () => {
      const queue = new Queue<string>(await engine.open(), 'jobs');
      const handle = await queue.add('a');
      queue.work((job) => {
        job.log('the last line');
        job.progress(1);
        return job.complete(() => undefined as never);
      });
      await handle.result();
      expect(await handle.get()).toMatchObject({ progress: 1, log: [{ line: 'the last line' }] });
    });

    test('a line that was told while nothing could be written is written later', async () => {
      const store = await engine.open();
      const queue = new Queue<string>(store, 'jobs');
      const handle = await queue.add('a');
      const raw = await rawConnection(engine, store);
      const [block, free] = isEmbedded(store)
        ? [
            `CREATE TRIGGER full BEFORE INSERT ON job_notes BEGIN SELECT RAISE(ABORT, 'full'); END`,
            'DROP TRIGGER full',
          ]
        : [
            'ALTER TABLE job_notes ADD CONSTRAINT space CHECK (false) NOT VALID',
            'ALTER TABLE job_notes DROP CONSTRAINT space',
          ];
      const told = deferred<undefined>();
      queue.work(async (job) => {
        await raw(block);
        job.log('meanwhile');
        await pause(200);
        await raw(free);
        // It is tried again every half second.
        await pause(1_000);
        told.resolve(undefined);
      });
      await told.promise;
      await handle.result();
      expect((await handle.get())?.log.map(({ line }) => line)).toEqual(['meanwhile']);
    });

    test('no more are kept than keep says, though each worker ends but a few', async () => {
      const queue = new Queue<number>(await engine.open(), 'jobs', { keep: { completed: { count: 10 } } });
      for (let round = 0; round < 4; round++) {
        await queue.addMany(Array.from({ length: 50 }, (_, i) => ({ data: i })));
        const worker = queue.work(() => {}, { concurrency: 10 });
        await queue.idle();
        // So long they stay at least.
        await pause(1_100);
        await worker.stop();
      }
      expect((await queue.counts()).completed).toBeLessThanOrEqual(60);
    });

    test('what a retried job takes up is what the one before took, not more', async () => {
      const store = await engine.open();
      const queue = new Queue<string>(store, 'jobs', { attempts: 1 });
      const { id } = await queue.add('a');
      const bytes: number[] = [];
      for (let round = 0; round < 2; round++) {
        const worker = queue.work(fail);
        await queue.idle();
        await worker.stop();
        bytes.push((await store.structures())[0]!.bytes);
        await queue.retry(id);
      }
      expect(bytes[1]).toBe(bytes[0]);
    });

    test('an attempt does not have the progress of the one before', async () => {
      const queue = new Queue<string>(await engine.open(), 'jobs', { backoff: { type: 'fixed', delay: 0 } });
      const handle = await queue.add('a');
      const seen = deferred<undefined>();
      queue.work(async (job) => {
        if (job.attempt === 2) return seen.promise;
        job.progress(0.9);
        await until(async () => (await handle.get())?.progress === 0.9);
        return fail();
      });
      await until(
        async () => (await handle.get())?.failures === 1 && (await handle.get())?.state === 'running',
      );
      expect((await handle.get())?.progress).toBe(undefined);
      seen.resolve(undefined);
      await queue.idle();
    });
  });
});
