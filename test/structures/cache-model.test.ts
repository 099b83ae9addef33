import { test } from 'vitest';
import { derivedSeed } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import { produce } from './cache-model/producing.js';
import { World } from './cache-model/world.js';
import { Random } from './model-steps.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const only = process.env['ROUND'];
/** How many steps are shown. */
const shown = Number(process.env['STEPS'] ?? 30);

async function play(world: World, turns: number): Promise<void> {
  await world.open();
  for (let turn = 0; turn < turns; turn++) {
    if (world.random.below(10) === 0) await produce(world);
    else await world.turn();
    if (turn % 5 === 0) await world.check();
  }
  await world.close();
}

forEachEngine((engine) => {
  const rounds = Number(process.env['ROUNDS'] ?? (engine.name === 'embedded' ? 4 : 1));
  const turns = engine.name === 'embedded' ? 250 : 80;

  test(
    `random steps on a cache, by several objects of several stores, agree with the model (SEED=${seed})`,
    { timeout: 60_000 + rounds * 60_000 },
    async () => {
      for (let round = 0; round < rounds; round++) {
        if (only !== undefined && Number(only) !== round) continue;
        // A server has no shards.
        const shards = engine.name === 'embedded' && round % 2 === 1 ? 3 : 1;
        const world = new World(engine, new Random(derivedSeed(seed, round)), shards);
        try {
          await play(world, turns);
        } catch (error) {
          (error as Error).message +=
            `\nSEED=${seed} ROUND=${round}, after: ${world.log.slice(-shown).join('\n')}`;
          throw error;
        }
      }
    },
  );
});
