import { expect } from 'vitest';
import type { JobFilter, JobState } from '../../../src/index.js';
import { addAfter, addFlow, addOne, addSome, addWithKey, pickJob, pickQueue, type Step } from './adding.js';
import { isUnfinished } from './jobs.js';
import { noLimits, type Limits } from './limits.js';
import type { Finish, Run } from './members.js';
import { passTime, schedule, unschedule } from './scheduling.js';
import { countRows, shownState, type JobRow } from './tables.js';
import { dataOf, unitOf, type World } from './world.js';

function newFinish({ random, engine }: World, name: string): Finish {
  const error = `no ${name}`;
  return random.pick<() => Finish>([
    () => ({ kind: 'completed', result: `done ${name}` }),
    () => ({ kind: 'completed', result: `done ${name}` }),
    () => ({ kind: 'completing', result: `done ${name}`, thenThrows: random.below(2) === 0 }),
    () => ({ kind: 'failed', error, retry: true }),
    () => ({ kind: 'failed', error, retry: true }),
    () => ({ kind: 'failing', error, retry: random.below(2) === 0 }),
    () => ({ kind: 'snoozed', delay: unitOf(engine) * random.below(3) }),
  ])();
}

async function finish(world: World, runs: readonly Run[]): Promise<void> {
  const finishes = runs.map((run) => newFinish(world, `${run.job.id}.${run.claim ?? 0}`));
  await world.act(runs.map(({ job }, i) => `${job.id} ${finishes[i]!.kind}`).join(' and '), () => {
    for (const [i, run] of runs.entries()) run.finish(finishes[i]!);
  });
}

/** Changes one job by its number, or those that match. */
const manage =
  (how: 'cancel' | 'retry' | 'remove'): Step =>
  async (world) => {
    const { model, random } = world;
    const job = pickJob(world, how === 'retry' ? (one) => !isUnfinished(one) : undefined);
    const { queues } = world.anyMember();
    if (job === undefined) return;
    const isMany = random.below(5) === 0;
    const filter: JobFilter = isMany ? newFilter(world) : {};
    await world.act(`${how} ${isMany ? `${job.queue} ${JSON.stringify(filter)}` : job.id}`, async (rows) => {
      const ids = isMany ? matching(job.queue, filter, rows) : [job.id];
      const answer = isMany ? await queues[job.queue]![how](filter) : await queues[job.queue]![how](job.id);
      const jobs = ids.map((id) => model.jobs.get(id)).filter((one) => one !== undefined);
      const changed = jobs.filter((one) => model[how](one)).length;
      model.release();
      expect(answer, `${how} ${JSON.stringify(ids)}`).toBe(isMany ? changed : changed === 1);
    });
  };

const states: readonly JobState[] = [
  'blocked',
  'waiting',
  'delayed',
  'running',
  'completed',
  'failed',
  'cancelled',
];

const newFilter = ({ random }: World): JobFilter => ({
  state: random.pick(states),
  ...(random.below(2) === 0 ? { group: random.pick(['a', 'b']) } : {}),
});

function matching(queue: string, { state, group }: JobFilter, rows: readonly JobRow[]): number[] {
  const isMatch = (row: JobRow): boolean =>
    row.queue === queue &&
    (state === undefined || shownState(row) === state) &&
    (group === undefined || row.grp === group);
  return rows.filter(isMatch).map(({ id }) => id);
}

function newLimits(world: World): Limits {
  const { random } = world;
  const per = unitOf(world.engine) * (1 + random.below(2));
  const rate = { limit: 1 + random.below(3), per, burst: 1 + random.below(3) };
  return random.pick<() => Limits>([
    () => noLimits,
    () => ({ ...noLimits, concurrency: 1 + random.below(3) }),
    () => ({ ...noLimits, rate }),
    () => ({ ...noLimits, groups: { concurrency: 1 + random.below(2) } }),
    () => ({ ...noLimits, groups: { ordered: true } }),
    () => ({ ...noLimits, groups: { rate } }),
    () => ({ concurrency: 4, rate: undefined, groups: { concurrency: 2, rate } }),
  ])();
}

