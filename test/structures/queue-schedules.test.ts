import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { Queue, type ScheduleOptions } from '../../src/index.js';
import { scheduleSql } from '../../src/structures/queue/schedule-statements.js';
import { engines, forEachEngine } from '../support/stores.js';
import { deferred, rawConnection, refused, rolledBack, transact, until } from './helpers.js';
import { apart, hour, minute, newQueue, rewind, second, working } from './schedules.js';

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    return { store, queue: newQueue(store), raw: await rawConnection(engine, store) };
  };

  describe('a schedule', () => {
    test('by cron adds a job at each of its ticks, which the job tells', async () => {
      const { queue } = await opened();
      await queue.schedule('s', { cron: '* * * * * *', data: 'a' });
      const { ticks, ran, worker } = working(queue);
      await until(() => ticks.length >= 3);
      await worker.stop();
      expect(apart(ticks)).toEqual(new Set([second]));
      expect(ticks[0]! % second).toBe(0);
      expect(new Set(ran)).toEqual(new Set(['a']));
      const [info] = await queue.schedules();
      const job = await queue.get(info!.lastJob!);
      expect(job!.scheduledFor).toEqual(info!.lastAt);
      expect(job!.addedAt.getTime()).toBeGreaterThanOrEqual(job!.scheduledFor!.getTime());
      expect((await (await queue.add('b')).get())!.scheduledFor).toBeUndefined();
    });

    test('with a period adds its first job one period after it was stored, and keeps to that', async () => {
      const { queue } = await opened();
      const before = Date.now();
      await queue.schedule('s', { every: '1s', data: 'a' });
      const { ticks, worker } = working(queue);
      await until(() => ticks.length >= 3);
      await worker.stop();
      // The clocks of a server and its client may differ a little.
      expect(ticks[0]).toBeGreaterThan(before + second - 50);
      expect(apart(ticks)).toEqual(new Set([second]));
    });

    test('goes on while all places of the workers are taken, and while the queue is paused', async () => {
      const { queue } = await opened();
      const gate = deferred<undefined>();
      const { ran } = working(queue, gate.promise);
      await queue.add('long');
      await until(() => ran.length === 1);
      await queue.schedule('s', { cron: '* * * * * *', data: 'tick' });
      await until(async () => (await queue.counts()).waiting >= 2);
      await queue.pause();
      const { waiting } = await queue.counts();
      await until(async () => (await queue.counts()).waiting >= waiting + 2);
      gate.resolve(undefined);
      await queue.resume();
      await until(() => ran.length > waiting);
    });

    test('that another store has stored is fired by workers that wait for jobs already', async () => {
      const { store, queue } = await opened();
      const { ticks } = working(newQueue(await engine.reopen(store)));
      await queue.schedule('s', { cron: '* * * * * *', data: 'tick' });
      await until(() => ticks.length > 0);
    });

    test('hands its jobs the options that it was given', async () => {
      const { queue, raw } = await opened();
      const backoff = { type: 'fixed', delay: 1 } as const;
      const job = { name: 'report', group: 'g', priority: 7, attempts: 2, backoff, timeout: '1m' } as const;
      await queue.schedule('s', { every: '1h', data: 'a', ...job });
      await rewind(raw, hour);
      const attempts: number[] = [];
      queue.work(({ attempt }) => {
        attempts.push(attempt);
        throw new Error('no');
      });
      await until(async () => (await queue.counts()).failed === 1);
      expect(attempts).toEqual([1, 2]);
      const id = (await queue.schedules())[0]!.lastJob!;
      expect(await queue.get(id)).toMatchObject({ name: 'report', group: 'g', priority: 7, data: 'a' });
      const [row] = await raw(`SELECT options FROM jobs WHERE id = ${id}`);
      expect(JSON.parse(String(row!['options']))).toMatchObject({ timeout: minute });
    });

    test('heeds the limits of groups', async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store, { groups: { concurrency: 1 } });
      await queue.schedule('s', { every: '1h', missed: 'all', data: 'a', group: 'g' });
      await rewind(raw, 5 * hour);
      let running = 0;
      let most = 0;
      queue.work(
        async () => {
          most = Math.max(most, ++running);
          await new Promise(setImmediate);
          running--;
        },
        { concurrency: 10 },
      );
      await until(async () => (await queue.counts()).completed === 5);
      expect(most).toBe(1);
    });
  });

  describe('schedule()', () => {
    const daily: ScheduleOptions<string> = { cron: '0 3 * * *', timezone: 'Europe/Berlin', data: 'a' };

    test('again with the same changes nothing, also after ticks, and from another process', async () => {
      const { store, queue, raw } = await opened();
      await queue.schedule('s', { every: '1h', data: 'a' });
      await rewind(raw, 10 * minute);
      const rows = await raw('SELECT * FROM schedules');
      await newQueue(await engine.reopen(store)).schedule('s', { every: 60 * minute, data: 'a' });
      expect(await raw('SELECT * FROM schedules')).toEqual(rows);
    });

    test('with other data or options keeps the times, and what is due', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1h', missed: 'once', data: 'a' });
      await rewind(raw, 10 * hour + 10 * minute);
      const [{ nextAt } = {}] = await queue.schedules();
      await queue.schedule('s', { every: '1h', missed: 'once', data: 'b', name: 'n' });
      const [info] = await queue.schedules();
      expect(info).toMatchObject({ data: 'b', missed: 'once' });
      expect(Math.abs(info!.nextAt!.getTime() - nextAt!.getTime())).toBeLessThan(second);
      const { ran } = working(queue);
      await until(() => ran.length === 1);
      expect(ran).toEqual(['b']);
    });

    test('with other times begins anew', async () => {
      const { queue, raw } = await opened();
      await queue.schedule('s', { every: '1h', missed: 'all', data: 'a' });
      await rewind(raw, 10 * hour);
      await queue.schedule('s', { every: '2h', missed: 'all', data: 'a' });
      const [info] = await queue.schedules();
      expect(info!.every).toBe(2 * hour);
      expect(info!.nextAt!.getTime()).toBeGreaterThan(Date.now() + hour);
      await queue.schedule('s', daily);
      expect((await queue.schedules())[0]).toMatchObject({ cron: '0 3 * * *', every: undefined });
    });

    test('in a transaction takes part in it', async () => {
      const { store, queue } = await opened();
      await rolledBack(store, function* () {
        yield queue.schedule('s', daily);
      });
      expect(await queue.schedules()).toEqual([]);
      await transact(store, function* () {
        yield queue.schedule('s', daily);
        yield queue.schedule('t', daily);
      });
      await rolledBack(store, function* () {
        yield queue.unschedule('s');
        yield queue.schedule('t', { ...daily, data: 'b' });
      });
      expect((await queue.schedules()).map(({ name, data }) => [name, data])).toEqual([
        ['s', 'a'],
        ['t', 'a'],
      ]);
    });

    test('refuses what makes no sense, and says what it was given', async () => {
      const { store, queue } = await opened();
      const bad: [options: object, error: typeof Error, said: RegExp][] = [
        [{}, TypeError, /either cron or every/],
        [{ cron: '* * * * *', every: '1h' }, TypeError, /either cron or every/],
        [{ cron: 5 }, TypeError, /cron .* not 5/],
        [{ cron: '' }, RangeError, /""/],
        [{ cron: '* * * *' }, RangeError, /"\* \* \* \*"/],
        [{ cron: '60 * * * *' }, RangeError, /"60 \* \* \* \*".*60/],
        [{ cron: 'often' }, RangeError, /"often"/],
        [{ cron: '@reboot' }, RangeError, /@reboot/],
        [{ cron: '2100-01-01T00:00:00' }, RangeError, /2100/],
        [{ cron: '0 0 30 2 *' }, RangeError, /names no time.*0 0 30 2 \*/],
        [{ cron: '0 0 0 1 1 * 2020' }, RangeError, /names no time/],
        [{ cron: '* * * * *', timezone: 'Mars/Olympus' }, RangeError, /"Mars\/Olympus"/],
        [{ cron: '* * * * *', timezone: '+02:00' }, RangeError, /\+02:00/],
        [{ cron: '* * * * *', timezone: '' }, RangeError, /timezone/],
        [{ cron: '* * * * *', timezone: 1 }, TypeError, /timezone .* not 1/],
        [{ every: '1h', timezone: 'UTC' }, TypeError, /timezone goes with cron/],
        [{ every: 'often' }, TypeError, /every .*"often"/],
        [{ every: 999 }, RangeError, /every must be a second or more, not 999/],
        [{ every: Infinity }, RangeError, /every/],
        [{ every: '1h', missed: 'never' }, TypeError, /missed .*"never"/],
        [{ every: '1h', overlap: true }, TypeError, /overlap .*true/],
        [{ every: '1h', delay: 5 }, TypeError, /no option "delay"/],
        [{ every: '1h', attempts: 0 }, RangeError, /attempts/],
        [{ every: '1h', priority: 0.5 }, RangeError, /priority/],
        [{ every: '1h', backoff: () => 5 }, TypeError, /backoff/],
        [{ every: '1h', data: { f() {} } }, TypeError, /data\.f/],
      ];
      for (const [options, type, said] of bad) {
        const schedule = () => queue.schedule('s', { data: 'a', ...options } as ScheduleOptions<string>);
        await refused(store, schedule, type);
        await refused(store, schedule, said);
      }
      await refused(store, () => queue.schedule('', daily), RangeError);
      await refused(store, () => queue.unschedule(5 as never), TypeError);
      expect(await queue.schedules()).toEqual([]);
    });
  });

  test('unschedule() ends a schedule, and tells whether there was one', async () => {
    const { queue, raw } = await opened();
    await queue.schedule('s', { every: '1h', data: 'a' });
    await rewind(raw, hour);
    expect(await queue.unschedule('s')).toBe(true);
    expect(await queue.unschedule('s')).toBe(false);
    await queue.schedule('t', { every: '1h', data: 'b' });
    await rewind(raw, hour);
    const { ran } = working(queue);
    await until(() => ran.length > 0);
    expect(ran).toEqual(['b']);
  });

  test('schedules() tells what is known of each, of this queue alone', async () => {
    const { store, queue } = await opened();
    expect(await queue.schedules()).toEqual([]);
    await new Queue<string>(store, 'others').schedule('s', { every: '1h', data: 'z' });
    await queue.schedule('b', { every: '90s', overlap: 'skip', data: 'b' });
    await queue.schedule('a', { cron: '0 0 1 1 *', missed: 'all', data: 'a' });
    const year = new Date().getUTCFullYear() + 1;
    const common = { lastAt: undefined, lastJob: undefined, error: undefined };
    expect(await queue.schedules()).toEqual([
      {
        ...common,
        ...{ name: 'a', cron: '0 0 1 1 *', timezone: 'UTC', every: undefined },
        ...{ missed: 'all', overlap: 'allow', data: 'a', nextAt: new Date(Date.UTC(year, 0)) },
      },
      {
        ...common,
        ...{ name: 'b', cron: undefined, timezone: undefined, every: 90 * second },
        ...{ missed: 'skip', overlap: 'skip', data: 'b', nextAt: expect.any(Date) },
      },
    ]);
  });

  test('a schedule whose ticks can’t be told holds up no other, nor jobs; it says why, and loses no tick', async () => {
    const { queue, raw } = await opened();
    await queue.schedule('a', { cron: '0 * * * *', missed: 'once', data: 'a' });
    await queue.schedule('b', { every: '1h', missed: 'once', data: 'b' });
    await rewind(raw, 2 * hour);
    const spec = JSON.stringify({ cron: '0 * * * *', timezone: 'Mars/Olympus' });
    await raw(`UPDATE schedules SET spec = '${spec}' WHERE name = 'a'`);
    const { ran, ticks } = working(queue);
    await queue.add('job');
    await until(() => ran.includes('b') && ran.includes('job'));
    await until(async () => (await queue.schedules())[0]!.error?.includes('Mars/Olympus') === true);
    expect(ran).not.toContain('a');
    await raw(
      `UPDATE schedules SET spec = '${spec.replace('Mars/Olympus', 'UTC')}', next = 0 WHERE name = 'a'`,
    );
    await until(() => ran.includes('a'));
    expect((await queue.schedules())[0]!.error).toBeUndefined();
    expect(ticks).toHaveLength(2);
    expect(ticks[1]! % hour).toBe(0);
  });
});

test('what is asked again and again goes by an index, however many schedules there are', async () => {
  const store = await engines[0].open();
  await newQueue(store).schedule('s', { every: '1h', data: 'a' });
  const { directory } = JSON.parse(engines[0].location(store)) as { directory: string };
  const database = new Database(join(directory, 'holdfast.db'), { readonly: true });
  for (const name of ['wall', 'monotonic']) database.function(name, () => 0);
  try {
    const { next, dueByWall, dueBySteady, ahead, advance, added } = scheduleSql;
    for (const { sqlite } of [next, dueByWall, dueBySteady, ahead, advance, added]) {
      const plan = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sqlite}`);
      const steps = plan.all(...Array.from(sqlite.matchAll(/\?/g), () => 1)).map(({ detail }) => detail);
      const own = steps.filter((step) => !/clocks|CONSTANT ROW|SCALAR SUBQUERY/.test(step));
      expect(own.length, sqlite).toBeGreaterThan(0);
      for (const step of own) expect(step, sqlite).toMatch(/^SEARCH schedules USING/);
    }
  } finally {
    database.close();
  }
});
