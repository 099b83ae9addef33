import type { CheckOptions, CheckReport } from './checking.js';
import type { Compaction } from './sqlite-compact.js';
import type { CopyOptions } from './sqlite-copy.js';

/** What is done to a store in a directory as a whole. */
export interface Upkeep {
  /**
   * Looks whether the store is as it should be: the database itself, counts and sizes against rows, value files against entries, what the dead have
   * left. It reads everything, and blocks the event loop meanwhile: some seconds for a gigabyte.
   *
   * With `repair` what can be mended is, also while others write: nothing is taken from those who live, and nobody waits for longer than for a usual
   * transaction. Where somebody keeps the lock for longer than a second, say to move a cache to other shards, what is found from then on is told, and
   * not mended. A damaged database that can't be read counts as empty. A damaged database (`'integrity'`) can't be mended: restore a backup.
   *
   * @throws {@link HoldfastError} `ERR_READONLY` with `repair`, `ERR_BUSY`, `ERR_IN_TRANSACTION`, `ERR_FULL`, `ERR_PERMISSION`, `ERR_CLOSED`.
   */
  check(options?: CheckOptions): CheckReport;
  /**
   * Copies the store, as it is at one moment, to a directory that is empty, or not there: a store again, which `open` opens and `restore` puts in the
   * place of another. Others may go on writing, and nobody waits; the log (`holdfast.db-wal`) can't be shortened meanwhile. Values in files are
   * copied, too; an entry whose file goes away meanwhile, because it was removed or overwritten, may be missing in the copy.
   *
   * It is written beside the directory, under a name that ends with `.partial`, and renamed when all of it is on the disk: whoever is killed leaves
   * what was there before, and such a folder, which may be removed.
   *
   * @param directory - A path, or a `file:` URL, outside of the store; on any disk.
   * @throws {@link HoldfastError} (as a rejection) `ERR_EXISTS` when something is there, `ERR_FULL`, `ERR_PERMISSION`, `ERR_CORRUPT`, `ERR_BUSY`,
   * `ERR_IN_TRANSACTION`, `ERR_CLOSED`; the signal's reason. Nothing is left of it then.
   */
  backup(directory: string | URL, options?: CopyOptions): Promise<void>;
  /**
   * Gives the space back to the system that removed and overwritten data have taken in the database, by writing it anew: it needs as much space
   * meanwhile, beside the store and in the system's folder for temporary files. Others can read; **they can't write until it is done**, some seconds
   * for a gigabyte, and get `ERR_BUSY` if that is longer than their `busyTimeout`. The event loop is not blocked. Without it the space is used again
   * for what is written next. Interrupted, nothing has happened.
   *
   * @throws {@link HoldfastError} (as a rejection) `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`, `ERR_CORRUPT`, `ERR_IN_TRANSACTION`, `ERR_CLOSED`.
   */
  compact(): Promise<Compaction>;
}

/** What is done to a store on a server as a whole. To back it up is the server's business (`pg_dump`), and so is giving space back (autovacuum). */
export interface AsyncUpkeep {
  /**
   * Looks whether the store is as it should be: counts and sizes against rows, chunks of values against entries, what the dead have left. It reads
   * everything. Whether the database itself is damaged is a question for the server (`pg_amcheck`): it is not asked here.
   *
   * With `repair` what can be mended is, also while others write: nothing is taken from those who live.
   *
   * @throws {@link HoldfastError} `ERR_IN_TRANSACTION`, `ERR_CONNECTION`, `ERR_CONFLICT`, `ERR_READONLY`, `ERR_PERMISSION`, `ERR_CLOSED`.
   */
  check(options?: CheckOptions): Promise<CheckReport>;
}
