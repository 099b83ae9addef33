import type { CheckOptions, CheckReport } from './checking.js';

/** What is done to a store in a directory as a whole. */
export interface Upkeep {
  /**
   * Looks whether the store is as it should be: the database itself, counts and sizes against rows, value files against entries, what the dead have left. It
   * reads everything, on the caller's turn: some seconds for a gigabyte.
   *
   * With `repair` what can be mended is, also while others write: nothing is taken from those who live, and nobody waits for longer than for a usual
   * transaction. A damaged database (`'integrity'`) can't be mended: restore a backup.
   *
   * @throws {@link HoldfastError} `ERR_READONLY` with `repair`, `ERR_BUSY` (what was mended before is), `ERR_IN_TRANSACTION`, `ERR_FULL`, `ERR_PERMISSION`, `ERR_CLOSED`.
   */
  check(options?: CheckOptions): CheckReport;
}

/** What is done to a store on a server as a whole. To back it up is the server's business (`pg_dump`), and so is giving space back (autovacuum). */
export interface AsyncUpkeep {
  /**
   * Looks whether the store is as it should be: counts and sizes against rows, chunks of values against entries, what the dead have left. It reads everything. Whether the database itself is
   * damaged is a question for the server (`pg_amcheck`): it is not asked here.
   *
   * With `repair` what can be mended is, also while others write: nothing is taken from those who live.
   *
   * @throws {@link HoldfastError} `ERR_IN_TRANSACTION`, `ERR_CONNECTION`, `ERR_CONFLICT`, `ERR_READONLY`, `ERR_PERMISSION`, `ERR_CLOSED`.
   */
  check(options?: CheckOptions): Promise<CheckReport>;
}
