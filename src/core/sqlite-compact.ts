import { statSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from './errors.js';
import { isMissing } from './files.js';
import type { EmbeddedEngine } from './sqlite.js';
import { triesAfter } from './sqlite-connection.js';
import { pathsOf, spreadCaches } from './sqlite-spread.js';
import { SqliteThread, unless } from './sqlite-thread.js';
import { pause } from './timer.js';

/** What `compact` has come to. */
export interface Compaction {
  /** By how many bytes the files of the database have become smaller: less than nothing where others wrote more meanwhile, or still read what was there before. */
  readonly freed: number;
}

/** How often it is tried to empty the log, which somebody may read. */
const mostTries = 20;
/** The pause between two tries, in milliseconds. */
const between = 2;

/** Makes the databases of a store as small as they can be. See {@link Upkeep.compact}. */
export async function compactStore(engine: EmbeddedEngine, busyTimeout: number): Promise<Compaction> {
  let freed = 0;
  for (const directory of ['', ...spreadCaches(engine).flatMap(pathsOf)]) {
    const path = join(engine.directory, directory, 'holdfast.db');
    // A shard that nothing was stored in, or that was moved meanwhile.
    if (!isMissing(path)) freed += await compactDatabase(path, busyTimeout, engine.closing);
  }
  return { freed };
}

async function compactDatabase(path: string, busyTimeout: number, closing: AbortSignal): Promise<number> {
  const before = sizeOf(path);
  const thread = new SqliteThread(path);
  const end = (): void => void thread.end();
  closing.addEventListener('abort', end);
  try {
    await vacuum(thread, path, busyTimeout);
    await emptyLog(thread);
    await thread.close();
  } finally {
    closing.removeEventListener('abort', end);
    await thread.end();
  }
  return before - sizeOf(path);
}

async function vacuum(thread: SqliteThread, path: string, busyTimeout: number): Promise<void> {
  for (const start = performance.now(); ;) {
    const waited = performance.now() - start;
    for (let tries = triesAfter(waited); tries > 0; tries--) {
      if (await unless('ERR_BUSY', () => thread.run('VACUUM'))) return;
    }
    if (waited > busyTimeout)
      throw new HoldfastError('ERR_BUSY', `${path}: others have written for ${busyTimeout} ms; try again`);
    await pause(between);
  }
}

/** As far as nobody reads: what is left, the next ones to write see to. */
async function emptyLog(thread: SqliteThread): Promise<void> {
  for (let tries = mostTries; tries > 0; tries--) {
    const [row] = await thread.all('PRAGMA wal_checkpoint(TRUNCATE)');
    if (row?.[0] === 0) return;
    await pause(between);
  }
}

function sizeOf(path: string): number {
  let size = 0;
  for (const file of [path, `${path}-wal`]) size += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return size;
}
