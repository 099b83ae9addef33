import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore, type JobEvent, type TracedEvent } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, rawConnection, settled, transact, until, withCode } from './helpers.js';

const newQueue = (store: AsyncStore, name = 'jobs'): AsyncQueue<string, string> =>
  new Queue<string, string>(store, name, { attempts: 2, backoff: { type: 'fixed', delay: 0 } });

/** Gathers events until the test ends; `ready` once it listens. */
function gather(queue: AsyncQueue<string, string>, after?: number): { events: JobEvent[]; stop(): void } {
  const ended = new AbortController();
  const events: JobEvent[] = [];
  const gathering = (async () => {
    for await (const event of queue.events({ after, signal: ended.signal })) events.push(event);
  })();
  gathering.catch(() => undefined);
  onTestFinished(() => ended.abort());
  return { events, stop: () => ended.abort() };
}

/** Adds marks until one is heard. */
async function listening(queue: AsyncQueue<string, string>, events: JobEvent[]): Promise<void> {
  await until(async () => {
    await queue.remove((await queue.add('mark', { delay: '1h' })).id);
    return events.length > 0;
  });
}

const typesOf = (events: readonly JobEvent[], job: number): string[] =>
  events.filter((event) => event.job === job).map(({ type }) => type);

forEachEngine((engine) => {
  describe('events', () => {
    test('tell what happens to jobs, in order, also in another store', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const { events } = gather(newQueue(await engine.reopen(store)));
      await listening(queue, events);
      const good = await queue.add('good');
      const bad = await queue.add('bad');
      const unwanted = await queue.add('unwanted', { delay: '1h' });
      await queue.cancel(unwanted.id);
      await using _ = queue.work(async (job) => {
        if (job.data === 'bad') throw new TypeError(`bad ${job.attempt}`);
        job.progress(0.5);
        return 'done';
      });
      await queue.idle();
      await until(() => typesOf(events, bad.id).includes('failed'));
      expect(typesOf(events, good.id).filter((type) => type !== 'progress')).toEqual([
        'added',
        'started',
        'completed',
      ]);
      expect(typesOf(events, bad.id)).toEqual(['added', 'started', 'retrying', 'started', 'failed']);
      expect(typesOf(events, unwanted.id)).toEqual(['added', 'cancelled']);
      const ofBad = events.filter(({ job }) => job === bad.id);
      expect(ofBad).toMatchObject([
        {},
        { attempt: 1 },
        { error: { name: 'TypeError', message: 'bad 1' } },
        { attempt: 2 },
        { error: { message: 'bad 2' } },
      ]);
      const ids = events.map(({ id }) => id);
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      expect(new Set(ids).size).toBe(ids.length);
    });

    test('tell of progress', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const { events } = gather(queue);
      await listening(queue, events);
      const told = deferred<undefined>();
      await using _ = queue.work(async (job) => {
        job.progress({ half: true });
        await told.promise;
        return '';
      });
      await queue.add('x');
      await until(() => events.some(({ type }) => type === 'progress'));
      told.resolve(undefined);
      expect(events.find(({ type }) => type === 'progress')).toMatchObject({ progress: { half: true } });
    });

    test('nothing is recorded while nobody listens, and nothing that was rolled back', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store);
      await queue.add('unheard');
      expect(await raw('SELECT count(*) AS n FROM job_events')).toEqual([{ n: 0 }]);
      const { events } = gather(queue);
      await listening(queue, events);
      let undone = 0;
      await expect(async () =>
        transact(store, function* () {
          const handle = (yield queue.add('undone')) as { id: number };
          undone = handle.id;
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      const { id } = await queue.add('heard', { delay: 1 });
      await until(() => typesOf(events, id).includes('added'));
      // On SQLite the number of what was undone is given again.
      expect(typesOf(events, id)).toEqual(['added']);
      if (undone !== id) expect(typesOf(events, undone)).toEqual([]);
    });

    test('who comes back misses nothing', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      const first = gather(queue);
      await listening(queue, first.events);
      first.stop();
      const seen = first.events.at(-1)?.id ?? 0;
      const between = await queue.addMany([
        { data: 'a', delay: '1h' } as const,
        { data: 'b', delay: '1h' } as const,
      ]);
      const { events } = gather(queue, seen);
      await until(() => between.every(({ id }) => typesOf(events, id).length > 0));
      const after = events.filter(({ job }) => between.some(({ id }) => id === job));
      expect(after.map(({ job }) => job)).toEqual(between.map(({ id }) => id));
      expect(events.every(({ id }) => id > seen)).toBe(true);
    });

    test('to go on where nothing was recorded is refused', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await queue.add('x');
      await expect(queue.events({ after: 1 }).next()).rejects.toThrow(withCode('ERR_EVENTS_MISSED'));
    });

    test('the newest ten thousand are kept, and who has fallen behind is told', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store);
      const { events, stop } = gather(queue);
      await listening(queue, events);
      stop();
      const slow = queue.events({ after: events[0]?.id });
      for (let i = 0; i < 12; i++)
        await queue.addMany(Array.from({ length: 1_100 }, () => ({ data: '', delay: '1h' }) as const));
      await expect(slow.next()).rejects.toThrow(withCode('ERR_EVENTS_MISSED'));
      const [{ n = 0 } = {}] = await raw('SELECT count(*) AS n FROM job_events');
      expect(Number(n)).toBeGreaterThanOrEqual(10_000);
      expect(Number(n)).toBeLessThan(12_000);
    });

    test('end with a signal, with return() while they wait, and with the store', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store);
      const reason = new Error('enough');
      await expect(queue.events({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
      const waits = queue.events();
      const next = waits.next();
      await until(async () => Number((await raw('SELECT count(*) AS n FROM waiters'))[0]?.['n']) === 1);
      await waits.return?.();
      expect(await next).toMatchObject({ done: true });
      await until(async () => Number((await raw('SELECT count(*) AS n FROM waiters'))[0]?.['n']) === 0);
      const last = settled(queue.events().next());
      await until(async () => Number((await raw('SELECT count(*) AS n FROM waiters'))[0]?.['n']) === 1);
      await store.close();
      expect(await last).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
    });
  });

  describe('the diagnostics channel', () => {
    test('gets what happens in this process, once it is committed', async () => {
      const store = await engine.open();
      const queue = newQueue(store, 'traced');
      const traced: TracedEvent[] = [];
      const listener = (message: unknown): void => {
        const event = message as TracedEvent;
        if (event.queue === 'traced') traced.push(event);
      };
      subscribe('holdfast:queue', listener);
      onTestFinished(() => {
        unsubscribe('holdfast:queue', listener);
      });
      await expect(async () =>
        transact(store, function* () {
          yield queue.add('undone');
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      expect(traced).toEqual([]);
      const { id } = await transact(store, function* () {
        const handle = (yield queue.add('bad')) as { id: number };
        expect(traced).toEqual([]);
        return handle;
      });
      await using _ = queue.work((job) => {
        if (job.attempt === 1) throw new Error('once');
        return '';
      });
      await queue.idle();
      await until(() => traced.length === 5);
      expect(traced).toMatchObject([
        { type: 'added', job: id, queue: 'traced' },
        { type: 'started', attempt: 1 },
        { type: 'retrying', error: { message: 'once' } },
        { type: 'started', attempt: 2 },
        { type: 'completed', at: expect.any(Date) as Date },
      ]);
    });
  });
});
