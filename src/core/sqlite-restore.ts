import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from './errors.js';
import {
  checkDirectory,
  checkFile,
  createDirectory,
  createPrivateFile,
  isMissing,
  syncDirectorySoon,
} from './files.js';
import { openEngine, resolveOptions } from './open.js';
import { applicationId, refuseNewer } from './schema.js';
import { isWithin, pathOf } from './sqlite-backup.js';
import { EmbeddedCheck } from './sqlite-check.js';
import { filesOf, quoted, renumbering, shardedIn, sharding, StoreCopy } from './sqlite-copy.js';
import { SqliteThread, unless } from './sqlite-thread.js';

/**
 * Puts what is in `from`, a backup or another store, in the place of the store in `directory`, or where there is none. Nobody may have that open;
 * whoever opens it meanwhile waits (`busyTimeout`). `from` is checked before, and stays as it is. The event loop is not blocked.
 *
 * Interrupted at any point, the store is the one that was there before, or the new one, whole: the database is replaced in one transaction, and value
 * files, whose names are never used twice, are there before. What is not needed any more is removed at the end; else `check({ repair: true })` does.
 *
 * Fences, and the numbers of jobs, go back to what they were.
 *
 * @param directory - A path, or a `file:` URL, as of `open`.
 * @param from - Likewise. Neither may lie inside the other.
 * @throws {@link HoldfastError} (as a rejection) `ERR_NOT_FOUND` when there is no store in `from`, `ERR_NOT_A_STORE` when it is something else's,
 * `ERR_CORRUPT` when it is damaged, `ERR_SCHEMA_TOO_NEW`; `ERR_BUSY` when somebody has the store in `directory` open, `ERR_FULL`, `ERR_PERMISSION`,
 * `ERR_READONLY`. In each case what is in `directory` stays as it was.
 */
export async function restore(directory: string | URL, from: string | URL): Promise<void> {
  const target = pathOf('directory', directory);
  const source = pathOf('from', from);
  if (isWithin(target, source) || isWithin(source, target))
    throw new RangeError(`a store can’t be restored from itself: ${source}, ${target}`);
  await checkSource(source);
  const path = join(target, 'holdfast.db');
  createDirectory(target);
  checkDirectory(target, true);
  const isNew = isMissing(path);
  createPrivateFile(path);
  checkFile(path, true);
  const partial = join(target, `restore.${randomBytes(8).toString('hex')}.partial`);
  const thread = new SqliteThread(path);
  try {
    // What is damaged is the database that is to be replaced: the other one was checked.
    const isReplaced =
      (await lock(thread, target)) &&
      (await unless('ERR_CORRUPT', () => new Restoring(thread, source, target, partial).run()));
    if (!isReplaced) {
      // Ends its transaction, too.
      await thread.close().catch(() => undefined);
      await rm(partial, { recursive: true, force: true });
      await replaceDamaged(source, target, partial);
    }
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (isNew) await rm(path, { force: true });
    throw error;
  } finally {
    await thread.end();
  }
  await rm(partial, { recursive: true, force: true });
  sweep(target);
}

/** Removes what the store that was there before has left. */
function sweep(target: string): void {
  const engine = openEngine(resolveOptions(target, {}));
  try {
    new EmbeddedCheck(engine, true).sweep();
  } finally {
    engine.close();
  }
}

/** @throws {@link HoldfastError} where there is no store that can be relied on. */
async function checkSource(source: string): Promise<void> {
  const path = join(source, 'holdfast.db');
  if (isMissing(path)) throw new HoldfastError('ERR_NOT_FOUND', `${source}: there is no store`);
  checkDirectory(source, false);
  checkFile(path, false);
  const thread = new SqliteThread(path);
  try {
    if ((await thread.all('PRAGMA application_id'))[0]?.[0] !== applicationId)
      throw new HoldfastError('ERR_NOT_A_STORE', `${path}: this database belongs to something else`);
    const [versions] = await thread.all(
      'SELECT max(id), max(id) FILTER (WHERE breaking = 1) FROM migrations',
    );
    refuseNewer({ newest: Number(versions?.[0]), breaking: Number(versions?.[1]) }, path);
    const lines = await thread.all('PRAGMA integrity_check(1)');
    if (lines[0]?.[0] !== 'ok')
      throw new HoldfastError('ERR_CORRUPT', `${path}: the database is damaged (${String(lines[0]?.[0])})`);
    await thread.close();
  } finally {
    await thread.end();
  }
}

