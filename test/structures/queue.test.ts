import { describe, expect, test } from 'vitest';
import { Index, Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, until } from './helpers.js';

interface Data {
  readonly n: number;
}

const newQueue = <R = void>(store: AsyncStore, ...rest: [options?: QueueOptions]) =>
  new Queue<Data, R>(store, 'jobs', ...rest);

const atOnce = { backoff: { type: 'fixed', delay: 0 } } as const;

/** Runs all jobs there are; gives back what they were, in the order in which they started. */
async function runAll(queue: AsyncQueue<Data>): Promise<number[]> {
  const started: number[] = [];
  await using _ = queue.work(({ data: { n } }) => void started.push(n));
  await queue.idle();
  return started;
}

forEachEngine((engine) => {
  describe('adding', () => {
    test('a job that was added is there when the call returns, and waits', async () => {
      const queue = newQueue(await engine.open());
      const handle = await queue.add({ n: 1 }, { name: 'first', priority: 2 });
      expect(await handle.get()).toMatchObject({
        id: handle.id,
        name: 'first',
        state: 'waiting',
        data: { n: 1 },
      });
      expect(await queue.get(handle.id)).toMatchObject({
        priority: 2,
        failures: 0,
        deaths: 0,
        errors: [],
        log: [],
      });
      expect(await queue.counts()).toMatchObject({ waiting: 1, running: 0, completed: 0 });
    });

    test('a job that was added in a transaction that is rolled back was never there', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await expect(async () =>
        store.transaction(() => {
          const added = queue.add({ n: 1 });
          if (!(added instanceof Promise)) throw new Error('no');
          return added.then(() => {
            throw new Error('no');
          });
        }),
      ).rejects.toThrow('no');
      expect(await queue.counts()).toMatchObject({ waiting: 0 });
      expect(await runAll(queue)).toEqual([]);
    });

    test('many are added all or none, and their handles are in order', async () => {
      const queue = newQueue<number>(await engine.open());
      const jobs = Array.from({ length: 100 }, (_, n) => ({ data: { n } }));
      await expect(async () =>
        queue.addMany([...jobs, { data: { n: (() => undefined) as unknown as number } }]),
      ).rejects.toThrow(TypeError);
      expect(await queue.counts()).toMatchObject({ waiting: 0 });
      const handles = await queue.addMany(jobs);
      await using _ = queue.work(({ data: { n } }) => n, { concurrency: 10 });
      expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(
        jobs.map(({ data: { n } }) => n),
      );
    });

    test('data of any size come back as they were', async () => {
      const queue = new Queue<string, number>(await engine.open(), 'texts');
      const handles = await queue.addMany(
        [0, 1_000, 1_024, 1_025, 100_000].map((n) => ({ data: 'x'.repeat(n) })),
      );
      await using _ = queue.work(({ data }) => data.length, { concurrency: 5 });
      expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual([
        0, 1_000, 1_024, 1_025, 100_000,
      ]);
      expect((await handles[4]!.get())?.data).toHaveLength(100_000);
    });

    test('what can’t be stored, and options that make no sense, are refused, and nothing is added', async () => {
      const queue = newQueue(await engine.open());
      const add = async (options: object) => queue.add({ n: 1 }, options);
      await expect(async () => queue.add({ n: Symbol() as unknown as number })).rejects.toThrow(
        /data\.n is a symbol/,
      );
      await expect(add({ dealy: 1 })).rejects.toThrow(/no option "dealy"/);
      await expect(add({ delay: -1 })).rejects.toThrow(RangeError);
      await expect(add({ delay: 1, runAt: new Date() })).rejects.toThrow(/delay or runAt/);
      await expect(add({ runAt: new Date(NaN) })).rejects.toThrow(RangeError);
      await expect(add({ runAt: 5 })).rejects.toThrow(TypeError);
      await expect(add({ priority: 1.5 })).rejects.toThrow(RangeError);
      await expect(add({ attempts: 0 })).rejects.toThrow(RangeError);
      await expect(add({ timeout: 0 })).rejects.toThrow(RangeError);
      await expect(add({ backoff: () => 5 })).rejects.toThrow(/can’t be a function/);
      await expect(add({ backoff: { type: 'linear', delay: 5 } })).rejects.toThrow(TypeError);
      await expect(add({ name: '' })).rejects.toThrow(RangeError);
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 0 });
    });
  });

  describe('the order', () => {
    test('jobs start in the order in which they were added, higher priorities first', async () => {
      const queue = newQueue(await engine.open());
      await queue.addMany([
        { data: { n: 1 } },
        { data: { n: 2 }, priority: 1 },
        { data: { n: 3 }, priority: -1 },
        { data: { n: 4 } },
        { data: { n: 5 }, priority: 1 },
      ]);
      expect(await runAll(queue)).toEqual([2, 5, 1, 4, 3]);
    });

    test('a delayed job starts when its time has come, and not before', async () => {
      const queue = newQueue<number>(await engine.open());
      const begun = performance.now();
      const delayed = await queue.add({ n: 1 }, { delay: 150 });
      expect(await delayed.get()).toMatchObject({ state: 'delayed' });
      expect(await queue.counts()).toMatchObject({ waiting: 0, delayed: 1 });
      await using _ = queue.work(() => performance.now());
      expect((await delayed.result()) - begun).toBeGreaterThanOrEqual(149);
    });

    test('a job that is delayed for less wakes a worker that sleeps until another is due', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(() => undefined);
      await queue.add({ n: 1 }, { delay: '1h' });
      await (await queue.add({ n: 2 }, { delay: 50 })).result();
      expect(await queue.counts()).toMatchObject({ delayed: 1, completed: 1 });
    });

    test('a job that is to run at a moment runs then, or at once when that has passed', async () => {
      const queue = newQueue<number>(await engine.open());
      const at = new Date(Date.now() + 150);
      const later = await queue.add({ n: 1 }, { runAt: at });
      expect(await later.get()).toMatchObject({ state: 'delayed', dueAt: at });
      await using _ = queue.work(() => Date.now());
      expect(await later.result()).toBeGreaterThanOrEqual(at.getTime() - 1);
      await (await queue.add({ n: 2 }, { runAt: new Date(0) })).result();
    });

    test('a job that was not started before it expires is cancelled', async () => {
      const queue = newQueue(await engine.open());
      const handle = await queue.add({ n: 1 }, { expires: new Date(Date.now() - 1) });
      await queue.add({ n: 2 }, { expires: new Date(Date.now() + 100_000) });
      expect(await runAll(queue)).toEqual([2]);
      await expect(handle.result()).rejects.toMatchObject({
        code: 'ERR_CANCELLED',
        cause: { code: 'ERR_EXPIRED' },
      });
      expect(await queue.counts()).toMatchObject({ completed: 1, cancelled: 1 });
    });
  });

  describe('working', () => {
    test('a result goes to whoever asks for it, before or after, in any store', async () => {
      const store = await engine.open();
      const other = newQueue<number>(await engine.reopen(store));
      const queue = newQueue<number>(store);
      const handle = await queue.add({ n: 20 });
      const before = other.handle(handle.id).result();
      await using _ = queue.work(({ data: { n } }) => n + 1);
      expect(await handle.result()).toBe(21);
      expect(await before).toBe(21);
      expect(await other.handle(handle.id).result()).toBe(21);
    });

    test('as many jobs run at once as the concurrency says, and no more', async () => {
      const queue = newQueue(await engine.open());
      await queue.addMany(Array.from({ length: 20 }, (_, n) => ({ data: { n } })));
      let running = 0;
      let most = 0;
      await using _ = queue.work(
        async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 10));
          running--;
        },
        { concurrency: 4 },
      );
      await queue.idle();
      expect(most).toBe(4);
    });

    test('with an acknowledgement each, no more jobs have run than are known to have but for a few', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { keep: { completed: { count: Infinity } } });
      const other = newQueue(await engine.reopen(store));
      const jobs = 600;
      await queue.addMany(Array.from({ length: jobs }, (_, n) => ({ data: { n } })));
      let started = 0;
      await using _ = queue.work(
        () => {
          started++;
        },
        { concurrency: 20, ack: 'each' },
      );
      for (let known = 0; known < jobs;) {
        const before = started;
        known = (await other.counts()).completed;
        // Those that run, and those whose end is on its way: a server is told of 16 at a time.
        expect(before - known).toBeLessThanOrEqual(20 + 16);
        await pause(1);
      }
      expect(started).toBe(jobs);
    });

    test('a job whose handler throws is tried again, and has failed after the last attempt, with every error', async () => {
      const queue = newQueue(await engine.open(), { ...atOnce, attempts: 3 });
      const attempts: number[] = [];
      const handle = await queue.add({ n: 1 });
      await using _ = queue.work(({ attempt }) => {
        attempts.push(attempt);
        throw new RangeError(`attempt ${attempt}`, {
          cause: Object.assign(new Error('below'), { code: 'EDEEP' }),
        });
      });
      const error: unknown = await handle.result().catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        name: 'RangeError',
        message: 'attempt 3',
        cause: { message: 'below', code: 'EDEEP' },
      });
      expect((error as Error).stack).toContain('queue.test');
      expect(attempts).toEqual([1, 2, 3]);
      const info = await handle.get();
      expect(info).toMatchObject({ state: 'failed', failures: 3 });
      expect(info?.errors.map(({ error: { message } }) => message)).toEqual([
        'attempt 1',
        'attempt 2',
        'attempt 3',
      ]);
      expect(await queue.counts()).toMatchObject({ failed: 1, waiting: 0, delayed: 0, running: 0 });
    });

    test('anything that is thrown can be stored', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1 });
      const thrown = [
        undefined,
        null,
        'text',
        { then: 1 },
        new Error('a', { cause: () => 1 }),
        Object.create(null),
      ];
      const handles = await queue.addMany(thrown.map((_, n) => ({ data: { n } })));
      await using _ = queue.work(({ data: { n } }) => {
        throw thrown[n];
      });
      const ends = await Promise.allSettled(handles.map((handle) => handle.result()));
      expect(ends.map(({ status }) => status)).toEqual(thrown.map(() => 'rejected'));
    });

    test('a result that can’t be stored fails the attempt', async () => {
      const queue = newQueue<unknown>(await engine.open(), { attempts: 1 });
      await using _ = queue.work(() => ({ at: () => 1 }));
      await expect((await queue.add({ n: 1 })).result()).rejects.toThrow(/result\.at is a function/);
    });

    test('a job that says that it failed for good is not tried again', async () => {
      const queue = newQueue(await engine.open(), atOnce);
      await using _ = queue.work((job) => job.fail(new Error('bad input'), { retry: false }));
      const handle = await queue.add({ n: 1 });
      await expect(handle.result()).rejects.toThrow('bad input');
      expect(await handle.get()).toMatchObject({ failures: 1, state: 'failed' });
    });

    test('the attempts, backoff and timeout of a job go before those of the queue', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1, backoff: { type: 'fixed', delay: '1h' } });
      let runs = 0;
      await using _ = queue.work(() => {
        runs++;
        throw new Error('no');
      });
      const handle = await queue.add(
        { n: 1 },
        { attempts: 4, backoff: { type: 'exponential', delay: 1, jitter: 0 } },
      );
      await expect(handle.result()).rejects.toThrow('no');
      expect(runs).toBe(4);
    });

    test('a backoff may be a function of the attempt and the error', async () => {
      const asked: unknown[] = [];
      const backoff = (attempt: number, error: unknown) => {
        asked.push([attempt, (error as Error).message]);
        return 1;
      };
      const queue = newQueue(await engine.open(), { attempts: 3, backoff });
      await using _ = queue.work(({ attempt }) => {
        throw new Error(`no ${attempt}`);
      });
      await expect((await queue.add({ n: 1 })).result()).rejects.toThrow('no 3');
      expect(asked).toEqual([
        [1, 'no 1'],
        [2, 'no 2'],
      ]);
    });

    test('a snoozed job runs again later, and that costs no attempt', async () => {
      const queue = newQueue<number>(await engine.open(), { attempts: 1 });
      let runs = 0;
      await using _ = queue.work((job) => {
        runs++;
        if (runs < 3) job.snooze(20);
        return job.attempt;
      });
      expect(await (await queue.add({ n: 1 })).result()).toBe(1);
      expect(runs).toBe(3);
    });

    test('progress and lines are stored while the job runs, for others to see', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const handle = await queue.add({ n: 1 });
      const seen = deferred<undefined>();
      await using _ = queue.work(async (job) => {
        job.progress({ done: 0.5 });
        job.log('half');
        job.log('way');
        await seen.promise;
      });
      const other = newQueue(await engine.reopen(store));
      await until(async () => (await other.get(handle.id))?.progress !== undefined);
      expect((await other.get(handle.id))?.progress).toEqual({ done: 0.5 });
      expect((await other.get(handle.id))?.log.map(({ line }) => line)).toEqual(['half', 'way']);
      expect(await other.get(handle.id)).toMatchObject({ state: 'running' });
      seen.resolve(undefined);
      await handle.result();
    });

    test('what a job completes with its own changes happens once, together, or not at all', async () => {
      const store = await engine.open();
      const queue = newQueue<string>(store, { ...atOnce, attempts: 2 });
      const index = new Index<string, number>(store, 'effects');
      const handle = await queue.add({ n: 1 });
      await using _ = queue.work(async (job) => {
        const effect = () => index.set(`attempt ${job.attempt}`, 1);
        if (job.attempt === 1) {
          const work = () => {
            const set = effect();
            const no = () => {
              throw new Error('no');
            };
            return set instanceof Promise ? set.then(no) : no();
          };
          await job.complete(work);
        }
        const done = () => {
          const set = effect();
          return set instanceof Promise ? set.then(() => 'done') : 'done';
        };
        await job.complete(done as never);
        throw new Error('too late to fail');
      });
      expect(await handle.result()).toBe('done');
      expect(await index.has('attempt 1')).toBe(false);
      expect(await index.has('attempt 2')).toBe(true);
      expect(await handle.get()).toMatchObject({ state: 'completed', failures: 1 });
    });
  });

  describe('time that is over', () => {
    test('a handler that outlives its timeout is aborted, and the job tried again', async () => {
      const queue = newQueue<string>(await engine.open(), { ...atOnce, timeout: 50, attempts: 2 });
      const handle = await queue.add({ n: 1 });
      await using _ = queue.work(async (job) => {
        if (job.attempt === 2) return 'made it';
        await new Promise((_, reject) =>
          job.signal.addEventListener('abort', () => reject(job.signal.reason as Error)),
        );
        return 'never';
      });
      expect(await handle.result()).toBe('made it');
      expect((await handle.get())?.errors).toMatchObject([{ error: { code: 'ERR_TIMEOUT' } }]);
    });

    test('a handler that does not listen to its signal loses the job, and what it does later changes nothing', async () => {
      const queue = newQueue<string>(await engine.open(), { ...atOnce, timeout: 50, attempts: 2 });
      const handle = await queue.add({ n: 1 });
      const late = deferred<string>();
      await using _ = queue.work((job) => (job.attempt === 1 ? late.promise : 'second'));
      expect(await handle.result()).toBe('second');
      late.resolve('first');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await handle.get())?.result).toBe('second');
    });
  });
});
