import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';
import { HoldfastError, driverCode, translated } from './errors.js';

/** What file systems say that have no hard links, or not there. */
const linkless: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EMLINK',
]);

/** Creates a directory that its owner alone can enter, and its parents. One that exists is left as it is. */
export function createDirectory(path: string): void {
  if (isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) createDirectory(parent);
  try {
    // Not `recursive`: that says ENOENT of a read-only disk, as if something were missing.
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (driverCode(error) !== 'EEXIST' || !isDirectory(path)) throw translated(error, path);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (driverCode(error) === 'ENOENT') return false;
    throw translated(error, path);
  }
}

/** Whether there is nothing at `path`. @throws {@link HoldfastError} when the system won't tell, or a file is in the way. */
export function isMissing(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    if (driverCode(error) === 'ENOENT') return true;
    throw translated(error, path);
  }
}

/** @throws {@link HoldfastError} when `path` is no directory that this process may read, or write if `writing`. */
export function checkDirectory(path: string, writing: boolean): void {
  checkAccess(path, writing, 'directory');
}

/** @throws {@link HoldfastError} when `path` is no file that this process may read, or write if `writing`. */
export function checkFile(path: string, writing: boolean): void {
  checkAccess(path, writing, 'file');
}

function checkAccess(path: string, writing: boolean, expected: 'directory' | 'file'): void {
  try {
    const found = statSync(path);
    const isDirectory = found.isDirectory();
    // A pipe would keep whoever opens it waiting for ever.
    if (expected === 'directory' ? !isDirectory : !found.isFile()) {
      throw new HoldfastError(
        'ERR_NOT_A_STORE',
        `${path}: this should be a ${expected}; move it away, or choose another directory`,
      );
    }
    const enter = isDirectory ? constants.X_OK : 0;
    accessSync(path, constants.R_OK | enter | (writing ? constants.W_OK : 0));
  } catch (error) {
    throw translated(error, path);
  }
}

/** The name of what is to become that file. `check` removes what was left under such a name for a minute. */
export const temporaryPath = (path: string): string => `${path}.${randomBytes(8).toString('hex')}.new`;

/**
 * Makes an empty file that its owner alone can read, unless there is one.
 *
 * It is made under another name and linked into place. Opening the file itself and closing it again would drop the locks that
 * SQLite holds on it elsewhere in this process: POSIX forgets a process's locks on a file when it closes any descriptor of it.
 */
export function createPrivateFile(path: string): void {
  if (existsSync(path)) return;
  const temporary = temporaryPath(path);
  try {
    closeSync(openSync(temporary, 'wx', 0o600));
    linkOrCreate(temporary, path);
  } catch (error) {
    // What is to be linked was swept: this process has slept for a minute in between.
    if (driverCode(error) === 'ENOENT' && !existsSync(temporary) && existsSync(dirname(path)))
      createPrivateFile(path);
    else throw translated(error, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Has a file under another path as well; where it can't be linked, a copy, which is on the disk then. @throws What the system says. */
export function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!linkless.has(driverCode(error) ?? '')) throw error;
    copyDurably(from, to);
  }
}

function copyDurably(from: string, to: string): void {
  copyFileSync(from, to);
  const descriptor = openSync(to, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Has what was added to a directory on the disk. Windows knows no such thing. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } catch (error) {
    throw translated(error, path);
  } finally {
    closeSync(descriptor);
  }
}

/** The same without keeping the event loop waiting for the disk. */
export async function syncDirectorySoon(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const directory = await open(path, 'r');
    await directory.sync().finally(() => directory.close());
  } catch (error) {
    throw translated(error, path);
  }
}

function linkOrCreate(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    const code = driverCode(error);
    if (code === 'EEXIST') return;
    // File systems without hard links. Only threads of this process that create the same store at once could be harmed.
    if (linkless.has(code ?? '')) {
      if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
      return;
    }
    throw error;
  }
}

/** The names in a directory; none where there is none. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (driverCode(error) === 'ENOENT' || driverCode(error) === 'ENOTDIR') return [];
    throw translated(error, directory);
  }
}
