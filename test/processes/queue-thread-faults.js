// @ts-check
// Loaded first in a process and in each of its threads: none can be made, or start, while a file says so.
import { existsSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';

const file = process.env['THREAD_FAULT'] ?? '';
const has = (/** @type {string} */ fault) => existsSync(file) && readFileSync(file, 'utf8') === fault;

if (!threads.isMainThread && has('start')) throw new Error('it can’t start');

// What Node does when the system has no thread left.
threads.Worker = class extends threads.Worker {
  /** @param {ConstructorParameters<typeof threads.Worker>} args */
  constructor(...args) {
    if (has('make')) throw new Error('it can’t be made');
    super(...args);
  }
};
syncBuiltinESMExports();
