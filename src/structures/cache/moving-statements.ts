import type { KeyColumn } from '../../core/key.js';
import { places } from '../../core/schema.js';
import { Statement, type Value } from '../../core/statement.js';

/** An entry with all that is known of it. Integers are bigints. */
export type MovedRow = [
  id: bigint,
  key: KeyColumn,
  value: Value,
  bytes: Value,
  stored: Value,
  expires: Value,
  rank: Value,
  used: Value,
  hits: Value,
  tagged: Value,
  fresh: Value,
  took: Value,
];

/** Embedded only. */
export const moving = {
  page: new Statement<[structure: number, place: number, structure: number, limit: number], MovedRow>(
    `SELECT id, key, value, bytes, stored, expires, rank, used, hits, tagged, fresh, took FROM cached_entries
     WHERE id > CAST(? AS bigint) * ${places} + CAST(? AS bigint) AND id < (CAST(? AS bigint) + 1) * ${places} ORDER BY id LIMIT ?`,
    undefined,
    { bigints: true },
  ),
  tags: new Statement<[entry: bigint], [tag: string]>('SELECT tag FROM cache_tags WHERE entry = ?'),
  put: new Statement<
    [
      structure: number,
      structure: number,
      key: KeyColumn,
      value: Value,
      bytes: Value,
      stored: Value,
      expires: Value,
      shift: number,
      fresh: Value,
      shift: number,
      rank: Value,
      rankShift: number,
      used: Value,
      hits: Value,
      tagged: Value,
      took: Value,
      file: string | null,
    ]
  >(
    `INSERT INTO cached_entries (id, structure, key, value, bytes, stored, expires, fresh, rank, used, hits, tagged, took, file)
     VALUES ((SELECT id * ${places} + sequence + 1 FROM structures WHERE id = ?), ?, ?, ?, ?, ?, ? + ?, ? + ?, ? + ?, ?, ?, ?, ?, ?)`,
  ),
  tag: new Statement<[structure: number, tag: string, structure: number, key: KeyColumn]>(
    'INSERT INTO cache_tags (structure, tag, entry) SELECT ?, ?, id FROM cached_entries WHERE structure = ? AND key = ?',
  ),
  /** How far its clock is ahead, and what the last one that was evicted had. */
  origin: new Statement<[structure: number], [ahead: number, aged: number]>(
    'SELECT (SELECT ahead FROM clocks), aged FROM caches WHERE structure = ?',
  ),
  addCounts: new Statement<
    [hits: number, misses: number, evictions: number, expirations: number, structure: number]
  >(
    'UPDATE caches SET hits = hits + CAST(? AS bigint), misses = misses + CAST(? AS bigint), evictions = evictions + CAST(? AS bigint), expirations = expirations + CAST(? AS bigint) WHERE structure = ?',
  ),
  flights: new Statement<[structure: number], [key: KeyColumn]>(
    'SELECT key FROM cache_flights WHERE structure = ?',
    undefined,
    { bigints: true },
  ),
  removeAll: new Statement<[structure: number]>('DELETE FROM cached_entries WHERE structure = ?'),
  removeFlights: new Statement<[structure: number]>('DELETE FROM cache_flights WHERE structure = ?'),
  /** From here on it is a cache of its own, that evicts: what is moved there is not to be. */
  filled: new Statement<[structure: number]>('UPDATE caches SET shards = 1 WHERE structure = ?'),
  flip: new Statement<[shards: number, generation: number, structure: number]>(
    'UPDATE caches SET shards = CAST(? AS bigint), generation = CAST(? AS bigint), aged = 0 WHERE structure = ?',
  ),
};
