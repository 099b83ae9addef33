import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { HoldfastError, open, type Store } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';

/** Steps chosen at random can be repeated with the same seed. */
export const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

/** A store that is closed when the test has finished. */
export function openStore(directory = temporaryDirectory(), options?: Parameters<typeof open>[1]): Store {
  const store = open(directory, options);
  onTestFinished(() => {
    store.close();
  });
  return store;
}

/** A connection of the test's own to a store's database. */
export function raw(directory: string): Database.Database {
  const db = new Database(join(directory, 'holdfast.db'));
  onTestFinished(() => {
    db.close();
  });
  return db;
}

/** What `action` throws; fails unless it is an error of the library. */
export function failure(action: () => unknown): HoldfastError {
  try {
    action();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw new Error('This is no error of the library.', { cause: error });
  }
  throw new Error('Nothing was thrown.');
}

/** Every file below a directory, with its bytes. Never of a store that this process has open: reading drops its locks. */
export function contents(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(join(directory, file)).isFile())
    .sort();
  return new Map(files.map((file) => [file, readFileSync(join(directory, file), 'latin1')]));
}

/** Every file and folder below a directory, with its permissions. */
export function modes(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((file) => [file, (statSync(join(directory, file)).mode & 0o777).toString(8)]),
  );
}

/** A small disk of its own in memory, until the test has finished; `undefined`, and a warning, where this user may not mount one. */
export function mountDisk(bytes: number): { directory: string; remount(options: string): void } | undefined {
  const directory = temporaryDirectory();
  const mount = (...args: string[]): void => {
    execFileSync('mount', args, { stdio: 'ignore' });
  };
  try {
    mount('-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', directory);
  } catch {
    console.warn('no disk can be mounted here, only on Linux by root: what a full one does is not tested');
    return undefined;
  }
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', directory]);
  });
  return {
    directory,
    remount: (options) => {
      mount('-o', `remount,${options}`, directory);
    },
  };
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, timeout = 30_000): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!condition()) {
    if (performance.now() > deadline)
      throw new Error(`This did not come within ${timeout} ms: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Whether this runs as the administrator, whom no permission stops. */
export const isRoot = process.getuid?.() === 0;
