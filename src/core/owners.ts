import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import Database from 'better-sqlite3';
import { driverCode, translated } from './errors.js';
import { createDirectory, createPrivateFile, isMissing, temporaryPath } from './files.js';

/** Tokens that this thread holds: never probed, see {@link Owners.isAlive}. Shared by all copies of this library. */
const held: Set<string> = heldTokens();

function heldTokens(): Set<string> {
  const shared = globalThis as unknown as Record<symbol, Set<string> | undefined>;
  return (shared[Symbol.for('holdfast.owners')] ??= new Set());
}

/**
 * Tells which of the stores that were opened are still alive, by locks that the kernel holds for them.
 *
 * An owner holds SQLite's exclusive lock on an empty file of its own for as long as it lives; the lock ends with the process,
 * however that dies, and stays while the process is only stopped. Another process's number, reused or not, says less.
 */
export class Owners {
  readonly #directory: string;
  #own: { token: string; lock: Database.Database } | undefined;

  constructor(storeDirectory: string) {
    this.#directory = join(storeDirectory, 'owners');
  }

  /** This store's token. The first call makes its file and takes the lock. */
  token(): string {
    this.#own ??= this.#hold();
    return this.#own.token;
  }

  /** Whether the owner with this token lives. One that left in good order has no file any more. */
  isAlive(token: string): boolean {
    // Closing a second descriptor of a file drops this process's POSIX locks on it, if another copy of SQLite holds them.
    if (held.has(token)) return true;
    // Asked first, since the driver words it as a mistake of the caller's when the whole folder is gone.
    if (isMissing(this.#path(token))) return false;
    try {
      // Not kept open: it would cost a descriptor for every owner there ever was, to save 40 µs.
      lockFile(this.#path(token)).close();
      return false;
    } catch (error) {
      const code = driverCode(error);
      if (code?.startsWith('SQLITE_BUSY')) return true;
      // Too many open files, for example: nothing is known, and nobody is taken for dead.
      if (code === 'SQLITE_CANTOPEN') return true;
      throw translated(error, this.#path(token));
    }
  }

  /**
   * Removes the file of an owner that is dead, unless it lives: also where it has not been heard of, and may be about to hold its file. Tells whether it was
   * dead.
   */
  sweep(token: string): boolean {
    if (held.has(token)) return false;
    const path = this.#path(token);
    let lock: Database.Database;
    try {
      lock = lockFile(path);
    } catch {
      return false;
    }
    this.#remove(token, lock);
    return true;
  }

  /** Removes the file of an owner. */
  forget(token: string): void {
    rmSync(this.#path(token), { force: true });
  }

  close(): void {
    if (this.#own === undefined) return;
    const { token, lock } = this.#own;
    this.#own = undefined;
    try {
      this.#remove(token, lock);
    } finally {
      held.delete(token);
    }
  }

  /**
   * Removes a file while it is locked: else somebody might come to hold what is gone, or take it for what a dead owner has left. Windows can't remove
   * an open file.
   */
  #remove(token: string, lock: Database.Database): void {
    try {
      if (process.platform !== 'win32') this.forget(token);
    } finally {
      lock.close();
    }
    if (process.platform === 'win32') this.forget(token);
  }

  #hold(): { token: string; lock: Database.Database } {
    createDirectory(this.#directory);
    for (;;) {
      const token = randomBytes(10).toString('hex');
      const lock = lockNew(this.#path(token));
      if (lock === undefined) continue;
      held.add(token);
      return { token, lock };
    }
  }

  #path(token: string): string {
    return join(this.#directory, token);
  }
}

/** Makes a file, locked before anybody can find it under its name; `undefined` where it was swept meanwhile, as what is left over for a minute is. */
function lockNew(path: string): Database.Database | undefined {
  // Windows can't rename an open file.
  const first = process.platform === 'win32' ? path : temporaryPath(path);
  createPrivateFile(first);
  let lock: Database.Database | undefined;
  try {
    lock = lockFile(first);
    if (first !== path) renameSync(first, path);
    if (!isMissing(path)) return lock;
    lock.close();
  } catch (error) {
    lock?.close();
    if (!isMissing(first) && driverCode(error)?.startsWith('SQLITE_BUSY') !== true)
      throw translated(error, path);
  }
  return undefined;
}

/** Takes SQLite's exclusive lock on a file, at once or not at all; it is held until the connection is closed. */
function lockFile(path: string): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: 0 });
  try {
    // No journal file beside it: nothing is ever written. Even this is refused where the lock is taken.
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
