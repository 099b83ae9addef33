// @ts-check
// A folder of Markdown becomes a folder of pages: `node main.js [--workers=3] [--from=<folder>] [--out=<folder>]`. A producer adds the
// jobs, workers do them, one of which is killed midway. In the end all pages are looked at, and this program fails if one is not right.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setInterval, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Progress } from '../archaeology/progress.js';
import { check } from './check.js';
import { Crew } from './crew.js';
import { filesIn } from './files.js';
import { startReports } from './report.js';
import { Site } from './site.js';

const usage =
  'Usage: node main.js [--workers=<1 to 64>] [--from=<folder with Markdown>] [--out=<folder for pages, new or of an earlier run>]';

try {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '3' },
      from: { type: 'string', default: fileURLToPath(new URL('../../node_modules', import.meta.url)) },
      out: { type: 'string' },
    },
  });
  const out = values.out === undefined ? mkdtempSync(join(tmpdir(), 'job-queue-')) : resolve(values.out);
  try {
    await main(within(values.workers, 1, 64), resolve(values.from), out);
  } finally {
    if (values.out === undefined) rmSync(out, { recursive: true, force: true });
  }
} catch (error) {
  const isUsage = error instanceof RangeError || (error instanceof TypeError && 'code' in error);
  console.error(isUsage ? `job-queue: ${error.message}\n${usage}` : error);
  process.exitCode = isUsage ? 2 : 1;
}

/** @param {string} text @param {number} least @param {number} most */
function within(text, least, most) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most)
    throw new RangeError(`${text} is no whole number from ${least} to ${most}`);
  return number;
}

/** @param {number} workers @param {string} from @param {string} out */
async function main(workers, from, out) {
  const files = existsSync(from) ? filesIn(from, '.md').length : 0;
  if (files === 0) throw new RangeError(`${from} has no Markdown in it`);
  mkdirSync(out, { recursive: true });
  const site = new Site(out);
  const crew = new Crew(workers, [from, out]);
  try {
    await Promise.race([makePages(site, crew, [from, out]), crew.failed]);
    report(site, check(site, from, out), files);
  } finally {
    await crew.end();
    site.close();
  }
}

/** @param {Site} site @param {Crew} crew @param {string[]} folders */
async function makePages(site, crew, folders) {
  const before = site.counts().completed;
  const producer = fork(new URL('producer.js', import.meta.url), folders);
  const [code] = await once(producer, 'exit');
  if (code !== 0) throw new Error(`the producer has ended with code ${code}`);

  const total = site.left + site.counts().completed - before;
  const progress = new Progress(process.stderr, total);
  const over = new AbortController();
  const shown = async () => {
    for await (const _ of setInterval(100, undefined, { signal: over.signal }))
      progress.update(site.counts().completed - before);
  };
  /** @param {string} line */
  const say = (line) => {
    progress.end();
    console.log(line);
  };
  say(`Pages to make: ${total}`);
  const endReports = startReports(site, say);
  try {
    await Promise.race([Promise.all([site.idle(), killOne(site, crew, Math.ceil(total / 2), say)]), shown()]);
  } finally {
    over.abort();
    progress.end();
    await endReports();
  }
}

/**
 * When no more than `half` of the jobs are left, kills the worker that has most of them under way; and one more, if that one had just ended all.
 *
 * @param {Site} site
 * @param {Crew} crew
 * @param {number} half
 * @param {(line: string) => void} say
 */
async function killOne(site, crew, half, say) {
  for (; site.left > 0; await sleep(20)) {
    const [worker, jobs] = site.left > half ? [0, []] : busiest(site);
    if (!crew.kill(worker)) continue;
    say(`Killed worker ${worker} with ${jobs.length} pages under way: ${jobs.join(', ')}.`);
    await sleep(500);
    if (site.jobs().some(({ deaths }) => deaths > 0)) return;
  }
}

/** The worker that has most under way, and what. @param {Site} site @returns {[worker: number, jobs: string[]]} */
function busiest(site) {
  /** @type {Map<number, string[]>} */
  const under = new Map();
  for (const { state, data, progress } of site.jobs()) {
    if (state !== 'running' || progress === undefined) continue;
    const { step, worker } = /** @type {import('./worker.js').Told} */ (progress);
    under.set(worker, [...(under.get(worker) ?? []), `${data.path} (${step})`]);
  }
  return [...under].sort(([, a], [, b]) => b.length - a.length)[0] ?? [0, []];
}

/** @param {Site} site @param {string[]} problems @param {number} files */
function report(site, problems, files) {
  const jobs = site.jobs();
  /** @param {(job: typeof jobs[number]) => number} number */
  const sum = (number) => jobs.reduce((total, job) => total + number(job), 0);
  console.log(`Publishing failed ${sum(({ failures }) => failures)} times, on purpose, and was tried again.`);
  console.log(
    `${sum(({ deaths }) => deaths)} pages were begun by a worker that was killed, and made by another.`,
  );
  console.log(
    Object.entries(site.counts())
      .map(([state, count]) => `${count} ${state}`)
      .join(', '),
  );
  for (const { state, data, errors } of jobs)
    if (state === 'failed') console.error(`${data.path}: failed for good: ${errors.at(-1)?.error.message}`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`${files} files, ${files} pages: each made once, and of what is in its file.`);
}
