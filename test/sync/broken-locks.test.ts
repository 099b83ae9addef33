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
const lock: Model = { capacity: 1, order: bargingAllowed };
const permits = 4;

/** As `test/processes/history/barrier.js` has it. */
const checkThree: Checker = (entries) => checkBarrier(entries, 3);

/** As `test/processes/history/latch.js` has it. */
const checkFour: Checker = (entries) => checkLatches(entries, 4);

/** As `test/processes/history/throttle.js` has it. */
const checkRate: Checker = (entries) => checkThrottle(entries, { burst: 10, rate: 100 / 500, exact: true });

type Checker = (entries: readonly Entry[]) => Checked;

/** What is wrong with what gives out grants, and what is to be found. The last ones are right, but more is expected of them than they promise. */
const mistakes: Readonly<
  Record<string, readonly [subject: string, model: Model | Checker, rules: readonly Rule[]]>
> = {
  'lock that is none': ['lock that is none', lock, ['held together', 'lost updates']],
  'lock whose release frees whoever holds it': [
    'lock whose release frees whoever holds it',
    lock,
    ['held together', 'lost updates'],
  ],
  'lock that robs whoever is stopped': ['lock that robs whoever is stopped', lock, ['held together']],
  'lock whose fences repeat when a holder is killed': ['lock whose fences repeat', lock, ['fences']],
  'lock that forgets who waits': ['lock that forgets who waits', lock, ['forgotten']],
  'lock that lets newcomers pass': ['lock', { ...lock, order: strict }, ['order']],
  'semaphore that gives a permit too many': [
    'semaphore',
    { capacity: permits - 1, order: bargingAllowed },
    ['held together'],
  ],
  'way to take several locks one by one': [
    'several locks that are taken one by one',
    checkSeveral,
    ['all or nothing', 'forgotten'],
  ],
  'barrier that counts those who have left': [
    'barrier that counts those who have left',
    checkThree,
    ['passed early'],
  ],
  'barrier at which fewer meet': ['barrier', (entries) => checkBarrier(entries, 4), ['passed early']],
  'barrier that is reset by itself': ['barrier that is reset by itself', checkThree, ['broken for nothing']],
  'barrier that mends itself': ['barrier that mends itself', checkThree, ['passed though broken']],
  'latch that counts down twice': ['latch that counts down twice', checkFour, ['passed early', 'miscounted']],
  'latch that loses counts': ['latch that loses counts', checkFour, ['miscounted']],
  'latch that forgets who waits': ['latch that forgets who waits', checkFour, ['forgotten']],
  'throttle that each process has for itself': [
    'throttle that each process has for itself',
    checkRate,
    ['too much'],
  ],
  'throttle that counts what it refuses': ['throttle that counts what it refuses', checkRate, ['refused']],
  'throttle that forgets who waits': ['throttle that forgets who waits', checkRate, ['forgotten']],
  'semaphore that lets newcomers pass': ['semaphore', { capacity: permits, order: strict }, ['order']],
};

/** Whether a mistake shows in a run is a matter of chance, on a slow machine more than on a fast one. */
const mostRuns = 8;

test.each(Object.entries(mistakes))(
  'a %s is found out',
  { timeout: mostRuns * 30_000 },
  async (_, [subject, expected, rules]) => {
    const checked =
      typeof expected === 'function' ? expected : (entries: readonly Entry[]) => check(entries, expected);
    const [embedded] = engines;
    const found = new Set<string>();
    const summaries: string[] = [];
    for (let i = 0; i < mostRuns && !rules.every((rule) => found.has(rule)); i++) {
      const location = embedded.location(await embedded.open());
      const nemesis = { kills: 2, stops: 12, deaths: 0.02, patience: 1_500 };
      // As many as meet, or the last ones would wait for ever.
      const tasks = subject.startsWith('barrier') ? 3 : 2;
      const size = { processes: 4, tasks, seconds: 1.5 };
      const entries = await recordHistory({
        location,
        subject,
        seed: derivedSeed(seed, i),
        ...size,
        ...nemesis,
      });
      const { violations, summary } = checked(entries);
      for (const rule of Object.keys(violations)) found.add(rule);
      summaries.push(JSON.stringify(summary));
    }
    expect([...found], `SEED=${seed}: ${summaries.join(', ')}`).toEqual(expect.arrayContaining([...rules]));
  },
);
