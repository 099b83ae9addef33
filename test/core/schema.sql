CREATE INDEX cache_flights_by_end ON cache_flights (structure, until) WHERE until IS NOT NULL;
CREATE INDEX cache_flights_by_owner ON cache_flights (structure, owner) WHERE owner IS NOT NULL;
CREATE INDEX cache_tags_by_entry ON cache_tags (entry);
CREATE INDEX cached_by_expiry ON cached_entries (structure, expires) WHERE expires IS NOT NULL;
CREATE UNIQUE INDEX cached_by_file ON cached_entries (file) WHERE file IS NOT NULL;
CREATE UNIQUE INDEX cached_by_key ON cached_entries (structure, key);
CREATE INDEX cached_by_rank ON cached_entries (structure, rank) WHERE rank IS NOT NULL;
CREATE UNIQUE INDEX entries_by_key ON entries (structure, key);
CREATE INDEX job_admissions_by_queue ON job_admissions (structure);
CREATE INDEX job_children_by_child ON job_children (child) WHERE stage IS NULL;
CREATE INDEX job_events_by_queue ON job_events (structure, id);
CREATE INDEX job_notes_by_job ON job_notes (job, id);
CREATE INDEX job_windows_by_end ON job_windows (structure, until);
CREATE UNIQUE INDEX jobs_by_key ON jobs (structure, key) WHERE keyed > 0;
CREATE INDEX jobs_cancelling ON jobs (structure, owner) WHERE cancelling IS NOT NULL;
CREATE INDEX jobs_delayed ON jobs (structure, due) WHERE state = 'delayed';
CREATE INDEX jobs_ended ON jobs (structure, state, ended) WHERE ended IS NOT NULL;
CREATE INDEX jobs_occupying ON jobs (structure, grp) WHERE slot IS NOT NULL;
CREATE INDEX jobs_overdue ON jobs (structure, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX jobs_parked ON jobs (structure, grp, rank, due) WHERE state = 'parked';
CREATE INDEX jobs_ready ON jobs (structure, rank, due) WHERE state = 'ready';
CREATE INDEX jobs_running ON jobs (structure, owner) WHERE state = 'running';
CREATE INDEX jobs_timed ON jobs (structure, due) WHERE state = 'timed';
CREATE INDEX schedules_by_next ON schedules (structure, clock, next);
CREATE INDEX schedules_by_since ON schedules (structure, clock, since);
CREATE INDEX waiters_by_owner ON waiters (owner);
CREATE INDEX waiters_by_structure ON waiters (structure, id);
CREATE TABLE barriers (
  structure INTEGER PRIMARY KEY,
  parties INTEGER NOT NULL,
  round INTEGER NOT NULL,
  arrived INTEGER NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE TABLE cache_flights (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  key ANY NOT NULL,
  owner INTEGER,
  tags TEXT,
  error ANY,
  until REAL,
  UNIQUE (structure, key)
) STRICT;
CREATE TABLE cache_tags (
  structure INTEGER NOT NULL,
  tag TEXT NOT NULL,
  entry INTEGER NOT NULL,
  PRIMARY KEY (structure, tag, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE cached_entries (
  id INTEGER PRIMARY KEY,
  structure INTEGER NOT NULL,
  key ANY NOT NULL,
  value ANY NOT NULL,
  bytes INTEGER NOT NULL,
  stored REAL NOT NULL,
  expires REAL,
  rank REAL,
  used REAL,
  hits INTEGER NOT NULL DEFAULT 0,
  tagged INTEGER,
  fresh REAL,
  took REAL,
  file TEXT
) STRICT;
CREATE TABLE caches (
  structure INTEGER PRIMARY KEY,
  eviction TEXT NOT NULL,
  most_bytes INTEGER NOT NULL,
  most_entries INTEGER NOT NULL,
  aged REAL NOT NULL DEFAULT 0,
  kept REAL NOT NULL DEFAULT 0,
  hits INTEGER NOT NULL DEFAULT 0,
  misses INTEGER NOT NULL DEFAULT 0,
  evictions INTEGER NOT NULL DEFAULT 0,
  expirations INTEGER NOT NULL DEFAULT 0,
  shards INTEGER NOT NULL DEFAULT 1,
  generation INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE clocks (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot TEXT,
  ahead REAL NOT NULL,
  steady REAL NOT NULL,
  wall REAL NOT NULL
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
CREATE TABLE job_admissions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  grp TEXT NOT NULL
) STRICT;
CREATE TABLE job_children (
  parent INTEGER NOT NULL,
  place INTEGER NOT NULL,
  child INTEGER NOT NULL,
  label TEXT,
  policy TEXT NOT NULL,
  stage TEXT,
  outcome ANY,
  PRIMARY KEY (parent, place)
) STRICT;
CREATE TABLE job_counts (
  structure INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  delayed INTEGER NOT NULL,
  running INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (structure, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_data (
  job INTEGER PRIMARY KEY,
  data ANY NOT NULL
) STRICT;
CREATE TABLE job_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  job INTEGER NOT NULL,
  attempt INTEGER,
  detail ANY
) STRICT;
CREATE TABLE job_notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  note ANY NOT NULL
) STRICT;
CREATE TABLE job_successors (
  job INTEGER PRIMARY KEY,
  rank INTEGER NOT NULL,
  at REAL,
  delay REAL NOT NULL,
  bytes INTEGER NOT NULL,
  name TEXT,
  grp TEXT,
  key TEXT NOT NULL,
  keyed INTEGER,
  options TEXT,
  data ANY NOT NULL
) STRICT;
CREATE TABLE job_windows (
  structure INTEGER NOT NULL,
  key TEXT NOT NULL,
  until REAL NOT NULL,
  job INTEGER NOT NULL,
  PRIMARY KEY (structure, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  structure INTEGER NOT NULL,
  state TEXT NOT NULL,
  rank INTEGER NOT NULL,
  due REAL NOT NULL,
  claim INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  deaths INTEGER NOT NULL DEFAULT 0,
  owner INTEGER,
  deadline REAL,
  cancelling INTEGER,
  added REAL NOT NULL,
  started REAL,
  ended REAL,
  bytes INTEGER NOT NULL,
  name TEXT,
  grp TEXT,
  slot INTEGER,
  key TEXT,
  keyed INTEGER,
  followed INTEGER,
  noted INTEGER,
  pending INTEGER,
  becomes TEXT,
  options TEXT,
  data ANY,
  outcome ANY,
  progress ANY
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
CREATE TABLE queue_workers (
  structure INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY (structure, owner)
) STRICT, WITHOUT ROWID;
CREATE TABLE queues (
  structure INTEGER PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0,
  limits TEXT,
  recording REAL,
  removed INTEGER
) STRICT;
CREATE TABLE schedules (
  structure INTEGER NOT NULL,
  name TEXT NOT NULL,
  spec TEXT NOT NULL,
  options TEXT NOT NULL,
  data ANY NOT NULL,
  clock TEXT NOT NULL,
  since REAL NOT NULL,
  seen REAL NOT NULL,
  next REAL,
  last REAL,
  job INTEGER,
  error TEXT,
  PRIMARY KEY (structure, name)
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
CREATE TABLE value_trash (
  file TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
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
CREATE TRIGGER cached_added AFTER INSERT ON cached_entries BEGIN
  UPDATE structures SET size = size + 1, bytes = bytes + NEW.bytes, sequence = NEW.id & 4398046511103 WHERE id = NEW.structure;
  UPDATE caches SET evictions = evictions + 1, aged = CASE eviction WHEN 'least-frequently-used' THEN (
    SELECT e.rank FROM cached_entries e WHERE e.structure = NEW.structure AND e.rank IS NOT NULL AND e.id <> NEW.id ORDER BY e.rank, e.id LIMIT 1
  ) ELSE aged END WHERE structure = NEW.structure AND shards = 1 AND eviction <> 'none' AND EXISTS (
    SELECT 1 FROM structures s WHERE s.id = caches.structure AND (s.size > most_entries OR s.bytes > most_bytes)
  ) AND EXISTS (SELECT 1 FROM cached_entries e WHERE e.structure = NEW.structure AND e.rank IS NOT NULL AND e.id <> NEW.id);
  DELETE FROM cached_entries WHERE id = CASE WHEN changes() = 1 THEN (
    SELECT e.id FROM cached_entries e WHERE e.structure = NEW.structure AND e.rank IS NOT NULL AND e.id <> NEW.id ORDER BY e.rank, e.id LIMIT 1
  ) END;
  UPDATE cached_entries SET rank = (SELECT aged + 1 FROM caches WHERE structure = NEW.structure) WHERE id = CASE WHEN changes() = 1 THEN NEW.id END
    AND (SELECT eviction FROM caches WHERE structure = NEW.structure) = 'least-frequently-used';
END;
CREATE TRIGGER cached_file_removed AFTER DELETE ON cached_entries WHEN OLD.file IS NOT NULL BEGIN
  INSERT INTO value_trash (file) VALUES (OLD.file);
END;
CREATE TRIGGER cached_file_replaced AFTER UPDATE OF file ON cached_entries WHEN OLD.file IS NOT NULL AND OLD.file IS NOT NEW.file BEGIN
  INSERT INTO value_trash (file) VALUES (OLD.file);
END;
CREATE TRIGGER cached_removed AFTER DELETE ON cached_entries BEGIN
  UPDATE structures SET size = size - 1, bytes = bytes - OLD.bytes WHERE id = OLD.structure;
END;
CREATE TRIGGER cached_resized AFTER UPDATE OF bytes ON cached_entries WHEN NEW.bytes <> OLD.bytes BEGIN
  UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.structure;
END;
CREATE TRIGGER cached_untagged AFTER DELETE ON cached_entries WHEN OLD.tagged IS NOT NULL BEGIN
  DELETE FROM cache_tags WHERE entry = OLD.id;
END;
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
CREATE TRIGGER job_notes_added AFTER INSERT ON job_notes BEGIN
  UPDATE jobs SET noted = 1 WHERE id = NEW.job AND noted IS NULL;
END;
CREATE TRIGGER jobs_added AFTER INSERT ON jobs WHEN NEW.owner = 0 BEGIN
  UPDATE job_counts SET waiting = waiting + 1, bytes = bytes + NEW.bytes WHERE structure = NEW.structure AND slot = 0;
END;
CREATE TRIGGER jobs_removed AFTER DELETE ON jobs WHEN OLD.data IS NULL OR OLD.noted IS NOT NULL OR OLD.becomes IS NOT NULL BEGIN
  DELETE FROM job_data WHERE job = OLD.id;
  DELETE FROM job_notes WHERE job = OLD.id;
  DELETE FROM job_children WHERE parent = OLD.id;
END;
CREATE TRIGGER newest_job_removed AFTER DELETE ON jobs WHEN NOT EXISTS (SELECT 1 FROM jobs WHERE id > OLD.id) BEGIN
  DELETE FROM jobs WHERE id = (SELECT waiting FROM job_counts WHERE structure = 0);
  INSERT INTO jobs (id, structure, state, rank, due, added, bytes, data) VALUES (OLD.id, 0, 'gone', 0, 0, 0, 0, 0);
  UPDATE job_counts SET waiting = OLD.id WHERE structure = 0;
END;
CREATE TRIGGER waiters_added AFTER INSERT ON waiters BEGIN
  UPDATE structures SET waiting = waiting + 1 WHERE id = NEW.structure;
END;
CREATE TRIGGER waiters_removed AFTER DELETE ON waiters BEGIN
  UPDATE structures SET waiting = waiting - 1 WHERE id = OLD.structure;
END;
