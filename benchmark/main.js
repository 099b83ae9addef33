// Measures Holdfast: `npm run bench`, or after a build `node benchmark/main.js [options]`. See docs/performance.md.
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { holdfast } from './candidates/holdfast.js';
import { lmdb } from './candidates/lmdb.js';
import { redis } from './candidates/redis.js';
import { byHand } from './candidates/sqlite.js';
import { asMarkdown, asText, partsOf } from './lib/report.js';
import { cleanUp, temporaryDirectory } from './lib/temporary.js';
import { measureBell } from './sections/bell.js';
import { measureCache } from './sections/cache.js';
import { measureGrowth } from './sections/growth.js';
import { measureLocks } from './sections/locks.js';
import { measureOperations } from './sections/operations.js';
import { measureProcesses } from './sections/processes.js';
import { measureQueue } from './sections/queue.js';
import { measureThrottle } from './sections/throttle.js';

const usage = `Usage: npm run bench -- [options]
  --only=<section>   operations, growth, processes, bell, locks, throttle, queue or cache; may be given more than once
  --quick            smaller stores and fewer rounds, to see that everything runs: its figures are no good
  --against=<dir>    another build of Holdfast (its dist directory), measured in the same rounds
  --no-peers         without lmdb, Redis, rate-limiter-flexible and the other queues
  --postgres=<url>   of a server whose user may create databases, for the queue; else one is started
  --markdown=<file>  writes the tables as Markdown, too
  --json=<file>      writes every figure as JSON, too`;

const sections = ['operations', 'growth', 'processes', 'bell', 'locks', 'throttle', 'queue', 'cache'];

function readOptions() {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      only: { type: 'string', multiple: true, default: sections },
      quick: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: true },
      against: { type: 'string' },
      postgres: { type: 'string' },
      markdown: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  for (const section of values.only) {
    if (!sections.includes(section)) throw new TypeError(`--only=${section}: there is no such section`);
  }
  return values;
}

/** The peers that are there; says which are not, and how to add them. */
async function findPeers() {
  const absent = { missing: [] };
  const peers = [await lmdb(), await redis(absent, temporaryDirectory())];
  if (peers[0] === undefined) absent.missing.unshift('the npm package lmdb');
  if (absent.missing.length > 0) {
    const packages =
      'for the packages: npm install --prefix benchmark; for redis-server: your system’s package manager';
    console.error(`Not measured against, since absent: ${absent.missing.join(', ')} (${packages}).\n`);
  }
  return peers.filter((peer) => peer !== undefined);
}

function machine() {
  const db = new Database(':memory:');
  const sqlite = db.prepare('SELECT sqlite_version()').pluck().get();
  db.close();
  return `${availableParallelism()} cores, Node ${process.versions.node}, SQLite ${sqlite}, ${process.platform} ${process.arch}`;
}

const progress = (what) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K… ${what}`);
};

async function measure({ only, quick, peers, against, postgres }, build) {
  const results = { machine: machine(), quick, load: loadavg()[0] };
  const common = { build, quick, progress };
  if (only.includes('operations')) {
    const candidates = [byHand, await holdfast(build)];
    if (against !== undefined)
      candidates.push(await holdfast(pathToFileURL(resolve(against, 'index.js')), 'against'));
    if (peers) candidates.push(...(await findPeers()));
    results.operations = await measureOperations({ ...common, candidates });
  }
  if (only.includes('growth'))
    results.growth = await measureGrowth({ ...common, library: await import(build) });
  if (only.includes('processes')) results.processes = await measureProcesses(common);
  if (only.includes('bell')) results.bell = await measureBell(common);
  if (only.includes('locks')) {
    const server = peers ? await redis({ missing: [] }, temporaryDirectory()) : undefined;
    results.locks = await measureLocks({ ...common, peers, redis: server });
  }
  if (only.includes('throttle')) {
    const server = peers ? await redis({ missing: [] }, temporaryDirectory()) : undefined;
    results.throttle = await measureThrottle({ ...common, peers, redis: server });
  }
  if (only.includes('queue')) {
    const server = peers ? await redis({ missing: [] }, temporaryDirectory()) : undefined;
    results.queue = await measureQueue({ ...common, peers, redis: server, postgres });
  }
  if (only.includes('cache')) {
    const server = peers ? await redis({ missing: [] }, temporaryDirectory()) : undefined;
    results.cache = await measureCache({ ...common, peers, redis: server });
  }
  return results;
}

function write(options, results, seconds) {
  const notes = [
    results.machine,
    `took ${seconds.toFixed(0)} s${results.quick ? ', --quick: these figures are no good' : ''}`,
  ];
  if (results.load > 0.5)
    notes.push(
      `other programs were running (load ${results.load.toFixed(1)} at the start): longest waits and p99 are theirs, too`,
    );
  if (results.growth) {
    const { sizes, fillSeconds } = results.growth;
    notes.push(
      `filling the store of ${sizes.at(-1)} entries and as many items took ${fillSeconds.toFixed(0)} s`,
    );
  }
  const parts = partsOf(results);
  progress('');
  if (process.stderr.isTTY) process.stderr.write('\r');
  console.log(asText(parts, notes));
  if (options.markdown !== undefined) writeFileSync(options.markdown, asMarkdown(parts, notes));
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 2) + '\n');
}

async function main() {
  const options = readOptions();
  if (options.help) return console.log(usage);
  const module = new URL('../dist/index.js', import.meta.url);
  if (!existsSync(module)) throw new Error('there is no build yet: npm run build');
  const start = performance.now();
  try {
    const results = await measure(options, String(module));
    write(options, results, (performance.now() - start) / 1000);
  } finally {
    await cleanUp();
  }
}

try {
  await main();
} catch (error) {
  console.error(
    error?.code?.startsWith('ERR_PARSE_ARGS') || error instanceof TypeError
      ? `${error.message}\n\n${usage}`
      : error,
  );
  process.exitCode = 1;
}
