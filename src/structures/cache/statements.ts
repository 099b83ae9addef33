import { mostOnServer, type ValueColumn } from '../../core/columns.js';
import type { KeyColumn } from '../../core/key.js';
import { placeMask, places } from '../../core/schema.js';
import { listed, Statement, type Row, type StatementOptions, type Value } from '../../core/statement.js';
import { steady } from '../../core/steady.js';

/** Which entries go first when a cache is full. */
export type Eviction = 'least-recently-stored' | 'least-recently-used' | 'least-frequently-used' | 'none';

/** What an upsert is given; the structure three times, the bytes twice. `ttl` is in milliseconds, null for ever; `file` names the value where it is not in the row. */
export type Upsert = [
  structure: number,
  structure: number,
  bytes: number,
  key: KeyColumn,
  value: ValueColumn,
  bytes: number,
  ttl: number | null,
  structure: number,
  file: string | null,
];

/** An entry, as `entry()` shows it: times in milliseconds of the wall clock. */
export type EntryRow = [
  value: unknown,
  bytes: number,
  stored: number,
  expires: number | null,
  used: number | null,
  hits: number,
  id: number,
];

/** How full a cache is, and how full it may be. */
export type FillRow = [
  eviction: Eviction,
  mostBytes: number,
  mostEntries: number,
  bytes: number,
  entries: number,
  shards: number,
];

/** Of a cache that nothing was stored in. */
export const emptyFill: FillRow = ['none', 0, 0, 0, 0, 1];

export type CountRow = [hits: number, misses: number, evictions: number, expirations: number];

/** Not expired. What may only be served stale (`fresh` is over, `expires` is not) counts as expired. */
const live = `(e.expires IS NULL OR coalesce(e.fresh, e.expires) > ${steady})`;
/** Behind all that were stored or used before; or used once, from when the last one was evicted. */
const rankOf = (c: string): string =>
  `CASE ${c}eviction WHEN 'none' THEN NULL WHEN 'least-frequently-used' THEN ${c}aged + 1 ELSE ${steady} END`;
const target = 'INTO cached_entries AS e (id, structure, key, value, bytes, stored, expires, rank, file)';
const overwriting =
  'value = excluded.value, bytes = excluded.bytes, stored = excluded.stored, expires = excluded.expires, rank = excluded.rank, file = excluded.file, used = NULL, hits = 0, fresh = NULL, took = NULL';

const first =
  '(SELECT v.bytes FROM cached_entries v WHERE v.structure = s.id AND v.rank IS NOT NULL ORDER BY v.rank, v.id LIMIT 1)';
/**
 * There is room, or will be once the first entry is gone, which the trigger `cached_added` removes: a statement of its own for that, and a
 * transaction around both, would take twice the time.
 */
const fitting = `(SELECT s.size < c.most_entries AND s.bytes + n.bytes <= c.most_bytes OR c.eviction <> 'none' AND s.size <= c.most_entries AND n.bytes <= c.most_bytes
  AND s.bytes + n.bytes - ${first} <= c.most_bytes
  AND NOT EXISTS (SELECT 1 FROM cached_entries x WHERE x.structure = s.id AND x.expires <= (SELECT ${steady})) FROM (SELECT ? AS bytes) n)`;
/** What overwrites removes nothing else. */
const replacing =
  '(SELECT s.bytes + excluded.bytes - e.bytes <= c.most_bytes FROM structures s JOIN caches c ON c.structure = s.id WHERE s.id = e.structure)';

/**
 * A new entry gets the next place; one that is there keeps its own. Written as those of an index, for the same reasons. It does nothing where `room`
 * is wanted and there is none; nor where an entry is there that fails `condition`; nor where the entries are in shards elsewhere.
 */
