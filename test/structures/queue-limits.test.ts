import { describe, expect, test } from 'vitest';
import { Queue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, until } from './helpers.js';

type Options = QueueOptions;
const newQueue = (store: AsyncStore, options?: Options) => new Queue<number>(store, 'jobs', options);
const many = (count: number, options = {}) =>
  Array.from({ length: count }, (_, data) => ({ data, ...options }));

/** A handler that counts how many run at once, by group. */
function counting(time = 5) {
  const running = new Map<string | undefined, number>();
  const most = new Map<string | undefined, number>();
  const handler = async ({ group }: { group: string | undefined }): Promise<void> => {
    const now = (running.get(group) ?? 0) + 1;
    running.set(group, now);
    most.set(group, Math.max(now, most.get(group) ?? 0));
    await pause(time);
    running.set(group, (running.get(group) ?? 0) - 1);
  };
  return { handler, most };
}

forEachEngine((engine) => {
  describe('a limit of concurrency', () => {
    test('holds for all workers of all stores together, and all jobs are done', async () => {
      const store = await engine.open();
      const options = { concurrency: 3 };
      const queue = newQueue(store, options);
      const { handler, most } = counting();
      await queue.addMany(many(40));
      const others = [await engine.reopen(store), await engine.reopen(store)];
      const workers = [queue, ...others.map((other) => newQueue(other))].map((one) =>
        one.work(handler, { concurrency: 4 }),
      );
      await queue.idle();
      expect(most.get(undefined)).toBe(3);
      for (const worker of workers) await worker.stop();
      expect(await queue.counts()).toMatchObject({ completed: 40, running: 0 });
    });

    test('can be changed, and removed, for all, while jobs wait', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { concurrency: 1 });
      const go = deferred<undefined>();
      await using worker = queue.work(() => go.promise, { concurrency: 10 });
      await queue.addMany(many(6));
      await until(() => worker.running === 1);
      await pause(50);
      expect(worker.running).toBe(1);
      await newQueue(store, { concurrency: 3 }).counts();
      await until(() => worker.running === 3);
      await newQueue(store).counts();
      await pause(50);
      expect(worker.running).toBe(3);
      await newQueue(store, { concurrency: Infinity }).counts();
      await until(() => worker.running === 6);
      go.resolve(undefined);
      await queue.idle();
    });
  });

  describe('groups', () => {
    test('of each group so many run at once as its limit says, in all stores, and others are not held up', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { groups: { concurrency: 2 } });
      const { handler, most } = counting();
      await queue.addMany(many(20, { group: 'a' }));
      await queue.addMany(many(20, { group: 'b' }));
      await queue.addMany(many(10));
      const other = newQueue(await engine.reopen(store));
      const workers = [queue, other].map((one) => one.work(handler, { concurrency: 10 }));
      await queue.idle();
      expect(most.get('a')).toBe(2);
      expect(most.get('b')).toBe(2);
      expect(most.get(undefined)).toBeGreaterThan(2);
      for (const worker of workers) await worker.stop();
      expect(await queue.counts()).toMatchObject({ completed: 50 });
    });

    test('a job of a group that is full is counted as waiting, and can be cancelled or removed', async () => {
      const queue = newQueue(await engine.open(), { groups: { concurrency: 1 } });
      const handles = await queue.addMany(many(5, { group: 'a' }));
      expect(await queue.counts()).toMatchObject({ waiting: 5 });
      expect(await handles[3]!.get()).toMatchObject({ state: 'waiting', group: 'a' });
      // One that has the group's only place, and one that waits for it.
      expect(await handles[0]!.cancel()).toBe(true);
      expect(await queue.remove(handles[1]!.id)).toBe(true);
      const ran: number[] = [];
      await using _ = queue.work(({ data }) => {
        ran.push(data);
      });
      await queue.idle();
      expect(ran).toEqual([2, 3, 4]);
      expect(await queue.retry(handles[0]!.id)).toBe(true);
      await handles[0]!.result();
    });

    test('the higher priority goes first within a group, too', async () => {
      const queue = newQueue(await engine.open(), { groups: { concurrency: 1 } });
      await queue.addMany([1, 2, 3].map((data) => ({ data, group: 'a', priority: data })));
      const ran: number[] = [];
      await using _ = queue.work(({ data }) => {
        ran.push(data);
      });
      await queue.idle();
      expect(ran).toEqual([3, 2, 1]);
    });

    test('in an ordered group a job that is tried again holds up those behind it, not those of other groups', async () => {
      const queue = newQueue(await engine.open(), {
        attempts: 3,
        backoff: { type: 'fixed', delay: 40, jitter: 0 },
        groups: { ordered: true },
      });
      const ran: string[] = [];
      await queue.addMany([
        { data: 1, group: 'a' },
        { data: 2, group: 'a' },
        { data: 3, group: 'b' },
        { data: 4, group: 'a' },
      ]);
      await using _ = queue.work(
        ({ data, attempt }) => {
          ran.push(`${data}.${attempt}`);
          if (data === 1 && attempt < 3) throw new Error('no');
        },
        { concurrency: 4 },
      );
      await queue.idle();
      expect(ran.filter((one) => !one.startsWith('3'))).toEqual(['1.1', '1.2', '1.3', '2.1', '4.1']);
      expect(ran.indexOf('3.1')).toBeLessThan(ran.indexOf('1.2'));
    });

    test('without order a job that is tried again lets the next of its group go meanwhile', async () => {
      const queue = newQueue(await engine.open(), {
        attempts: 2,
        backoff: { type: 'fixed', delay: 50, jitter: 0 },
        groups: { concurrency: 1 },
      });
      const ran: string[] = [];
      await queue.addMany(many(3, { group: 'a' }));
      await using _ = queue.work(({ data, attempt }) => {
        ran.push(`${data}.${attempt}`);
        if (data === 0 && attempt === 1) throw new Error('no');
      });
      await queue.idle();
      expect(ran).toEqual(['0.1', '1.1', '2.1', '0.2']);
    });

    test('a delayed job of a full group waits for a place when its time has come', async () => {
      const queue = newQueue(await engine.open(), { groups: { concurrency: 1 } });
      const go = deferred<undefined>();
      const ran: number[] = [];
      await using _ = queue.work(
        async ({ data }) => {
          ran.push(data);
          if (data === 1) await go.promise;
        },
        { concurrency: 5 },
      );
      await queue.add(1, { group: 'a' });
      await until(() => ran.length === 1);
      const delayed = await queue.add(2, { group: 'a', delay: 20 });
      await until(async () => (await delayed.get())?.state === 'waiting');
      expect(ran).toEqual([1]);
      go.resolve(undefined);
      await delayed.result();
    });

    test('limits that are set, changed or removed later hold for the jobs that are there', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await queue.addMany(many(6, { group: 'a' }));
      await newQueue(store, { groups: { concurrency: 2 } }).counts();
      const handles = await queue.addMany(many(4, { group: 'a' }));
      await newQueue(store, { groups: null }).counts();
      await using _ = queue.work(() => undefined, { concurrency: 10 });
      for (const handle of handles) await handle.result();
      await queue.idle();
    });
  });

  describe('rates', () => {
    test('jobs of a queue start as often as its rate says, in all stores together', async () => {
      const store = await engine.open();
      const queue = newQueue(store, { rate: { limit: 5, per: 100, burst: 5 } });
      const starts: number[] = [];
      const start = performance.now();
      const other = newQueue(await engine.reopen(store));
      const workers = [queue, other].map((one) =>
        one.work(
          () => {
            starts.push(performance.now());
          },
          { concurrency: 10 },
        ),
      );
      await queue.addMany(many(20));
      await queue.idle();
      for (const worker of workers) await worker.stop();
      starts.sort((a, b) => a - b);
      // 5 at once, then one each 20 ms: never earlier.
      for (const [i, at] of starts.entries()) expect(at - start).toBeGreaterThanOrEqual((i + 1 - 5) * 20 - 1);
    });

    test('jobs of each group start as often as its rate says, in order, and other groups are not held up', async () => {
      const queue = newQueue(await engine.open(), { groups: { rate: { limit: 1, per: 40 } } });
      const start = performance.now();
      const starts: [group: string | undefined, data: number, at: number][] = [];
      await queue.addMany([...many(4, { group: 'a' }), ...many(4, { group: 'b' }), ...many(2)]);
      await using _ = queue.work(
        ({ group, data }) => {
          starts.push([group, data, performance.now() - start]);
        },
        { concurrency: 10 },
      );
      await queue.idle();
      for (const group of ['a', 'b']) {
        const own = starts.filter(([one]) => one === group);
        expect(own.map(([, data]) => data)).toEqual([0, 1, 2, 3]);
        for (const [i, [, , at]] of own.entries()) expect(at).toBeGreaterThanOrEqual(i * 40 - 1);
      }
    });
  });

  test('jobs of a group whose rate holds them back stay in order, also where they are late', async () => {
    const queue = newQueue(await engine.open(), { groups: { rate: { limit: 1, per: 20 } } });
    await queue.addMany(many(6, { group: 'a' }));
    await pause(150);
    const ran: number[] = [];
    await using _ = queue.work(
      ({ data }) => {
        ran.push(data);
      },
      { concurrency: 10 },
    );
    await queue.idle();
    expect(ran).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('limits that make no sense are refused', async () => {
    const store = await engine.open();
    for (const options of [
      { concurrency: 0 },
      { rate: { limit: 0, per: 1 } },
      { rate: { limit: 1, per: 0 } },
      { groups: { concurrency: 2, ordered: true } },
      { groups: { concurrency: 1.5 } },
    ])
      expect(() => newQueue(store, options)).toThrow(RangeError);
    expect(() => newQueue(store, { groups: { speed: 1 } } as Options)).toThrow(/no option "speed"/);
  });
});
