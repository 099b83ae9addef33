import { expect, test } from 'vitest';
import { engines } from '../support/stores.js';
import { check, type Model, type Rule } from './history/checker.js';
import { recordHistory } from './history/runner.js';
import { bargingAllowed, strict } from './history/waiting.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const lock: Model = { capacity: 1, order: bargingAllowed };
const permits = 4;

/** What is wrong, and what is to be found. The last ones are right, but more is expected of them than they promise. */
const mistakes: Readonly<Record<string, readonly [subject: string, model: Model, rules: readonly Rule[]]>> = {
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
  'semaphore that lets newcomers pass': ['semaphore', { capacity: permits, order: strict }, ['order']],
};

test.each(Object.entries(mistakes))('a %s is found out', async (_, [subject, model, rules]) => {
  const [embedded] = engines;
  const location = embedded.location(await embedded.open());
  const nemesis = { kills: 2, stops: 12, deaths: 0.02, patience: 1_500 };
  const run = { location, subject, seed, processes: 4, tasks: 2, seconds: 1.5, ...nemesis };
  const { violations, summary } = check(await recordHistory(run), model);
  const found = Object.keys(violations);
  expect(found, `SEED=${seed}: ${JSON.stringify(summary)}`).toEqual(expect.arrayContaining([...rules]));
});
