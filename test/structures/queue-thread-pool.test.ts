import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AsyncStore, Worker } from '../../src/index.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { pause, until, withCode } from './helpers.js';
import { handlerUrl, hasBegun, newQueue } from './threads/support.js';

forEachEngine((engine) => {
  const startThreads = async (store: AsyncStore, end: string): Promise<TestProcess> => {
    const child = startProcess('queue-threads.js', engine.location(store), end, handlerUrl.href);
    expect(await child.nextMessage()).toBe('ready');
    return child;
  };

  describe('threads', () => {
    test.each([
      ['its worker stops', (worker: Worker) => worker.stop()],
      [
        'its store closes',
        async (worker: Worker, store: AsyncStore) => {
          await store.close();
          await worker.stop();
        },
      ],
    ])('end when %s, and so does what handlers have left in them', async (_, end) => {
      const store = await engine.open();
      const queue = newQueue(store);
      const worker = queue.work(handlerUrl, { threads: 1 });
      const file = join(temporaryDirectory(), 'beats');
      await (await queue.add({ do: 'beat', file })).result();
      await until(() => existsSync(file));
      await end(worker, store);
      const beats = readFileSync(file, 'utf8');
      await pause(100);
      expect(readFileSync(file, 'utf8')).toBe(beats);
    });

    test('end when they have had no job for idleTimeout', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1, idleTimeout: 50 });
      expect(await (await queue.add({ do: 'facts' })).result()).toMatchObject({ runs: 1 });
      await pause(300);
      expect(await (await queue.add({ do: 'facts' })).result()).toMatchObject({ runs: 1 });
    });

    test.each([
      ['idle ones of a worker that has stopped', 'stop', 'facts'],
      ['blocked ones of a worker that has stopped', 'stop', 'block'],
      ['idle ones of a store that was closed', 'close', 'facts'],
      ['blocked ones of a store that was closed', 'close', 'block'],
    ])('do not keep their process from ending: %s', async (_, end, task) => {
      const store = await engine.open();
      const queue = newQueue(store);
      const child = await startThreads(store, end);
      const handle = await queue.add({ do: task });
      if (task === 'block') await until(hasBegun(queue, handle.id));
      else await handle.result();
      await child.send('end');
      expect(await child.nextMessage(), 'programs without threads do not load Piscina').toEqual({
        before: false,
        after: true,
      });
      expect(await child.exited).toEqual({ code: 0, signal: null });
    });

    test.each([
      ['be made', 'make'],
      ['start', 'start'],
    ])('cost a job no attempt when they can’t %s: it is tried again', async (_, fault) => {
      const store = await engine.open();
      const queue = newQueue(store);
      const file = join(temporaryDirectory(), 'fault');
      const child = await withFaults(file, () => startThreads(store, 'stop'));
      const first = await queue.add({ do: 'exit' }, { attempts: 1 });
      await expect(first.result()).rejects.toThrow(withCode('ERR_THREAD'));
      writeFileSync(file, fault);
      const handle = await queue.add({ do: 'facts' });
      expect(await child.nextMessage()).toBe('ERR_THREAD');
      expect(await child.nextMessage()).toBe('ERR_THREAD');
      rmSync(file);
      expect(await handle.result()).toMatchObject({ runs: 1, attempt: 1 });
      expect(await handle.get()).toMatchObject({ failures: 0 });
    });
  });
});

/** Starts a process whose threads have the fault that the file says, as long as there is one. */
async function withFaults(file: string, start: () => Promise<TestProcess>): Promise<TestProcess> {
  const preload = new URL('../processes/queue-thread-faults.js', import.meta.url);
  const { NODE_OPTIONS } = process.env;
  process.env['NODE_OPTIONS'] = `${NODE_OPTIONS ?? ''} --import ${preload.href}`;
  process.env['THREAD_FAULT'] = file;
  try {
    return await start();
  } finally {
    delete process.env['THREAD_FAULT'];
    if (NODE_OPTIONS === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = NODE_OPTIONS;
  }
}
