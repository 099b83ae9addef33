// @ts-check
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Failure } from './failure.js';

/** What the user may have configured, but would make the numbers depend on who runs this. */
const settings = ['log.showRoot=true', 'log.diffMerges=separate', 'diff.algorithm=myers'];

/** Variables that would point git at another repository than the one asked for, as inside a git hook. */
const misleading = /^GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|NAMESPACE|PREFIX|GRAFT_FILE)$/;

/** The same numbers, and messages, for everybody. */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !misleading.test(name))),
  GIT_NO_REPLACE_OBJECTS: '1',
  LC_ALL: 'C',
};

/**
 * Where git runs: in a folder it is to find the repository of, or with a git directory that is known.
 *
 * @typedef {{ folder: string } | { gitDirectory: string }} Place
 */

/**
 * @typedef {object} Repository
 * @property {string} gitDirectory Absolute.
 * @property {string} name For people.
 * @property {string} id The same for all its worktrees, and for every way to write its path.
 * @property {string} boundary Where the history of a shallow clone is cut off; '' when it is whole.
 * @property {string} head The commit that is checked out.
 */

/**
 * @param {string} path
 * @returns {Promise<Repository>}
 * @throws {Failure} When there is none, or it has no commits.
 */
export async function findRepository(path) {
  const gitDirectory = await ask({ folder: path }, '--absolute-git-dir').catch((error) => {
    const isNone = error instanceof Failure && error.message.startsWith('not a git repository');
    throw isNone ? new Failure(`${path}: not a git repository`) : error;
  });
  const place = { gitDirectory };
  const common = realpathSync(resolve(gitDirectory, await ask(place, '--git-common-dir')));
  const isShallow = (await ask(place, '--is-shallow-repository')) === 'true';
  const name = basename(common) === '.git' ? basename(dirname(common)) : basename(common, '.git');
  return {
    gitDirectory,
    name,
    id: digest(common),
    boundary: isShallow ? digest(readFileSync(join(common, 'shallow'))) : '',
    head: await headOf(place, path),
  };
}

/**
 * @param {Place} place
 * @param {string} path
 */
async function headOf(place, path) {
  return ask(place, '--verify', '--quiet', 'HEAD^{commit}').catch((error) => {
    throw error instanceof Failure
      ? new Failure(`${path}: a git repository without commits: there is nothing to look at yet`)
      : error;
  });
}

/**
 * @param {Place} place
 * @param {string[]} args
 */
async function ask(place, ...args) {
  // No more is cut off than the end of the line: a path may end with a space.
  return (await git(place, ['rev-parse', ...args])).replace(/\r?\n$/, '');
}

/** @param {string | Uint8Array} data */
function digest(data) {
  return createHash('sha256').update(data).digest('hex').slice(0, 12);
}

/**
 * All that git prints.
 *
 * @param {Place} place
 * @param {string[]} args
 * @throws {Failure} With git's own words, when git fails or is missing.
 */
export async function git(place, args) {
  /** @type {Buffer[]} */
  const chunks = [];
  for await (const chunk of output(place, args)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/**
 * What git prints, cut at each `separator`, as it comes.
 *
 * @param {Place} place
 * @param {string[]} args
 * @param {{ separator?: number, signal?: AbortSignal }} [options] `separator` is a byte; NUL if it isn't given.
 * @returns {AsyncGenerator<Buffer, void, undefined>}
 */
export async function* records(place, args, { separator = 0, signal } = {}) {
  /** @type {Buffer} */
  let rest = Buffer.alloc(0);
  for await (const chunk of output(place, args, signal)) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = data.indexOf(separator); end !== -1; end = data.indexOf(separator, start)) {
      yield data.subarray(start, end);
      start = end + 1;
    }
    rest = data.subarray(start);
  }
  if (rest.length > 0) yield rest;
}

/**
 * What git prints, in the pieces in which it comes. Who reads no further ends git.
 *
 * @param {Place} place
 * @param {string[]} args
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Buffer, void, undefined>}
 */
export async function* output(place, args, signal) {
  signal?.throwIfAborted();
  // With its directory given git asks for no working tree, and takes paths as they are in a commit.
  const where = 'folder' in place ? ['-C', place.folder] : [`--git-dir=${place.gitDirectory}`];
  const child = spawn('git', [...where, ...settings.flatMap((setting) => ['-c', setting]), ...args], {
    ...('folder' in place ? {} : { cwd: place.gitDirectory }),
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    if (complaint.length < 10_000) complaint += text;
  });
  const closed = once(child, 'close');
  // Awaited below, but perhaps not before it fails.
  closed.catch(() => {});
  try {
    yield* child.stdout;
    const [code, killedBy] = await closed;
    if (code !== 0)
      throw new Failure(reason(complaint) || `git ${args[0] ?? ''} ended with ${killedBy ?? code}`);
  } catch (error) {
    throw /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT'
      ? new Failure('git was not found: install it, or add its folder to PATH')
      : error;
  } finally {
    child.kill();
  }
}

/** The line of git's complaint that says what is wrong. @param {string} complaint */
function reason(complaint) {
  const lines = complaint.split('\n');
  const line = lines.find((text) => /^(fatal|error): /.test(text)) ?? lines[0] ?? '';
  return line.replace(/^(fatal|error): /, '').trim();
}
