import { Statement } from '../../core/statement.js';
import type { KeyColumn } from '../../core/key.js';
import { steady } from '../../core/steady.js';

/** Values in chunks: on a server only, where there are no files. An embedded store is never asked these. */
const onServer = <P extends Statement['params'], R extends Statement['row'] = []>(
  text: string,
): Statement<P, R> => new Statement(text);

export const sql = {
  /** A value is to be written: it has a name, and is not removed as long as its writer lives. */
  begin: onServer<[owner: number], [use: number, file: string]>(
    "INSERT INTO value_uses (file, owner) VALUES (CAST(nextval('places') AS text), ?) RETURNING id, file",
  ),
  add: onServer<[file: string, place: number, data: Uint8Array]>(
    'INSERT INTO value_chunks (file, place, data) VALUES (?, ?, ?)',
  ),
  chunk: onServer<[file: string, place: number], [data: Uint8Array]>(
    'SELECT data FROM value_chunks WHERE file = ? AND place = ?',
  ),
  /** Where a value lies; it stays there until the transaction ends. */
  find: onServer<[structure: number, key: KeyColumn], [value: unknown, file: string | null]>(
    `SELECT e.value, e.file FROM cached_entries e
     WHERE e.structure = ? AND e.key = ? AND (e.expires IS NULL OR coalesce(e.fresh, e.expires) > ${steady}) FOR SHARE`,
  ),
  use: onServer<[file: string, owner: number], [use: number]>(
    'INSERT INTO value_uses (file, owner) VALUES (?, ?) RETURNING id',
  ),
  /** Changes nothing where the owner was taken for dead. */
  unuse: onServer<[use: number]>('DELETE FROM value_uses WHERE id = ?'),
  remove: onServer<[file: string]>('DELETE FROM value_chunks WHERE file = ?'),
  /** What is to be removed, and nobody reads. */
  trash: onServer<[most: number], [file: string]>(
    'SELECT t.file FROM value_trash t WHERE NOT EXISTS (SELECT 1 FROM value_uses u WHERE u.file = t.file) LIMIT ?',
  ),
  removed: onServer<[file: string]>('DELETE FROM value_trash WHERE file = ?'),
};
