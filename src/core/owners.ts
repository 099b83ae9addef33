import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import Database from 'better-sqlite3';
import { driverCode, translated } from './errors.js';
import { createDirectory, createPrivateFile } from './files.js';

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
    let probe: Database.Database | undefined;
    try {
      // Not kept open: it would cost a descriptor for every owner there ever was, to save 40 µs.
      probe = openLock(this.#path(token));
      probe.exec('BEGIN EXCLUSIVE');
      probe.exec('ROLLBACK');
      return false;
    } catch (error) {
      const code = driverCode(error);
      if (code?.startsWith('SQLITE_BUSY')) return true;
      if (code === 'SQLITE_CANTOPEN') return existsSync(this.#path(token));
      throw translated(error, this.#path(token));
    } finally {
      probe?.close();
    }
  }

  /** Removes the file of a dead owner. */
  forget(token: string): void {
    rmSync(this.#path(token), { force: true });
  }

  close(): void {
    if (this.#own === undefined) return;
    const { token, lock } = this.#own;
    // Windows can't remove an open file; between the two steps others see a dead owner, which is right.
    lock.close();
    held.delete(token);
    rmSync(this.#path(token), { force: true });
    this.#own = undefined;
  }

  #hold(): { token: string; lock: Database.Database } {
    const token = randomBytes(10).toString('hex');
    createDirectory(this.#directory);
    createPrivateFile(this.#path(token));
    held.add(token);
    const lock = openLock(this.#path(token));
    lock.exec('BEGIN EXCLUSIVE');
    return { token, lock };
  }

  #path(token: string): string {
    return join(this.#directory, token);
  }
}

function openLock(path: string): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: 0 });
  // No journal file beside it: nothing is ever written.
  db.pragma('journal_mode = MEMORY');
  return db;
}
