CREATE UNIQUE INDEX entries_by_key ON entries (structure, key);
CREATE INDEX waiters_by_owner ON waiters (owner);
CREATE INDEX waiters_by_structure ON waiters (structure, id);
CREATE TABLE barriers (
  structure INTEGER PRIMARY KEY,
  parties INTEGER NOT NULL,
  round INTEGER NOT NULL,
  arrived INTEGER NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  structure INTEGER NOT NULL,
  key ANY NOT NULL,
  value ANY NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE holds (
  structure INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  owner INTEGER,
  fence INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  since REAL NOT NULL,
  until REAL,
  label TEXT,
  PRIMARY KEY (structure, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE items (
  id INTEGER PRIMARY KEY CHECK (id & 4398046511103 BETWEEN 1 AND 4398046511102),
  value ANY NOT NULL,
  bytes INTEGER NOT NULL,
  span INTEGER NOT NULL,
  upto INTEGER NOT NULL
) STRICT;
CREATE TABLE latches (
  structure INTEGER PRIMARY KEY,
  remaining INTEGER NOT NULL,
  round INTEGER NOT NULL
) STRICT;
CREATE TABLE migrations (id INTEGER PRIMARY KEY, breaking INTEGER NOT NULL) STRICT;
CREATE TABLE owners (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  token TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  thread INTEGER NOT NULL,
  since REAL NOT NULL
) STRICT;
CREATE TABLE structures (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  sequence INTEGER NOT NULL DEFAULT 0 CHECK (sequence < 4398046511104),
  waiting INTEGER NOT NULL DEFAULT 0,
  capacity INTEGER,
  UNIQUE (kind, name)
) STRICT;
CREATE TABLE throttles (
  structure INTEGER NOT NULL,
  key ANY NOT NULL,
  used REAL NOT NULL,
  previous REAL NOT NULL,
  phase REAL NOT NULL,
  monotonic REAL NOT NULL,
  wall REAL NOT NULL,
  boot TEXT NOT NULL,
  PRIMARY KEY (structure, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (
  structure INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  sum REAL NOT NULL
) STRICT;
CREATE TABLE waiters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  owner INTEGER NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
  mode INTEGER NOT NULL,
  low ANY,
  high ANY,
  since REAL NOT NULL,
  label TEXT
) STRICT;
CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
  UPDATE structures SET size = size + 1, bytes = bytes + NEW.bytes, sequence = NEW.id & 4398046511103 WHERE id = NEW.structure;
END;
CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
  UPDATE structures SET size = size - 1, bytes = bytes - OLD.bytes WHERE id = OLD.structure;
END;
CREATE TRIGGER entries_resized AFTER UPDATE OF bytes ON entries WHEN NEW.bytes <> OLD.bytes BEGIN
  UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.structure;
END;
CREATE TRIGGER items_removed AFTER DELETE ON items WHEN OLD.bytes <> OLD.span BEGIN
  UPDATE structures SET bytes = bytes - OLD.bytes + OLD.span WHERE id = OLD.id >> 42;
END;
CREATE TRIGGER items_resized AFTER UPDATE OF bytes ON items WHEN NEW.bytes <> OLD.bytes BEGIN
  UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.id >> 42;
END;
CREATE TRIGGER waiters_added AFTER INSERT ON waiters BEGIN
  UPDATE structures SET waiting = waiting + 1 WHERE id = NEW.structure;
END;
CREATE TRIGGER waiters_removed AFTER DELETE ON waiters BEGIN
  UPDATE structures SET waiting = waiting - 1 WHERE id = OLD.structure;
END;
