// @ts-check
// Answers of a model that is slow, dear and now and then overloaded, asked for once by all processes: `node model-call.js`.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Cache, open } from 'holdfast';

/** Stands for the model, a network away. */
const model = { isOverloaded: false, day: 'Monday' };

/** @param {{ question: string, temperature?: number }} prompt @returns {Promise<string>} */
async function complete({ question }) {
  console.log(`      ... process ${process.pid} calls the model: ${question}`);
  await sleep(200);
  if (model.isOverloaded) throw new Error('529: the model is overloaded');
  return `${answers[question] ?? 'I am only a small function.'} (Said on ${model.day}.)`;
}

/** @type {Record<string, string>} */
const answers = {
  'What is a holdfast?':
    'What a seaweed has in place of roots: it takes nothing from the rock, it just never lets go.',
  'Do waves tear it off?': 'Rarely. Often it is the rock that gives way.',
  'How old does kelp get?': 'Some live for 25 years, and have a ring for each in the stalk.',
};

/** A clock after a restart two days from now, for nobody is to wait so long. */
const inTwoDays = {
  wall: () => Date.now() + 2 * 24 * 3_600_000,
  monotonic: () => performance.now(),
  boot: () => 'Wednesday',
};

/** This is all: a function that remembers, for a day, in all processes. @param {import('holdfast').Store} store */
const remembering = (store) => new Cache(store, 'answers').memoize(complete, { ttl: '1d', staleFor: '7d' });

// A process that others start: 25 callers with one question, at once.
const [directory, question = ''] = process.argv.slice(2);
if (directory !== undefined) {
  const store = open(directory);
  const ask = remembering(store);
  const all = await Promise.all(Array.from({ length: 25 }, () => ask({ question })));
  console.log(`  Process ${process.pid}, 25 callers: ${[...new Set(all)].join(' or ')}`);
  store.close();
} else {
  const scratch = mkdtempSync(join(tmpdir(), 'model-call-'));
  await main(scratch).finally(() => rmSync(scratch, { recursive: true, force: true }));
}

/** @param {string} directory */
async function main(directory) {
  const store = open(directory);
  const ask = remembering(store);

  console.log('The first call waits for the model; the second is read from the store:');
  await timed(() => ask({ question: 'What is a holdfast?', temperature: 0 }));
  await timed(() => ask({ temperature: 0, question: 'What is a holdfast?' }));

  console.log('\nFour processes with 25 callers each; one calls the model, the others wait for that:');
  const runs = Array.from({ length: 4 }, () =>
    promisify(execFile)(process.execPath, [
      fileURLToPath(import.meta.url),
      directory,
      'Do waves tear it off?',
    ]),
  );
  for (const { stdout } of await Promise.all(runs)) process.stdout.write(stdout);

  console.log('\nAn error goes to those who wait for it, and is not kept:');
  model.isOverloaded = true;
  await timed(() => ask({ question: 'How old does kelp get?' }));
  model.isOverloaded = false;
  await timed(() => ask({ question: 'How old does kelp get?' }));
  store.close();

  console.log('\nTwo days later: the old answer at once, while a new one is on its way:');
  model.day = 'Wednesday';
  const prompt = { question: 'What is a holdfast?', temperature: 0 };
  const later = open(directory, { clock: inTwoDays });
  const askLater = remembering(later);
  await timed(() => askLater(prompt));
  while ((await askLater(prompt)).includes('Monday')) await sleep(20);
  await timed(() => askLater(prompt));
  later.close();
}

/** @param {() => Promise<unknown>} call */
async function timed(call) {
  const began = performance.now();
  const answer = await call().catch((error) => `${error}`);
  console.log(`  ${(performance.now() - began).toFixed(1).padStart(5)} ms: ${answer}`);
}
