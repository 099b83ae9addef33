import { expect, onTestFinished, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { deferred, until } from '../structures/helpers.js';
import { connected, schemaName } from './support.js';

interface Working {
  readonly store: AsyncStore;
  readonly queue: AsyncQueue<string>;
  /** The same queue through another store: what is called there is no part of a transaction of the first. */
  readonly outside: AsyncQueue<string>;
  readonly started: readonly string[];
  work(concurrency: number): void;
  /** Lets a job end. */
  letGo(name: string): void;
}

async function grouped(): Promise<Working> {
  const schema = schemaName();
  const [store, other] = await Promise.all([connected(schema), connected(schema)]);
  const queue = new Queue<string>(store, 'q', { groups: { concurrency: 1 } });
  // The first call stores the limits, and locks the queue for that.
  await queue.counts();
  const outside = new Queue<string>(other, 'q');
  const started: string[] = [];
  const gone = new Set<string>();
  const work = (concurrency: number): void => {
    const worker = outside.work(
      async ({ data, signal }) => {
        started.push(data);
        await until(() => gone.has(data) || signal.aborted);
      },
      { concurrency },
    );
    onTestFinished(() => worker.stop({ timeout: 0 }));
  };
  return { store, queue, outside, started, work, letGo: (name) => gone.add(name) };
}

// A worker with nothing to do would join or leave the line meanwhile, by which the transactions would find that they are late.

test('a job is not left behind that a transaction adds to a group whose place came free meanwhile', async () => {
  const { store, queue, outside, started, work, letGo } = await grouped();
  work(1);
  const first = await outside.add('first', { group: 'g' });
  await until(() => started.length === 1);
  await outside.add('busy');
  const second = await store.transaction(async () => {
    // From here on the transaction sees the first job run, whatever becomes of it.
    expect((await queue.get(first.id))?.state).toBe('running');
    letGo('first');
    await until(() => started.includes('busy'));
    return queue.add('second', { group: 'g' });
  });
  letGo('busy');
  letGo('second');
  await second.result();
});

test('a job is not left behind that a transaction adds to such a group while somebody waits for jobs', async () => {
  const { store, queue, outside, started, work, letGo } = await grouped();
  work(2);
  await outside.add('busy');
  const first = await outside.add('first', { group: 'g' });
  await until(() => started.length === 2);
  letGo('second');
  const second = await store.transaction(async () => {
    await queue.get(first.id);
    letGo('first');
    await until(async () => (await outside.get(first.id))?.state === 'completed');
    return queue.add('second', { group: 'g' });
  });
  await second.result();
  letGo('busy');
});

test('the limits of a group hold for the job of a transaction that began before its place was taken', async () => {
  const { store, queue, outside, started, work, letGo } = await grouped();
  const second = await store.transaction(async () => {
    expect(await queue.counts()).toMatchObject({ waiting: 0 });
    await outside.add('first', { group: 'g' });
    return queue.add('second', { group: 'g' });
  });
  await outside.add('last');
  work(3);
  await until(() => started.includes('last'));
  expect(started).toEqual(['first', 'last']);
  for (const name of ['first', 'second', 'last']) letGo(name);
  await second.result();
  expect(started).toEqual(['first', 'last', 'second']);
});

test('a place that a transaction makes free by completing its job is taken by the next of the group', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const queue = new Queue<string>(store, 'q', { groups: { concurrency: 1 } });
  const jobs = await queue.addMany([
    { data: 'first', group: 'g' },
    { data: 'second', group: 'g' },
  ]);
  const worker = queue.work(async (job) => job.complete(async () => undefined), { concurrency: 2 });
  await Promise.all(jobs.map((job) => job.result()));
  await worker.stop();
});

test('a place that a transaction makes free while the queue is paused is taken once it goes on', async () => {
  const queue = new Queue<string>(await connected(schemaName()), 'q', { groups: { ordered: true } });
  const started: string[] = [];
  const gate = deferred<undefined>();
  const worker = queue.work(async (job) => {
    started.push(job.data);
    await gate.promise;
    await job.complete(async () => undefined);
  });
  const [first] = await queue.addMany(['first', 'second'].map((data) => ({ data, group: 'g' })));
  await until(() => started.length === 1);
  await queue.pause();
  gate.resolve(undefined);
  await first?.result();
  expect(started).toEqual(['first']);
  await queue.resume();
  await until(() => started.length === 2);
  await worker.stop();
});

test('the limits of groups hold for the jobs of a transaction that began before they were stored', async () => {
  const schema = schemaName();
  const [store, other] = await Promise.all([connected(schema), connected(schema)]);
  const queue = new Queue<string>(store, 'q');
  const before = await queue.add('before');
  let tries = 0;
  const jobs = await store.transaction(async () => {
    await queue.get(before.id);
    if (++tries === 1) await new Queue<string>(other, 'q', { groups: { concurrency: 1 } }).counts();
    return queue.addMany([
      { data: 'first', group: 'g' },
      { data: 'second', group: 'g' },
    ]);
  });
  const gone = new Set<string>();
  const started: string[] = [];
  const worker = queue.work(
    async ({ data }) => {
      started.push(data);
      await until(() => gone.has(data));
    },
    { concurrency: 4 },
  );
  const last = await queue.add('last');
  for (const name of ['before', 'last']) gone.add(name);
  await last.result();
  expect(started).not.toContain('second');
  for (const name of ['first', 'second']) gone.add(name);
  await Promise.all(jobs.map((job) => job.result()));
  await worker.stop();
});