function upsert(room: boolean, condition: string): Statement<Upsert> {
  const conflict = `ON CONFLICT (structure, key) DO UPDATE SET ${overwriting} WHERE ${condition}`;
  const next = `(SELECT id * ${places} + sequence + 1 FROM structures WHERE id = ?)`;
  const fits = room ? fitting : '? > 0';
  const total = (column: string): string =>
    `(SELECT coalesce(sum(t.${column}), 0) FROM tallies t WHERE t.structure = st.id)`;
  const fitsThere = room
    ? `AND ${total('size')} < c.most_entries AND ${total('bytes')} + CAST(? AS bigint) <= c.most_bytes`
    : 'AND CAST(? AS bigint) > 0';
  return new Statement(
    `INSERT OR IGNORE ${target} VALUES (${next},
       (SELECT s.id FROM structures s JOIN caches c ON c.structure = s.id WHERE s.id = ? AND c.shards = 1 AND ${fits}),
       ?, ?, ?, wall(), ${steady} + ?, (SELECT ${rankOf('')} FROM caches WHERE structure = ?), ?) ${conflict} ${room ? `AND ${replacing}` : ''}`,
    `WITH s AS (SELECT st.id, ${rankOf('c.')} AS rank FROM structures st JOIN caches c ON c.structure = st.id WHERE st.id = ? AND st.id = ? ${fitsThere} FOR KEY SHARE OF st)
     INSERT ${target} SELECT s.id * ${places} + nextval('places'), s.id, CAST(? AS bytea), CAST(? AS bytea), CAST(? AS bigint), wall(), ${steady} + CAST(? AS double precision), s.rank, f.file
     FROM s CROSS JOIN LATERAL (SELECT CAST(? AS bigint) AS structure, CAST(? AS text) AS file) f WHERE s.id = f.structure ${conflict}`,
  );
}

/** On a server a value that was streamed is put together again, if it is not too large for that: in a file beside the database it is for the engine to read. One whose chunks were lost is garbled. */
export const valueOf = {
  sqlite: 'e.value',
  postgres: `CASE WHEN e.file IS NULL OR e.bytes > ${mostOnServer} THEN e.value ELSE coalesce((SELECT string_agg(v.data, ''::bytea ORDER BY v.place) FROM value_chunks v WHERE v.file = e.file), decode('f0', 'hex')) END`,
} as const;

/** A statement that reads values. */
export function reading<P extends readonly Value[], R extends Row>(
  text: (value: string) => string,
  options?: StatementOptions,
): Statement<P, R> {
  return new Statement(text(valueOf.sqlite), text(valueOf.postgres), options);
}

/** The entry of a key. */
const found = 'FROM cached_entries e WHERE e.structure = ? AND e.key = ?';
/** What a key has; `null` where it has nothing, no bytes at all where the entries are in shards elsewhere: no value is either. */
export type Found<T> = [found: T | null];
export type Look<T> = Statement<[structure: number, key: KeyColumn, structure: number], Found<T>>;

/**
 * What a key has; on an embedded store, where it has nothing, whether the entries are in shards: to ask for that only then would take as long again. In
 * one column: to read two takes half as long again.
 */
function look<T>(column: (value: string) => string): Look<T> {
  const entry = `${found} AND ${live}`;
  return new Statement(
    `SELECT ${column(valueOf.sqlite)} ${entry} UNION ALL SELECT CASE WHEN shards > 1 THEN x'' END FROM caches WHERE structure = ?`,
    `SELECT ${column(valueOf.postgres)} ${entry} AND e.structure = ?`,
  );
}

/** That nobody works out the value of the key. */
const grounded =
  'NOT EXISTS (SELECT 1 FROM cache_flights f WHERE f.structure = e.structure AND f.key = e.key)';
/** Of one structure; on a server once nobody has it locked: a script may have read the entry. */
const alone = {
  sqlite: 'e.structure = ?',
  postgres: 'e.structure = (SELECT id FROM structures WHERE id = ? FOR KEY SHARE)',
} as const;
const deleteWhere = (condition: string, structure: string = alone.sqlite): string =>
  `DELETE FROM cached_entries AS e WHERE ${structure} AND e.key = ? AND ${condition}`;
const filling = (size: string, bytes: string): string =>
  `SELECT c.eviction, c.most_bytes, c.most_entries, ${bytes}, ${size}, c.shards FROM caches c JOIN structures s ON s.id = c.structure WHERE c.structure = ?`;
const tallied = (column: string): string =>
  `(SELECT CAST(coalesce(sum(t.${column}), 0) AS bigint) FROM tallies t WHERE t.structure = c.structure)`;
const expired = `SELECT id, bytes FROM cached_entries WHERE structure = ? AND expires <= (SELECT ${steady}) ORDER BY expires, id LIMIT ?`;
const wallOfExpiry = `CAST(coalesce(e.fresh, e.expires) - ${steady} + wall() AS double precision)`;

/** Stored anew, at a rank that says so. */
const changed = `stored = wall(), rank = (SELECT CASE WHEN c.eviction IN ('none', 'least-frequently-used')
  THEN e.rank ELSE ${steady} END FROM caches c WHERE c.structure = e.structure)`;
