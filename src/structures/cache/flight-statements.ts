import type { ValueColumn } from '../../core/columns.js';
import type { KeyColumn } from '../../core/key.js';
import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import { reading } from './statements.js';

/** An entry that may be served: for how many milliseconds it is fresh yet, less than none if it is stale, null for ever; how many it took to work out. */
export type ServedRow = [value: unknown, fresh: number | null, took: number | null, stored: number];

/** Who works out the value of a key; or what it has failed with, and for how many milliseconds everybody is to get that. */
export type FlightRow = [
  id: number,
  owner: number | null,
  token: string | null,
  error: unknown,
  sticky: number | null,
];

export const sql = {
  served: reading<[structure: number, key: KeyColumn], ServedRow>(
    (
      value,
    ) => `SELECT ${value}, coalesce(e.fresh, e.expires) - ${steady}, e.took, e.stored FROM cached_entries e
     WHERE e.structure = ? AND e.key = ? AND (e.expires IS NULL OR e.expires > ${steady})`,
  ),
  /** For how long an entry that was just stored may be served when it is stale, and how long it took to work out. */
  produced: new Statement<[stale: number, took: number, structure: number, key: KeyColumn]>(
    'UPDATE cached_entries SET fresh = expires, expires = expires + CAST(? AS double precision), took = ? WHERE structure = ? AND key = ?',
  ),
  flight: new Statement<[structure: number, key: KeyColumn], FlightRow>(
    `SELECT f.id, f.owner, o.token, f.error, f.until - ${steady} FROM cache_flights f LEFT JOIN owners o ON o.id = f.owner WHERE f.structure = ? AND f.key = ?`,
  ),
  remove: new Statement<[structure: number, key: KeyColumn]>(
    'DELETE FROM cache_flights WHERE structure = ? AND key = ?',
  ),
  begin: new Statement<[structure: number, key: KeyColumn, owner: number]>(
    'INSERT INTO cache_flights (structure, key, owner) VALUES (?, ?, ?)',
  ),
  fail: new Statement<[error: ValueColumn, sticky: number, id: number]>(
    `UPDATE cache_flights SET owner = NULL, error = ?, until = ${steady} + CAST(? AS double precision) WHERE id = ?`,
  ),
  /** Whether there is something to {@link sql.sweep}. */
  anyOld: new Statement<[structure: number, age: number], [id: number]>(
    `SELECT id FROM cache_flights WHERE structure = ? AND until < (SELECT ${steady}) - CAST(? AS double precision) LIMIT 1`,
  ),
  /** Errors that nobody is to get any more, and nobody waits for. */
  sweep: new Statement<[structure: number, age: number]>(
    `DELETE FROM cache_flights WHERE structure = ? AND until < (SELECT ${steady}) - CAST(? AS double precision)`,
  ),
};
