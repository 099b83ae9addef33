// @ts-check
import { isUtf8 } from 'node:buffer';
import { records } from './git.js';

/**
 * @import { Place } from './git.js'
 * @typedef {{ commit: string, time: number }} Moment A commit, and when it was made, in seconds.
 *
 * @typedef {object} FileVersion What git blame is asked about once.
 * @property {string} blob
 * @property {string} path
 * @property {string} commit The last commit that changed the file, on the way to the samples.
 * @property {string[]} samples The commits at which the file is still this.
 */

/** A key takes at most 2048 bytes, and has two hashes besides the path. */
const longestPath = 1_900;

/**
 * The line of HEAD: each commit and its first parent, oldest first.
 *
 * @param {Place} place
 * @param {string} head
 * @returns {Promise<Moment[]>}
 */
export async function mainLine(place, head) {
  const moments = [];
  for await (const record of records(place, ['log', '--first-parent', '-z', '--format=%H %ct', head])) {
    const [commit = '', time] = record.toString().split(' ');
    moments.push({ commit, time: Number(time) });
  }
  return moments.reverse();
}

/**
 * Up to `count` of the commits, evenly spread over the time between the first and the last, which are among them. The same
 * commits give the same samples.
 *
 * @param {readonly Moment[]} moments Oldest first.
 * @param {number} count
 * @returns {Moment[]}
 */
export function sample(moments, count) {
  if (moments.length <= count) return [...moments];
  if (count === 1) return moments.slice(-1);
  // Clocks differ, and a commit may be older than its parent: time is made to stand still there.
  const times = moments.map(({ time }) => time);
  for (let i = 1; i < times.length; i++) times[i] = Math.max(times[i] ?? 0, times[i - 1] ?? 0);
  const [start = 0, end = 0] = [times[0], times.at(-1)];

  /** @type {Set<Moment>} Where nothing happened for long, several wishes meet in one commit. */
  const chosen = new Set();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const wish = i === count - 1 ? Infinity : start + ((end - start) * i) / (count - 1);
    while (at + 1 < times.length && (times[at + 1] ?? 0) <= wish) at++;
    const moment = moments[at];
    if (moment) chosen.add(moment);
  }
  return [...chosen];
}

/**
 * Every version of a text file at the samples, each once, however many samples share it.
 *
 * A blob and a path don't determine what git blame says: where a change was reverted, the same content has another history.
 * The last commit of the line that changed the file does: from a sample on, as long as the first parent has the same blob at the
 * same path, git blame hands all lines on to it, and so arrives at just that commit. It takes one `git log` to find them all.
 *
 * @param {Place} place
 * @param {string} head
 * @param {readonly string[]} samples Commits of the main line of `head`.
 * @param {(path: string) => void} leaveOut Called for each file whose name can't be used.
 * @returns {AsyncGenerator<FileVersion, void, undefined>}
 */
export async function* fileVersions(place, head, samples, leaveOut) {
  const wanted = new Set(samples);
  /** @type {Map<string, FileVersion>} By path: files of newer samples whose last change is still to be found. */
  const open = new Map();
  for await (const { commit, paths } of changes(place, head)) {
    if (wanted.has(commit)) {
      for await (const { path, blob, usable } of files(place, commit)) {
        if (!usable) leaveOut(path);
        else if (!open.has(path)) open.set(path, { blob, path, commit, samples: [commit] });
        else open.get(path)?.samples.push(commit);
      }
    }
    for (const path of paths) {
      const version = open.get(path);
      if (version && open.delete(path)) yield { ...version, commit };
    }
  }
  // None is left in a sound repository. If git says otherwise, the newest sample that has a file will do as well.
  yield* open.values();
}

/**
 * What each commit changed against its first parent, newest first.
 *
 * @param {Place} place
 * @param {string} head
 * @returns {AsyncGenerator<{ commit: string, paths: string[] }, void, undefined>}
 */
async function* changes(place, head) {
  const args = ['log', '--first-parent', '-m', '--raw', '-z', '--no-renames', '--format=%H', head];
  let commit = '';
  /** @type {string[]} */
  let paths = [];
  let isPath = false;
  // The hash of a commit, then for each file a record that begins with a colon and one that is its path.
  for await (const record of records(place, args)) {
    const text = record.toString();
    if (isPath) {
      paths.push(text);
      isPath = false;
    } else if (text.trimStart().startsWith(':')) {
      isPath = true;
    } else {
      if (commit !== '') yield { commit, paths };
      commit = text.trim();
      paths = [];
    }
  }
  if (commit !== '') yield { commit, paths };
}

/**
 * The files of a commit; no symbolic links or submodules.
 *
 * @param {Place} place
 * @param {string} commit
 */
async function* files(place, commit) {
  for await (const record of records(place, ['ls-tree', '-r', '-z', '--full-tree', commit])) {
    const tab = record.indexOf('\t');
    const [mode = '', , blob = ''] = record.toString('latin1', 0, tab).split(' ');
    if (!mode.startsWith('100')) continue;
    const name = record.subarray(tab + 1);
    // Node passes arguments on as UTF-8: a name that is not can't be given to git.
    yield { blob, path: name.toString(), usable: name.length <= longestPath && isUtf8(name) };
  }
}