const swap = (structure: string, size: string, bytes: string): string =>
  `UPDATE cached_entries AS e SET value = ?, bytes = ?, ${changed} WHERE ${structure} AND e.key = ? AND e.value = ? AND e.bytes >= ? AND e.file IS NULL AND ${live}
  AND (SELECT ${size} <= c.most_entries AND ${bytes} <= c.most_bytes FROM caches c JOIN structures s ON s.id = c.structure WHERE c.structure = e.structure)`;

export const sql = {
  get: reading<[structure: number, key: KeyColumn], [value: unknown]>(
    (value) => `SELECT ${value} ${found} AND ${live}`,
  ),
  /** For a transaction of its own: see `columnOf`. */
  look: look<ValueColumn>((value) => value),
  lookWhether: look<1>(() => '1'),
  has: new Statement<[structure: number, key: KeyColumn], [one: number]>(`SELECT 1 ${found} AND ${live}`),
  entry: reading<[structure: number, key: KeyColumn], EntryRow>(
    (value) =>
      `SELECT ${value}, e.bytes, e.stored, ${wallOfExpiry}, e.used, e.hits, e.id ${found} AND ${live}`,
  ),
  /** Where there is room, on an embedded store also where the first entry has to go for it, and what is there has no tags: else it does nothing. */
  setQuickly: upsert(true, 'e.tagged IS NULL'),
  set: upsert(false, 'e.bytes > 0'),
  /** The same as {@link sql.setQuickly}, where nothing is there that has not expired. */
  addQuickly: upsert(true, `e.tagged IS NULL AND NOT ${live}`),
  /** What is overwritten, expired or not. */
  old: new Statement<[structure: number, key: KeyColumn], [id: number, bytes: number, tagged: number | null]>(
    `SELECT e.id, e.bytes, e.tagged ${found}`,
  ),
  tagged: new Statement<[tagged: number | null, id: number]>(
    'UPDATE cached_entries SET tagged = ? WHERE id = ?',
  ),
  addTag: new Statement<[structure: number, tag: string, entry: number]>(
    'INSERT INTO cache_tags (structure, tag, entry) VALUES (?, ?, ?) ON CONFLICT (structure, tag, entry) DO NOTHING',
  ),
  removeTags: new Statement<[entry: number]>('DELETE FROM cache_tags WHERE entry = ?'),
  tags: new Statement<[entry: number], [tag: string]>(
    'SELECT tag FROM cache_tags WHERE entry = ? ORDER BY tag',
  ),
  /** Another value, that was stored now; its time, its tags and its uses are as they were. */
  change: new Statement<
    [value: ValueColumn, bytes: number, file: string | null, structure: number, key: KeyColumn]
  >(
    `UPDATE cached_entries AS e SET value = ?, bytes = ?, file = ?, ${changed} WHERE e.structure = ? AND e.key = ?`,
  ),
  /** The same where the value is still the one that was read, and the other takes no more bytes. Neither is in a file, and there is not too much. */
  swap: new Statement<
    [value: ValueColumn, bytes: number, structure: number, key: KeyColumn, old: ValueColumn, bytes: number]
  >(swap(alone.sqlite, 's.size', 's.bytes'), swap(alone.postgres, tallied('size'), tallied('bytes'))),
  /** It may be served stale for as long as before. */
  touch: new Statement<[ttl: number | null, ttl: number | null, structure: number, key: KeyColumn]>(
    `UPDATE cached_entries AS e SET expires = ${steady} + CAST(? AS double precision) + coalesce(e.expires - e.fresh, 0),
       fresh = CASE WHEN e.fresh IS NULL THEN NULL ELSE ${steady} + CAST(? AS double precision) END WHERE e.structure = ? AND e.key = ? AND ${live}`,
  ),
  /** Where its value is not being worked out. A user's transaction on a server could not see whether it is. */
  deleteQuickly: new Statement<[structure: number, key: KeyColumn]>(
    deleteWhere(`${live} AND ${grounded}`),
    deleteWhere(
      `${live} AND ${grounded} AND current_setting('transaction_isolation') = 'read committed'`,
      alone.postgres,
    ),
  ),
  delete: new Statement<[structure: number, key: KeyColumn]>(deleteWhere(live)),
  /** Also what has expired, and may be served all the same. */
  removeKey: new Statement<[structure: number, key: KeyColumn]>(
    'DELETE FROM cached_entries WHERE structure = ? AND key = ?',
  ),
  /** Also one that has expired. */
  remove: new Statement<[id: number]>('DELETE FROM cached_entries WHERE id = ?'),
  removeMany: new Statement<[ids: string]>(
    `DELETE FROM cached_entries WHERE id ${listed.sqlite}`,
    `DELETE FROM cached_entries WHERE id ${listed.postgres}`,
  ),
  fill: new Statement<[structure: number], FillRow>(
    filling('s.size', 's.bytes'),
    filling(tallied('size'), tallied('bytes')),
  ),
  configure: new Statement<
    [structure: number, eviction: Eviction, mostBytes: number, mostEntries: number, shards: number]
  >(
    `INSERT INTO caches (structure, eviction, most_bytes, most_entries, shards) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (structure) DO UPDATE SET eviction = excluded.eviction, most_bytes = excluded.most_bytes, most_entries = excluded.most_entries`,
  ),
  /** Those that come first, in their order. */
  victims: new Statement<[structure: number, most: number], [id: number, bytes: number, rank: number]>(
    'SELECT id, bytes, rank FROM cached_entries WHERE structure = ? AND rank IS NOT NULL ORDER BY rank, id LIMIT ?',
  ),
  /** On a server without those that a transaction is giving more time: to remove them would wait for it, and then remove what has not expired. */
  expired: new Statement<[structure: number, most: number], [id: number, bytes: number]>(
    expired,
    `${expired} FOR UPDATE SKIP LOCKED`,
  ),
  countEvicted: new Statement<[aged: number, evictions: number, structure: number]>(
    `UPDATE caches SET aged = CASE eviction WHEN 'least-frequently-used' THEN CAST(? AS double precision) ELSE aged END, evictions = evictions + ? WHERE structure = ?`,
  ),
  countExpired: new Statement<[expirations: number, structure: number]>(
    'UPDATE caches SET expirations = expirations + ? WHERE structure = ?',
  ),
  /** Entries that have a tag, and were there when the newest had that place. */
  tagging: new Statement<
    [structure: number, tag: string, structure: number, newest: number, most: number],
    [entry: number]
  >(
    `SELECT entry FROM cache_tags WHERE structure = ? AND tag = ? AND entry <= CAST(? AS bigint) * ${places} + CAST(? AS bigint) ORDER BY entry LIMIT ?`,
  ),
  newest: new Statement<[structure: number, structure: number], [place: number]>(
    `SELECT id & ${placeMask} FROM cached_entries WHERE id >= CAST(? AS bigint) * ${places} AND id < (CAST(? AS bigint) + 1) * ${places}
     ORDER BY id DESC LIMIT 1`,
  ),
  clear: new Statement<[structure: number, structure: number, newest: number, most: number]>(
    `DELETE FROM cached_entries WHERE id IN (SELECT id FROM cached_entries
     WHERE id >= CAST(? AS bigint) * ${places} AND id <= CAST(? AS bigint) * ${places} + CAST(? AS bigint) ORDER BY id LIMIT ?)`,
  ),
  /** That an entry was used so many times, the last time so many milliseconds ago. */
  used: new Statement<
    [uses: number, ago: number, uses: number, ago: number, structure: number, key: KeyColumn]
  >(
    `UPDATE cached_entries SET hits = hits + CAST(? AS bigint), used = max(coalesce(used, 0), wall() - ?),
       rank = (SELECT CASE c.eviction WHEN 'least-frequently-used' THEN c.aged + cached_entries.hits + CAST(? AS bigint) + 1
         WHEN 'least-recently-used' THEN max(cached_entries.rank, ${steady} - ?) ELSE cached_entries.rank END FROM caches c WHERE c.structure = cached_entries.structure)
     WHERE structure = ? AND key = ?`,
    `UPDATE cached_entries AS e SET hits = e.hits + CAST(? AS bigint), used = greatest(coalesce(e.used, 0), wall() - CAST(? AS double precision)),
       rank = (SELECT CASE c.eviction WHEN 'least-frequently-used' THEN c.aged + e.hits + CAST(? AS bigint) + 1
         WHEN 'least-recently-used' THEN greatest(e.rank, ${steady} - CAST(? AS double precision)) ELSE e.rank END FROM caches c WHERE c.structure = e.structure)
     WHERE e.structure = ? AND e.key = ?`,
  ),
  counted: new Statement<[hits: number, misses: number, structure: number]>(
    'UPDATE caches SET hits = hits + CAST(? AS bigint), misses = misses + CAST(? AS bigint) WHERE structure = ?',
  ),
  counts: new Statement<[structure: number], CountRow>(
    'SELECT hits, misses, evictions, expirations FROM caches WHERE structure = ?',
  ),
  resetCounts: new Statement<[structure: number]>(
    'UPDATE caches SET hits = 0, misses = 0, evictions = 0, expirations = 0 WHERE structure = ?',
  ),
  /** Whether somebody is to look for what has expired: nobody has for so long, in milliseconds. After a boot the clock may be before where it was then. */
  takeUpkeep: new Statement<[structure: number, interval: number]>(
    `UPDATE caches SET kept = ${steady} WHERE structure = ? AND NOT kept BETWEEN ${steady} - CAST(? AS double precision) AND ${steady}`,
  ),
  /** All ranks anew, as the policy wants them. */
  rerank: new Statement<[structure: number]>(
    `UPDATE cached_entries AS e SET rank = (SELECT CASE c.eviction WHEN 'none' THEN NULL WHEN 'least-frequently-used' THEN c.aged + e.hits + 1
       WHEN 'least-recently-used' THEN (CASE WHEN e.used > e.stored THEN e.used ELSE e.stored END) - wall() + ${steady} ELSE e.stored - wall() + ${steady} END FROM caches c WHERE c.structure = e.structure)
     WHERE e.structure = ?`,
  ),
};

