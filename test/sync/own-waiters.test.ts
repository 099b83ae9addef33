import { AsyncResource } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { BoundedSemaphore, Lock, ReadWriteLock } from '../../src/index.js';
import { startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { until } from '../structures/helpers.js';

/** Begins later what is to run in the asynchronous context of now. */
function later<T>(work: () => Promise<T>): { begin: () => Promise<T> } {
  const resource = new AsyncResource('later');
  return { begin: () => resource.runInAsyncScope(work) };
}

const inLine = (line: { waiters(): unknown[] | Promise<unknown[]> }): Promise<void> =>
  until(async () => (await line.waiters()).length > 0, 'nobody joined the line');

forEachEngine((engine) => {
  /** Who is rung by its own release must not take what it gives back for lost. */
  test('Grant.release tells the truth, and aborts no signal, while others of the same store wait', async () => {
    const store = await engine.open();
    const lock = new Lock(store, 'lock');
    for (const release of ['release', Symbol.asyncDispose] as const) {
      const waiter = later(() => lock.acquire());
      const grant = (await lock.tryAcquire())!;
      const { signal } = grant;
      const next = waiter.begin();
      await inLine(lock);
      expect(await grant[release]()).toBe(release === 'release' ? true : undefined);
      await (await next).release();
      expect(signal.aborted).toBe(false);
    }
  });

  test('a semaphore’s Grant.release tells the truth while others of the same store wait', async () => {
    const store = await engine.open();
    const semaphore = new BoundedSemaphore(store, 'semaphore');
    const waiter = later(() => semaphore.acquire());
    const grant = (await semaphore.tryAcquire())!;
    const { signal } = grant;
    const next = waiter.begin();
    await inLine(semaphore);
    expect(await grant.release()).toBe(true);
    await (await next).release();
    expect(signal.aborted).toBe(false);
  });

  test('a grant that is downgraded is not lost, while others of the same store wait to read', async () => {
    const store = await engine.open();
    const lock = new ReadWriteLock(store, 'lock');
    const waiter = later(() => lock.read().acquire());
    const writing = (await lock.write().tryAcquire())!;
    const { signal } = writing;
    const next = waiter.begin();
    await inLine(lock);
    const reading = await writing.downgrade();
    await (await next).release();
    expect(signal.aborted).toBe(false);
    expect(await reading.release()).toBe(true);
  });

  test('tasks of a process exclude each other from its first acquire() on', async () => {
    const location = engine.location(await engine.open());
    expect(await startProcess('sync-first-tasks.js', location).result()).toBe(1);
  });

  test('tasks of one process that hand a lock to each other leave the event loop its turns', async () => {
    const lock = new Lock(await engine.open(), 'lock', { fair: true });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const rounds = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await (await lock.acquire()).release();
    };
    await Promise.all([rounds(), rounds(), rounds()]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });
});
