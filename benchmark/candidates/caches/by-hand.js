// What a good engineer would write by hand on better-sqlite3 for a cache that is bounded: its values with their size, when they were
// stored, and when they expire; an index by each of the two; totals that triggers keep. It is pruned when a set has made it too large.
import { computed } from '../../lib/caches.js';
import { openDatabase } from '../sqlite.js';

const tables = `
  CREATE TABLE IF NOT EXISTS cache (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value ANY NOT NULL, bytes INTEGER NOT NULL, rank REAL NOT NULL, expires REAL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS cache_by_rank ON cache (rank);
  CREATE INDEX IF NOT EXISTS cache_by_expiry ON cache (expires) WHERE expires IS NOT NULL;
  CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
  INSERT INTO total VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
  CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON cache BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + NEW.bytes;
  END;
  CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON cache BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - OLD.bytes;
  END;
  CREATE TRIGGER IF NOT EXISTS resized AFTER UPDATE OF bytes ON cache WHEN NEW.bytes <> OLD.bytes BEGIN
    UPDATE total SET bytes = bytes + NEW.bytes - OLD.bytes;
  END;`;
const live = '(expires IS NULL OR expires > ?)';
const upsert = `INSERT INTO cache (key, value, bytes, rank, expires) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes, rank = excluded.rank, expires = excluded.expires`;

/** @param {{ directory: string, maxBytes?: number, maxEntries?: number }} options */
export async function openCache({ directory, maxBytes = 2 ** 30, maxEntries = Infinity }) {
  const db = openDatabase(directory, 20_000);
  db.exec(tables);
  const select = db.prepare(`SELECT value FROM cache WHERE key = ? AND ${live}`).pluck();
  const put = db.prepare(upsert);
  const putIfAbsent = db.prepare(`${upsert} WHERE expires <= excluded.rank`);
  const remove = db.prepare(`DELETE FROM cache WHERE key = ? AND ${live}`);
  const prolong = db.prepare(`UPDATE cache SET expires = ? WHERE key = ? AND ${live}`);
  const use = db.prepare('UPDATE cache SET rank = ? WHERE key = ?');
  const count = db
    .prepare(
      `INSERT INTO cache (key, value, bytes, rank) VALUES (?, 1, ?, ?) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value`,
    )
    .pluck();
  const total = db.prepare('SELECT entries, bytes FROM total WHERE id = 1').raw();
  const evict = db.prepare('DELETE FROM cache WHERE id = (SELECT id FROM cache ORDER BY rank LIMIT 1)');
  const prune = () => {
    for (let full = true; full;) {
      const [entries, bytes] = total.get();
      full = entries > maxEntries || bytes > maxBytes;
      if (full) evict.run();
    }
  };
  const write = (statement, key, value, ttl) => {
    const now = Date.now();
    const bytes = Buffer.byteLength(value) + key.length;
    return statement.run(key, value, bytes, now, ttl === undefined ? null : now + ttl).changes > 0;
  };
  const pruned = (written) => {
    prune();
    return written;
  };
  const get = (key) => select.get(key, Date.now());
  const set = (key, value) => pruned(write(put, key, value));
  return {
    get,
    set,
    setFor: (key, value, ttl) => pruned(write(put, key, value, ttl)),
    delete: (key) => remove.run(key, Date.now()).changes > 0,
    getMany: db.transaction((keys) => keys.map(get)),
    setMany: db.transaction((entries) => {
      for (const [key, value] of entries) write(put, key, value);
      prune();
    }),
    add: (key, value) => pruned(write(putIfAbsent, key, value)),
    touch: (key, ttl) => prolong.run(Date.now() + ttl, key, Date.now()).changes > 0,
    increment: (key) => count.all(key, 8 + key.length, Date.now())[0],
    memoized: (n) => {
      const key = JSON.stringify(['computed', n]);
      const known = get(key);
      if (known !== undefined) return known;
      const value = computed(n);
      set(key, value);
      return value;
    },
    /** As where the least recently used go first, and each use is written at once. */
    getAndUse: (key) => {
      const value = get(key);
      if (value !== undefined) use.run(Date.now(), key);
      return value;
    },
    fill: db.transaction((entries) => {
      for (const [key, value] of entries) write(put, key, value);
    }),
    close: () => db.close(),
  };
}
