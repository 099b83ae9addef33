// @ts-check
import { output, records } from './git.js';

/**
 * @import { Place } from './git.js'
 * @typedef {Record<string, number>} Lines How many lines are of each month, such as `2024-07`.
 */

const newline = 0x0a;

/** As much as git itself looks at to tell text from the rest. */
const sniffed = 8_000;

/**
 * How old the lines of a file at a commit are; `{}` for a file that isn't text.
 *
 * @param {Place} place
 * @param {{ blob: string, path: string, commit: string }} version
 * @param {AbortSignal} signal
 * @returns {Promise<Lines>}
 */
export async function blame(place, { blob, path, commit }, signal) {
  if (await isBinary(place, blob, signal)) return {};
  // --incremental leaves out the lines themselves: of a huge file no more than its history comes through the pipe. The empty name
  // undoes a list of commits to ignore that the user has configured; to configure an empty one does not.
  const options = ['--incremental', '--no-textconv', '--ignore-revs-file='];
  const args = ['blame', ...options, commit, '--', path];
  /** @type {Map<string, string>} What is known of a commit comes with the first of its entries only. */
  const months = new Map();
  /** @type {Lines} */
  const lines = {};
  let author = '';
  let count = 0;
  for await (const record of records(place, args, { separator: newline, signal })) {
    const text = record.toString('latin1');
    const entry = /^([0-9a-f]{40,}) \d+ \d+ (\d+)$/.exec(text);
    if (entry) {
      author = entry[1] ?? '';
      count = Number(entry[2]);
    } else if (text.startsWith('author-time ')) {
      months.set(author, monthOf(Number(text.slice('author-time '.length))));
    } else if (text.startsWith('filename ')) {
      // The last line of every entry.
      const month = months.get(author) ?? monthOf(0);
      lines[month] = (lines[month] ?? 0) + count;
    }
  }
  return lines;
}

/**
 * @param {Place} place
 * @param {string} blob
 * @param {AbortSignal} signal
 */
async function isBinary(place, blob, signal) {
  let seen = 0;
  for await (const chunk of output(place, ['cat-file', 'blob', blob], signal)) {
    if (chunk.subarray(0, sniffed - seen).includes(0)) return true;
    seen += chunk.length;
    if (seen >= sniffed) return false;
  }
  return false;
}

/** The last second of the year 9999. */
const endOfTime = 253_402_300_799;

/** The month of a time in seconds, in UTC. A broken clock's year counts as the nearest that can be written. @param {number} time */
function monthOf(time) {
  return new Date(Math.min(Math.max(time || 0, 0), endOfTime) * 1_000).toISOString().slice(0, 7);
}
