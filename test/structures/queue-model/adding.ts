import { expect } from 'vitest';
import type { OnDuplicate } from '../../../src/index.js';
import { withCode } from '../helpers.js';
import { isUnfinished, type ModelJob, type Plan } from './jobs.js';
import type { JobRow } from './tables.js';
import { dataOf, timeouts, unitOf, type World } from './world.js';

const groups = [undefined, undefined, 'a', 'b'];
const keys = ['k', 'l', 'm'];
const onDuplicates: readonly OnDuplicate[] = ['ignore', 'error', 'replace', 'debounce', 'again', 'again'];
let tokens = 0;

export function newPlan(world: World, queue: string, more: Partial<Plan> = {}): Plan {
  const { random } = world;
  const unit = unitOf(world.engine);
  const token = `t${++tokens}`;
  const due = random.below(8);
  const expires = random.pick(world.embedded ? [-360_000, 1, 360_000] : [-360_000, 3_600_000]);
  const plan: Plan = {
    token,
    queue,
    // More than a kilobyte lies in another table.
    size: random.pick([20, 20, 40, 2_000]),
    priority: random.pick([0, 0, 0, 1, -1]),
    group: random.pick(groups),
    key: undefined,
    unique: 'unfinished',
    onDuplicate: 'ignore',
    attempts: random.pick([undefined, undefined, 1, 2, 5]),
    timeout: random.pick(['none', 'none', 'none', 'long', 'throws', world.embedded ? 'deaf' : 'none']),
    delay: due === 0 ? unit * (1 + random.below(4)) : 0,
    at: due === 1 ? world.clock().wall + unit * (random.below(5) - 1) : undefined,
    expires: random.below(10) > 0 ? undefined : world.clock().wall + expires,
    after: [],
    ...more,
  };
  world.plans.set(token, plan);
  return plan;
}

export function optionsOf({
  token,
  priority,
  group,
  key,
  unique,
  onDuplicate,
  attempts,
  timeout,
  delay,
  at,
  expires,
  after,
}: Plan) {
  return {
    name: token,
    priority,
    ...(group === undefined ? {} : { group }),
    ...(key === undefined
      ? {}
      : { key, unique: typeof unique === 'number' ? { window: unique } : unique, onDuplicate }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeout === 'none' ? {} : { timeout: timeouts[timeout] }),
    ...(at === undefined ? { delay } : { runAt: new Date(at) }),
    ...(expires === undefined ? {} : { expires: new Date(expires) }),
    ...(after.length === 0
      ? {}
      : {
          after: after.map(({ child, ignores }) =>
            ignores ? { job: child, onFailure: 'ignore' as const } : child,
          ),
        }),
  };
}

const words = (plan: Plan): string => {
  const { token, queue, after, ...rest } = plan;
  const { size: _, ...given } = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined && value !== 0),
  );
  return `${queue}.add ${token} ${JSON.stringify(given)} after ${after.map(({ child }) => child.id).join()}`;
};

/** Adds jobs by one call, and to the model. */
async function add(world: World, plans: readonly Plan[]): Promise<void> {
  const [first] = plans;
  if (first === undefined) return;
  const { model } = world;
  const queue = world.anyMember().queues[first.queue]!;
  await world.act(plans.map(words).join(' and '), async () => {
    let ids: number[] | undefined;
    try {
      if (plans.length === 1) ids = [(await queue.add(dataOf({ plan: first }), optionsOf(first))).id];
      else {
        const jobs = plans.map((plan) => ({ data: dataOf({ plan }), ...optionsOf(plan) }));
        ids = (await queue.addMany(jobs)).map(({ id }) => id);
      }
    } catch (error) {
      expect(error).toEqual(withCode('ERR_DUPLICATE'));
    }
    if (plans.some((plan) => plan.onDuplicate === 'error' && model.holder(plan) !== undefined)) {
      expect(ids, 'a duplicate was not refused').toBeUndefined();
      return;
    }
    expect(ids, 'something was taken for a duplicate').toBeDefined();
    for (const [i, plan] of plans.entries()) await addToModel(world, plan, ids?.[i] ?? 0);
  });
}

