// Caches: who is measured, and what the benchmark does with each of them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasDiskCache } from '../candidates/diskcache.js';
import { pageOf } from './data.js';
import { kept } from './temporary.js';

/** @typedef {import('./queues.js').Candidate} Candidate */

/** What is memoized. @param {number} n */
export const computed = (n) => pageOf(n, 1000);

const script = fileURLToPath(new URL('../processes/diskcache_cache.py', import.meta.url));

/** A process with DiskCache's Cache open, or its FanoutCache, where there are shards. @param {string} directory @param {{ eviction?: string, shards?: number }} [options] */
export async function startDiskCache(directory, { eviction = 'least-recently-stored', shards = 0 } = {}) {
  const args = [script, directory, eviction, String(shards)];
  const child = kept(spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('DiskCache: its process has ended');
    return JSON.parse(value);
  };
  await answer();
  return {
    /** @param {object} question */
    ask: (question) => {
      child.stdin.write(JSON.stringify(question) + '\n');
      return answer();
    },
    close: () => void child.stdin.end(),
  };
}

/** DiskCache, as a peer that measures itself. @param {{ directory: string, eviction?: string }} place */
async function openDiskCache({ directory, eviction }) {
  const { ask, close } = await startDiskCache(directory, { eviction });
  const remote = (method, inputs) => ask({ method, inputs });
  return {
    methods: [
      ...['get', 'set', 'setFor', 'delete', 'getMany', 'setMany', 'add', 'touch', 'increment', 'memoized'],
    ],
    remote,
    fill: (entries) => remote('fill', [[entries]]),
    close,
  };
}

/** Opens a candidate's cache. @param {Candidate} candidate @param {object} place */
export async function openCache({ module }, place) {
  if (module === 'diskcache') return await openDiskCache(place);
  const candidate = await import(`../candidates/caches/${module}.js`);
  return await candidate.openCache(place);
}

/** @type {readonly Candidate[]} */
const all = [
  { name: 'by hand', module: 'by-hand', on: 'directory' },
  { name: 'Holdfast', module: 'holdfast', on: 'directory' },
  { name: 'lmdb', module: 'lmdb', on: 'directory' },
  { name: 'keyv', module: 'keyv', on: 'directory' },
  { name: 'cacache', module: 'cacache', on: 'directory' },
  { name: 'Redis', module: 'redis', on: 'redis' },
  { name: 'DiskCache', module: 'diskcache', on: 'directory' },
];

/** What it needs, where that is not there. */
const needs = {
  redis: 'redis-server and the npm package redis',
  keyv: 'the npm packages keyv and @keyv/sqlite',
  diskcache: 'python3 with diskcache',
};

/** Those that are there; says which are not. @param {{ peers: boolean, redis?: object }} options */
export function findCaches({ peers, redis }) {
  const isThere = ({ module, on }) => {
    if (module === 'by-hand' || module === 'holdfast') return true;
    if (module === 'diskcache') return hasDiskCache();
    if (on === 'redis') return redis !== undefined;
    const name = module === 'keyv' ? '@keyv/sqlite' : module;
    return existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url));
  };
  if (!peers) return all.slice(0, 2);
  const absent = all.filter((candidate) => !isThere(candidate));
  if (absent.length > 0) {
    const missing = absent.map(({ module }) => needs[module] ?? `the npm package ${module}`);
    console.error(`Not measured against, since absent: ${missing.join(', ')}.\n`);
  }
  return all.filter((candidate) => !absent.includes(candidate));
}
