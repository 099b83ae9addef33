import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Index, open, Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../src/index.js';
import { namedUrl } from '../server/support.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { forEachEngine, type Engine } from '../support/stores.js';
import { pause, rawConnection, until, type Raw } from './helpers.js';
import { Random } from './model-steps.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

interface Task {
  readonly time: number;
  /** How many attempts fail. */
  readonly fails?: number;
  /** Whether it is completed together with its effect. */
  readonly exact?: boolean;
}

type Tasks = AsyncQueue<Task, number>;

interface Message {
  readonly started?: number;
  readonly refused?: number;
  readonly code?: string;
}

/** What a handler did of a job. Times are those of the machine's clock, in nanoseconds. */
interface Run {
  readonly job: number;
  readonly group: string;
  readonly pid: number;
  readonly begin: bigint;
  /** When it ended, or its process was killed: not later than that. */
  end: bigint;
}

/** Processes that work on one queue, and what they note of it. */
class Workers {
  readonly queue: Tasks;
  readonly #file = join(temporaryDirectory(), 'runs');
  readonly #killed = new Map<number, bigint>();
  readonly #engine: Engine;
  readonly #store: AsyncStore;
  readonly #raw: Raw;
  readonly #given: object;

  /** @param raw - A connection of its own to the store. */
  constructor(engine: Engine, store: AsyncStore, raw: Raw, options: QueueOptions, work: object) {
    for (const end of ['', '.troubles']) appendFileSync(`${this.#file}${end}`, '');
    this.#engine = engine;
    this.#store = store;
    this.#raw = raw;
    this.#given = { options, ...work };
    this.queue = new Queue<Task, number>(store, 'jobs', options);
  }

