// @ts-check
// Does random rounds with what is tested until it is told to stop; then some in which it waits until it is served.
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { derivedSeed, randomFrom } from '../support/random.js';
import { args, openStore, receive, send } from './child.js';
import { Log } from './history/log.js';
import { PlainNumber } from './history/number.js';
import { patientRound, plannedRound, Rounds } from './history/rounds.js';
import { subjects } from './history/subjects.js';

const {
  location,
  directory,
  subject: tested,
  process: number,
  tasks,
  seed,
  deaths,
  epoch,
} = JSON.parse(args[0] ?? '');
const log = new Log(join(directory, `log-${number}`), epoch);
const plain = new PlainNumber(join(directory, 'number'));
const store = await openStore(location);
const make = subjects[tested];
if (make === undefined) throw new TypeError(`there is no ${tested}`);
const subject = make(store, directory);
let stopping = false;

/** @param {number} task */
async function run(task) {
  const random = randomFrom(derivedSeed(seed, number, task));
  // At once: those of all tasks are there before the first one begins.
  /** @type {import('./history/shapes.js').OtherRounds} */
  const rounds = 'rounds' in subject ? subject.rounds(log, number) : new Rounds(subject, log, plain, number);
  // A task must not be inside what another one holds.
  await sleep(0);
  while (!stopping) {
    const plan = plannedRound(random, subject, deaths);
    await rounds.round(plan);
    await sleep(plan.think);
  }
  const patient = () => ({ ...plannedRound(random, subject, deaths), ...patientRound });
  if (rounds.finish === undefined) for (let i = 0; i < 3; i++) await rounds.round(patient());
  else await rounds.finish(patient);
}

send('started');
const running = Promise.all(Array.from({ length: tasks }, (_, task) => run(task)));
await Promise.race([receive(), running]);
stopping = true;
if ('calm' in subject) subject.calm?.();
await running;
await store.close();