/** An entry of an iteration: `place` orders entries by insertion. */
export type ListedRow = [place: number | bigint, key: KeyColumn, value: unknown];

/** Keys beyond 2^53 are exact only as bigints. */
const bigints = { bigints: true };
const listedColumns = (value: string): string => `e.id & ${placeMask}, e.key, ${value}`;
/** Without the values, which may be large. */
const keyColumns = listedColumns("''");
const at = `CAST(? AS bigint) * ${places} + CAST(? AS bigint)`;

type ByPlace = Statement<[structure: number, place: number, structure: number, limit: number], ListedRow>;
type ByTag = Statement<
  [structure: number, tag: string, structure: number, place: number, limit: number],
  ListedRow
>;
type ByPrefix = Statement<[structure: number, low: KeyColumn, high: KeyColumn, limit: number], ListedRow>;

const after = (valueWanted: boolean): ByPlace =>
  reading(
    (value) =>
      `SELECT ${listedColumns(valueWanted ? value : "''")} FROM cached_entries e WHERE e.id > ${at} AND e.id < (CAST(? AS bigint) + 1) * ${places} AND ${live} ORDER BY e.id LIMIT ?`,
    bigints,
  );
const before = (valueWanted: boolean): ByPlace =>
  reading(
    (value) =>
      `SELECT ${listedColumns(valueWanted ? value : "''")} FROM cached_entries e WHERE e.id < ${at} AND e.id >= CAST(? AS bigint) * ${places} AND ${live} ORDER BY e.id DESC LIMIT ?`,
    bigints,
  );
