import { expect } from 'vitest';
import { newPlan, optionsOf, pickQueue, type Step } from './adding.js';
import type { Now, Plan } from './jobs.js';
import { dataOf, unitOf, type World } from './world.js';

/** A schedule whose ticks come in a period. */
export interface ModelSchedule {
  plan: Plan;
  every: number;
  missed: 'skip' | 'once' | 'all';
  /** By the steady clock. */
  next: number;
}

/** What is later than that was missed, in milliseconds. */
const tolerated = 60_000;
const names = ['s', 't'];
/** On the server time passes only for schedules, by whole periods that are too long to end by themselves. */
const longPeriod = 3_600_000;

/** The ticks that are due, by the steady clock; they are dealt with then. */
export function takeTicks(one: ModelSchedule, { steady }: Now): number[] {
  const { every, missed, next } = one;
  if (next > steady) return [];
  const newest = next + Math.floor((steady - next) / every) * every;
  one.next = newest + every;
  if (missed !== 'all' && next < steady - tolerated)
    return missed === 'once' || newest >= steady - tolerated ? [newest] : [];
  return Array.from({ length: (newest - next) / every + 1 }, (_, i) => next + i * every);
}

const keyOf = (queue: string, name: string): string => `${queue} ${name}`;

export async function schedule(world: World): Promise<void> {
  const { random, model } = world;
  const queue = pickQueue(world);
  const name = random.pick(names);
  const plan = newPlan(world, queue, { delay: 0, at: undefined, expires: undefined });
  const every = world.embedded ? unitOf(world.engine) * (1 + random.below(3)) : longPeriod;
  const missed = random.pick(
    world.embedded ? (['skip', 'once', 'all'] as const) : (['once', 'all'] as const),
  );
  const { name: job, priority, group, attempts, timeout } = optionsOf(plan);
  const options = { name: job, priority, group, attempts, timeout };
  await world.act(`${queue}.schedule ${name} ${every} ${missed} ${JSON.stringify(options)}`, async () => {
    const given = { every, missed, data: dataOf({ plan }), ...options };
    const { steady } = world.clock();
    await world.anyMember().queues[queue]!.schedule(name, given);
    const old = model.schedules.get(keyOf(queue, name));
    const next = old?.every === every ? old.next : steady + every;
    model.schedules.set(keyOf(queue, name), { plan, every, missed, next });
  });
}

export async function unschedule(world: World, queue = pickQueue(world), name = world.random.pick(names)) {
  await world.act(`${queue}.unschedule ${name}`, async () => {
    const was = await world.anyMember().queues[queue]!.unschedule(name);
    expect(was, `there was a schedule ${name}`).toBe(world.model.schedules.delete(keyOf(queue, name)));
  });
}

export async function unscheduleAll(world: World): Promise<void> {
  for (const queue of world.names) for (const name of names) await unschedule(world, queue, name);
}

export const passTime: Step = async (world) => {
  const { random, model } = world;
  const periods = 1 + random.below(random.below(4) === 0 ? 14 : 3);
  const time = periods * (world.embedded ? unitOf(world.engine) : longPeriod);
  await world.act(`${time} ms pass`, async () => {
    if (world.embedded) world.machine.now += time;
    else {
      await world.ask(
        `UPDATE schedules SET since = since - ${time}, seen = seen - ${time}, next = next - ${time}`,
      );
      for (const one of model.schedules.values()) one.next -= time;
    }
  });
  // Rings, or the ticks would come only when it is looked for them.
  for (const name of world.names) if (!world.paused.has(name)) await world.anyMember().queues[name]!.resume();
};
