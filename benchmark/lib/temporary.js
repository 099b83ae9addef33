// @ts-check
import { spawn, fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @type {Set<string>} */
const directories = new Set();
/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

/** Where files lie in memory, or `undefined`: there no disk's stalls are measured. */
export const inMemory = existsSync('/dev/shm') ? '/dev/shm' : undefined;

/** A fresh directory, removed when the benchmark ends. */
export function temporaryDirectory(parent = tmpdir()) {
  const path = mkdtempSync(join(parent, 'holdfast-bench-'));
  directories.add(path);
  return path;
}

/** @param {string} path */
export function removeDirectory(path) {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  directories.delete(path);
}

/** @template {import('node:child_process').ChildProcess} C @param {C} child */
export function kept(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  child.once('error', () => children.delete(child));
  return child;
}

/** A program that ends with the benchmark at the latest. @param {string} program @param {string[]} args */
export const startProgram = (program, args) => kept(spawn(program, args, { stdio: 'ignore' }));

/** A script of this folder in a process of its own. @param {string} name @param {string[]} args */
export const startScript = (name, args) => kept(fork(new URL(`../processes/${name}`, import.meta.url), args));

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<any>} */
export function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const ended = (/** @type {number | null} */ code) =>
      reject(new Error(`a process of the benchmark ended with code ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

/** @param {import('node:child_process').ChildProcess} child @param {NodeJS.Signals} [signal] */
export function ended(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      child.once('exit', () => resolve());
      if (signal !== undefined) child.kill(signal);
    })
  );
}

/** @type {(() => Promise<void>)[]} */
const actions = [];

/** To be done when the benchmark ends. @param {() => Promise<void>} action */
export const atEnd = (action) => void actions.push(action);

/** Ends every process that was started, and removes every directory that was made. */
export async function cleanUp() {
  await Promise.all([...children].map((child) => ended(child, 'SIGKILL')));
  await Promise.all(actions.splice(0).map((action) => action()));
  for (const path of directories) removeDirectory(path);
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(1));
  });
}