async function addToModel(world: World, plan: Plan, id: number): Promise<void> {
  const { model } = world;
  const answer = model.add(plan);
  if (answer === 'refused') throw new Error('unreachable');
  const { job, added } = answer;
  if (added) {
    expect(model.jobs.has(id), `a new job has the number of another: ${id}`).toBe(false);
    model.born(job, id);
    return;
  }
  expect(id, `${plan.token} is a duplicate`).toBe(job.id);
  if (plan.onDuplicate !== 'debounce' || job.plan !== plan) return;
  // A job that is not due in the model may be so in the tables: it has nobody to run it.
  const [row] = await world.ask<JobRow>(`SELECT state, due FROM jobs WHERE id = ${id}`);
  if (row?.state === 'delayed') job.notBefore = { steady: world.clock().steady + plan.delay - 50 };
  if (row?.state === 'timed') job.notBefore = { wall: row.due };
}

export type Step = (world: World) => Promise<void>;

export const pickQueue = ({ random, names }: World): string => random.pick(names);

export function pickJob(world: World, which: (job: ModelJob) => boolean = () => true): ModelJob | undefined {
  const jobs = [...world.model.jobs.values()].filter(which);
  return jobs.length === 0 ? undefined : world.random.pick(jobs);
}

export async function addFlow(world: World): Promise<void> {
  const { random, model } = world;
  const queue = pickQueue(world);
  const outside = pickJob(world);
  const plans = new Map<string, Plan>();
  const links = new Map<string, { name: string; ignores: boolean }[]>();
  for (const name of ['p', 'q', 'r', 's'].slice(0, 2 + random.below(3))) {
    const after = [...plans.keys()].filter(() => random.below(2) === 0);
    links.set(
      name,
      after.map((one) => ({ name: one, ignores: random.below(3) === 0 })),
    );
    plans.set(name, newPlan(world, queue));
  }
  const given = Object.fromEntries(
    [...plans].map(([name, plan]) => {
      const own = links
        .get(name)!
        .map(({ name: job, ignores }) => (ignores ? { job, onFailure: 'ignore' as const } : job));
      const after = outside !== undefined && name === 'p' ? [...own, outside] : own;
      return [name, { data: dataOf({ plan }), ...optionsOf(plan), after }];
    }),
  );
  await world.act(`${queue}.flow ${JSON.stringify([...links])} after ${outside?.id ?? 'none'}`, async () => {
    const handles = await world.anyMember().queues[queue]!.flow(given);
    const jobs = new Map<string, ModelJob>();
    for (const [name, plan] of plans) {
      const within = links
        .get(name)!
        .map(({ name: label, ignores }) => ({ child: jobs.get(label)!, label, ignores }));
      const after =
        outside !== undefined && name === 'p' ? [...within, { child: outside, ignores: false }] : within;
      const answer = model.add({ ...plan, after });
      if (answer === 'refused') throw new Error('unreachable');
      model.born(answer.job, handles[name]!.id);
      jobs.set(name, answer.job);
    }
  });
}

export const addOne: Step = (world) => add(world, [newPlan(world, pickQueue(world))]);

export async function addSome(world: World): Promise<void> {
  const queue = pickQueue(world);
  await add(
    world,
    world.random.some(5, () => newPlan(world, queue)),
  );
}

export async function addWithKey(world: World): Promise<void> {
  const { random } = world;
  const window = world.embedded ? 5 * unitOf(world.engine) : 3_600_000;
  const key = random.pick(keys);
  // Those that it is to run after may have the same one.
  const after = random.below(4) === 0 ? childrenOf(world, (job) => job.key === key) : [];
  const more = {
    key,
    unique: random.pick<Plan['unique']>(['waiting', 'unfinished', 'unfinished', window]),
    onDuplicate: random.pick(after.length > 0 ? onDuplicates.slice(0, 2) : onDuplicates),
    after,
  };
  await add(world, [newPlan(world, pickQueue(world), more)]);
}

export const addAfter: Step = (world) =>
  add(world, [newPlan(world, pickQueue(world), { after: childrenOf(world) })]);

function childrenOf(world: World, which?: (job: ModelJob) => boolean): Plan['after'] {
  const children = [pickJob(world, which), pickJob(world, isUnfinished)].filter((job) => job !== undefined);
  return children.map((child) => ({ child, ignores: world.random.below(3) === 0 }));
}
