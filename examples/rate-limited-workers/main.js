// @ts-check
// Many processes call one slow service, which allows 50 requests a second and 5 at once: `node main.js [--workers=4] [--requests=200]`.
// Midway the worker that leads is killed. The service counts; this program says what it counted, and fails if it was too much.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Service } from './service.js';
import { Shared } from './shared.js';

const usage = 'Usage: node main.js [--workers=<1 to 64>] [--requests=<10 to 100000>]';

try {
  const { values } = parseArgs({
    options: { workers: { type: 'string', default: '4' }, requests: { type: 'string', default: '200' } },
  });
  await main(within(values.workers, 1, 64), within(values.requests, 10, 100_000));
} catch (error) {
  const isUsage = error instanceof RangeError || (error instanceof TypeError && 'code' in error);
  console.error(isUsage ? `rate-limited-workers: ${error.message}\n${usage}` : error);
  process.exitCode = isUsage ? 2 : 1;
}

/** @param {string} text @param {number} least @param {number} most */
function within(text, least, most) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most)
    throw new RangeError(`${text} is no whole number from ${least} to ${most}`);
  return number;
}

/** @param {number} workers @param {number} requests */
async function main(workers, requests) {
  const directory = mkdtempSync(join(tmpdir(), 'rate-limited-workers-'));
  const service = await Service.start();
  const shared = new Shared(directory, requests);
  /** @type {Set<import('node:child_process').ChildProcess>} */
  const crew = new Set();
  try {
    shared.add(requests);
    console.log(
      `${workers} workers, ${requests} requests to a service that allows 50 a second and 5 at once.`,
    );
    for (let i = 0; i < workers; i++) start(crew, shared, [directory, service.url, String(requests)]);
    await shared.half.wait();
    const killed = killLeader(crew, shared);
    await shared.logged.wait();
    report(service, requests, killed, readFileSync(join(directory, 'log.txt'), 'utf8'));
  } finally {
    await Promise.all([...crew].map(stop));
    shared.close();
    await service.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {Set<import('node:child_process').ChildProcess>} crew @param {Shared} shared @param {string[]} args */
function start(crew, shared, args) {
  const child = fork(new URL('worker.js', import.meta.url), args);
  crew.add(child);
  child.once('exit', (code) => {
    crew.delete(child);
    // What the kernel freed, others have by now. What it had begun is for others to do again.
    shared.giveBack(child.pid ?? 0);
    if (code === null || code === 0) return;
    process.exitCode = 1;
    console.error(`A worker ended with code ${code}.`);
  });
  // A crew of one is soon a crew of none.
  child.once('exit', (_, signal) => {
    if (signal === 'SIGKILL' && crew.size === 0) start(crew, shared, args);
  });
}

/** @param {Set<import('node:child_process').ChildProcess>} crew @param {Shared} shared @returns When it was killed. */
function killLeader(crew, shared) {
  const leader = shared.election.leader()?.process;
  const child = [...crew].find(({ pid }) => pid === leader) ?? [...crew][0];
  child?.kill('SIGKILL');
  console.log(`Killed worker ${child?.pid}, which was the leader and wrote the log.`);
  return performance.now();
}

/** @param {import('node:child_process').ChildProcess} child */
async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.disconnect();
  await once(child, 'exit');
}

/** @param {Service} service @param {number} requests @param {number} killed @param {string} log */
function report(service, requests, killed, log) {
  const { served, mostInASecond, mostAtOnce, pauseAfter } = service.counts(killed);
  const lines = log.trimEnd().split('\n');
  const logged = new Set(lines.map((line) => line.split(' ')[0]));
  const writers = new Set(lines.map((line) => line.split(' ')[1]));
  console.log(
    `The service answered ${served} requests: at most ${mostInASecond} in any second, at most ${mostAtOnce} at once.`,
  );
  console.log(`After the kill the next request came within ${pauseAfter.toFixed(0)} ms.`);
  console.log(
    `The log has ${lines.length} lines, one for each request, by leaders ${[...writers].join(', ')}.`,
  );
  const isRight =
    mostInASecond <= 50 && mostAtOnce <= 5 && lines.length === requests && logged.size === requests;
  if (!isRight) {
    console.error('That is not as it should be.');
    process.exitCode = 1;
  }
}
