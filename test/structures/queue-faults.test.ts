import { expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, rawConnection, settled, until, waiting, withCode } from './helpers.js';

const newQueue = (store: AsyncStore, options = {}): AsyncQueue<string, unknown> =>
  new Queue<string, unknown>(store, 'jobs', options);

forEachEngine((engine) => {
  test('what a job tells inside a transaction takes no part in it', async () => {
    const store = await engine.open();
    const queue = newQueue(store);
    const first = await queue.add('first');
    const told = deferred<undefined>();
    const errors: unknown[] = [];
    await using _ = queue.work(
      async (job) => {
        if (job.data !== 'first') return (await store.structures()).length;
        await (async () =>
          store.transaction(() => {
            job.log('inside');
            if (engine.name === 'embedded') throw new Error('rolled back');
            return told.promise.then(() => {
              throw new Error('rolled back');
            });
          }))().catch(() => undefined);
        return 'first';
      },
      { concurrency: 2, onError: (error) => errors.push(error) },
    );
    await until(async () => (await queue.counts()).running === 1);
    const second = await queue.add('second');
    await pause(100);
    told.resolve(undefined);
    expect(await first.result()).toBe('first');
    expect(await second.result()).toBe(1);
    expect((await first.get())?.log).toMatchObject([{ line: 'inside' }]);
    expect(await second.get()).toMatchObject({ failures: 0 });
    expect(errors).toEqual([]);
  });

  test('a worker that was started inside a transaction goes on after it', async () => {
    const store = await engine.open();
    const queue = newQueue(store);
    const errors: unknown[] = [];
    let worker: ReturnType<typeof queue.work> | undefined;
    await store.transaction(() => {
      worker = queue.work(async () => (await store.structures()).length, {
        onError: (error) => errors.push(error),
      });
    });
    const handle = await queue.add('x');
    expect(await settled(handle.result(), 5_000)).toEqual({ status: 'fulfilled', value: 1 });
    await worker?.stop();
    expect(errors).toEqual([]);
  });

  test('a backoff that throws fails the attempt, and nothing else', async () => {
    const store = await engine.open();
    const queue = newQueue(store, {
      attempts: 2,
      backoff: () => {
        throw new Error('no idea how long');
      },
    });
    const handle = await queue.add('x');
    await using _ = queue.work(({ data }) => {
      if (data === 'x') throw new Error('the handler');
      return data;
    });
    const other = await queue.add('y');
    expect(await other.result()).toBe('y');
    await until(async () => (await handle.get())?.failures === 1);
    expect((await handle.get())?.errors[0]).toMatchObject({
      error: { message: 'backoff has failed: no idea how long', cause: { message: 'the handler' } },
    });
  });

  test('a backoff that throws does not keep the jobs of a process that hangs from others', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const options = {
      timeout: '1m',
      backoff: () => {
        throw new Error('no idea how long');
      },
    };
    const never = new Promise<string>(() => {});
    const queue = newQueue(store, options);
    newQueue(await engine.reopen(store), options).work(() => never);
    const handle = await queue.add('x');
    await until(async () => (await handle.get())?.state === 'running');
    await raw('UPDATE jobs SET deadline = 0');
    await using _ = queue.work(({ data }) => data);
    expect(await (await queue.add('y')).result()).toBe('y');
    await until(async () => (await handle.get())?.failures === 1);
  });

  test('many jobs can be added at once while somebody listens', async () => {
    const store = await engine.open();
    const queue = newQueue(store);
    const events = queue.events();
    const next = events.next();
    next.catch(() => undefined);
    const raw = await rawConnection(engine, store);
    await until(async () => (await waiting(raw)) === 1);
    await queue.addMany(Array.from({ length: 150_000 }, () => ({ data: 'x' })));
    expect((await queue.counts()).waiting).toBe(150_000);
    // No more than the newest are kept.
    await expect(next).rejects.toEqual(withCode('ERR_EVENTS_MISSED'));
  });

  test('who writes while somebody listens does not get into the way of others who do', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const deadlocks = async (): Promise<unknown> =>
      engine.name === 'server' &&
      (await raw('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'))[0];
    const queue = newQueue(store);
    const next = queue.events().next();
    await until(async () => (await waiting(raw)) === 1);
    const before = await deadlocks();
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => queue.add(`${n}`, n % 2 === 0 ? {} : { delay: 1 })),
    );
    await using _ = queue.work(async () => pause(1), { concurrency: 16, ack: 'each' });
    await queue.idle();
    await pause(1_500);
    expect((await next).value).toMatchObject({ type: 'added' });
    expect(await deadlocks()).toEqual(before);
  });

  test('a job that has failed and can’t be read does not stop the worker, where failed ones go to another queue', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store, { attempts: 1, onFailed: 'failed' });
    const handle = await queue.add('x');
    await raw(`UPDATE jobs SET data = ${engine.name === 'embedded' ? "x'eeee'" : String.raw`'\xeeee'`}`);
    const other = await queue.add('y');
    await using _ = queue.work(({ data }) => data);
    expect(await settled(other.result(), 5_000)).toEqual({ status: 'fulfilled', value: 'y' });
    await until(async () => (await queue.counts()).failed === 1);
    expect(await settled(handle.result(), 5_000)).toMatchObject({ status: 'rejected' });
    expect(await new Queue(store, 'failed').counts()).toMatchObject({ waiting: 1 });
  });

  test('a worker that stops has stopped when its store closes, though what it was writing was not written', async () => {
    const store = await engine.open({ embedded: { busyTimeout: 100 } });
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store);
    const end = deferred<undefined>();
    const worker = queue.work(() => end.promise, { onError: () => undefined });
    await queue.add('x');
    await until(() => worker.running === 1);
    await raw(engine.name === 'embedded' ? 'BEGIN IMMEDIATE' : 'BEGIN');
    if (engine.name === 'server') await raw('LOCK TABLE jobs');
    end.resolve(undefined);
    await until(() => worker.running === 0);
    const stopped = worker.stop();
    await pause(20);
    const closed = store.close();
    // A server store waits for a second for what is under way.
    if (engine.name === 'server') await pause(1_200);
    await raw('ROLLBACK');
    await closed;
    expect(await settled(stopped, 5_000)).toMatchObject({ status: 'fulfilled' });
  });

  test('a run whose complete() has failed is told when it loses its job', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store);
    const failed = deferred<unknown>();
    const aborted = deferred<unknown>();
    await using _ = queue.work(async (job) => {
      if (job.attempt > 1) return 'done';
      // What can't be stored: the transaction is rolled back as it is about to be committed.
      await (async () => job.complete(() => (() => 0) as never))().catch(failed.resolve);
      job.signal.addEventListener('abort', () => aborted.resolve(job.signal.reason));
      return aborted.promise;
    });
    await queue.add('x');
    expect(await failed.promise).toBeInstanceOf(TypeError);
    await raw('UPDATE jobs SET claim = claim + 1');
    expect(await settled(aborted.promise, 10_000)).toEqual({
      status: 'fulfilled',
      value: withCode('ERR_NOT_OWNER'),
    });
  });

  test('what a job tells around a complete() that fails is stored', async () => {
    const queue = newQueue(await engine.open());
    const handle = await queue.add('x');
    await using _ = queue.work(async (job) => {
      job.log('before');
      const failing = (async () => job.complete(() => (() => 0) as never))();
      job.log('while');
      await failing.catch(() => job.progress('failed'));
      await until(async () => (await handle.get())?.progress === 'failed');
      return (await handle.get())?.log.length;
    });
    expect(await handle.result()).toBe(2);
    expect((await handle.get())?.log.map(({ line }) => line)).toEqual(['before', 'while']);
  });
});
