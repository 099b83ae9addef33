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

/** Whether one of the tags that are given, in JSON, is one of those of a flight; or of the entry that it is to replace. */
const tagged = {
  sqlite: `EXISTS (SELECT 1 FROM json_each(f.tags) WHERE json_each.value IN (SELECT value FROM json_each(?)))
     OR EXISTS (SELECT 1 FROM cached_entries e JOIN cache_tags t ON t.entry = e.id
       WHERE e.structure = f.structure AND e.key = f.key AND t.tag IN (SELECT value FROM json_each(?)))`,
  postgres: `EXISTS (SELECT 1 FROM jsonb_array_elements_text(CAST(f.tags AS jsonb)) AS own(tag) WHERE own.tag IN (SELECT jsonb_array_elements_text(CAST(? AS jsonb))))
     OR EXISTS (SELECT 1 FROM cached_entries e JOIN cache_tags t ON t.entry = e.id
       WHERE e.structure = f.structure AND e.key = f.key AND t.tag IN (SELECT jsonb_array_elements_text(CAST(? AS jsonb))))`,
} as const;
const removeTagged = (condition: string): string =>
  `DELETE FROM cache_flights AS f WHERE f.structure = ? AND (${condition}) RETURNING key`;

/** Errors that nobody is to get any more, and nobody waits for; and what was left by who has gone. */
const over = `SELECT id FROM cache_flights WHERE structure = ? AND until < (SELECT ${steady}) - CAST(? AS double precision)
  UNION ALL SELECT f.id FROM cache_flights f WHERE f.structure = ? AND f.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = f.owner)`;

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
  begin: new Statement<[structure: number, key: KeyColumn, owner: number, tags: string | null]>(
    'INSERT INTO cache_flights (structure, key, owner, tags) VALUES (?, ?, ?, ?)',
  ),
  /** When the value under a key was stored, expired or not. */
  stored: new Statement<[structure: number, key: KeyColumn], [stored: number]>(
    'SELECT e.stored FROM cached_entries e WHERE e.structure = ? AND e.key = ?',
  ),
  /** An entry whose file is not there. */
  removeLost: new Statement<[structure: number, key: KeyColumn, file: string]>(
    'DELETE FROM cached_entries WHERE structure = ? AND key = ? AND file = ?',
  ),
  removeTagged: new Statement<[structure: number, tags: string, tags: string], [key: KeyColumn]>(
    removeTagged(tagged.sqlite),
    removeTagged(tagged.postgres),
  ),
  removeSome: new Statement<[structure: number, most: number], [key: KeyColumn]>(
    'DELETE FROM cache_flights WHERE id IN (SELECT id FROM cache_flights WHERE structure = ? LIMIT ?) RETURNING key',
  ),
  /** What a user's transaction on a server conflicts by with flights that it can't see: see src/core/schema.ts. */
  mark: new Statement<[structure: number, key: KeyColumn | null, tags: string | null], [marked: unknown]>(
    'SELECT ?, ?, ?',
    `SELECT mark_flight(CAST(? AS bigint), CAST(? AS bytea), CAST(? AS text)) WHERE current_setting('transaction_isolation') = 'serializable'`,
  ),
  fail: new Statement<[error: ValueColumn, sticky: number, id: number]>(
    `UPDATE cache_flights SET owner = NULL, error = ?, until = ${steady} + CAST(? AS double precision) WHERE id = ?`,
  ),
  /** Whether there is something to {@link sql.sweep}. */
  anyOld: new Statement<[structure: number, age: number, structure: number], [id: number]>(`${over} LIMIT 1`),
  sweep: new Statement<[structure: number, age: number, structure: number]>(
    `DELETE FROM cache_flights WHERE id IN (${over})`,
  ),
};
