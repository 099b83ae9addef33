// A process with a queue, which does what it is asked for. Arguments: the module in candidates/queues, and the options for it, as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import { now, randomFrom } from '../lib/measure.js';

const [candidate, options] = process.argv.slice(2);
const { openQueue } = await import(`../candidates/queues/${candidate}.js`);
const queue = await openQueue(JSON.parse(options));

/** Adds jobs one at a time, `inFlight` at once. */
async function add({ from, count, inFlight = 1 }) {
  const start = now();
  let next = from;
  const end = from + count;
  const one = async () => {
    while (next < end) {
      const added = queue.add(next++);
      if (added instanceof Promise) await added;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return now() - start;
}

async function addMany({ from, count, size = 1000 }) {
  const start = now();
  for (let n = from; n < from + count; n += size) await queue.addMany(n, Math.min(size, from + count - n));
  return now() - start;
}

/** How often it is looked whether no handler was called any more, and then whether nothing is left, in milliseconds. */
const lookEvery = 3;
/** For how long nothing may happen while jobs are left, in milliseconds: some must be lost then. */
const patience = 60_000;

/** Runs what there is, until nothing is left. Gives back when the first one started, when nothing was left, and how often each ran. */
async function work({ from, count, startAt = 0, ...how }) {
  const seen = new Uint8Array(count);
  let first;
  let runs = 0;
  const handler = (n) => {
    first ??= now();
    runs++;
    seen[n - from]++;
  };
  if (startAt > 0) await sleep(startAt - Date.now());
  const worker = await queue.work(handler, how);
  let before = -1;
  for (let idle = 0; ; idle++) {
    await sleep(lookEvery);
    if (runs === before && (await queue.left()) === 0) break;
    if (runs !== before) idle = 0;
    if (idle * lookEvery > patience) throw new Error(`${await queue.left()} jobs are left, and none runs`);
    before = runs;
  }
  const end = now();
  await worker.stop();
  return { first: first ?? end, end, seen: Buffer.from(seen).toString('base64') };
}

let listening;
const heard = [];

/** Waits for jobs, and notes when each has come. */
async function listen() {
  listening = await queue.work((n) => heard.push([n, now()]), {});
}

async function listened({ count }) {
  for (let tries = 0; heard.length < count && tries < 300; tries++) await sleep(20);
  await listening.stop();
  return heard;
}

/** Adds a job now and then; notes the moments just before. */
async function addNowAndThen({ count }) {
  const random = randomFrom(20_260_104);
  const added = [];
  for (let n = 0; n < count; n++) {
    await sleep(15 + 30 * random());
    added.push([n, now()]);
    await queue.add(n);
  }
  return added;
}

/** The share of a processor that this process takes, idle. */
async function idle({ seconds }) {
  const [start, { user, system }] = [now(), process.cpuUsage()];
  await sleep(seconds * 1000);
  const used = process.cpuUsage();
  return ((used.user - user + used.system - system) * 1000) / (now() - start);
}

const commands = {
  ...{ add, addMany, work, listen, listened, addNowAndThen, idle },
  left: () => queue.left(),
  check: ({ total }) => queue.check?.(total),
  close: () => queue.close(),
};

process.on('message', async ({ command, ...rest }) => {
  const result = await commands[command](rest);
  process.send({ result }, () => {
    // Peers leave timers behind.
    if (command === 'close') process.exit();
  });
});
process.send('ready');
