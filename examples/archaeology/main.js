// @ts-check
// How old is the code? See options.js for how it is called, store.js for what is kept and why nothing gets lost.
import { renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { HoldfastError } from 'holdfast';
import { chartPage } from './chart.js';
import { Crew } from './crew.js';
import { Failure } from './failure.js';
import { findRepository } from './git.js';
import { fileVersions, mainLine, sample } from './history.js';
import { cacheDirectory, help, readOptions, UsageError } from './options.js';
import { count, Progress } from './progress.js';
import { dateOf, makeReport, middleAge } from './report.js';
import { Findings } from './store.js';
import { table } from './table.js';

/**
 * @import { Repository } from './git.js'
 * @import { Moment } from './history.js'
 * @import { Options } from './options.js'
 * @import { Report } from './report.js'
 */

/** How often the progress is looked at, in milliseconds. */
const interval = 100;

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(help);
  else await main(options);
} catch (error) {
  process.exitCode = error instanceof UsageError ? 2 : 1;
  console.error(explain(error));
}

/** @param {Options} options */
async function main(options) {
  const repository = await findRepository(options.path);
  const state = resolve(
    options.state ?? join(cacheDirectory(), 'holdfast-archaeology', `${repository.name}-${repository.id}`),
  );
  const samples = sample(await mainLine(repository, repository.head), options.samples);
  console.log(`${repository.name}: how old is the code? ${span(samples)}`);
  if (repository.boundary !== '') {
    console.log(
      'This clone is shallow: what is older than its history counts for the commits where that begins.',
    );
  }
  const survey = { boundary: repository.boundary, head: repository.head, samples: options.samples };
  const findings = new Findings(state, survey);
  try {
    const commits = samples.map(({ commit }) => commit);
    const { versions, leftOut } = findings.plan ?? (await plan(repository, commits, findings));
    if (leftOut > 0) {
      console.log(`Left out, for their names are not UTF-8 or too long: ${count(leftOut)} files.`);
    }
    const left = findings.left;
    const known = count(versions - left);
    if (left === 0) console.log(`Nothing to blame: all ${known} results were known.`);
    else {
      const workerArguments = [state, repository.gitDirectory, JSON.stringify(survey)];
      await finish(findings, left, Math.min(options.workers, left), workerArguments);
      console.log(`${count(left)} blamed, ${known} known from before.`);
    }
    const report = makeReport(repository.name, samples, (commit) => findings.totals(commit));
    show(report);
    const file = resolve(options.out ?? join(state, 'archaeology.html'));
    writeWhole(file, chartPage(report));
    console.log(`Chart: ${file}`);
  } finally {
    findings.close();
  }
}

/**
 * Finds out what is to be done.
 *
 * @param {Repository} repository
 * @param {readonly string[]} commits
 * @param {Findings} findings
 */
async function plan(repository, commits, findings) {
  const versions = [];
  const leftOut = new Set();
  for await (const version of fileVersions(repository, repository.head, commits, (path) =>
    leftOut.add(path),
  )) {
    versions.push(version);
  }
  return findings.makePlan(versions, leftOut.size);
}

/**
 * Has it done.
 *
 * @param {Findings} findings
 * @param {number} total How much there is to do.
 * @param {number} workers
 * @param {string[]} workerArguments
 */
async function finish(findings, total, workers, workerArguments) {
  const progress = new Progress(process.stderr, total);
  const interrupted = () => {
    progress.end();
    console.error('Stopped. Nothing is lost: the next run goes on.');
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  const crew = new Crew(workers, workerArguments, () => findings.left);
  const over = new AbortController();
  const shown = async () => {
    for await (const _ of setInterval(interval, undefined, { signal: over.signal }))
      progress.update(total - findings.left);
  };
  try {
    await Promise.race([findings.finished(), crew.failed, shown()]);
  } finally {
    over.abort();
    progress.end();
    await crew.end();
    process.off('SIGINT', interrupted);
  }
}

/** @param {Report} report */
function show(report) {
  console.log();
  for (const line of table(report, process.stdout.columns || 120)) console.log(line);
  console.log();
  const period = middleAge(report);
  const total = count(report.samples.at(-1)?.total ?? 0);
  if (period === undefined) console.log('There are no lines of text.');
  else if (report.periods.length === 1) console.log(`All of the ${total} lines are of ${period}.`);
  else console.log(`Half of the ${total} lines are of ${period} or older.`);
}

/** @param {readonly Moment[]} samples */
function span(samples) {
  const [first, last] = [samples.at(0), samples.at(-1)].map((moment) => dateOf(moment?.time ?? 0));
  return samples.length === 1
    ? `1 commit, of ${last}`
    : `${count(samples.length)} commits, from ${first} to ${last}`;
}

/** Writes a file so that nobody ever sees half of it. @param {string} file @param {string} text */
function writeWhole(file, text) {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

/** One line for what can go wrong outside this program, and all there is to know for what can't. @param {unknown} error */
function explain(error) {
  if (error instanceof UsageError) return `archaeology: ${error.message} (--help shows what there is)`;
  const isKnown = error instanceof Failure || error instanceof HoldfastError || isSystemError(error);
  return isKnown ? `archaeology: ${/** @type {Error} */ (error).message}` : error;
}

/** @param {unknown} error */
function isSystemError(error) {
  return error instanceof Error && 'syscall' in error;
}
