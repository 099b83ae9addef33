// @ts-check
// What the scripts in this folder share. They import the built package by its name.
import { once } from 'node:events';
import { open } from 'holdfast';
import { connect } from 'holdfast/postgres';

const started = 'test process started';

// Ends with the test runner.
process.on('disconnect', () => process.exit(1));

/** @type {any[]} What has arrived and was not received yet: a message that nobody listens for would be lost. */
const inbox = [];
process.on('message', (message) => inbox.push(message));
// The channel alone must not keep a script from ending when it has done its work.
process.channel?.unref();

/** The arguments given to `startProcess` or `inProcesses`. */
export const args = process.argv.slice(2);

/** This process among those of `inProcesses`: 0, 1, … */
export const processNumber = Number(process.env['TEST_PROCESS_NUMBER'] ?? 0);

/**
 * Opens the store of a test.
 *
 * @param {string | undefined} location What the test's `engine.location(store)` gave.
 * @returns {Promise<import('holdfast').AsyncStore>} Its type is that of the server's store on both engines: await all.
 */
export async function openStore(location) {
  if (location === undefined)
    throw new TypeError('The location of the store is missing among the arguments.');
  const place = JSON.parse(location);
  if (place.engine === 'server') return connect(place.url, { schema: place.schema });
  return /** @type {any} */ (open(place.directory));
}

/**
 * Sends the test a message: `nextMessage()` gives it there, and `result()` gives the last one.
 *
 * @param {unknown} message
 */
export function send(message) {
  process.send?.(message);
}

/**
 * The next message of the test's `process.send()`.
 *
 * @returns {Promise<any>}
 */
export async function receive() {
  process.channel?.ref();
  while (inbox.length === 0) await once(process, 'message');
  process.channel?.unref();
  return inbox.shift();
}

/** Waits until every process of `inProcesses` has come here. */
export async function allStarted() {
  const all = receive();
  send(started);
  await all;
}