/** Takes the store for this thread alone, until it commits; `false` where the database is damaged. */
async function lock(thread: SqliteThread, target: string): Promise<boolean> {
  const sql =
    'PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE';
  try {
    return await unless('ERR_CORRUPT', () => thread.run(sql));
  } catch (error) {
    if (!(error instanceof HoldfastError && error.code === 'ERR_BUSY')) throw error;
    throw new HoldfastError(
      'ERR_BUSY',
      `${target}: somebody has this store open; it can be restored when all have closed it`,
      { cause: error },
    );
  }
}

/** What is in a database, in the order in which it can be made. */
type Part = readonly [type: string, name: string, sql: string];

/** Restores in the transaction that holds the store. */
class Restoring {
  readonly #thread: SqliteThread;
  readonly #source: string;
  readonly #target: string;
  readonly #partial: string;

  constructor(thread: SqliteThread, source: string, target: string, partial: string) {
    this.#thread = thread;
    this.#source = source;
    this.#target = target;
    this.#partial = partial;
  }

  async run(): Promise<void> {
    const thread = this.#thread;
    await thread.run(`ATTACH ${quoted(join(this.#source, 'holdfast.db'))} AS source`);
    // From here on it is one state of it.
    const files = filesOf('source.', (sql) => thread.all(sql));
    const copy = new StoreCopy();
    const missing = await copy.copyFiles(files, join(this.#source, 'values'), this.#partial);
    await moveFiles(this.#partial, join(this.#target, 'values'));
    const sharded = shardedIn(await thread.all(sharding('source.')), true);
    await copy.copyShards(sharded, this.#source, this.#target);
    await this.#replaceTables();
    for (const file of missing) await thread.run(`DELETE FROM cached_entries WHERE file = ${quoted(file)}`);
    await thread.run(renumbering(sharded));
    await thread.run('DELETE FROM waiters; DELETE FROM owners; DELETE FROM value_trash; COMMIT');
    await thread.close();
  }

  async #replaceTables(): Promise<void> {
    const thread = this.#thread;
    for (const [type, name] of await this.#parts('main'))
      if (type === 'table') await thread.run(`DROP TABLE main.${name}`);
    const parts = await this.#parts('source');
    const make = async (kind: string): Promise<void> => {
      for (const [type, , sql] of parts) if (type === kind) await thread.run(sql);
    };
    await make('table');
    for (const [type, name] of parts)
      if (type === 'table') await thread.run(`INSERT INTO main.${name} SELECT * FROM source.${name}`);
    const sequences =
      'DELETE FROM main.sqlite_sequence; INSERT INTO main.sqlite_sequence SELECT * FROM source.sqlite_sequence';
    await thread.run(`${sequences}; PRAGMA main.application_id = ${applicationId}`);
    await make('index');
    await make('trigger');
  }

  async #parts(schema: string): Promise<Part[]> {
    return (await this.#thread.all(
      `SELECT type, name, sql FROM ${schema}.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY rowid`,
    )) as unknown[] as Part[];
  }
}

/** Over what is there under the same names: it is the same, unless it was damaged. */
async function moveFiles(from: string, to: string): Promise<void> {
  if (isMissing(from)) return;
  for (const folder of readdirSync(from)) {
    createDirectory(join(to, folder));
    for (const name of readdirSync(join(from, folder)))
      await rename(join(from, folder, name), join(to, folder, name));
    await syncDirectorySoon(join(to, folder));
  }
  await syncDirectorySoon(to);
}

/** A database that SQLite can't read, or clear, is replaced by another file; its log must go before, or it would be taken for that of the new one. */
async function replaceDamaged(source: string, target: string, partial: string): Promise<void> {
  await new StoreCopy().copy(source, partial, true);
  for (const folder of ['values', 'shards']) await moveFiles(join(partial, folder), join(target, folder));
  const path = join(target, 'holdfast.db');
  for (const log of ['-wal', '-shm', '-journal']) await rm(`${path}${log}`, { force: true });
  await rename(join(partial, 'holdfast.db'), path);
  await syncDirectorySoon(target);
}
