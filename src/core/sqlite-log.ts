import { closeSync, fdatasync, openSync } from 'node:fs';
import type Database from 'better-sqlite3';

/** After how many commits of one connection the log is looked at; that takes 1.3 µs. */
const every = 32;
/** After how many pages the system is told to write them to the disk. */
const flushFrom = 500;
/** From how many pages on that are in the log alone they are copied to the database. */
const copyFrom = 4_000;
/** From how many pages on the log is started again, which takes the write lock. */
const restartFrom = 12_000;
const mostTries = 32;

/** What a checkpoint tells: whether it was in the way of others; pages in the log; of these, copied to the database. */
type State = [busy: number, length: number, copied: number];

/**
 * Keeps SQLite's write-ahead log short, instead of `wal_autocheckpoint`: that never takes the write lock, and the log starts again only when
 * all of it was copied while nobody wrote. Where several processes write without a pause it grew to 1 GB in seconds, and each
 * commit tried again, waiting for the disk twice.
 */
export class Log {
  readonly #db: Database.Database;
  readonly #disk: LogOnDisk;
  #statements: Record<'look' | 'copy' | 'restart', Database.Statement<[], State>> | undefined;
  #commits = 0;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#disk = new LogOnDisk(`${db.name}-wal`);
  }

  /** To be called after each commit of the connection. */
  committed(): void {
    if (++this.#commits % every === 0) this.#trim();
  }

  /** To be called before the connection is closed. */
  close(): void {
    this.#disk.close();
    if (this.#commits > 0) this.#trim();
  }

  #trim(): void {
    try {
      this.#statements ??= this.#prepare();
      const { look, copy, restart } = this.#statements;
      const [, length, copied] = look.get() ?? [0, 0, 0];
      this.#disk.flush(length);
      if (length - copied < copyFrom && length < restartFrom) return;
      // First what can be done while others write; little is left then to be done while they wait.
      const [, grown] = copy.get() ?? [0, 0, 0];
      if (grown < restartFrom) return;
      for (let tries = mostTries; tries > 0 && restart.get()?.[0] === 1; tries--);
    } catch {
      // What was committed stays so. Whoever commits next tries again; what is wrong with the disk, writing to the log will tell.
    }
  }

  #prepare(): Record<'look' | 'copy' | 'restart', Database.Statement<[], State>> {
    const checkpoint = (mode: string): Database.Statement<[], State> =>
      this.#db.prepare<[], State>(`PRAGMA wal_checkpoint(${mode})`).raw();
    return { look: checkpoint('NOOP'), copy: checkpoint('PASSIVE'), restart: checkpoint('RESTART') };
  }
}

/** Has the log written to the disk while the program goes on. Copying begins with that, and whoever copies would wait for all of it. */
class LogOnDisk {
  readonly #path: string;
  #file: number | undefined;
  /** How long the log was when it was written last. */
  #length = 0;
  #isWriting = false;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** @param length - In pages. It is shorter when the log has begun again. */
  flush(length: number): void {
    if (length < this.#length) this.#length = 0;
    if (this.#isClosed || this.#isWriting || length - this.#length < flushFrom) return;
    const file = this.#open();
    if (file === undefined) return;
    this.#length = length;
    this.#isWriting = true;
    // SQLite hears of what goes wrong when it does the same.
    fdatasync(file, () => {
      this.#isWriting = false;
      if (this.#isClosed) closeSync(file);
    });
  }

  /** The file stays the same as long as this connection is open, and nobody has a lock on it that closing it would lose. Windows has only what may be written to go to the disk. */
  #open(): number | undefined {
    try {
      return (this.#file ??= openSync(this.#path, 'r+'));
    } catch {
      // There are too many open files, say: then copying takes longer.
      return undefined;
    }
  }

  close(): void {
    this.#isClosed = true;
    if (this.#file !== undefined && !this.#isWriting) closeSync(this.#file);
  }
}
