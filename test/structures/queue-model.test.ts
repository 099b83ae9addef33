import { expect, test } from 'vitest';
import { Index } from '../../src/index.js';
import { derivedSeed } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import { Random } from './model-steps.js';
import { isUnfinished, type Policy } from './queue-model/jobs.js';
import { noLimits } from './queue-model/limits.js';
import { unscheduleAll } from './queue-model/scheduling.js';
import { randomStep } from './queue-model/steps.js';
import { unitOf, World } from './queue-model/world.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const only = process.env['ROUND'];
/** How many steps are shown. */
const steps = Number(process.env['STEPS'] ?? 30);

/** Lets all jobs end: everything goes on, and handlers complete. */
async function drain(world: World): Promise<void> {
  for (const zombie of world.members.filter((member) => member.zombie))
    await world.act(`zombie ${zombie.owner} closes`, () => world.leave(zombie));
  await unscheduleAll(world);
  for (const name of world.names) {
    await world.act(`${name} resume`, () =>
      world.leniently(async () => {
        await world.anyMember().queues[name]!.resume();
        world.paused.delete(name);
      }),
    );
    if (world.random.below(2) === 0)
      await world.act(`${name} no limits`, () => world.setLimits(name, noLimits));
  }
  for (let turns = 0; [...world.model.jobs.values()].some(isUnfinished); turns++) {
    expect(turns, `jobs that do not end: ${world.log.slice(-20).join('; ')}`).toBeLessThan(1_000);
    await world.settle();
    await world.act('all complete', () => {
      for (const { run } of world.live()) run.finish({ kind: 'completed', result: `done ${run.job.id}` });
      for (const run of world.lost()) run.finish({ kind: 'completing', result: 'late', thenThrows: false });
      if (world.embedded) world.machine.now += unitOf(world.engine);
    });
  }
  await world.settle();
}

/** How each job has ended is told to whoever asks. */
async function checkEnds(world: World): Promise<void> {
  const { store, queues } = world.anyMember();
  for (const job of world.model.jobs.values()) {
    const what = `job ${job.id}: ${world.log.slice(-10).join('; ')}`;
    const result = queues[job.queue]!.handle(job.id).result({ timeout: 5_000 });
    if (job.state === 'completed') expect(await result, what).toBe(job.result);
    else
      await expect(result, what).rejects.toMatchObject(
        job.state === 'cancelled' ? { code: 'ERR_CANCELLED' } : expect.any(Error),
      );
  }
  const effects = await new Index<number, number>(store, 'effects').toMap();
  expect(effects, 'how often jobs have had their effects').toEqual(world.effects);
}

forEachEngine((engine) => {
  const rounds = Number(process.env['ROUNDS'] ?? (engine.name === 'embedded' ? 10 : 3));
  const stepsOfRound = engine.name === 'embedded' ? 200 : 60;

  test(
    `random steps on two queues, by several stores with workers, agree with the model (SEED=${seed})`,
    { timeout: 60_000 + rounds * 60_000 },
    async () => {
      for (let round = 0; round < rounds; round++) {
        if (only !== undefined && Number(only) !== round) continue;
        const random = new Random(derivedSeed(seed, round));
        const policy = (): Policy => ({
          attempts: 1 + random.below(3),
          backoff: unitOf(engine),
          maxDeaths: 2 + random.below(3),
          keeps: random.below(3) > 0,
        });
        const world = new World(engine, random, { jobs: policy(), others: policy() });
        try {
          await world.open(2 + random.below(2));
          await world.settle();
          for (let i = 0; i < stepsOfRound; i++) {
            await randomStep(world);
            await world.settle();
          }
          await drain(world);
          await checkEnds(world);
        } catch (error) {
          (error as Error).message +=
            `\nSEED=${seed} ROUND=${round}, after: ${world.log.slice(-steps).join('\n')}`;
          throw error;
        }
        for (const member of world.members) await member.close();
      }
    },
  );
});
