// What a good engineer would write by hand on better-sqlite3 for exactly this work: an own table for each structure, no other
// column than the work needs, prepared statements, the same pragmas as Holdfast. Objects are JSON.
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** @param {string} directory @param {number} [timeout] - Milliseconds that SQLite's own busy handler waits. */
export function openDatabase(directory, timeout = 5000) {
  const db = new Database(join(directory, 'by-hand.db'), { timeout });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.pragma('wal_autocheckpoint = 4000');
  db.exec(`
    CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value);
    CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value);
    CREATE TABLE IF NOT EXISTS q (id INTEGER PRIMARY KEY, value);
  `);
  return db;
}

export const upsertInto = (table) =>
  `INSERT INTO ${table} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`;

export const byHand = {
  name: 'by hand',
  /** @param {string} directory */
  open(directory) {
    const db = openDatabase(directory);
    const get = db.prepare('SELECT value FROM entry WHERE key = ?').pluck();
    const set = db.prepare(upsertInto('entry'));
    const remove = db.prepare('DELETE FROM entry WHERE key = ?');
    const getObject = db.prepare('SELECT value FROM object WHERE key = ?').pluck();
    const setObject = db.prepare(upsertInto('object'));
    const push = db.prepare('INSERT INTO q (value) VALUES (?)');
    const shift = db.prepare('DELETE FROM q WHERE id = (SELECT min(id) FROM q) RETURNING value').pluck();
    const range = db.prepare('SELECT key, value FROM entry WHERE key >= ? ORDER BY key LIMIT ?').raw();
    const setAll = db.transaction((entries) => {
      for (const [key, value] of entries) set.run(key, value);
    });
    return {
      /** @param {() => void} work */
      batch: (work) => db.transaction(work)(),
      get: (key) => get.get(key),
      set: (key, value) => set.run(key, value),
      range: (from, limit) => range.all(from, limit),
      delete: (key) => remove.run(key).changes > 0,
      setAll,
      getObject: (key) => JSON.parse(getObject.get(key)),
      setObject: (key, value) => setObject.run(key, JSON.stringify(value)),
      push: (value) => push.run(value),
      shift: () => shift.get(),
      close: () => db.close(),
    };
  },
};
