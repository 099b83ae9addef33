import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rename, rm, rmdir } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { driverCode, HoldfastError, translated } from './errors.js';
import { createDirectory, isMissing, syncDirectorySoon } from './files.js';
import { abortSignal, functionOf, knownKeys, shown } from './options.js';
import { Snapshot, StoreCopy, type CopyOptions } from './sqlite-copy.js';

/** The options of `backup`, checked. */
export function resolveCopyOptions(what: string, given: CopyOptions): CopyOptions {
  knownKeys(`options of ${what}`, given, ['onProgress', 'signal']);
  const { onProgress, signal } = given;
  if (onProgress !== undefined) functionOf('onProgress', onProgress);
  abortSignal('signal', signal);
  return { onProgress, signal };
}

/** A directory as an absolute path. */
export function pathOf(what: string, directory: string | URL): string {
  const path = directory instanceof URL ? fileURLToPath(directory) : directory;
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw new TypeError(`${what} must be a path without NUL, not ${shown(directory)}`);
  return resolve(path);
}

/** Whether one path is another, or lies in it. */
export function isWithin(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`) || resolve(way) === way);
}

/** Copies the store in `from` to a new directory, in one step as seen from outside. See {@link Upkeep.backup}. */
export async function backUp(from: string, to: string, options: CopyOptions): Promise<void> {
  options.signal?.throwIfAborted();
  if (isWithin(to, from)) throw new RangeError(`a backup can’t lie inside the store: ${to}`);
  refuseOccupied(to);
  createDirectory(dirname(to));
  const partial = `${to}.${randomBytes(8).toString('hex')}.partial`;
  try {
    await copyUnmoved(from, partial, options);
    await putInPlace(partial, to);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw translated(error, to);
  }
  await syncDirectorySoon(dirname(to));
}

/** Copies a store, and again if a cache got other shards meanwhile: those that are copied go away then. */
async function copyUnmoved(from: string, to: string, options: CopyOptions): Promise<void> {
  for (let before = await shardsIn(from); ;) {
    const copy = new StoreCopy(options);
    const [result] = await Promise.allSettled([copy.copy(from, to)]);
    options.signal?.throwIfAborted();
    const now = await shardsIn(from);
    if (now === before) {
      if (result.status === 'rejected') throw result.reason;
      copy.end();
      return;
    }
    before = now;
    await rm(to, { recursive: true, force: true });
  }
}

/** How often each cache has been moved: one that is where it was may have been elsewhere in between. */
async function shardsIn(directory: string): Promise<string> {
  const snapshot = await Snapshot.of(directory);
  try {
    return JSON.stringify(
      snapshot.all('SELECT structure, shards, generation FROM caches WHERE generation > 0'),
    );
  } finally {
    snapshot.close();
  }
}

async function putInPlace(partial: string, to: string): Promise<void> {
  // Windows can't replace an empty directory. One that is not empty by now stays.
  if (process.platform === 'win32') await rmdir(to).catch(() => undefined);
  try {
    await rename(partial, to);
  } catch (error) {
    refuseOccupied(to);
    throw error;
  }
}

function refuseOccupied(to: string): void {
  if (isMissing(to)) return;
  let names: string[];
  try {
    names = readdirSync(to);
  } catch (error) {
    throw driverCode(error) === 'ENOTDIR' ? occupied(to) : translated(error, to);
  }
  if (names.length > 0) throw occupied(to);
}

const occupied = (to: string): HoldfastError =>
  new HoldfastError(
    'ERR_EXISTS',
    `${to}: something is there already; choose a directory that is empty, or not there`,
  );
