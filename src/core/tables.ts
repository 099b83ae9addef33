/**
 * Tables have plural names and columns singular ones: the server engine puts its schema's name before the plurals.
 *
 * Sizes. An index keeps `size` and `bytes` by triggers. A deque needs neither: its places are consecutive, so the size is the distance of its ends;
 * and each item knows how many bytes were pushed up to and with it (`upto`), so the bytes are the difference of its ends. A push or shift then writes
 * one page less, which made it a third faster. Only items that were overwritten with another length (`bytes` <> `span`) have their difference kept in
 * `structures.bytes`, by triggers.
 *
 * Holds. Whoever holds a lock, or permits, has a row in `holds`; it is void once its owner is gone from `owners`, so that burying the dead is one
 * DELETE. Slot 0 stays, and keeps the fence: a lock's holder is in it, so that to acquire and to release write one page; of what several may hold, it
 * counts the weight that is held, and each holder has a slot of its own.
 *
 * Meeting points. A waiter of a latch or a barrier has the round it waits for as its `mode`; once `round` has grown beyond that, it may go, whenever
 * it comes to look: to let all go is one UPDATE. A party's arrival at a barrier is its row in `waiters`: if fewer rows wait for the round than have
 * `arrived`, one has died or left, and the round is broken. `broken` is the last round that was, 0 for none.
 *
 * Throttles. What has been used up of a limit by a key: see src/core/rate/rules.ts. It was so at the moment that `monotonic` and `wall` tell, the
 * former under the name of the `boot`: who comes later works out what time has changed since. Without a row nothing has been used; the key of all who
 * give none is an empty blob, which no key is encoded as. No index but the primary key: to take then writes one page.
 *
 * Clocks. One row, by which a delay outlives a reboot: see src/core/steady.ts.
 *
 * Jobs. `state` tells in which index a job is, and no index has jobs that could not be taken from it now: `ready` ones by `rank` (minus the priority)
 * and `due`; `delayed` ones by `due` on the steady clock, `timed` ones by `due` on the wall clock; `parked` ones by their group (`grp`), which has no
 * place (`slot`) free for them; `running` ones by their `owner`, void once that is gone from `owners`; those that have ended by `state` and `ended`.
 * Data of more than a kilobyte lie in `job_data`, since each change of state writes the row anew. `keyed` says for how long a job keeps others from
 * being added with its `key`: 1 while it waits, 2 until it ends; negative once it does so no more. `blocked` ones wait for `pending` others, their
 * children, before they are what `becomes` says. `followed` says that something is to be done when the job ends: a successor is to follow it, or
 * parents wait for it, as `job_children` tells; what a child came to is kept there. With a job go, by a trigger, its data, its children and its
 * notes: `noted` says that it has some. References with ON DELETE CASCADE would look for them each time: a third of what it takes to remove a job on
 * SQLite, and four fifths on PostgreSQL. One that is added with `owner` 0 is counted by a trigger. `job_events` are recorded until `recording` of
 * their queue, by the steady clock. `job_counts` has a row per queue (32 on PostgreSQL: 16 for users' transactions) that every script keeps. On
 * SQLite a row of no structure keeps the number of the newest job, once that is removed. `queue_workers` tells who takes jobs of a queue, and has to
 * be looked after. `job_admissions` has groups of which jobs are still to be admitted: a user's transaction on PostgreSQL sees places as they were
 * when it began, and leaves it to others.
 *
 * Schedules. Ticks are worked out from `spec`, in milliseconds of a `clock`: cron's by the wall clock, those of a period by the steady one. Those up
 * to `since` are dealt with; `next` tells when to look again, null for never. `seen` is the greatest `since` there was: it is less than that after a
 * wall clock that was wrong has been set back. `last` is the last tick that has added a job, `job` that job.
 *
 * Caches. `rank` tells which entry is to go first, the one with the least: by when it was stored or used, on the steady clock, or by how often it was
 * used, plus what `aged` was then; null where none is to. `expires` is on the steady clock, `stored` and `used` on the wall clock, for people. An
 * entry with `tagged` has rows in `cache_tags`, which go with it by a trigger. `kept` is when somebody last looked for what has expired. Until
 * `fresh` an entry is as new, null for as long as it is kept; `took` is how long it took to work out. In `cache_flights` are the keys whose values
 * are being worked out, by their `owner`, or whose have failed, with the error, which everybody gets `until` then; `tags`, in JSON, are those that
 * the value is to have. Whoever removes the row sees to it that the value is not stored. A value that is large, or was streamed, is not in its row:
 * `file` names it, a file beside the database or, on PostgreSQL, rows of `value_chunks`. In `value_trash` are the names of those whose entries have
 * gone, by triggers, until they are removed; on PostgreSQL not while somebody who lives reads or writes them (`value_uses`).
 *
 * `since` and `until` of holds and waiters are `monotonic()` milliseconds: they end with the boot, as their owners do.
 */
