import { expect, test } from 'vitest';
import { derivedSeed } from '../support/random.js';
import { engines } from '../support/stores.js';
import { checkBarrier } from './history/barrier.js';
import { check, type Checked, type Model, type Rule } from './history/checker.js';
import { recordHistory } from './history/runner.js';
import { checkLatches } from './history/latch.js';
import type { Entry } from './history/records.js';
import { checkSeveral } from './history/several.js';
import { checkThrottle } from './history/throttle.js';
import { bargingAllowed, strict } from './history/waiting.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

type Check = (entries: readonly Entry[]) => Checked;

/** What is wrong, how it is checked, and what is to be found. */
type Mistakes = Readonly<Record<string, readonly [subject: string, check: Check, rules: readonly Rule[]]>>;

const expecting =
  (model: Partial<Model>): Check =>
  (entries) =>
    check(entries, { capacity: 1, order: bargingAllowed, ...model });
const lock = expecting({});
// As the scripts in `test/processes/history/` have it.
const permits = 4;
const barrier: Check = (entries) => checkBarrier(entries, 3);
const latch: Check = (entries) => checkLatches(entries, 4);
const throttle: Check = (entries) => checkThrottle(entries, { burst: 10, rate: 100 / 500, exact: true });

/** What those are called in `test/processes/history/` that make mistakes. */
const broken: Mistakes = Object.fromEntries(
  (
    [
      ['lock that is none', lock, ['held together', 'lost updates']],
      ['lock whose release frees whoever holds it', lock, ['held together', 'lost updates']],
      ['lock that robs whoever is stopped', lock, ['held together']],
      ['lock whose fences repeat', lock, ['fences']],
      ['lock that forgets who waits', lock, ['forgotten']],
      ['several locks that are taken one by one', checkSeveral, ['all or nothing', 'forgotten']],
      ['barrier that counts those who have left', barrier, ['passed early']],
      ['barrier that is reset by itself', barrier, ['broken for nothing']],
      ['barrier that mends itself', barrier, ['passed though broken']],
      ['latch that counts down twice', latch, ['passed early', 'miscounted']],
      ['latch that loses counts', latch, ['miscounted']],
      ['latch that forgets who waits', latch, ['forgotten']],
      ['throttle that each process has for itself', throttle, ['too much']],
      ['throttle that counts what it refuses', throttle, ['refused']],
      ['throttle that forgets who waits', throttle, ['forgotten']],
    ] as const
  ).map(([subject, ...rest]) => [subject, [subject, ...rest]]),
);

/** These are right, but more is expected of them than they promise. */
const expectedTooMuch: Mistakes = {
  'lock that lets newcomers pass': ['lock', expecting({ order: strict }), ['order']],
  'semaphore that gives a permit too many': [
    'semaphore',
    expecting({ capacity: permits - 1 }),
    ['held together'],
  ],
  'semaphore that lets newcomers pass': [
    'semaphore',
    expecting({ capacity: permits, order: strict }),
    ['order'],
  ],
  'barrier at which fewer meet': ['barrier', (entries) => checkBarrier(entries, 4), ['passed early']],
};

/** Whether a mistake shows in a run is a matter of chance, on a slow machine more than on a fast one. */
const mostRuns = 8;

test.each(Object.entries({ ...broken, ...expectedTooMuch }))(
  'found out: %s',
  { timeout: mostRuns * 30_000 },
  async (_, [subject, check, rules]) => {
    const [embedded] = engines;
    const found = new Set<string>();
    const summaries: string[] = [];
    // At a barrier as many as meet, or the last ones would wait for ever.
    const size = { processes: 4, tasks: subject.startsWith('barrier') ? 3 : 2, seconds: 1.5 };
    const nemesis = { kills: 2, stops: 12, deaths: 0.02, patience: 1_500 };
    for (let i = 0; i < mostRuns && !rules.every((rule) => found.has(rule)); i++) {
      const run = { location: embedded.location(await embedded.open()), subject, seed: derivedSeed(seed, i) };
      const { violations, summary } = check(await recordHistory({ ...run, ...size, ...nemesis }));
      for (const rule of Object.keys(violations)) found.add(rule);
      summaries.push(JSON.stringify(summary));
    }
    expect([...found], `SEED=${seed}: ${summaries.join(', ')}`).toEqual(expect.arrayContaining([...rules]));
  },
);
