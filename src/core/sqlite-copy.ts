import { randomInt } from 'node:crypto';
import { constants, statSync } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { driverCode, translated } from './errors.js';
import { createDirectory, createPrivateFile, isMissing, syncDirectorySoon } from './files.js';
import { innerDirectory } from './inner.js';
import { pause } from './timer.js';

/** How far a copy has come. */
export interface CopyProgress {
  /** Bytes that are copied. */
  readonly done: number;
  /** How many there are, about: with keys of entries whose values are in files. In the end it is what was copied. */
  readonly total: number;
}

/** How a copy is watched, and ended. */
export interface CopyOptions {
  /** Called after each file, and some pages of the database, and when all is copied. What it throws ends the copy, and is thrown. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** Ends it: the call rejects with the signal's reason, and nothing is left of the copy. */
  readonly signal?: AbortSignal | undefined;
}

/** How many pages are copied in a turn of the event loop: a quarter of a megabyte, some 0.3 ms. */
const pagesAtOnce = 64;
/** How many files are asked for at once, and how many of them are copied side by side. */
const filesAtOnce = 1_024;
const filesTogether = 8;
/** For how long it is tried to read a database that is busy: another process is mending it, say. Milliseconds. */
const patience = 5_000;

/** One state of a store's database, that others go on writing to. */
export class Snapshot {
  readonly #db: Database.Database;
  readonly #path: string;

  private constructor(db: Database.Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /** @throws {@link HoldfastError} */
  static async of(directory: string): Promise<Snapshot> {
    const path = join(directory, 'holdfast.db');
    for (const start = performance.now(); ;) {
      let db: Database.Database | undefined;
      try {
        db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 });
        // With a read the transaction has begun. As long as it is open, what others write neither shows nor makes a backup begin anew.
        db.exec('BEGIN; SELECT 1 FROM sqlite_schema');
        return new Snapshot(db, path);
      } catch (error) {
        db?.close();
        const isBusy = driverCode(error)?.startsWith('SQLITE_BUSY');
        if (!isBusy || performance.now() - start > patience) throw translated(error, path);
        await pause(2);
      }
    }
  }

  /** About how many bytes there are to copy. */
  get size(): number {
    const size = this.value('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size');
    const files = this.value('SELECT coalesce(sum(bytes), 0) FROM cached_entries WHERE file IS NOT NULL');
    return Number(size) + Number(files);
  }

  value(sql: string): unknown {
    try {
      return this.#db.prepare(sql).pluck().get();
    } catch (error) {
      throw translated(error, this.#path);
    }
  }

  all(sql: string): unknown[][] {
    try {
      return this.#db.prepare<[], unknown[]>(sql).raw().all();
    } catch (error) {
      throw translated(error, this.#path);
    }
  }

  /** The names of its value files. */
  files(): AsyncGenerator<string> {
    return filesOf('', async (sql) => this.all(sql));
  }

  /** Copies the database into a file that is empty. What `step` throws ends it. */
  async copyTo(path: string, step: (copied: number) => void): Promise<void> {
    const pageSize = Number(this.value('SELECT page_size FROM pragma_page_size'));
    let copied = 0;
    const { totalPages: all } = await this.#db.backup(path, {
      progress: ({ totalPages, remainingPages }) => {
        const pages = totalPages - remainingPages;
        step((pages - copied) * pageSize);
        copied = pages;
        return pagesAtOnce;
      },
    });
    step((all - copied) * pageSize);
  }

  close(): void {
    this.#db.close();
  }
}

/** A cache that lies in several stores. */
export interface Sharded {
  readonly structure: number;
  readonly shards: number;
  /** Where they are. */
  readonly directory: string;
  /** Its generation in the copy, and where they are there. */
  readonly generation: number;
  readonly copied: string;
}

/** Asks for what {@link shardedIn} takes. @param schema - With a dot behind it. */
export const sharding = (schema: string): string =>
  `SELECT structure, shards, generation FROM ${schema}caches WHERE shards > 1 ORDER BY structure`;

/** The caches that lie in several stores. @param renumber - Whether the copy has generations of its own: its directories are none that there were. */
export function shardedIn(rows: readonly unknown[][], renumber: boolean): Sharded[] {
  return rows.map(([structure, shards, known]) => {
    const generation = renumber ? randomInt(2 ** 40) : Number(known);
    return {
      structure: Number(structure),
      shards: Number(shards),
      directory: innerDirectory(Number(structure), Number(known)),
      generation,
      copied: innerDirectory(Number(structure), generation),
    };
  });
}

/** What a copy is told of generations. */
export const renumbering = (sharded: readonly Sharded[]): string =>
  sharded
    .map(
      ({ structure, generation }) =>
        `UPDATE caches SET generation = ${generation} WHERE structure = ${structure};`,
    )
    .join('');