export const tables: string = `
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
CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  structure INTEGER NOT NULL,
  key ANY NOT NULL,
  value ANY NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_by_key ON entries (structure, key);
CREATE TABLE items (
  id INTEGER PRIMARY KEY CHECK (id & 4398046511103 BETWEEN 1 AND 4398046511102),
  value ANY NOT NULL,
  bytes INTEGER NOT NULL,
  span INTEGER NOT NULL,
  upto INTEGER NOT NULL
) STRICT;
CREATE TABLE owners (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  token TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  thread INTEGER NOT NULL,
  since REAL NOT NULL
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
CREATE INDEX waiters_by_structure ON waiters (structure, id);
CREATE INDEX waiters_by_owner ON waiters (owner);
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
CREATE TABLE latches (
  structure INTEGER PRIMARY KEY,
  remaining INTEGER NOT NULL,
  round INTEGER NOT NULL
) STRICT;
CREATE TABLE barriers (
  structure INTEGER PRIMARY KEY,
  parties INTEGER NOT NULL,
  round INTEGER NOT NULL,
  arrived INTEGER NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE TABLE totals (
  structure INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  sum REAL NOT NULL
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
CREATE TABLE clocks (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot TEXT,
  ahead REAL NOT NULL,
  steady REAL NOT NULL,
  wall REAL NOT NULL
) STRICT;
INSERT INTO clocks (id, ahead, steady, wall) VALUES (1, 0, 0, 0);
CREATE TABLE queues (
  structure INTEGER PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0,
  limits TEXT,
  recording REAL,
  removed INTEGER
) STRICT;
CREATE TABLE queue_workers (
  structure INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY (structure, owner)
) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
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
CREATE INDEX jobs_ready ON jobs (structure, rank, due) WHERE state = 'ready';
CREATE INDEX jobs_delayed ON jobs (structure, due) WHERE state = 'delayed';
CREATE INDEX jobs_timed ON jobs (structure, due) WHERE state = 'timed';
CREATE INDEX jobs_running ON jobs (structure, owner) WHERE state = 'running';
CREATE INDEX jobs_overdue ON jobs (structure, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX jobs_cancelling ON jobs (structure, owner) WHERE cancelling IS NOT NULL;
CREATE INDEX jobs_parked ON jobs (structure, grp, rank, due) WHERE state = 'parked';
CREATE INDEX jobs_occupying ON jobs (structure, grp) WHERE slot IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_key ON jobs (structure, key) WHERE keyed > 0;
CREATE INDEX jobs_ended ON jobs (structure, state, ended) WHERE ended IS NOT NULL;
CREATE TABLE job_data (
  job INTEGER PRIMARY KEY,
  data ANY NOT NULL
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
CREATE INDEX job_children_by_child ON job_children (child) WHERE stage IS NULL;
CREATE TABLE job_admissions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  grp TEXT NOT NULL
) STRICT;
CREATE INDEX job_admissions_by_queue ON job_admissions (structure);
CREATE TABLE job_windows (
  structure INTEGER NOT NULL,
  key TEXT NOT NULL,
  until REAL NOT NULL,
  job INTEGER NOT NULL,
  PRIMARY KEY (structure, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_windows_by_end ON job_windows (structure, until);
CREATE TABLE job_notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  note ANY NOT NULL
) STRICT;
CREATE INDEX job_notes_by_job ON job_notes (job, id);
CREATE TABLE job_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  structure INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  job INTEGER NOT NULL,
  attempt INTEGER,
  detail ANY
) STRICT;
CREATE INDEX job_events_by_queue ON job_events (structure, id);
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
CREATE UNIQUE INDEX cached_by_key ON cached_entries (structure, key);
CREATE INDEX cached_by_rank ON cached_entries (structure, rank) WHERE rank IS NOT NULL;
CREATE UNIQUE INDEX cached_by_file ON cached_entries (file) WHERE file IS NOT NULL;
CREATE TABLE value_trash (
  file TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE INDEX cached_by_expiry ON cached_entries (structure, expires) WHERE expires IS NOT NULL;
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
CREATE INDEX cache_flights_by_end ON cache_flights (structure, until) WHERE until IS NOT NULL;
CREATE INDEX cache_flights_by_owner ON cache_flights (structure, owner) WHERE owner IS NOT NULL;
CREATE TABLE cache_tags (
  structure INTEGER NOT NULL,
  tag TEXT NOT NULL,
  entry INTEGER NOT NULL,
  PRIMARY KEY (structure, tag, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_tags_by_entry ON cache_tags (entry);
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
CREATE INDEX schedules_by_next ON schedules (structure, clock, next);
CREATE INDEX schedules_by_since ON schedules (structure, clock, since);
`;
