import { describe, expect, test } from 'vitest';
import { derivedSeed, randomFrom } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import { checkBarrier } from './history/barrier.js';
import { check, type Checked, type Model } from './history/checker.js';
import { checkLatches } from './history/latch.js';
import type { Entry } from './history/records.js';
import { recordHistory } from './history/runner.js';
import { checkSeveral } from './history/several.js';
import { checkThrottle } from './history/throttle.js';
import { bargingAllowed, strict } from './history/waiting.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const given = process.env['HISTORY_SECONDS'];
const permits = 4;
/** As `test/processes/history/barrier.js` has it. */
const parties = 3;
/** As `test/processes/history/latch.js` has it. */
const count = 4;
/** As `test/processes/history/throttle.js` has them. A span may touch two windows more than it is long. */
const limits = { burst: 10, rate: 100 / 500, exact: true };
const windows = { burst: 2 * 20, rate: 20 / 100, exact: false };
/** As `readWriteShape` of `test/processes/history/shapes.js` has it. */
const readersAtMost = 1_000;

/** What gives out grants, and what is promised of it. */
const models: Readonly<Record<string, Model>> = {
  lock: { capacity: 1, order: bargingAllowed },
  'fair lock': { capacity: 1, order: strict },
  rlock: { capacity: 1, order: bargingAllowed },
  'read-write lock': { capacity: readersAtMost, order: bargingAllowed },
  'fair read-write lock': { capacity: readersAtMost, order: strict },
  semaphore: { capacity: permits, order: bargingAllowed },
  'fair semaphore': { capacity: permits, order: strict },
  election: { capacity: 1, order: strict },
};

/** What is tested otherwise. */
interface Other {
  /** What is to be shown, as the end of a sentence. */
  readonly shows: string;
  /** @param afterDeath - For how long what a process has sent may be done when it is dead: milliseconds. */
  readonly check: (entries: readonly Entry[], afterDeath: number) => Checked;
  /** How many each process has at least. */
  readonly tasks?: number;
  /** How many are to be let through, in as many histories as that takes. */
  readonly enough?: number;
}

const others: Readonly<Record<string, Other>> = {
  'several locks': {
    shows: 'all or none is held, each excludes, nobody waits for ever',
    check: checkSeveral,
  },
  barrier: {
    shows: 'nobody passes early, who leaves breaks the round, and nobody is forgotten',
    check: (entries, afterDeath) => checkBarrier(entries, parties, afterDeath),
    tasks: parties,
    enough: parties * 3,
  },
  latch: {
    shows: 'nobody passes early, no count is lost, and nobody is forgotten',
    check: (entries, afterDeath) => checkLatches(entries, count, afterDeath),
    // With two processes or more they are as many as the count.
    tasks: count / 2,
  },
  throttle: {
    shows: 'no more than the limit is let through, nor less, and nobody is forgotten',
    check: (entries, afterDeath) => checkThrottle(entries, limits, afterDeath),
    tasks: 2,
  },
  'sliding-window throttle': {
    shows: 'no more than the limit is let through, and nobody is forgotten',
    check: (entries, afterDeath) => checkThrottle(entries, windows, afterDeath),
    tasks: 2,
  },
};

const givers = Object.entries(models).map(([subject, model]): [string, Other] => [
  subject,
  {
    shows: 'what is held excludes, fences grow, who came first goes first, and nobody is forgotten',
    check: (entries) => check(entries, model),
  },
]);
const subjects = [...givers, ...Object.entries(others)];

forEachEngine((engine) => {
  const seconds = Number(given ?? (engine.name === 'embedded' ? 3 : 2));
  const most = engine.name === 'embedded' ? 8 : 4;
  const afterDeath = engine.name === 'embedded' ? 0 : 2_000;
  // To start a process, and to connect it, takes a good part of a second on a busy machine.
  const kills = engine.name === 'embedded' ? 1.5 : 0.7;

  describe('histories of processes that are killed, stopped and give up', () => {
    for (const [i, [subject, { shows, check, tasks: least = 1, enough = 20 }]] of subjects.entries()) {
      test(`${subject}: ${shows}`, { timeout: seconds * 1000 + 90_000 }, async () => {
        const random = randomFrom(derivedSeed(seed, i));
        const processes = 2 + Math.floor(random() * (most - 1));
        const tasks = least + Math.floor(random() * 2);
        let grants = 0;
        // On a machine that is busy with other things one history may have few.
        for (let recorded = 0; grants < enough; recorded++) {
          const location = engine.location(await engine.open());
          const entries = await recordHistory({ location, subject, seed, processes, tasks, seconds, kills });
          const { violations, summary } = check(entries, afterDeath);
          const which = `SEED=${seed}: ${processes} processes of ${tasks}: ${JSON.stringify(summary)}`;
          if (given !== undefined) console.log(`${engine.name}, ${subject}, ${which}`);
          expect(violations, which).toEqual({});
          expect(recorded, `too few are let through: ${which}`).toBeLessThan(10);
          grants += summary.grants;
        }
      });
    }
  });
});