/** The names of a store's value files, which `all` is asked for. @param schema - With a dot behind it. */
export async function* filesOf(
  schema: string,
  all: (sql: string) => Promise<unknown[][]>,
): AsyncGenerator<string> {
  for (let after = ''; ;) {
    const rows = await all(
      `SELECT file FROM ${schema}cached_entries WHERE file > ${quoted(after)} ORDER BY file LIMIT ${filesAtOnce}`,
    );
    if (rows.length === 0) return;
    for (const [file] of rows) yield (after = String(file));
  }
}

/** A text in SQL. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A copy of a store in a directory of its own. */
export class StoreCopy {
  readonly #options: CopyOptions;
  #done = 0;
  #total = 0;

  constructor(options: CopyOptions = {}) {
    this.#options = options;
  }

  /**
   * Copies the store in `from`, as it is at one moment, to the directory `to`, which is made. All of it is on the disk then. If a cache gets other
   * shards meanwhile, it fails, or the copy is not whole.
   */
  async copy(from: string, to: string, renumber = false): Promise<void> {
    const snapshot = await Snapshot.of(from);
    try {
      this.#total += snapshot.size;
      createDirectory(to);
      const sharded = shardedIn(snapshot.all(sharding('')), renumber);
      // Files and shards first: they go, the state of the database stays.
      const missing = await this.copyFiles(snapshot.files(), join(from, 'values'), join(to, 'values'));
      await this.copyShards(sharded, from, to);
      const path = join(to, 'holdfast.db');
      createPrivateFile(path);
      try {
        await snapshot.copyTo(path, (bytes) => this.#step(bytes));
        finish(path, missing, renumber ? sharded : []);
      } catch (error) {
        throw translated(error, path);
      }
      await syncDirectorySoon(to);
    } finally {
      snapshot.close();
    }
  }

  /** Copies the stores that the shards of caches are. One that nothing was stored in is not there. */
  async copyShards(sharded: readonly Sharded[], from: string, to: string): Promise<void> {
    for (const { shards, directory, copied } of sharded) {
      for (let i = 0; i < shards; i++) {
        const shard = join(from, directory, `${i}`);
        if (!isMissing(join(shard, 'holdfast.db'))) await this.copy(shard, join(to, copied, `${i}`));
      }
      for (const folder of [copied, 'shards', ''])
        if (!isMissing(join(to, folder))) await syncDirectorySoon(join(to, folder));
    }
  }

  /** Copies value files; gives back those that are not there any more: their entries were removed meanwhile. */
  async copyFiles(files: AsyncGenerator<string>, from: string, to: string): Promise<string[]> {
    const missing: string[] = [];
    const folders = new Set<string>();
    const work = async (): Promise<void> => {
      for (;;) {
        const next = await files.next();
        if (next.done === true) return;
        const file = next.value;
        const folder = join(to, dirname(file));
        createDirectory(folder);
        folders.add(folder);
        const size = await copyWhole(join(from, file), join(to, file));
        if (size === undefined) missing.push(file);
        this.#step(size ?? 0);
      }
    };
    await Promise.all(Array.from({ length: filesTogether }, work));
    for (const folder of folders) await syncDirectorySoon(folder);
    if (folders.size > 0) await syncDirectorySoon(to);
    return missing;
  }

  /** All is copied. */
  end(): void {
    this.#options.signal?.throwIfAborted();
    this.#options.onProgress?.({ done: this.#done, total: this.#done });
  }

  #step(bytes: number): void {
    this.#options.signal?.throwIfAborted();
    this.#done += bytes;
    this.#options.onProgress?.({ done: this.#done, total: this.#total });
  }
}

/**
 * Nobody is in a copy: what stores held and waited for, who are not there, is void. One file is all of it then: no log, which could not be read where
 * nothing may be written.
 */
function finish(path: string, missing: readonly string[], renumbered: readonly Sharded[]): void {
  const db = new Database(path, { fileMustExist: true });
  try {
    db.pragma('journal_mode = DELETE');
    const remove = db.prepare('DELETE FROM cached_entries WHERE file = ?');
    db.transaction(() => {
      for (const file of missing) remove.run(file);
      db.exec(`DELETE FROM owners; DELETE FROM value_trash; ${renumbering(renumbered)}`);
    })();
  } finally {
    db.close();
  }
}

/** Copies a file, onto the disk; tells its size, or `undefined` where there is none. Not a link: what damages one must not damage the other. */
async function copyWhole(from: string, to: string): Promise<number | undefined> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    const file = await open(to, 'r+');
    try {
      await file.sync();
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (driverCode(error) === 'ENOENT' && isGone(from)) return undefined;
    throw translated(error, to);
  }
}

function isGone(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) === undefined;
}
