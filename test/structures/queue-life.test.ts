import { describe, expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, rawConnection, until, withCode } from './helpers.js';

const newQueue = <R = void>(store: AsyncStore, ...rest: [options?: QueueOptions]) =>
  new Queue<number, R>(store, 'jobs', ...rest);

/** A handler that runs until its signal aborts, and then throws the reason. */
const untilAborted = async ({ signal }: { signal: AbortSignal }): Promise<void> => {
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
};

const isRunning =
  (queue: Pick<AsyncQueue<number>, 'counts'>, jobs = 1) =>
  async () =>
    (await queue.counts()).running === jobs;

forEachEngine((engine) => {
  describe('cancelling', () => {
    test('a job that waits, or is delayed, is cancelled at once, and never runs', async () => {
      const queue = newQueue(await engine.open());
      const handles = await queue.addMany([
        { data: 1 },
        { data: 2, delay: 1 },
        { data: 3, runAt: new Date(0) },
      ]);
      for (const handle of handles) expect(await handle.cancel()).toBe(true);
      for (const handle of handles) await expect(handle.result()).rejects.toThrow(withCode('ERR_CANCELLED'));
      let runs = 0;
      await using _ = queue.work(() => {
        runs++;
      });
      await queue.idle();
      expect(runs).toBe(0);
      expect(await queue.counts()).toMatchObject({ cancelled: 3, waiting: 0, delayed: 0 });
    });

    test('of a job that runs in another store the signal aborts there, and it is not tried again', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const handle = await newQueue(await engine.reopen(store)).add(1);
      const reasons: unknown[] = [];
      await using _ = queue.work(async (job) => {
        await untilAborted(job).catch((reason: unknown) => {
          reasons.push(reason);
          throw reason;
        });
      });
      await until(isRunning(queue));
      expect(await handle.cancel()).toBe(true);
      await expect(handle.result()).rejects.toThrow(withCode('ERR_CANCELLED'));
      expect(reasons).toEqual([withCode('ERR_CANCELLED')]);
      expect(await handle.get()).toMatchObject({ state: 'cancelled' });
    });

    test('a job that was prefetched by a worker, and not started, is cancelled there and then', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const runs: number[] = [];
      const end = deferred<undefined>();
      await using _ = queue.work(
        ({ data }) => {
          runs.push(data);
          return end.promise;
        },
        { prefetch: 2 },
      );
      const handles = await newQueue(await engine.reopen(store)).addMany([
        { data: 1 },
        { data: 2 },
        { data: 3 },
      ]);
      await until(isRunning(queue, 3));
      expect(await handles[1]?.cancel()).toBe(true);
      await expect(handles[1]?.result()).rejects.toThrow(withCode('ERR_CANCELLED'));
      end.resolve(undefined);
      await queue.idle();
      expect(runs).toEqual([1, 3]);
      expect(await queue.counts()).toMatchObject({ completed: 2, cancelled: 1 });
    });

    test('a handler that completes in spite of that has completed', async () => {
      const queue = newQueue<string>(await engine.open());
      const aborted = deferred<undefined>();
      await using _ = queue.work(async ({ signal }) => {
        signal.addEventListener('abort', () => aborted.resolve(undefined));
        await aborted.promise;
        return 'done';
      });
      const handle = await queue.add(1);
      await until(isRunning(queue));
      await handle.cancel();
      expect(await handle.result()).toBe('done');
    });

    test('a job that has ended, or is not there, can’t be cancelled', async () => {
      const queue = newQueue(await engine.open());
      const handle = await queue.add(1);
      await using _ = queue.work(() => undefined);
      await handle.result();
      expect(await handle.cancel()).toBe(false);
      expect(await queue.cancel(1_000)).toBe(false);
      expect(await handle.get()).toMatchObject({ state: 'completed' });
    });
  });

  describe('dead letters', () => {
    test('a job that has failed can be tried again, with all its attempts', async () => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: 0 } });
      let runs = 0;
      await using _ = queue.work(() => {
        if (++runs < 4) throw new Error('no');
      });
      const handle = await queue.add(1);
      await expect(handle.result()).rejects.toThrow('no');
      expect(await queue.retry(handle.id)).toBe(true);
      await handle.result();
      expect(runs).toBe(4);
      expect(await queue.retry(handle.id)).toBe(false);
    });

    test('a job that does not run can be removed, and whoever waits for its result is told', async () => {
      const queue = newQueue(await engine.open());
      const handle = await queue.add(1);
      const result = handle.result();
      // Not handled before it is removed.
      result.catch(() => undefined);
      await pause(50);
      expect(await queue.remove(handle.id)).toBe(true);
      await expect(result).rejects.toThrow(withCode('ERR_NOT_FOUND'));
      expect(await handle.get()).toBeUndefined();
      expect(await queue.remove(handle.id)).toBe(false);
      expect(await queue.counts()).toMatchObject({ waiting: 0 });
    });

    test('a job that runs is not removed', async () => {
      const queue = newQueue(await engine.open());
      const go = deferred<undefined>();
      await using _ = queue.work(() => go.promise);
      const handle = await queue.add(1);
      await until(isRunning(queue));
      expect(await queue.remove(handle.id)).toBe(false);
      go.resolve(undefined);
      await handle.result();
    });

    test('what has ended is kept as long as the queue says, and no longer', async () => {
      const keep = { completed: { count: 0 }, failed: { count: 1_000 } };
      const queue = newQueue(await engine.open(), { keep, attempts: 1 });
      await using _ = queue.work(({ data }) => {
        if (data === 2) throw new Error('no');
      });
      await queue.addMany([{ data: 1 }, { data: 2 }, { data: 3 }]);
      await queue.idle();
      expect(await queue.counts()).toMatchObject({ completed: 0, failed: 1 });
    });
  });

  describe('pausing', () => {
    test('a paused queue starts no jobs in any store until it is resumed', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const other = newQueue(await engine.reopen(store));
      await using _ = queue.work(() => undefined);
      await other.pause();
      expect(await queue.isPaused()).toBe(true);
      const handle = await queue.add(1);
      await pause(150);
      expect(await handle.get()).toMatchObject({ state: 'waiting' });
      await other.resume();
      await handle.result();
      expect(await queue.isPaused()).toBe(false);
    });
  });

  describe('stopping', () => {
    test('a worker that is stopped lets its handlers end, and gives back what it had not started', async () => {
      const queue = newQueue(await engine.open());
      await queue.addMany([{ data: 1 }, { data: 2 }, { data: 3 }]);
      const go = deferred<undefined>();
      const worker = queue.work(() => go.promise, { prefetch: 2 });
      await until(() => worker.running === 1);
      await until(isRunning(queue, 3));
      const stopped = worker.stop();
      await until(isRunning(queue));
      expect(await queue.counts()).toMatchObject({ waiting: 2, running: 1 });
      go.resolve(undefined);
      await stopped;
      expect(await queue.counts()).toMatchObject({ waiting: 2, running: 0, completed: 1 });
      expect(worker.running).toBe(0);
    });

    test('handlers that go on for too long are aborted then, and their jobs go back without costing an attempt', async () => {
      const queue = newQueue(await engine.open(), { attempts: 1 });
      const handle = await queue.add(1);
      const worker = queue.work(untilAborted);
      await until(isRunning(queue));
      await worker.stop({ timeout: 20 });
      expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
    });

    test('a worker stops when its signal aborts, and claims nothing any more', async () => {
      const queue = newQueue(await engine.open());
      const stop = new AbortController();
      const worker = queue.work(() => undefined, { signal: stop.signal });
      await (await queue.add(1)).result();
      stop.abort();
      await worker.stop();
      const handle = await queue.add(2);
      await pause(100);
      expect(await handle.get()).toMatchObject({ state: 'waiting' });
      expect(() => queue.work(() => undefined, { signal: stop.signal })).toThrow();
    });

    test('a run whose job others have taken has its signal aborted, and cannot complete it', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue<string>(store);
      const handle = await queue.add(1);
      const aborted = deferred<unknown>();
      const ended = deferred<undefined>();
      const first = queue.work(async ({ signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        aborted.resolve(signal.reason);
        await ended.promise;
        return 'first';
      });
      await until(() => first.running === 1);
      const other = newQueue<string>(await engine.reopen(store));
      const second = other.work(() => 'second');
      // As if somebody had taken that store for dead.
      await raw(`DELETE FROM owners WHERE id IN (SELECT owner FROM jobs WHERE state = 'running')`);
      expect(await other.handle(handle.id).result()).toBe('second');
      expect(await aborted.promise).toMatchObject({ code: 'ERR_NOT_OWNER' });
      ended.resolve(undefined);
      await first.stop();
      await second.stop();
      expect(await handle.get()).toMatchObject({ state: 'completed', result: 'second', deaths: 1 });
    });

    test('a store that closes gives its jobs back, aborts their signals, and lets others have them at once', async () => {
      const store = await engine.open();
      const closing = await engine.reopen(store);
      const queue = newQueue<string>(store, { attempts: 1 });
      const handle = await queue.add(1);
      const reasons: unknown[] = [];
      newQueue<string>(closing).work(async (job) => {
        await untilAborted(job).catch((reason: unknown) => reasons.push(reason));
        return 'from the store that was closed';
      });
      await until(isRunning(queue));
      await closing.close();
      await using _ = queue.work(() => 'from the other');
      expect(await handle.result()).toBe('from the other');
      expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
      expect(reasons).toEqual([withCode('ERR_CLOSED')]);
    });
  });

  describe('waiting for results', () => {
    test('whoever waits for a result, or for the queue to be idle, gives up in time, at a signal, or when the store closes', async () => {
      const store = await engine.open();
      const other = await engine.reopen(store);
      const queue = newQueue(other);
      const handle = await queue.add(1);
      await expect(handle.result({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await expect(queue.idle({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      const reason = new Error('enough');
      await expect(handle.result({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const abort = new AbortController();
      const aborted = handle.result({ signal: abort.signal });
      setTimeout(() => abort.abort(reason), 30);
      await expect(aborted).rejects.toBe(reason);
      const closed = handle.result();
      closed.catch(() => undefined);
      await pause(50);
      await other.close();
      await expect(closed).rejects.toThrow(withCode('ERR_CLOSED'));
    });

    test('a result can’t be waited for inside a transaction', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const handle = await queue.add(1);
      const results: Promise<unknown>[] = [];
      await store.transaction(() => {
        const result = handle.result();
        results.push(result.catch((error: unknown) => error));
      });
      expect(await Promise.all(results)).toEqual([withCode('ERR_IN_TRANSACTION')]);
    });
  });
});
