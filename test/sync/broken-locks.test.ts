import { expect, test } from 'vitest';
import { engines } from '../support/stores.js';
import { check, type Model, type Rule } from './history/checker.js';
import { recordHistory } from './history/runner.js';
import { bargingAllowed, strict } from './history/waiting.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const lock: Model = { capacity: 1, order: bargingAllowed };
const permits = 4;

/** What is wrong, what it is found by, and what is to be found. The last ones are right, but not what the checker is told. */
const mistakes: readonly (readonly [subject: string, model: Model, rules: readonly Rule[]])[] = [
  ['lock that is none', lock, ['held together', 'lost updates']],
  ['lock whose release frees whoever holds it', lock, ['held together', 'lost updates']],
  ['lock that robs whoever is stopped', lock, ['held together']],
  ['lock whose fences repeat', lock, ['fences']],
  ['lock that forgets who waits', lock, ['forgotten']],
  ['lock', { ...lock, order: strict }, ['order']],
  ['semaphore', { capacity: permits - 1, order: bargingAllowed }, ['held together']],
  ['semaphore', { capacity: permits, order: strict }, ['order']],
];

test.each(mistakes)('a %s is found out', async (subject, model, rules) => {
  const [embedded] = engines;
  const location = embedded.location(await embedded.open());
  const run = { location, subject, seed, processes: 4, tasks: 2, seconds: 2, stops: 12, patience: 2_000 };
  const { violations, summary } = check(await recordHistory(run), model);
  const found = Object.keys(violations);
  expect(found, `SEED=${seed}: ${JSON.stringify(summary)}`).toEqual(expect.arrayContaining([...rules]));
});