async function look(world: World): Promise<void> {
  const { random, model } = world;
  const name = pickQueue(world);
  const queue = world.anyMember().queues[name]!;
  const filter = newFilter(world);
  const limit = 1 + random.below(10);
  await world.act('look', async (rows) => {
    const { bytes: _, ...counts } = countRows(rows, name);
    expect(await queue.counts()).toEqual(counts);
    const page = await queue.jobs({ ...filter, limit });
    expect(page.map(({ id }) => id)).toEqual(matching(name, filter, rows).slice(0, limit));
    for (const info of page) {
      const job = model.jobs.get(info.id)!;
      expect(info).toMatchObject({ data: dataOf(job), priority: job.plan.priority, failures: job.failures });
      expect(info.result, `the result of ${job.id}`).toBe(job.result);
      const errors = info.errors.map(({ error }) => ('code' in error ? error.code : error.message));
      expect(errors, `the errors of ${job.id}`).toEqual(job.errors);
    }
    const schedules = (await queue.schedules()).map(({ name: one, every }) => [`${name} ${one}`, every]);
    const expected = [...model.schedules].filter(([key]) => key.startsWith(`${name} `));
    expect(schedules).toEqual(expected.map(([key, { every }]) => [key, every]).sort());
    expect(await queue.get(1_000_000)).toBeUndefined();
  });
}

/** What may happen, and how often. */
const steps: readonly (readonly [weight: number, step: Step])[] = [
  [14, addOne],
  [4, addSome],
  [14, addWithKey],
  [6, addAfter],
  [4, addFlow],
  [4, schedule],
  [1, (world) => unschedule(world)],
  [
    30,
    async (world) => {
      const live = world.live();
      if (live.length > 0) await finish(world, [world.random.pick(live).run]);
    },
  ],
  [
    8,
    async (world) => {
      const runs = world.live().map(({ run }) => run);
      await finish(
        world,
        runs.filter(() => world.random.below(2) === 0),
      );
    },
  ],
  [
    6,
    async (world) => {
      const lost = world.lost();
      if (lost.length > 0) await finish(world, [world.random.pick(lost)]);
    },
  ],
  [
    3,
    async (world) => {
      const live = world.live().filter(({ job }) => job.claim?.dead === false && job.plan.timeout === 'none');
      if (live.length === 0) return;
      const { job, run } = world.random.pick(live);
      await world.act(`${job.id} logs`, () => {
        run.job.log('a line');
        world.lines.set(job.id, (world.lines.get(job.id) ?? 0) + 1);
      });
    },
  ],
  [5, manage('cancel')],
  [6, manage('retry')],
  [4, manage('remove')],
  [
    4,
    async (world) => {
      const name = pickQueue(world);
      const isPaused = world.paused.has(name);
      const queue = world.anyMember().queues[name]!;
      await world.act(`${name} ${isPaused ? 'resume' : 'pause'}`, () =>
        world.leniently(async () => {
          await (isPaused ? queue.resume() : queue.pause());
          if (isPaused) world.paused.delete(name);
          else world.paused.add(name);
        }),
      );
    },
  ],
  [
    6,
    async (world) => {
      const name = pickQueue(world);
      const limits = newLimits(world);
      await world.act(`${name} ${JSON.stringify(limits)}`, () => world.setLimits(name, limits));
    },
  ],
  [10, passTime],
  [
    1,
    async (world) => {
      const member = world.random.pick(world.members);
      const isLast = !world.members.some((other) => other !== member && !other.zombie);
      if (!isLast) await world.act(`store ${member.owner} closes`, () => world.leave(member));
      if (world.members.length < 3) await world.join();
    },
  ],
  [
    1,
    async (world) => {
      const member = world.anyMember();
      const others = world.members.filter(({ zombie }) => !zombie);
      if (others.length > 1)
        await world.act(`store ${member.owner} is taken for dead`, () => world.bury(member));
    },
  ],
  [1, async (world) => stopWorker(world)],
  [4, look],
];

/** Of a worker that stops, what it runs goes back. */
async function stopWorker(world: World): Promise<void> {
  const member = world.anyMember();
  const name = pickQueue(world);
  const worker = member.workers[name]!;
  await world.act(`the worker of store ${member.owner} on ${name} stops`, async () => {
    const stopped = worker.stop({ timeout: 0 });
    await world.released(member, name);
    await stopped;
    member.work(name);
  });
}

const total = steps.reduce((sum, [weight]) => sum + weight, 0);

export async function randomStep(world: World): Promise<void> {
  const zombie = world.members.find((member) => member.zombie);
  if (zombie !== undefined && world.random.below(6) === 0)
    return world.act(`zombie ${zombie.owner} closes`, () => world.leave(zombie));
  let left = world.random.below(total);
  for (const [weight, step] of steps) {
    if (left < weight) return step(world);
    left -= weight;
  }
  throw new Error('unreachable');
}
