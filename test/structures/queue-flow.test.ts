import { describe, expect, test } from 'vitest';
import {
  Queue,
  type AsyncQueue,
  type AsyncStore,
  type Child,
  type FailedJob,
  type FlowJob,
} from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, rawConnection, transact, until, withCode } from './helpers.js';

const atOnce = { backoff: { type: 'fixed', delay: 0 } } as const;

const newQueue = (store: AsyncStore, name = 'jobs', options = {}): AsyncQueue<string, string> =>
  new Queue<string, string>(store, name, options);

/** Runs all jobs there are; gives back what they were, in the order in which they started. */
async function runAll(queue: AsyncQueue<string, string>): Promise<string[]> {
  const started: string[] = [];
  await using _ = queue.work((job) => {
    started.push(job.data);
    if (job.data.startsWith('bad')) throw new Error(job.data);
    return job.data.toUpperCase();
  });
  await queue.idle();
  return started;
}

forEachEngine((engine) => {
  describe('jobs after others', () => {
    test('a job is blocked until those that it is to run after have completed, and then runs', async () => {
      const queue = newQueue(await engine.open());
      const first = await queue.add('first', { priority: -1 });
      const second = await queue.add('second', { priority: -2 });
      const last = await queue.add('last', { after: [first, { id: second.id }], priority: 9 });
      expect(await last.get()).toMatchObject({ state: 'blocked' });
      expect(await queue.counts()).toMatchObject({ blocked: 1, waiting: 2 });
      expect(await runAll(queue)).toEqual(['first', 'second', 'last']);
      expect(await queue.counts()).toMatchObject({ blocked: 0, waiting: 0, completed: 3 });
    });

    test('what came of them is there for its handler, also of those that are not kept', async () => {
      const store = await engine.open();
      const gone = newQueue(store, 'gone', { keep: { completed: { count: 0 } } });
      const queue = newQueue(store, 'jobs', { attempts: 1 });
      const good = await gone.add('good');
      const bad = await queue.add('bad');
      const parent = await queue.add('parent', { after: [good, { job: bad, onFailure: 'ignore' }] });
      const seen = deferred<Child[]>();
      await runAll(gone);
      await using _ = queue.work(async (job) => {
        if (job.data === 'bad') throw new TypeError('no good');
        seen.resolve(await job.children());
        return 'done';
      });
      await expect(parent.result()).resolves.toBe('done');
      expect(await seen.promise).toMatchObject([
        { id: good.id, state: 'completed', result: 'GOOD', label: undefined },
        { id: bad.id, state: 'failed', result: undefined, error: { name: 'TypeError', message: 'no good' } },
      ]);
      expect(await good.get()).toBeUndefined();
    });

    test('it fails when one of them fails, with that as its cause, and so does what is to run after it', async () => {
      const queue = newQueue(await engine.open(), 'jobs', { attempts: 1 });
      const bad = await queue.add('bad');
      const parent = await queue.add('parent', { after: [bad] });
      const grandparent = await queue.add('grandparent', { after: [parent] });
      expect(await runAll(queue)).toEqual(['bad']);
      await expect(parent.result()).rejects.toMatchObject({
        code: 'ERR_CHILD_FAILED',
        cause: { message: 'bad' },
      });
      await expect(grandparent.result()).rejects.toMatchObject({
        code: 'ERR_CHILD_FAILED',
        cause: { code: 'ERR_CHILD_FAILED', cause: { message: 'bad' } },
      });
      expect(await queue.counts()).toMatchObject({ blocked: 0, failed: 3 });
    });

    test.each(['cancel', 'remove'] as const)('to %s one of them fails it', async (how) => {
      const queue = newQueue(await engine.open());
      const child = await queue.add('child');
      const parent = await queue.add('parent', { after: [child] });
      const other = await queue.add('other', { after: [{ job: child, onFailure: 'ignore' }] });
      expect(await queue[how](child.id)).toBe(true);
      await expect(parent.result()).rejects.toMatchObject({ code: 'ERR_CHILD_FAILED' });
      expect(await runAll(queue)).toEqual(['other']);
      await expect(other.result()).resolves.toBe('OTHER');
    });

    test('those that have ended when it is added count as well', async () => {
      const queue = newQueue(await engine.open(), 'jobs', { attempts: 1 });
      const good = await queue.add('good');
      const bad = await queue.add('bad');
      await runAll(queue);
      const runs = await queue.add('runs', { after: [good] });
      const fails = await queue.add('fails', { after: [good, bad] });
      expect(await runAll(queue)).toEqual(['runs']);
      await expect(runs.result()).resolves.toBe('RUNS');
      await expect(fails.result()).rejects.toMatchObject({ code: 'ERR_CHILD_FAILED' });
    });

    test('to run after a job that is not there is refused, and nothing is added', async () => {
      const queue = newQueue(await engine.open());
      await expect(async () => queue.add('x', { after: [{ id: 99 }] })).rejects.toThrow(
        withCode('ERR_NOT_FOUND'),
      );
      await expect(async () => queue.add('x', { after: [{ id: 0 }] })).rejects.toThrow(RangeError);
      await expect(async () =>
        queue.add('x', { key: 'k', onDuplicate: 'replace', after: [{ id: 1 }] }),
      ).rejects.toThrow(/onDuplicate/);
      expect(await queue.counts()).toMatchObject({ blocked: 0, waiting: 0 });
    });

    test('a delay, a time and a group are heeded once it is not blocked any more', async () => {
      const store = await engine.open();
      const queue = newQueue(store, 'jobs', { groups: { concurrency: 1 } });
      const child = await queue.add('child');
      const delayed = await queue.add('delayed', { after: [child], delay: '1h' });
      const timed = await queue.add('timed', { after: [child], runAt: new Date(Date.now() + 3_600_000) });
      const past = await queue.add('past', { after: [child], runAt: new Date(0) });
      const grouped = [];
      for (const n of [1, 2]) grouped.push(await queue.add(`group ${n}`, { after: [child], group: 'g' }));
      let most = 0;
      let running = 0;
      const started: string[] = [];
      await using _ = queue.work(
        async (job) => {
          started.push(job.data);
          if (job.group !== undefined) most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (job.group !== undefined) running--;
          return '';
        },
        { concurrency: 5 },
      );
      await Promise.all([past, ...grouped].map((job) => job.result()));
      expect(most).toBe(1);
      expect(started.toSorted()).toEqual(['child', 'group 1', 'group 2', 'past']);
      expect(await delayed.get()).toMatchObject({ state: 'delayed' });
      expect(await timed.get()).toMatchObject({ state: 'delayed' });
      expect(await queue.counts()).toMatchObject({ delayed: 2, waiting: 0, blocked: 0 });
    });

    test('a worker of another queue is woken when it is not blocked any more', async () => {
      const store = await engine.open();
      const children = newQueue(store, 'children');
      const parents = newQueue(store, 'parents');
      await using _ = parents.work((job) => job.data);
      const child = await children.add('child');
      const parent = await parents.add('parent', { after: [child] });
      const result = parent.result();
      await runAll(children);
      await expect(result).resolves.toBe('parent');
      expect(await parents.counts()).toMatchObject({ blocked: 0, completed: 1 });
      expect(await children.counts()).toMatchObject({ completed: 1 });
    });

    test('of many that end at once the last one lets it run, whichever that is', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const children = await queue.addMany(Array.from({ length: 60 }, (_, i) => ({ data: `${i}` })));
      const parent = await queue.add('parent', { after: children });
      const workers = [1, 2, 3].map(() =>
        queue.work((job) => job.data, { concurrency: 5, prefetch: 5, ack: 'each' }),
      );
      await expect(parent.result()).resolves.toBe('parent');
      expect(await queue.counts()).toMatchObject({ blocked: 0, completed: 61 });
      await Promise.all(workers.map((worker) => worker.stop()));
    });

    test('to retry it retries those because of which it has failed', async () => {
      const store = await engine.open();
      const leaves = newQueue(store, 'leaves', { attempts: 1 });
      const queue = newQueue(store, 'jobs', { attempts: 1 });
      const bad = await leaves.add('bad');
      const good = await queue.add('good');
      const parent = await queue.add('parent', { after: [good, bad] });
      const top = await queue.add('top', { after: [parent] });
      await runAll(leaves);
      await runAll(queue);
      expect(await queue.retry(top.id)).toBe(true);
      for (const job of [parent, top]) expect(await job.get()).toMatchObject({ state: 'blocked' });
      expect(await bad.get()).toMatchObject({ state: 'waiting', failures: 0 });
      expect(await queue.counts()).toMatchObject({ blocked: 2, completed: 1, failed: 0 });
      await using _ = leaves.work(() => 'mended');
      expect(await runAll(queue)).toEqual(['parent', 'top']);
      await expect(top.result()).resolves.toBe('TOP');
    });

    test('nothing is left behind by jobs that were removed', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store);
      const { a, b } = await queue.flow({ a: { data: 'a' }, b: { data: 'b', after: ['a'] } });
      await runAll(queue);
      await queue.remove(a.id);
      await queue.remove(b.id);
      expect(await raw('SELECT count(*) AS n FROM job_children')).toEqual([{ n: 0 }]);
    });
  });

  describe('flow', () => {
    test('adds a graph of jobs in one transaction, whatever the order in which they are given', async () => {
      const queue = newQueue(await engine.open());
      const { top, left } = await queue.flow({
        top: { data: 'top', after: ['left', 'right'] },
        left: { data: 'left', after: ['bottom'] },
        right: { data: 'right', after: ['bottom'], priority: -1 },
        bottom: { data: 'bottom' },
      });
      expect(await left.get()).toMatchObject({ state: 'blocked', data: 'left' });
      expect(await runAll(queue)).toEqual(['bottom', 'left', 'right', 'top']);
      await expect(top.result()).resolves.toBe('TOP');
    });

    test('a handler finds what came of the others by their names', async () => {
      const queue = newQueue(await engine.open());
      const outside = await queue.add('outside');
      const seen = deferred<Child[]>();
      await queue.flow({
        sum: { data: 'sum', after: ['b', { job: 'a', onFailure: 'ignore' }, outside] },
        a: { data: 'bad', attempts: 1 },
        b: { data: 'b' },
      });
      await using _ = queue.work(async (job) => {
        if (job.data === 'bad') throw new Error('bad');
        if (job.data === 'sum') seen.resolve(await job.children());
        return job.data;
      });
      expect(await seen.promise).toMatchObject([
        { label: 'b', state: 'completed', result: 'b' },
        { label: 'a', state: 'failed', error: { message: 'bad' } },
        { id: outside.id, label: undefined, result: 'outside' },
      ]);
    });

    test('a graph with a cycle, or with a name that is not there, is refused before anything is added', async () => {
      const queue = newQueue(await engine.open());
      const refused = (jobs: Record<string, FlowJob<string, string>>, message: RegExp): Promise<void> =>
        expect(async () => queue.flow(jobs)).rejects.toThrow(message);
      await refused(
        { a: { data: '', after: ['b'] }, b: { data: '', after: ['a'] } },
        /wait for each other: a, b/,
      );
      await refused({ a: { data: '', after: ['a'] } }, /wait for each other/);
      await refused({ a: { data: '', after: ['toString'] } }, /no job "toString"/);
      await refused({ a: { data: '' }, b: { data: '', after: [{ job: 'c' }] } }, /no job "c"/);
      // A text is an iterable, too, but of no names.
      await refused({ a: { data: '', after: 'b' } }, /after must be an array/);
      // @ts-expect-error -- neither a name nor a job
      await refused({ a: { data: '', after: [null] } }, /after takes handles/);
      // @ts-expect-error -- no job at all
      await refused({ a: null }, /job "a" of the flow must be an object with data, not null/);
      expect(await queue.counts()).toMatchObject({ blocked: 0, waiting: 0 });
      expect(await queue.flow({})).toEqual({});
    });

    test('heeds what is given as an iterator, which can be read once', async () => {
      const queue = newQueue(await engine.open());
      const outside = await queue.add('outside');
      const { b } = await queue.flow({
        b: { data: 'b', after: (['a', outside] as const).values() },
        a: { data: 'a' },
      });
      expect(await b.get()).toMatchObject({ state: 'blocked' });
      expect(await runAll(queue)).toEqual(['outside', 'a', 'b']);
    });

    test('is undone with its transaction', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await expect(
        async () =>
          await transact(store, function* () {
            yield queue.flow({ a: { data: 'a' }, b: { data: 'b', after: ['a'] } });
            throw new Error('no');
          }),
      ).rejects.toThrow('no');
      expect(await queue.counts()).toMatchObject({ blocked: 0, waiting: 0 });
    });

    test('a job whose key is taken stands for the one that has it', async () => {
      const queue = newQueue(await engine.open());
      const holder = await queue.add('holder', { key: 'k' });
      const { a, b } = await queue.flow({ a: { data: 'a', key: 'k' }, b: { data: 'b', after: ['a'] } });
      expect(a.id).toBe(holder.id);
      expect(await runAll(queue)).toEqual(['holder', 'b']);
      await expect(b.result()).resolves.toBe('B');
    });

    test('a chain of thousands is added, and runs', async () => {
      const queue = newQueue(await engine.open());
      const jobs: Record<string, FlowJob<string, string>> = {};
      for (let i = 0; i < 2_000; i++) jobs[`n${i}`] = { data: `${i}`, after: i === 0 ? [] : [`n${i - 1}`] };
      const handles = await queue.flow(jobs);
      expect(await queue.cancel(handles['n0']?.id ?? 0)).toBe(true);
      await until(async () => (await queue.counts()).failed === 1_999);
    });
  });

  describe('onFailed', () => {
    test('a job that fails for good is added to another queue, once, with its data and its error', async () => {
      const store = await engine.open();
      const letters = new Queue<FailedJob<string>>(store, 'dead letters');
      const options = { onFailed: 'dead letters', attempts: 2, ...atOnce };
      const queue = newQueue(store, 'jobs', options);
      const bad = await queue.add('bad', { name: 'a name', group: 'a group' });
      const parent = await queue.add('parent', { after: [bad] });
      await queue.add('good');
      await runAll(queue);
      const found = await letters.jobs();
      expect(found.map(({ data }) => data)).toMatchObject([
        {
          ...{ id: bad.id, queue: 'jobs', name: 'a name', group: 'a group', data: 'bad', failures: 2 },
          error: { message: 'bad' },
        },
        { id: parent.id, data: 'parent', failures: 0 },
      ]);
      expect(await letters.counts()).toMatchObject({ waiting: 2 });
      expect(() => newQueue(store, 'x', { onFailed: 'x' })).toThrow(RangeError);
      expect(() => newQueue(store, 'x', { onFailed: '' })).toThrow(/onFailed/);
    });

    test('a worker of that queue is woken', async () => {
      const store = await engine.open();
      const letters = new Queue<FailedJob<string>>(store, 'dead letters');
      const seen = deferred<FailedJob<string>>();
      await using _ = letters.work((job) => {
        seen.resolve(job.data);
      });
      const queue = newQueue(store, 'jobs', { onFailed: 'dead letters', attempts: 1 });
      await queue.add('bad');
      await runAll(queue);
      expect(await seen.promise).toMatchObject({ data: 'bad' });
    });
  });

  describe('looking at jobs', () => {
    test('pages of them are in the order in which they were added, and filtered by state, group and name', async () => {
      const store = await engine.open();
      const queue = newQueue(store, 'jobs', { attempts: 1 });
      const other = newQueue(store, 'other');
      await other.add('other');
      const added = [];
      for (const [i, data] of ['a', 'bad', 'c', 'bad too'].entries())
        added.push(await queue.add(data, { name: i % 2 === 0 ? 'even' : 'odd', group: data.slice(0, 3) }));
      await runAll(queue);
      const later = [
        await queue.add('later', { delay: '1h' }),
        await queue.add('at', { runAt: new Date(Date.now() + 1e7) }),
        await queue.add('waits', { name: 'even', priority: -3 }),
        await queue.add('also', { priority: 2 }),
      ];
      const ids = [...added, ...later].map(({ id }) => id);
      const list = async (...options: Parameters<typeof queue.jobs>): Promise<string[]> =>
        (await queue.jobs(...options)).map(({ data }) => data);
      expect((await queue.jobs()).map(({ id }) => id)).toEqual(ids);
      expect(await list({ state: 'failed' })).toEqual(['bad', 'bad too']);
      expect(await list({ state: 'completed' })).toEqual(['a', 'c']);
      expect(await list({ state: 'delayed' })).toEqual(['later', 'at']);
      expect(await list({ state: 'waiting' })).toEqual(['waits', 'also']);
      expect(await list({ state: 'running' })).toEqual([]);
      expect(await list({ state: 'blocked' })).toEqual([]);
      expect(await list({ name: 'even' })).toEqual(['a', 'c', 'waits']);
      expect(await list({ name: 'odd', state: 'failed', group: 'bad' })).toEqual(['bad', 'bad too']);
      expect(await list({ name: 'even', state: 'failed' })).toEqual([]);
      expect(await list({ limit: 3, after: ids[1] })).toEqual(['c', 'bad too', 'later']);
      expect(await list({ state: 'delayed', limit: 1, after: ids[4] })).toEqual(['at']);
      const [failed] = await queue.jobs({ state: 'failed', limit: 1 });
      expect(failed).toMatchObject({ state: 'failed', failures: 1, errors: [{ error: { message: 'bad' } }] });
      await expect(async () => queue.jobs({ limit: 0 })).rejects.toThrow(RangeError);
      await expect(async () => queue.jobs({ limit: 1_001 })).rejects.toThrow(RangeError);
      // @ts-expect-error -- no such state
      await expect(async () => queue.jobs({ state: 'done' })).rejects.toThrow(/state/);
      // @ts-expect-error -- no such option
      await expect(async () => queue.jobs({ status: 'failed' })).rejects.toThrow(/status/);
    });

    test(
      'those that match are retried, cancelled or removed, however many there are',
      { timeout: 180_000 },
      async () => {
        const store = await engine.open();
        const queue = newQueue(store, 'jobs', { attempts: 1, ...atOnce });
        const many = 1_203;
        await queue.addMany(
          Array.from({ length: many }, (_, i) => ({ data: 'bad', name: i % 3 === 0 ? 'three' : undefined })),
        );
        await runAll(queue);
        expect(await queue.retry({ state: 'failed', name: 'three' })).toBe(401);
        expect(await queue.counts()).toMatchObject({ waiting: 401, failed: 802 });
        expect(await queue.cancel({ state: 'waiting' })).toBe(401);
        expect(await queue.remove({ state: 'failed' })).toBe(802);
        expect(await queue.counts()).toMatchObject({ waiting: 0, failed: 0, cancelled: 401 });
        expect(await queue.retry({})).toBe(401);
        expect(await queue.remove({})).toBe(401);
        expect(await queue.jobs()).toEqual([]);
        // @ts-expect-error -- no such option
        await expect(async () => queue.remove({ status: 'failed' })).rejects.toThrow(/status/);
      },
    );
  });
});
