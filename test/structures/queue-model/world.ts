import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished } from 'vitest';
import { Queue, type AsyncStore, type Clock } from '../../../src/index.js';
import type { Engine } from '../../support/stores.js';
import { isEmbedded, pause, rawConnection, until } from '../helpers.js';
import type { Random } from '../model-steps.js';
import { Model, type ModelJob, type Now, type Plan, type Policy } from './jobs.js';
import { unfinished } from './expecting.js';
import { reconcile } from './following.js';
import { LimitChecker, overtaking, type Limits, type Start } from './limits.js';
import { Member, optionsOf, type Room, type Run } from './members.js';
import { allCounts, allJobs, differences, misfits, wrongCounts, wrongPlaces, type JobRow } from './tables.js';

/** What time is counted in: on the embedded engine the clock is the test's, on the server it passes. Milliseconds. */
export const unitOf = (engine: Engine): number => (engine.name === 'embedded' ? 60_000 : 10);

/** How long a job with a `'long'` timeout may run, and what one may that is to be late. */
export const timeouts = { long: 600_000, throws: 20, deaf: 20 } as const;
/** How long a handler has to end when its time is over; and after that its process. */
export const grace = 1_000;
export const overdueAfter = 3_000;

/** By how much the clock of delays is ahead of the monotonic one. */
export const startOfTime = 1_700_000_000_000;

/** A machine whose clocks are set by the test. */
class Machine implements Clock {
  now = 1_000_000;
  offset = startOfTime;
  readonly wall = (): number => this.now + this.offset;
  readonly monotonic = (): number => this.now;
  readonly boot = (): string => 'boot';
}

/** What is used up of the rate of a queue. */
interface Usage {
  readonly queue: string;
  readonly used: number;
  readonly monotonic: number;
}

const usages = `SELECT s.name AS queue, t.used, t.monotonic FROM throttles t JOIN structures s ON s.id = t.structure
  WHERE s.kind = 'queue' AND length(t.key) = 0`;

const noted = 'SELECT s.name AS queue, a.grp FROM job_admissions a JOIN structures s ON s.id = a.structure';

interface Admission {
  readonly queue: string;
  readonly grp: string;
}

export type Rows = readonly JobRow[];
type Ask = (sql: string) => Promise<unknown[]> | unknown[];

/** Several stores with workers on the same queues, and the model that they are held against. */
export class World {
  readonly engine: Engine;
  readonly random: Random;
  readonly policies: Readonly<Record<string, Policy>>;
  readonly names: readonly string[];
  readonly machine = new Machine();
  readonly model: Model;
  readonly limits: Readonly<Record<string, LimitChecker>>;
  readonly paused = new Set<string>();
  readonly members: Member[] = [];
  readonly runs = new Set<Run>();
  readonly plans = new Map<string, Plan>();
  /** How often each job has completed with an effect. */
  readonly effects = new Map<number, number>();
  readonly lines = new Map<number, number>();
  readonly log: string[] = [];
  readonly deadOwners = new Set<number>();
  #ask!: Ask;
  #first!: AsyncStore;
  #begun: Now;
  starts: Start[] = [];
  #before: Rows = [];
  usages: Usage[] = [];
  /** Whether limits have just been changed: what was started before can't be told from what was started after. */
  lenient = false;

