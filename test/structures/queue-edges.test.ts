import { describe, expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, rawConnection, until, withCode } from './helpers.js';

const newQueue = (store: AsyncStore, options = {}): AsyncQueue<string, string> =>
  new Queue<string, string>(store, 'jobs', options);

/** A handler that runs until its signal aborts, and then throws the reason. */
const untilAborted = async ({ signal }: { signal: AbortSignal }): Promise<string> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

/** The bytes that a store says its queue takes. */
async function bytesOf(store: AsyncStore): Promise<number | undefined> {
  return (await store.structures()).find(({ kind }) => kind === 'queue')?.bytes;
}

forEachEngine((engine) => {
  test('what is no job is refused by name, in addMany() and in after, and nothing is added', async () => {
    const queue = newQueue(await engine.open());
    for (const wrong of [1, 'a', null, undefined])
      // @ts-expect-error -- that is no job
      await expect(async () => queue.addMany([{ data: 'a' }, wrong])).rejects.toThrow(
        /jobs must be an object/,
      );
    // @ts-expect-error -- a number is no job
    await expect(async () => queue.add('a', { after: [1] })).rejects.toThrow(/after takes handles/);
    expect((await queue.counts()).waiting).toBe(0);
  });

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
    const runs: string[] = [];
    const aborted = deferred<unknown>();
    const robbed = lost.work(
      async ({ data, signal }) => {
        // It may take jobs again once it has learned of it.
        if (runs.push(data) > 1) return 'from a run that holds';
        signal.addEventListener('abort', () => aborted.resolve(signal.reason));
        await aborted.promise;
        return 'from the one that was robbed';
      },
      { prefetch: 1 },
    );
    await until(async () => (await queue.counts()).running === 2);
    await raw('DELETE FROM owners WHERE id = (SELECT owner FROM jobs LIMIT 1)');
    await using _ = queue.work(({ data }) => {
      runs.push(data);
      return 'from a run that holds';
    });
    for (const handle of handles) expect(await handle.result()).toBe('from a run that holds');
    expect(await aborted.promise).toEqual(withCode('ERR_NOT_OWNER'));
    await until(() => robbed.running === 0);
    await pause(20);
    expect(runs.sort()).toEqual(['a', 'a', 'b']);
    for (const handle of handles) expect(await handle.get()).toMatchObject({ deaths: 1, state: 'completed' });
  });

  test('a store that others have taken for dead takes no job that nobody would give back', async () => {
    const store = await engine.open();
    const options = { maxDeaths: 1_000 };
    const queue = newQueue(store, options);
    const lost = newQueue(await engine.reopen(store), options);
    const raw = await rawConnection(engine, store);
    const never = new Promise<string>(() => {});
    lost.work(() => never, { concurrency: 2 });
    const first = await queue.add('a');
    await until(async () => (await queue.counts()).running === 1);
    await raw('DELETE FROM owners WHERE id = (SELECT owner FROM jobs)');
    queue.work(() => never);
    await until(async () => ((await first.get())?.deaths ?? 0) > 0);
    await queue.addMany(['b', 'c', 'd'].map((data) => ({ data })));
    const unknown = `SELECT id FROM jobs WHERE state = 'running' AND owner NOT IN (SELECT owner FROM queue_workers)`;
    for (let i = 0; i < 30; i++) {
      expect(await raw(unknown)).toEqual([]);
      await pause(10);
    }
  });

  test.each([true, false])(
    'of two runs of a job in one store that end together the one that has it counts, be it kept (%s) or not',
    async (kept) => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store, kept ? {} : { keep: { completed: { count: 0 } } });
      const parents = new Queue<string, unknown>(store, 'parents');
      const runs: ((result: string) => void)[] = [];
      const handle = await queue.add('twice');
      const parent = await parents.add('parent', { after: [handle] });
      await using _ = queue.work(() => new Promise((resolve) => runs.push(resolve)), {
        concurrency: 2,
      });
      await until(() => runs.length === 1);
      // As if others had taken it for dead.
      await raw(`UPDATE jobs SET state = 'ready', owner = NULL WHERE id = ${handle.id}`);
      await raw(`UPDATE job_counts SET running = running - 1, waiting = waiting + 1 WHERE running > 0`);
      await queue.resume();
      await until(() => runs.length === 2);
      runs[1]!('the other');
      runs[0]!('the one that has lost it');
      await using _parents = parents.work(async (job) => (await job.children())[0]?.result);
      expect(await parent.result()).toBe('the other');
      expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, completed: kept ? 1 : 0 });
    },
  );

  test('a job that is overdue when its process dies counts once, as a death', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store, { timeout: '1m' });
    const never = new Promise<string>(() => {});
    newQueue(await engine.reopen(store)).work(() => never);
    const handle = await queue.add('x');
    await until(async () => (await handle.get())?.state === 'running');
    await raw('UPDATE jobs SET deadline = 0');
    await raw('DELETE FROM owners WHERE id = (SELECT owner FROM jobs)');
    await using _ = queue.work(() => 'done');
    expect(await handle.result()).toBe('done');
    expect(await handle.get()).toMatchObject({ deaths: 1, failures: 0 });
    expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, completed: 1 });
  });

  test('jobs that become due while several stores look for jobs are started once, and counted once', async () => {
    const store = await engine.open();
    const others = [await engine.reopen(store), await engine.reopen(store), await engine.reopen(store)];
    const starts = new Map<number, number>();
    const queue = newQueue(store);
    const workers = [store, ...others].map((one) =>
      newQueue(one).work(
        ({ id }) => {
          starts.set(id, (starts.get(id) ?? 0) + 1);
          return 'done';
        },
        { concurrency: 3 },
      ),
    );
    const jobs = Array.from({ length: 300 }, (_, n) => ({ data: `${n}`, delay: n % 30 }));
    for (let round = 0; round < 4; round++) {
      await queue.addMany(jobs);
      await queue.idle();
    }
    for (const worker of workers) await worker.stop();
    expect(await queue.counts()).toMatchObject({ delayed: 0, waiting: 0, running: 0 });
    expect([...starts.values()].filter((count) => count !== 1)).toEqual([]);
    expect(starts.size).toBe(1_200);
  });

  test('jobs of one that others have found dead are given back though all workers are busy', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store);
    const lost = await queue.add('lost');
    const never = new Promise<string>(() => {});
    newQueue(await engine.reopen(store)).work(() => never);
    await until(async () => (await lost.get())?.state === 'running');
    await queue.addMany(Array.from({ length: 5_000 }, (_, n) => ({ data: `${n}` })));
    const other = newQueue(await engine.reopen(store));
    const worker = other.work(
      async ({ data }) => {
        await pause(2);
        return data;
      },
      { prefetch: 1 },
    );
    await until(() => worker.running === 1);
    // As whoever opens the store next does.
    await raw(`DELETE FROM owners WHERE id = (SELECT owner FROM jobs WHERE id = ${lost.id})`);
    await until(async () => (await lost.get())?.deaths === 1);
    expect((await queue.counts()).waiting).toBeGreaterThan(0);
    await worker.stop();
  });

  test('with a job goes all that was kept of it: large data, notes, children', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store, { attempts: 1, keep: { completed: { count: 0 }, failed: { count: 0 } } });
    const child = await queue.add('child');
    await queue.add('x'.repeat(5_000), { after: [{ job: child, onFailure: 'ignore' }] });
    await using _ = queue.work((job) => {
      job.log('at work');
      if (job.data === 'child') throw new Error('no');
      return '';
    });
    await queue.idle();
    expect(await raw('SELECT count(*) AS n FROM job_notes')).not.toEqual([{ n: 0 }]);
    await queue.remove({});
    // On SQLite a row of no structure keeps the number of the newest one.
    for (const table of ['jobs WHERE structure <> 0', 'job_data', 'job_notes', 'job_children'])
      expect(await raw(`SELECT count(*) AS n FROM ${table}`)).toEqual([{ n: 0 }]);
  });

  test('a store that closes at any moment, while it claims say, leaves no job behind, and counts no death', async () => {
    const store = await engine.open();
    const queue = newQueue(store);
    await queue.addMany(Array.from({ length: 900 }, (_, n) => ({ data: `${n}` })));
    for (let i = 0; i < 20; i++) {
      const closing = await engine.reopen(store);
      newQueue(closing).work(
        async ({ data }) => {
          await pause(i % 3);
          return data;
        },
        { concurrency: 3, prefetch: i % 2 },
      );
      for (let turns = i; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      if (i % 4 === 0 || engine.name === 'server') await pause(3 * i);
      await closing.close();
    }
    await using _ = queue.work(({ data }) => data, { concurrency: 10 });
    await queue.idle({ timeout: 20_000 });
    expect(await queue.counts()).toMatchObject({ running: 0, waiting: 0, completed: 900 });
    const jobs = await queue.jobs({ limit: 1_000 });
    expect(jobs.filter(({ deaths }) => deaths > 0).map(({ id }) => id)).toEqual([]);
  });

  test('a job that was claimed ahead has all of its time from when it is started', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store, { timeout: '1m' });
    const handles = await queue.addMany([{ data: 'a' }, { data: 'b' }]);
    const ends = [deferred<string>(), deferred<string>()];
    const started: string[] = [];
    await using _ = queue.work(
      ({ data }) => {
        started.push(data);
        return ends[data === 'a' ? 0 : 1]!.promise;
      },
      { prefetch: 1 },
    );
    // When others may take the job.
    const deadline = async () =>
      (await raw(`SELECT deadline FROM jobs WHERE id = ${handles[1]!.id}`))[0]?.['deadline'];
    await until(async () => (await queue.counts()).running === 2);
    expect(started).toEqual(['a']);
    expect(await deadline()).toBeNull();
    ends[0]!.resolve('done');
    await until(async () => (await deadline()) !== null);
    expect(started).toEqual(['a', 'b']);
    ends[1]!.resolve('done');
    await handles[1]!.result();
  });

  describe('what was added while a job ran', () => {
    /** A job that has failed, and waits to be tried again: while it ran, more was added. */
    async function waiting(store: AsyncStore) {
      const queue = newQueue(store, { backoff: { type: 'fixed', delay: '1h' } });
      const ran: string[] = [];
      const more = { key: 'k', onDuplicate: 'again' } as const;
      const handle = await queue.add('first', more);
      const worker = queue.work(async ({ data }) => {
        ran.push(data);
        if (data !== 'first') return data;
        await queue.add('second', more);
        throw new Error('no');
      });
      await until(async () => (await handle.get())?.state === 'delayed');
      return { queue, handle, worker, ran, more };
    }

    test.each(['cancel', 'remove'] as const)(
      'runs, too, when the job waits by then, and somebody wants to %s it',
      async (how) => {
        const { queue, handle, worker, ran } = await waiting(await engine.open());
        expect(await queue[how](handle.id)).toBe(true);
        await queue.idle();
        expect(ran).toEqual(['first', 'second']);
        await worker.stop();
      },
    );

    test('does not run behind what has replaced it', async () => {
      const { queue, handle, worker, ran, more } = await waiting(await engine.open());
      await queue.add('third', { ...more, onDuplicate: 'debounce', delay: 0 });
      await handle.result();
      await queue.idle();
      expect(ran).toEqual(['first', 'third']);
      await worker.stop();
    });
  });

  describe('retrying', () => {
    /** What has run of jobs that fail until they are mended, and how to run them. */
    async function graph(store: AsyncStore) {
      const queue = newQueue(store, { attempts: 1 });
      const others = new Queue<string, string>(store, 'others', { attempts: 1 });
      const ran: string[] = [];
      const handler = ({ data }: { data: string }): string => {
        ran.push(data);
        if (data === 'bottom' && ran.length === 1) throw new Error('no');
        return data;
      };
      const run = async (): Promise<void> => {
        await using _ = queue.work(handler);
        await using _others = others.work(handler);
        await queue.idle();
        await others.idle();
      };
      return { queue, others, ran, run };
    }

    test('a job tries those again that two of those before it wait for, and both wait for that', async () => {
      const { queue, ran, run } = await graph(await engine.open());
      const { top } = await queue.flow({
        bottom: { data: 'bottom' },
        left: { data: 'left', after: ['bottom'] },
        right: { data: 'right', after: ['bottom'], priority: 1 },
        top: { data: 'top', after: ['left', 'right'] },
      });
      await run();
      expect(await queue.counts()).toMatchObject({ failed: 4 });
      expect(await queue.retry(top.id)).toBe(true);
      expect(await queue.counts()).toMatchObject({ failed: 0, blocked: 3, waiting: 1 });
      await run();
      expect(ran).toEqual(['bottom', 'bottom', 'right', 'left', 'top']);
    });

    test('a job after one that was tried again by itself, and has completed since, runs at once and is told so', async () => {
      const { queue, ran, run } = await graph(await engine.open());
      const bottom = await queue.add('bottom');
      const top = await queue.add('top', { after: [bottom] });
      await run();
      await queue.retry(bottom.id);
      await run();
      expect(await queue.retry(top.id)).toBe(true);
      expect(await top.get()).toMatchObject({ state: 'waiting' });
      const children = deferred<unknown>();
      await using _ = queue.work(async (job) => {
        children.resolve(await job.children());
        return '';
      });
      expect(await children.promise).toMatchObject([{ id: bottom.id, state: 'completed', result: 'bottom' }]);
      expect(ran).toEqual(['bottom', 'bottom']);
    });

    test('a job leaves its work to one before it that has the same key, and is tried again then', async () => {
      const { queue, ran, run } = await graph(await engine.open());
      const bottom = await queue.add('bottom', { key: 'k' });
      await run();
      const top = await queue.add('top', { key: 'k', after: [bottom] });
      expect(await queue.counts()).toMatchObject({ failed: 2 });
      expect(await queue.retry(top.id)).toBe(false);
      expect(await queue.counts()).toMatchObject({ failed: 1, waiting: 1 });
      await run();
      expect(await queue.retry(top.id)).toBe(true);
      await run();
      expect(ran).toEqual(['bottom', 'bottom', 'top']);
      expect(await queue.counts()).toMatchObject({ completed: 2 });
    });

    test('a job over two queues counts in both, and its workers are woken', async () => {
      const { queue, others, ran, run } = await graph(await engine.open());
      const bottom = await queue.add('bottom');
      const middle = await others.add('middle', { after: [bottom] });
      const top = await queue.add('top', { after: [middle] });
      await run();
      expect(await queue.retry(top.id)).toBe(true);
      expect(await queue.counts()).toMatchObject({ failed: 0, blocked: 1, waiting: 1 });
      expect(await others.counts()).toMatchObject({ failed: 0, blocked: 1, waiting: 0 });
      await run();
      expect(ran).toEqual(['bottom', 'bottom', 'middle', 'top']);
    });
  });

  describe('limits of groups', () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => ({ data: `${n}`, group: 'a' }));

    test('that are removed let all jobs go, however many wait', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { groups: { concurrency: 1 }, keep: { completed: { count: 1_500 } } });
      await queue.addMany(many(1_500));
      await newQueue(store, { groups: null }).counts();
      await using _ = queue.work(() => 'done', { concurrency: 100 });
      await queue.idle();
      expect(await queue.counts()).toMatchObject({ completed: 1_500 });
    });

    test('that are set, or lowered, hold for jobs that could have started before', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await queue.addMany(many(6));
      for (const most of [2, 4, 1]) {
        await newQueue(store, { groups: { concurrency: most } }).counts();
        const worker = queue.work(untilAborted, { concurrency: 10 });
        await until(() => worker.running === most);
        await pause(50);
        expect(worker.running).toBe(most);
        await worker.stop({ timeout: 0 });
      }
    });

    test('that are lowered hold for jobs that ran by then, and are to run again', async () => {
      const store = await engine.open();
      const options = { attempts: 9, backoff: { type: 'fixed', delay: 1, jitter: 0 } };
      const queue = newQueue(store, { ...options, groups: { concurrency: 4 } });
      await queue.addMany(many(4));
      const worker = queue.work(untilAborted, { concurrency: 10 });
      await until(() => worker.running === 4);
      await newQueue(store, { groups: { ordered: true } }).counts();
      await worker.stop({ timeout: 0 });
      let most = 0;
      let running = 0;
      await using _ = queue.work(
        async ({ attempt }) => {
          most = Math.max(most, ++running);
          await pause(5);
          running--;
          if (attempt < 3) throw new Error('no');
          return 'done';
        },
        { concurrency: 10 },
      );
      await queue.idle();
      expect(most).toBe(1);
    });

    test('by a rate hold also for jobs that others have kept from starting', async () => {
      const queue = newQueue(await engine.open(), {
        concurrency: 1,
        groups: { rate: { limit: 1, per: 40 } },
      });
      const go = deferred<string>();
      await using _ = queue.work(({ data }) => (data === 'first' ? go.promise : data), { concurrency: 10 });
      const first = await queue.add('first');
      await until(async () => (await first.get())?.state === 'running');
      const handles = await queue.addMany(many(5));
      await pause(250);
      go.resolve('done');
      await queue.idle();
      const started = await Promise.all(
        handles.map(async (handle) => (await handle.get())?.startedAt?.getTime() ?? 0),
      );
      started.sort((a, b) => a - b);
      for (const [i, at] of started.entries())
        if (i > 0) expect(at - (started[i - 1] ?? 0)).toBeGreaterThanOrEqual(38);
    });

    test('that are no more ordered let go who stood behind one that is to be tried again', async () => {
      const store = await engine.open();
      const options = { attempts: 2, backoff: { type: 'fixed', delay: '1h' } };
      const queue = newQueue(store, { ...options, groups: { ordered: true } });
      const [first, second] = await queue.addMany(many(2));
      await using _ = queue.work(({ data }) => {
        if (data === '0') throw new Error('no');
        return data;
      });
      await until(async () => (await first!.get())?.state === 'delayed');
      expect(await second!.get()).toMatchObject({ state: 'waiting' });
      await newQueue(store, { groups: { concurrency: 1 } }).counts();
      expect(await second!.result()).toBe('1');
    });
  });
});