const byTag = (comparison: string, order: string): ByTag =>
  new Statement(
    `SELECT ${keyColumns} FROM cache_tags t JOIN cached_entries e ON e.id = t.entry
     WHERE t.structure = ? AND t.tag = ? AND t.entry ${comparison} ${at} AND ${live} ORDER BY t.entry ${order} LIMIT ?`,
    undefined,
    bigints,
  );
const byPrefix = (above: string, below: string, order: string): ByPrefix =>
  new Statement(
    `SELECT ${keyColumns} FROM cached_entries e WHERE e.structure = ? AND e.key ${above} ? AND e.key ${below} ? AND ${live} ORDER BY e.key ${order} LIMIT ?`,
    undefined,
    bigints,
  );

/** Entries behind a place in the order of insertion, or before it in reverse; the keys of a tag in that order, those with a prefix in the order of keys. */
export const lists = {
  entries: { forward: after(true), reverse: before(true) },
  keys: { forward: after(false), reverse: before(false) },
  tag: { forward: byTag('>', ''), reverse: byTag('<', 'DESC') },
  prefix: {
    first: { forward: byPrefix('>=', '<', ''), reverse: byPrefix('>=', '<', 'DESC') },
    next: { forward: byPrefix('>', '<', ''), reverse: byPrefix('>=', '<', 'DESC') },
  },
};
