import { describe, expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { randomFrom } from '../support/random.js';
import { startProcess, type TestProcess } from '../support/processes.js';
import { forEachEngine, type Engine } from '../support/stores.js';
import { pause, until } from './helpers.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

interface Start {
  readonly started: number;
  readonly attempt: number;
  readonly at: number;
}

function startWorker(engine: Engine, store: AsyncStore, given: object = {}): TestProcess {
  return startProcess('queue-work.js', engine.location(store), JSON.stringify(given));
}

async function nextStart(child: TestProcess): Promise<Start> {
  for (;;) {
    const message = await child.nextMessage<Start | string>();
    if (typeof message !== 'string') return message;
  }
}

const newQueue = (store: AsyncStore, ...rest: [options?: QueueOptions]): AsyncQueue<string, number> =>
  new Queue<string, number>(store, 'jobs', ...rest);

forEachEngine((engine) => {
  describe('workers in other processes', () => {
    test('abort a job that is cancelled here', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const worker = startWorker(engine, store, { time: 600_000 });
      const handle = await queue.add('long');
      await nextStart(worker);
      expect(await handle.cancel()).toBe(true);
      await expect(handle.result()).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
      expect(await handle.get()).toMatchObject({ state: 'cancelled' });
    });

    test('start nothing while the queue is paused here', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const worker = startWorker(engine, store);
      await worker.nextMessage();
      await queue.pause();
      const handle = await queue.add('later');
      await pause(300);
      expect(await handle.get()).toMatchObject({ state: 'waiting' });
      await queue.resume();
      expect(await handle.result()).toBe(worker.child.pid);
    });

    test('start no more together than the rate of the queue allows', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { rate: { limit: 7, per: '1h' } });
      await queue.addMany(Array.from({ length: 20 }, () => ({ data: 'a' })));
      for (let i = 0; i < 3; i++) startWorker(engine, store, { concurrency: 3 });
      await until(async () => (await queue.counts()).completed === 7);
      await pause(300);
      expect(await queue.counts()).toMatchObject({ completed: 7, waiting: 13 });
    });
  });

  describe('workers that die', () => {
    test('the job of a worker that is killed runs elsewhere at once, and its death is counted apart from failures', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const first = startWorker(engine, store, { time: 600_000 });
      const handle = await queue.add('long');
      expect(await nextStart(first)).toMatchObject({ started: handle.id, attempt: 1 });
      const second = startWorker(engine, store);
      await second.nextMessage();
      first.child.kill('SIGKILL');
      expect(await nextStart(second)).toMatchObject({ started: handle.id, attempt: 1 });
      expect(await handle.result()).toBe(second.child.pid);
      expect(await handle.get()).toMatchObject({ failures: 0, deaths: 1 });
    });

    test('who listens hears that the job has stalled, and then that it was started again', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const types: string[] = [];
      const events = queue.events();
      const gathering = (async () => {
        for await (const { type } of events) {
          types.push(type);
          if (type === 'completed') return;
        }
      })();
      await until(async () => {
        if (types.length === 0) await queue.remove((await queue.add('mark', { delay: '1h' })).id);
        return types.length > 0;
      });
      const first = startWorker(engine, store, { time: 600_000 });
      await queue.add('long');
      await nextStart(first);
      startWorker(engine, store);
      first.child.kill('SIGKILL');
      await gathering;
      expect(types.filter((type) => type !== 'added')).toEqual([
        'started',
        'stalled',
        'started',
        'completed',
      ]);
    });

    test('so it does when all other workers are busy, as soon as one of them has room', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const first = startWorker(engine, store, { time: 600_000 });
      const lost = await queue.add('long');
      await nextStart(first);
      const second = startWorker(engine, store, { time: 300 });
      await second.nextMessage();
      await queue.addMany([{ data: 'a' }, { data: 'b' }]);
      await nextStart(second);
      first.child.kill('SIGKILL');
      await until(async () => (await lost.get())?.deaths === 1);
      expect(await lost.result()).toBe(second.child.pid);
    });

    test('a job that kills its process each time is set aside, and the others go on', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const poison = await queue.add('die');
      const others = await queue.addMany(['a', 'b', 'c'].map((data) => ({ data })));
      for (let i = 0; i < 3; i++) {
        const victim = startWorker(engine, store);
        expect(await victim.exited).toMatchObject({ signal: 'SIGKILL' });
      }
      startWorker(engine, store);
      for (const other of others) await other.result();
      await expect(poison.result()).rejects.toMatchObject({ code: 'ERR_JOB_DEATHS' });
      expect(await poison.get()).toMatchObject({ state: 'failed', deaths: 3, failures: 0 });
    });

    test('a worker that is stopped and continued loses nothing, and nobody else runs its job', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const first = startWorker(engine, store, { time: 1_000 });
      const handle = await queue.add('long');
      await nextStart(first);
      first.pause();
      const second = startWorker(engine, store);
      await second.nextMessage();
      await pause(1_500);
      expect(await handle.get()).toMatchObject({ state: 'running', deaths: 0 });
      first.resume();
      expect(await handle.result()).toBe(first.child.pid);
    });

    test('a worker whose event loop is blocked loses nothing', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const first = startWorker(engine, store);
      const handle = await queue.add('block');
      await nextStart(first);
      const second = startWorker(engine, store);
      await second.nextMessage();
      expect(await handle.result()).toBe(first.child.pid);
      expect(await handle.get()).toMatchObject({ deaths: 0, failures: 0 });
    });

    test(
      'every job is done by some worker, though workers are killed all the time',
      { timeout: 120_000 },
      async () => {
        const store = await engine.open();
        const options = { maxDeaths: 1_000, keep: { completed: {} } };
        const queue = newQueue(store, options);
        const jobs = 1_500;
        const random = randomFrom(seed);
        const given = { concurrency: 4, prefetch: 4, time: 20, options };
        const workers = [0, 1, 2].map(() => startWorker(engine, store, given));
        const adding = queue.addMany(Array.from({ length: jobs }, (_, n) => ({ data: String(n) })));
        for (let kills = 0; kills < 8; kills++) {
          const place = kills % workers.length;
          await pause(400 * random());
          workers[place]!.child.kill('SIGKILL');
          workers[place] = startWorker(engine, store, given);
        }
        await adding;
        await queue.idle({ timeout: '90s' });
        expect(await queue.counts()).toMatchObject({
          completed: jobs,
          waiting: 0,
          running: 0,
          failed: 0,
          cancelled: 0,
        });
      },
    );
  });
});
