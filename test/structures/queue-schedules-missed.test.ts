import { describe, expect, test } from 'vitest';
import type { ScheduleOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, rawConnection, until } from './helpers.js';
import { apart, dealtWith, hour, minute, newQueue, rewind, second, working } from './schedules.js';

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    return { store, queue: newQueue(store), raw: await rawConnection(engine, store) };
  };

  describe('ticks that were missed', () => {
    const options: ScheduleOptions<string> = { every: '1h', data: 'a' };

    /** The ticks that are fired of ten, of which the newest is so late. */
    async function firedOfTen(missed: 'skip' | 'once' | 'all' | undefined, late: number) {
      const { queue, raw } = await opened();
      await queue.schedule('s', { ...options, missed });
      await rewind(raw, 10 * hour + late);
      const before = Date.now();
      const { ticks } = working(queue);
      await dealtWith(queue);
      await queue.idle();
      return ticks.map((tick) => Math.round((tick - before) / minute) + 0);
    }

    test('are skipped by default', async () => {
      expect(await firedOfTen(undefined, 2 * minute)).toEqual([]);
    });

    test('are skipped, but for the newest where that is no more than a minute late', async () => {
      expect(await firedOfTen('skip', 10 * second)).toEqual([0]);
      expect(await firedOfTen('skip', 70 * second)).toEqual([]);
    });

    test('come to one job, that of the newest, if so wanted', async () => {
      expect(await firedOfTen('once', 2 * minute)).toEqual([-2]);
    });

    test('are all made up for, the oldest first, if so wanted', async () => {
      const hours = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
      expect(await firedOfTen('all', 2 * minute)).toEqual(hours.map((n) => -2 - 60 * n));
    });

    test('by hundreds are made up for in several transactions, each once', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1s', missed: 'all', data: 'a' });
      await rewind(raw, 350 * second);
      const { ticks, worker } = working(queue);
      await until(() => ticks.length > 350);
      await worker.stop();
      expect(apart(ticks)).toEqual(new Set([second]));
    });

    test('are not missed while none is more than a minute late', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1s', data: 'a' });
      await rewind(raw, 30 * second);
      const { ticks } = working(queue);
      await until(() => ticks.length >= 30);
      expect(apart(ticks)).toEqual(new Set([second]));
    });
  });

  describe('jobs of a schedule', () => {
    test('may overlap by default', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1h', data: 'a' });
      await rewind(raw, hour);
      const gate = deferred<undefined>();
      const { ticks } = working(queue, gate.promise);
      await until(() => ticks.length === 1);
      await rewind(raw, hour);
      await until(async () => (await queue.counts()).waiting === 1);
      gate.resolve(undefined);
    });

    test('do not overlap if so wanted: a tick adds none while the last one waits, runs, or is to be tried again', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', {
        every: '1h',
        overlap: 'skip',
        data: 'a',
        attempts: 2,
        backoff: { type: 'fixed', delay: '7d' },
      });
      const tick = async () => {
        await rewind(raw, hour);
        await dealtWith(queue);
        const { waiting, delayed, running, completed } = await queue.counts();
        return { waiting, delayed, running, completed };
      };
      await queue.pause();
      let gate = deferred<boolean>();
      queue.work(async () => {
        if (await gate.promise) throw new Error('to be tried again');
      });
      const none = { waiting: 0, delayed: 0, running: 0, completed: 0 };
      expect(await tick()).toEqual({ ...none, waiting: 1 });
      expect(await tick()).toEqual({ ...none, waiting: 1 });
      await queue.resume();
      await until(async () => (await queue.counts()).running === 1);
      expect(await tick()).toEqual({ ...none, running: 1 });
      gate.resolve(true);
      await until(async () => (await queue.counts()).delayed === 1);
      expect(await tick()).toEqual({ ...none, delayed: 1 });
      await queue.cancel((await queue.schedules())[0]!.lastJob!);
      gate = deferred<boolean>();
      gate.resolve(false);
      await tick();
      await until(async () => (await queue.counts()).completed === 1);
      await tick();
      await until(async () => (await queue.counts()).completed === 2);
    });

    test('come to one where they may not overlap, and all that were missed are wanted: that of the newest tick', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1h', missed: 'all', overlap: 'skip', data: 'a' });
      await rewind(raw, 300 * hour + 10 * second);
      const before = Date.now();
      const { ticks } = working(queue);
      await dealtWith(queue);
      await queue.idle();
      expect(ticks.map((tick) => Math.round((tick - before) / minute) + 0)).toEqual([0]);
    });
  });
});
