import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { forEachEngine, type Engine } from '../support/stores.js';
import { deferred, isEmbedded, pause, rawConnection, until, withCode, type Raw } from './helpers.js';

const threadHandler = new URL('./threads/handler.js', import.meta.url).href;

interface Task {
  readonly do: string;
  readonly file?: string;
}

const newQueue = (store: AsyncStore, name = 'jobs'): AsyncQueue<Task, unknown> =>
  new Queue<Task, unknown>(store, name);

async function startWorkers(engine: Engine, store: AsyncStore, given: object = {}): Promise<TestProcess> {
  const child = startProcess('queue-stop.js', engine.location(store), JSON.stringify(given));
  expect(await child.nextMessage()).toBe('ready');
  return child;
}

/** From now on no job can change, until what is returned is called. */
async function refuseChanges(raw: Raw, store: AsyncStore): Promise<() => Promise<unknown>> {
  if (isEmbedded(store)) {
    await raw(`CREATE TRIGGER refused BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'no more'); END`);
    return () => raw('DROP TRIGGER refused');
  }
  await raw(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more'; END $$`);
  await raw('CREATE TRIGGER refused BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()');
  return async () => {
    await raw('DROP TRIGGER refused ON jobs');
    await raw('DROP FUNCTION refuse');
  };
}

forEachEngine((engine) => {
  describe('a signal at which workers stop', () => {
    test('lets a handler that runs end and its job be completed, gives back what was not started, and ends the process', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const [first, second] = await queue.addMany([{ data: { do: 'go' } }, { data: { do: 'go' } }]);
      const child = await startWorkers(engine, store, { prefetch: 1 });
      expect(await child.nextMessage()).toEqual({ started: first!.id });
      await until(async () => (await queue.counts()).running === 2);
      child.child.kill('SIGTERM');
      await until(async () => (await queue.counts()).waiting === 1);
      // While it stops, that has no effect.
      child.child.kill('SIGTERM');
      await pause(100);
      await child.send('go');
      expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect(await first!.get()).toMatchObject({ state: 'completed', result: 'done', deaths: 0 });
      expect(await second!.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
    });

    test('does so for handlers in threads', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const child = await startWorkers(engine, store, { url: threadHandler, threads: 1 });
      const file = join(temporaryDirectory(), 'go');
      const handle = await queue.add({ do: 'wait', file });
      await until(async () => ((await handle.get())?.log.length ?? 0) > 0);
      child.child.kill('SIGINT');
      await pause(100);
      writeFileSync(file, '');
      expect(await child.exited).toEqual({ code: null, signal: 'SIGINT' });
      expect(await handle.get()).toMatchObject({ state: 'completed', deaths: 0 });
    });

    test('aborts handlers that go on for longer than stopTimeout, and their jobs go back', async () => {
      const store = await engine.open();
      const handle = await newQueue(store).add({ do: 'heed' });
      const child = await startWorkers(engine, store, { stopTimeout: 50 });
      await child.nextMessage();
      child.child.kill('SIGTERM');
      expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
    });

    test('ends the process also where a handler does not heed it', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const handle = await queue.add({ do: 'ignore' });
      const child = await startWorkers(engine, store, { stopTimeout: 50 });
      await child.nextMessage();
      child.child.kill('SIGTERM');
      expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
      await using _ = queue.work(() => 'elsewhere');
      expect(await handle.result()).toBe('elsewhere');
      expect(await handle.get()).toMatchObject({ deaths: 1 });
    });

    test('ends the process only when all its workers have stopped', async () => {
      const store = await engine.open();
      const others = newQueue(store, 'others');
      const handle = await others.add({ do: 'go' });
      const child = await startWorkers(engine, store, { queues: ['jobs', 'others'] });
      expect(await child.nextMessage()).toEqual({ started: handle.id });
      child.child.kill('SIGTERM');
      await pause(500);
      await child.send('go');
      expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect(await handle.get()).toMatchObject({ state: 'completed', deaths: 0 });
    });

    test('does not end a process in which somebody else listens to it', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const handle = await queue.add({ do: 'start' });
      const child = await startWorkers(engine, store, { listens: true });
      await child.nextMessage();
      await handle.result();
      child.child.kill('SIGTERM');
      expect(await child.nextMessage()).toBe('heard');
      await pause(300);
      const late = await queue.add({ do: 'start' });
      await child.send('end');
      expect(await child.nextMessage()).toBe('ended');
      expect(await child.exited).toEqual({ code: 0, signal: null });
      expect(await late.get()).toMatchObject({ state: 'waiting' });
    });

    test('is not listened to any more by a worker that has stopped', async () => {
      const queue = newQueue(await engine.open());
      const before = process.listenerCount('SIGHUP');
      const workers = [1, 2].map(() => queue.work(() => 1, { stopOn: ['SIGHUP', 'SIGUSR2'] }));
      expect(process.listenerCount('SIGHUP')).toBe(before + 1);
      for (const worker of workers) await worker.stop();
      expect(process.listenerCount('SIGHUP')).toBe(before);
    });

    test('is refused if it is none', async () => {
      const queue = newQueue(await engine.open());
      const work = (options: unknown) => (): unknown => Reflect.apply(queue.work, queue, [() => 1, options]);
      expect(work({ stopOn: 'SIGTERM' })).toThrow(TypeError);
      expect(work({ stopOn: ['SIGKILL'] })).toThrow(/stopOn must be one of "SIGTERM"/);
      expect(work({ stopOn: ['SIGTERM'], stopTimeout: 'soon' })).toThrow(TypeError);
      expect(work({ onError: 1 })).toThrow(TypeError);
    });
  });

  describe('what a job tells', () => {
    test('is all kept, also what it tells while a transaction is under way', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(async (job) => {
        for (let line = 0; line < 100; line++) {
          job.log(String(line));
          await setImmediate();
        }
      });
      const handles = await queue.addMany(Array.from({ length: 5 }, () => ({ data: { do: '' } })));
      for (const handle of handles) {
        await handle.result();
        const lines = (await handle.get())?.log.map(({ line }) => line);
        expect(lines).toEqual(Array.from({ length: 100 }, (_, line) => String(line)));
      }
    });
  });

  describe('what a worker can’t do', () => {
    test('is told each time to onError, and is done when it can be', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const errors: unknown[] = [];
      await using _ = queue.work(() => 'done', { onError: (error) => errors.push(error) });
      await (await queue.add({ do: '' })).result();
      const allow = await refuseChanges(await rawConnection(engine, store), store);
      const handle = await queue.add({ do: '' });
      await until(() => errors.length > 1);
      expect(errors[0]).toEqual(withCode('ERR_IO'));
      expect(String(errors[0])).toContain('no more');
      await allow();
      expect(await handle.result()).toBe('done');
    });

    test('loses nothing of what a job has told and returned meanwhile, and does not run it again', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const errors: unknown[] = [];
      const began = deferred<undefined>();
      const [tell, told, end] = [deferred<undefined>(), deferred<undefined>(), deferred<undefined>()];
      let runs = 0;
      await using _ = queue.work(
        async (job) => {
          runs++;
          began.resolve(undefined);
          await tell.promise;
          job.progress(0.5);
          job.log('half of it');
          told.resolve(undefined);
          await end.promise;
          return 'done';
        },
        { onError: (error) => errors.push(error) },
      );
      const handle = await queue.add({ do: '' });
      await began.promise;
      const allow = await refuseChanges(await rawConnection(engine, store), store);
      tell.resolve(undefined);
      await told.promise;
      await until(() => errors.length > 0);
      end.resolve(undefined);
      await until(() => errors.length > 2);
      await allow();
      expect(await handle.result()).toBe('done');
      expect(await handle.get()).toMatchObject({ progress: 0.5, log: [{ line: 'half of it' }], failures: 0 });
      expect(runs).toBe(1);
    });

    test('gives one warning for each row of failures where nobody listens', async () => {
      const warnings: Error[] = [];
      const hear = (warning: Error): unknown => warning.name === 'HoldfastWarning' && warnings.push(warning);
      process.on('warning', hear);
      try {
        const store = await engine.open();
        const raw = await rawConnection(engine, store);
        const queue = newQueue(store);
        await using _ = queue.work(() => 'done');
        await (await queue.add({ do: '' })).result();
        for (const rows of [1, 2]) {
          const allow = await refuseChanges(raw, store);
          const handle = await queue.add({ do: '' });
          await until(() => warnings.length === rows);
          await pause(1_200);
          await allow();
          await handle.result();
          expect(warnings).toHaveLength(rows);
        }
        expect(warnings[0]).toMatchObject({
          code: 'ERR_IO',
          message: expect.stringContaining('no more') as string,
        });
      } finally {
        process.off('warning', hear);
      }
    });
  });
});