  constructor(engine: Engine, random: Random, policies: Readonly<Record<string, Policy>>) {
    this.engine = engine;
    this.random = random;
    this.policies = policies;
    this.names = Object.keys(policies);
    this.#begun = this.clock();
    this.model = new Model(policies, () => (this.embedded ? this.clock() : this.#begun));
    const slack = engine.name === 'embedded' ? 0 : 5;
    this.limits = Object.fromEntries(this.names.map((name) => [name, new LimitChecker(name, slack)]));
  }

  async open(members: number): Promise<void> {
    const options = { embedded: { clock: this.machine } };
    this.#first = await this.engine.open(options);
    this.#ask = await this.#connection();
    for (let i = 0; i < members; i++) await this.join();
  }

  /** Another store, with a worker on each queue. */
  async join(): Promise<void> {
    const store = await this.engine.reopen(this.#first, { embedded: { clock: this.machine } });
    const rooms = Object.fromEntries(
      this.names.map((name): [string, Room] => [
        name,
        {
          concurrency: 1 + this.random.below(3),
          prefetch: this.random.pick([0, 0, 1, 2]),
          ack: this.random.pick(['gathered', 'gathered', 'each']),
        },
      ]),
    );
    const known = new Set(await this.owners());
    const member = new Member(store, this.policies, rooms, (run) => this.#started(run));
    this.members.push(member);
    await until(async () => (await this.owners()).some((id) => !known.has(id)), 'no owner for a new store');
    member.owners.push((await this.owners()).find((id) => !known.has(id)) ?? 0);
  }

  get embedded(): boolean {
    return this.engine.name === 'embedded';
  }

  clock(): Now {
    if (this.embedded) return { steady: this.machine.now, wall: this.machine.wall() };
    return { steady: Date.now(), wall: Date.now() };
  }

  /** A live member, whichever. */
  anyMember(): Member {
    return this.random.pick(this.members.filter(({ zombie }) => !zombie));
  }

  async owners(): Promise<number[]> {
    const rows = await this.#ask('SELECT id FROM owners ORDER BY id');
    return (rows as { id: number }[]).map(({ id }) => id);
  }

  async ask<T>(sql: string): Promise<T[]> {
    return (await this.#ask(sql)) as T[];
  }

  /**
   * Does something to the queues, and to the model what should come of it. On the embedded engine nothing happens between the look at the rows and
   * what `work` does at once.
   */
  async act(words: string, work: (rows: Rows) => unknown): Promise<void> {
    this.log.push(words);
    const asked = this.#ask(allJobs);
    const rows = (asked instanceof Promise ? await asked : asked) as Rows;
    reconcile(this, rows);
    this.#begun = this.clock();
    await work(rows);
  }

  /** Limits, or whether a queue is paused, are changed by `work`: what was started before that can't be told from what was after. */
  async leniently(work: () => unknown): Promise<void> {
    await work();
    this.lenient = true;
    this.#before = (await this.#ask(allJobs)) as Rows;
    reconcile(this, this.#before);
    this.starts = [];
    this.lenient = false;
  }

  setLimits(queue: string, limits: Limits): Promise<void> {
    return this.leniently(async () => {
      const given = {
        concurrency: limits.concurrency ?? Infinity,
        rate: limits.rate ?? null,
        groups: limits.groups ?? null,
      };
      const { store } = this.anyMember();
      await new Queue(store, queue, { ...optionsOf(this.policies[queue]!), ...given }).counts();
      this.limits[queue]!.set(limits);
    });
  }

  /** A store is taken for dead, behind its back. */
  async bury(member: Member): Promise<void> {
    await this.#ask(`DELETE FROM owners WHERE id = ${member.owner}`);
    this.deadOwners.add(member.owner);
    for (const { claim } of this.model.jobs.values()) if (claim?.owner === member.owner) claim.dead = true;
    member.zombie = true;
    if (this.embedded) return;
    // It looks from time to time whether it is still known.
    const others = new Set(this.members.map(({ owner }) => owner));
    await until(async () => {
      reconcile(this, (await this.#ask(allJobs)) as Rows);
      const found = (await this.owners()).find((id) => !others.has(id));
      if (found !== undefined) member.owners.push(found);
      return found !== undefined;
    }, 'a store that was taken for dead did not come back');
    member.zombie = false;
  }

  /** A store closes: what it runs goes back. */
  async leave(member: Member): Promise<void> {
    for (const job of this.model.jobs.values())
      if (member.has(job.claim) && this.runOf(job)?.settling === undefined)
        job.claim!.settling = { kind: 'released' };
    this.members.splice(this.members.indexOf(member), 1);
    await member.close();
  }

  /** The worker of a member stops: its handlers give up as their signals abort. */
  async released(member: Member, name: string): Promise<void> {
    const runs = [...this.runs].filter((run) => run.open && run.member === member && run.queue === name);
    for (const job of this.model.jobs.values())
      if (job.queue === name && member.has(job.claim) && this.runOf(job) === undefined)
        job.claim!.settling = { kind: 'released' };
    for (const run of runs) {
      await until(() => run.aborted !== undefined, `the signal of job ${run.job.id} is not aborted`);
      if (run.aborted === 'ERR_CLOSED') run.giveUp({ kind: 'released' });
      else run.giveUp({ kind: 'failed', error: run.aborted!, retry: true });
    }
  }

  /** The handler's call that a claim stands for. */
  runOf({ id, claim }: ModelJob): Run | undefined {
    return claim && [...this.runs].find((run) => run.job.id === id && run.claim === claim.number);
  }

  /** Calls of handlers that go on, of claims that hold. */
  live(): { readonly job: ModelJob; readonly run: Run }[] {
    return [...this.model.jobs.values()].flatMap((job) => {
      const run = this.runOf(job);
      return run?.open === true ? [{ job, run }] : [];
    });
  }

  /** Those whose jobs others have, or whose time was over. */
  lost(): Run[] {
    return [...this.runs].filter((run) => {
      const job = this.model.jobs.get(run.job.id);
      return run.open && run.claim !== undefined && job?.claim?.number !== run.claim;
    });
  }

  /** Waits until nothing more happens by itself, and all is as the model says. */
  async settle(): Promise<void> {
    let wrong: string[];
    const deadline = performance.now() + 15_000;
    do {
      await (performance.now() % 3 < 1 ? pause(1) : new Promise((resolve) => setImmediate(resolve)));
      const rows = (await this.#ask(allJobs)) as Rows;
      reconcile(this, rows);
      this.usages = await this.ask<Usage>(usages);
      wrong = [...differences(this.model, rows), ...unfinished(this, rows)];
      if (wrong.length === 0) wrong.push(...(await this.#wrong(rows)));
      if (wrong.length > 0) continue;
      for (const name of this.names)
        this.refuse(
          this.limits[name]!.check(
            rows,
            this.starts.filter(({ row }) => row.queue === name),
          ),
        );
      this.refuse(overtaking(this.#before, rows));
      this.#before = rows;
      this.starts = [];
      for (const run of this.runs)
        if (!run.open && this.model.jobs.get(run.job.id)?.claim?.number !== run.claim) this.runs.delete(run);
      return;
    } while (performance.now() < deadline);
    this.refuse(wrong);
  }

  refuse(wrong: Iterable<string>): void {
    const all = [...wrong];
    if (all.length > 0) expect.fail(all.slice(0, 12).join('\n'));
  }

  async #connection(): Promise<Ask> {
    if (!isEmbedded(this.#first)) {
      const raw = await rawConnection(this.engine, this.#first);
      let last: Promise<unknown> = Promise.resolve();
      return (sql) => {
        const rows = last.then(() => raw(sql));
        last = rows.catch(() => undefined);
        return rows;
      };
    }
    const { directory } = JSON.parse(this.engine.location(this.#first)) as { directory: string };
    const database = new Database(join(directory, 'holdfast.db'), { timeout: 5_000 });
    onTestFinished(() => void database.close());
    return (sql) => {
      const statement = database.prepare(sql);
      if (statement.reader) return statement.all();
      statement.run();
      return [];
    };
  }

  async #started(run: Run): Promise<void> {
    this.runs.add(run);
    const { job, member } = run;
    const asked = this.#ask(`SELECT claim, owner FROM jobs WHERE id = ${job.id}`);
    const [row] = (asked instanceof Promise ? await asked : asked) as Pick<JobRow, 'claim' | 'owner'>[];
    const others = [...this.runs].some((one) => one.job.id === job.id && one.claim === row?.claim);
    const isOwn = row !== undefined && (row.owner === null || member.owner === 0 || member.has(row));
    run.claim = isOwn && !others ? row.claim : 0;
    if (this.plans.get(job.data.replace(/\.+$/, ''))?.timeout === 'throws') {
      job.signal.addEventListener('abort', () => this.#late(run));
      this.#late(run);
    }
    run.children = await job.children();
  }

  #late(run: Run): void {
    if (run.open && run.aborted === 'ERR_TIMEOUT')
      run.giveUp({ kind: 'failed', error: 'ERR_TIMEOUT', retry: true });
  }

  async #wrong(rows: Rows): Promise<string[]> {
    const wrong = [...wrongCounts(rows, await this.ask(allCounts), this.names)];
    const admissions = await this.ask<Admission>(noted);
    for (const name of this.names) {
      // What a user's transaction has noted waits for a script, and no worker runs one while the queue is paused.
      const pending = this.paused.has(name) ? admissions.filter(({ queue }) => queue === name) : [];
      const groups = new Set(pending.map(({ grp }) => grp));
      wrong.push(...wrongPlaces(rows, name, this.limits[name]!.limits, groups));
    }
    for (const [what, sql] of Object.entries(misfits))
      for (const { id } of await this.ask<{ id: number }>(sql)) wrong.push(`job ${id}: ${what}`);
    const logs = await this.ask<{ job: number; n: number }>(
      `SELECT job, count(*) AS n FROM job_notes WHERE kind = 'log' GROUP BY job`,
    );
    const found = new Map(logs.map(({ job, n }) => [job, n]));
    for (const [id, lines] of this.lines)
      if (this.model.jobs.has(id) && lines !== (found.get(id) ?? 0))
        wrong.push(`job ${id} has ${found.get(id) ?? 0} lines, should have ${lines}`);
    return wrong;
  }
}

export const dataOf = ({ plan }: Pick<ModelJob, 'plan'>): string => plan.token.padEnd(plan.size, '.');