  start(name?: string): TestProcess {
    const place = JSON.parse(this.#engine.location(this.#store)) as { url?: string };
    if (name !== undefined && place.url !== undefined) place.url = namedUrl(name);
    return startProcess('queue-chaos.js', JSON.stringify(place), this.#file, JSON.stringify(this.#given));
  }

  async startReady(name?: string): Promise<TestProcess> {
    const worker = this.start(name);
    expect(await worker.nextMessage()).toBe('ready');
    return worker;
  }

  /** Stops one that was started under a name, outside of what keeps others from writing. */
  async stop(process: TestProcess, name: string): Promise<void> {
    for (;;) {
      process.pause();
      if (!(await this.#writes(name))) return;
      process.resume();
      await pause(5);
    }
  }

  async #writes(name: string): Promise<boolean> {
    if (this.#engine.name === 'server') {
      const sessions = `SELECT count(*) AS count FROM pg_stat_activity WHERE application_name = '${name}' AND state <> 'idle'`;
      return Number((await this.#raw(sessions))[0]?.['count']) > 0;
    }
    const { directory } = JSON.parse(this.#engine.location(this.#store)) as { directory: string };
    const other = open(directory, { busyTimeout: 0 });
    try {
      new Index(other, 'probe').set('a', 1);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_BUSY' });
      return true;
    } finally {
      other.close();
    }
  }

  kill({ child }: TestProcess): void {
    this.#killed.set(child.pid!, process.hrtime.bigint());
    child.kill('SIGKILL');
  }

  /** Whether it has begun a job. */
  works({ child }: TestProcess): boolean {
    return this.runs().some(({ pid }) => pid === child.pid);
  }

  runs(): Run[] {
    const runs = new Map<string, Run>();
    for (const line of readFileSync(this.#file, 'utf8').split('\n').slice(0, -1)) {
      const [time = '0', pid = '0', number, job = '0', what, group = ''] = line.split(' ');
      const key = `${pid} ${number ?? ''}`;
      const killed = this.#killed.get(Number(pid)) ?? 2n ** 62n;
      if (what === 'begin')
        runs.set(key, { job: Number(job), group, pid: Number(pid), begin: BigInt(time), end: killed });
      else runs.get(key)!.end = BigInt(time);
    }
    return [...runs.values()];
  }

  /** What they have reported. */
  troubles(): string {
    return readFileSync(`${this.#file}.troubles`, 'utf8');
  }

  /** How often each job had its effect. */
  async effects(): Promise<number[]> {
    const effects = await new Index<number, number>(this.#store, 'effects').toMap();
    return [...effects.values()];
  }
}

/** The most of these that went on at the same time. */
function mostAtOnce(runs: readonly Run[]): number {
  const changes = runs.flatMap(({ begin, end }) =>
    end > begin
      ? [
          { at: begin, by: 1 },
          { at: end, by: -1 },
        ]
      : [],
  );
  let [now, most] = [0, 0];
  for (const { by } of changes.sort((a, b) => Number(a.at - b.at) || a.by - b.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

const newTask = (random: Random) => ({ time: random.below(40), exact: random.below(4) === 0 });

const once = (count: number): number[] => new Array<number>(count).fill(1);

forEachEngine((engine) => {
  describe('under load', () => {
    test(
      `all jobs are done, within the limits, though workers are killed again and again (SEED=${seed})`,
      { timeout: 300_000 },
      async () => {
        const random = new Random(seed);
        const store = await engine.open();
        const raw = await rawConnection(engine, store);
        const limits = { concurrency: 7, groups: { concurrency: 2 } };
        const options: QueueOptions = {
          ...limits,
          attempts: 4,
          backoff: { type: 'fixed', delay: 20 },
          maxDeaths: 1_000,
          keep: { completed: {} },
        };
        const workers = new Workers(engine, store, raw, options, { concurrency: 4, prefetch: 2 });
        const { queue } = workers;
        const living = [1, 2, 3].map(() => workers.start());

        const fails = new Map<number, number>();
        let exact = 0;
        let kills = 0;
        const killing = new AbortController();
        const adding = (async () => {
          while (!killing.signal.aborted || fails.size < 400) {
            const jobs = random.some(40, () => ({
              data: { ...newTask(random), fails: random.pick([0, 0, 0, 1, 2]) },
              group: random.pick(['a', 'b', 'c', 'd']),
            }));
            const handles = await queue.addMany(jobs);
            for (const [i, { id }] of handles.entries()) fails.set(id, jobs[i]!.data.fails);
            exact += jobs.filter(({ data }) => data.exact).length;
            await pause(random.below(400));
          }
        })();
        const deaths = async () =>
          Number((await raw('SELECT SUM(deaths) AS deaths FROM jobs'))[0]!['deaths']);
        for (; kills < 15 || (await deaths()) === 0; kills++) {
          const place = random.below(living.length);
          // Others are killed while they start, if they take longer than that.
          if (random.below(2) === 0) await until(() => workers.works(living[place]!));
          await pause(random.below(600));
          workers.kill(living[place]!);
          living[place] = workers.start();
        }
        killing.abort();
        await adding;
        await queue.idle({ timeout: '100s' });

        const jobs = fails.size;
        expect(await queue.counts()).toEqual({
          ...{ blocked: 0, waiting: 0, delayed: 0, running: 0, failed: 0, cancelled: 0 },
          completed: jobs,
        });
        expect(await workers.effects()).toEqual(once(exact));
        expect(workers.troubles()).toBe('');
        const runs = workers.runs();
        expect(new Set(runs.map(({ job }) => job)).size).toBe(jobs);
        expect(mostAtOnce(runs)).toBeLessThanOrEqual(limits.concurrency);
        for (const group of ['a', 'b', 'c', 'd'])
          expect(mostAtOnce(runs.filter((run) => run.group === group))).toBeLessThanOrEqual(2);
        const rows = await raw('SELECT id, claim, failures, deaths FROM jobs ORDER BY id');
        expect(await deaths()).toBeLessThanOrEqual(kills * 6);
        for (const { id, claim, failures, deaths } of rows) {
          const job = async () => inspect(await queue.get(Number(id)), { depth: 5, showHidden: true });
          if (failures !== fails.get(Number(id)))
            expect.fail(`${fails.get(Number(id)) ?? ''} failures of job ${String(id)}: ${await job()}`);
          expect(claim, `claims of job ${String(id)}`).toBe(1 + Number(failures) + Number(deaths));
        }
      },
    );

    test(
      'a process that is stopped, and goes on, loses nothing, and does nothing that others have done',
      { timeout: 300_000 },
      async () => {
        const store = await engine.open();
        const raw = await rawConnection(engine, store);
        const options = { keep: { completed: {} } };
        const workers = new Workers(engine, store, raw, options, { concurrency: 4, prefetch: 2 });
        const { queue } = workers;
        const idler = await workers.startReady('idler');
        // It waits in line, before the others.
        await until(async () => (await raw('SELECT id FROM waiters')).length > 0);
        await workers.stop(idler, 'idler');
        const sleeper = await workers.startReady('sleeper');
        const add = (count: number, time: number, more: object = {}) =>
          queue.addMany(
            Array.from({ length: count }, () => ({ data: { time, exact: time >= 1_000 }, ...more })),
          );
        // Time enough to stop the process before it is over, and for the second attempt, however slow all is.
        const late = await add(2, 12_000, { timeout: 10_000 });
        const kept = [...(await add(2, 4_000)), ...(await add(2, 1))];
        const started = [];
        for (let i = 0; i < 4; i++) started.push((await sleeper.nextMessage<Message>()).started);
        expect(started).toEqual([...late, ...kept].slice(0, 4).map(({ id }) => id));
        await until(async () => (await queue.counts()).running === 6);
        await workers.stop(sleeper, 'sleeper');

        const others = [await workers.startReady(), await workers.startReady()];
        const pids = others.map(({ child }) => child.pid);
        const many = await add(1_000, 2);
        for (const handle of [...many, ...late]) expect(pids).toContain(await handle.result());
        for (const { id } of late) expect(await queue.get(id)).toMatchObject({ failures: 1, deaths: 0 });
        for (const { id } of kept) expect(await queue.get(id)).toMatchObject({ state: 'running' });

        idler.resume();
        sleeper.resume();
        for (const handle of kept) {
          expect(await handle.result()).toBe(sleeper.child.pid);
          expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
        }
        const refused = [await sleeper.nextMessage<Message>(), await sleeper.nextMessage<Message>()];
        expect(refused.map(({ refused, code }) => [refused, code]).sort()).toEqual(
          late.map(({ id }) => [id, 'ERR_NOT_OWNER']),
        );
        for (const worker of [idler, sleeper, ...others]) {
          await worker.send('stop');
          expect(await worker.exited).toEqual({ code: 0, signal: null });
        }
        expect(await workers.effects()).toEqual(once(4));
        expect(workers.troubles()).toBe('');
      },
    );

    test(
      `two processes that are started anew in turn lose nothing, and none counts as dead (SEED=${seed})`,
      { timeout: 300_000 },
      async () => {
        const random = new Random(seed + 1);
        const store = await engine.open();
        const raw = await rawConnection(engine, store);
        const options = { keep: { completed: {} } };
        const stopOn = { stopOn: ['SIGTERM'] };
        const workers = new Workers(engine, store, raw, options, { concurrency: 4, prefetch: 2, ...stopOn });
        const { queue } = workers;
        const living = [await workers.startReady(), await workers.startReady()];
        let restarts = 0;
        let jobs = 0;
        let exact = 0;
        const adding = (async () => {
          while (restarts < 14) {
            const some = random.some(20, () => ({ data: newTask(random) }));
            jobs += (await queue.addMany(some)).length;
            exact += some.filter(({ data }) => data.exact).length;
            await pause(random.below(120));
          }
        })();
        for (; restarts < 14; restarts++) {
          const worker = living[restarts % 2]!;
          const how = random.pick(['stop', 'close', 'SIGTERM']);
          if (how === 'SIGTERM') worker.child.kill(how);
          else await worker.send(how);
          const exit = how === 'SIGTERM' ? { code: null, signal: how } : { code: 0, signal: null };
          expect(await worker.exited, how).toEqual(exit);
          living[restarts % 2] = await workers.startReady();
          await pause(random.below(200));
        }
        await adding;
        await queue.idle({ timeout: '100s' });
        expect(await queue.counts()).toMatchObject({ completed: jobs, failed: 0, cancelled: 0 });
        expect(await workers.effects()).toEqual(once(exact));
        expect(workers.troubles()).toBe('');
        expect(await raw('SELECT id FROM jobs WHERE deaths > 0 OR failures > 0')).toEqual([]);
      },
    );
  });
});
