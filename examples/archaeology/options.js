// @ts-check
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const help = `How old is the code? Counts, at sampled commits, how many lines of each year survive.

Usage: npm start -- [options] [path to a git repository]      (default: the one this program is in)

  --samples N    commits to look at, evenly spread over the history of HEAD; 1 to 500 (default: 12)
  --workers N    processes that run git blame; 1 to 256 (default: one for each processor)
  --state DIR    where results are kept (default: a folder for each repository, in
                 ${join(cacheDirectory(), 'holdfast-archaeology')})
  --out FILE     where the chart is written (default: archaeology.html in the state folder)
  --help         shows this

It may be stopped or killed at any time: the next run goes on where it was. To start afresh, remove the state folder.`;

/**
 * @typedef {object} Options
 * @property {boolean} help
 * @property {string} path
 * @property {number} samples
 * @property {number} workers
 * @property {string | undefined} state
 * @property {string | undefined} out
 */

/** What is wrong with the command line itself. */
export class UsageError extends Error {}

/**
 * @param {string[]} args
 * @returns {Options}
 * @throws {UsageError}
 */
export function readOptions(args) {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw new UsageError(`one path, please, not ${positionals.length}`);
  return {
    help: values.help ?? false,
    path: positionals[0] ?? fileURLToPath(new URL('../../', import.meta.url)),
    samples: wholeNumber('samples', values.samples, 500) ?? 12,
    workers: wholeNumber('workers', values.workers, 256) ?? availableParallelism(),
    state: values.state,
    out: values.out,
  };
}

/** Where this user's programs keep what can be made again. */
export function cacheDirectory() {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME) return XDG_CACHE_HOME;
  if (process.platform === 'win32' && LOCALAPPDATA) return LOCALAPPDATA;
  return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        samples: { type: 'string' },
        workers: { type: 'string' },
        state: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    // Node's message may go on with advice about `--`, which doesn't help here.
    throw new UsageError(/** @type {Error} */ (error).message.split(/[.\n]/)[0]);
  }
}

/**
 * @param {string} name
 * @param {string | undefined} text
 * @param {number} most
 */
function wholeNumber(name, text, most) {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(number >= 1 && number <= most)) {
    throw new UsageError(`--${name} must be a whole number from 1 to ${most}, not '${text}'`);
  }
  return number;
}
