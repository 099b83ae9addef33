import { expect, test } from 'vitest';
import type { AsyncStore } from '../../src/index.js';
import { randomFrom } from '../support/random.js';
import { startProcess, type TestProcess } from '../support/processes.js';
import { forEachEngine, type Engine } from '../support/stores.js';
import { pause, rawConnection, until, type Raw } from './helpers.js';
import { apart, hour, newQueue, rewind, second } from './schedules.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** The ticks of all jobs that schedules have added, by the names of the jobs. */
async function added(raw: Raw): Promise<Map<string, number[]>> {
  const ticks = new Map<string, number[]>();
  for (const { name, options } of await raw('SELECT name, options FROM jobs ORDER BY id')) {
    const { scheduledFor } = JSON.parse(String(options)) as { scheduledFor: number };
    ticks.set(String(name), [...(ticks.get(String(name)) ?? []), scheduledFor]);
  }
  return ticks;
}

const startWorker = (engine: Engine, store: AsyncStore): TestProcess => {
  const options = { maxDeaths: 1_000, keep: { completed: {} } };
  return startProcess('queue-work.js', engine.location(store), JSON.stringify({ options, time: 5 }));
};

forEachEngine((engine) => {
  test(
    'each tick is fired once, in order, by several processes, though they are killed all the time',
    { timeout: 120_000 },
    async () => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const queue = newQueue(store);
      const random = randomFrom(seed);
      const workers = [0, 1, 2].map(() => startWorker(engine, store));
      for (const worker of workers) await worker.nextMessage();
      for (let n = 0; n < 5; n++) {
        await queue.schedule(`cron ${n}`, {
          cron: '* * * * * *',
          missed: 'all',
          name: `cron ${n}`,
          data: 'a',
        });
        await queue.schedule(`every ${n}`, { every: '1s', missed: 'all', name: `every ${n}`, data: 'a' });
      }
      for (let kills = 0; kills < 8; kills++) {
        // Most die about when ticks come.
        await pause(second - (Date.now() % second) + 30 * random());
        const place = kills % workers.length;
        workers[place]!.child.kill('SIGKILL');
        workers[place] = startWorker(engine, store);
      }
      await until(async () => [...(await added(raw)).values()].every((ticks) => ticks.length >= 8));
      for (const worker of workers) worker.child.kill('SIGKILL');
      const ticks = await added(raw);
      expect(ticks.size, `SEED=${seed}`).toBe(10);
      for (const [name, some] of ticks)
        expect(apart(some), `${name} SEED=${seed}`).toEqual(new Set([second]));
    },
  );

  test('a process that is killed while it fires ticks has added their jobs and moved the schedule on, or neither', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const queue = newQueue(store);
    await queue.schedule('s', { every: '1h', missed: 'all', data: 'a' });
    const since = async () => Number((await raw('SELECT since FROM schedules'))[0]!['since']);
    const jobs = async () => Number((await raw('SELECT count(*) AS n FROM jobs'))[0]!['n']);
    await rewind(raw, 3 * hour);
    const before = await since();
    let fired = 0;
    let dieAt = 0;
    for (; fired === 0; dieAt++) {
      const child = startProcess('queue-tick-die.js', engine.location(store), dieAt + 1);
      expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
      fired = ((await since()) - before) / hour;
      expect(await jobs(), `killed before statement ${dieAt + 1}`).toBe(fired);
    }
    expect(fired).toBe(3);
    // The schedule, the jobs, how many there are, and the commit.
    expect(dieAt).toBeGreaterThan(4);
  });
});
