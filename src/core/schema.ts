import { HoldfastError } from './errors.js';

/** A change of the tables. Its number is its place in the list, from 1. Never edit one that was released: append. */
interface Migration {
  /** Whether code that doesn't know this migration would damage the store or misread it. */
  readonly breaking: boolean;
  readonly sqlite: string;
  readonly postgres: string;
}

/** Marks the SQLite file as ours: "Hold" in ASCII. */
export const applicationId = 0x486f6c64;

/**
 * Bits of a row number that count within a structure; those above are the structure's number. One table then keeps every
 * structure's rows together and in order with no second index: 2 097 151 structures, 4 398 046 511 104 places in each.
 */
const placeBits = 42;
export const places: number = 2 ** placeBits;
/** How many structures with rows of that kind there may be: beyond it their row numbers would not fit into 64 bits. All others have negative numbers. */
export const mostStructures: number = 2 ** (63 - placeBits) - 1;
/** Masks the place in a row number. */
export const placeMask: number = places - 1;

/**
 * Tables have plural names and columns singular ones: the server engine puts its schema's name before the plurals.
 *
 * Sizes. An index keeps `size` and `bytes` by triggers. A deque needs neither: its places are consecutive, so the size is the
 * distance of its ends; and each item knows how many bytes were pushed up to and with it (`upto`), so the bytes are the
 * difference of its ends. A push or shift then writes one page less, which made it a third faster. Only items that were
 * overwritten with another length (`bytes` <> `span`) have their difference kept in `structures.bytes`, by triggers.
 *
 * Holds. Whoever holds a lock, or permits, has a row in `holds`; it is void once its owner is gone from `owners`, so that burying the
 * dead is one DELETE. Slot 0 stays, and keeps the fence: a lock's holder is in it, so that to acquire and to release write one
 * page; of what several may hold, it counts the weight that is held, and each holder has a slot of its own.
 *
 * Meeting points. A waiter of a latch or a barrier has the round it waits for as its `mode`; once `round` has grown beyond that, it may go,
 * whenever it comes to look: to let all go is one UPDATE. A party's arrival at a barrier is its row in `waiters`: if fewer rows wait for the
 * round than have `arrived`, one has died or left, and the round is broken. `broken` is the last round that was, 0 for none.
 *
 * Throttles. What has been used up of a limit by a key: see src/core/rate/rules.ts. It was so at the moment that `monotonic` and `wall`
 * tell, the former under the name of the `boot`: who comes later works out what time has changed since. Without a row nothing has
 * been used; the key of all who give none is an empty blob, which no key is encoded as. No index but the primary key: to take
 * then writes one page.
 *
 * Clocks. One row, by which a delay outlives a reboot: see src/core/steady.ts.
 *
 * Jobs. `state` tells in which index a job is, and no index has jobs that could not be taken from it now: `ready` ones by `rank` (minus the
 * priority) and `due`; `delayed` ones by `due` on the steady clock, `timed` ones by `due` on the wall clock; `parked` ones by their group (`grp`), which has no place (`slot`) free for them; `running` ones by their `owner`, void
 * once that is gone from `owners`; those that have ended by `state` and `ended`. Data of more than a kilobyte lie in `job_data`, since each change
 * of state writes the row anew. `keyed` says for how long a job keeps others from
 * being added with its `key`: 1 while it waits, 2 until it ends; `again` says that a successor is to follow it. `job_counts` has a row per queue (16 on PostgreSQL) that every script keeps. `queue_workers` tells
 * who takes jobs of a queue, and has to be looked after.
 *
 * Schedules. Ticks are worked out from `spec`, in milliseconds of a `clock`: cron's by the wall clock, those of a period by the steady one. Those up to `since` are dealt with; `next` tells
 * when to look again, null for never. `seen` is the greatest `since` there was: it is less than that after a wall clock that was wrong has been set back. `last` is the last tick
 * that has added a job, `job` that job.
 *
 * `since` and `until` of holds and waiters are `monotonic()` milliseconds: they end with the boot, as their owners do.
 */
const tables = `
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
  limits TEXT
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
  again INTEGER,
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
CREATE UNIQUE INDEX jobs_by_key ON jobs (structure, key) WHERE keyed IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (structure, state, ended) WHERE ended IS NOT NULL;
CREATE TABLE job_data (
  job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
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
  job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  note ANY NOT NULL
) STRICT;
CREATE INDEX job_notes_by_job ON job_notes (job, id);
CREATE TABLE job_counts (
  structure INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  delayed INTEGER NOT NULL,
  running INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (structure, slot)
) STRICT, WITHOUT ROWID;
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

const sqliteTriggers = `
CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
  UPDATE structures SET size = size + 1, bytes = bytes + NEW.bytes, sequence = NEW.id & 4398046511103 WHERE id = NEW.structure;
END;
CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
  UPDATE structures SET size = size - 1, bytes = bytes - OLD.bytes WHERE id = OLD.structure;
END;
CREATE TRIGGER entries_resized AFTER UPDATE OF bytes ON entries WHEN NEW.bytes <> OLD.bytes BEGIN
  UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.structure;
END;
CREATE TRIGGER items_resized AFTER UPDATE OF bytes ON items WHEN NEW.bytes <> OLD.bytes BEGIN
  UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.id >> 42;
END;
CREATE TRIGGER items_removed AFTER DELETE ON items WHEN OLD.bytes <> OLD.span BEGIN
  UPDATE structures SET bytes = bytes - OLD.bytes + OLD.span WHERE id = OLD.id >> 42;
END;
CREATE TRIGGER waiters_added AFTER INSERT ON waiters BEGIN
  UPDATE structures SET waiting = waiting + 1 WHERE id = NEW.structure;
END;
CREATE TRIGGER waiters_removed AFTER DELETE ON waiters BEGIN
  UPDATE structures SET waiting = waiting - 1 WHERE id = OLD.structure;
END;
`;

/**
 * PostgreSQL keeps the size and bytes of an index in 16 rows, by connection: in one row, all who write to one index would wait
 * for each other's commits, and serializable transactions would conflict. Numbers of entries come from a sequence for the same
 * reason. A script locks the row in `structures` FOR UPDATE; the reference from `entries` makes each insert wait for it.
 */
const postgresOnly = `
CREATE TABLE tallies (
  structure bigint NOT NULL,
  slot integer NOT NULL,
  size bigint NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (structure, slot)
);
CREATE SEQUENCE places AS bigint MAXVALUE 4398046511103;
CREATE SEQUENCE negatives AS bigint INCREMENT BY -1;
CREATE FUNCTION tally() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tallies AS t SELECT structure, pg_backend_pid() % 16, count(*), sum(bytes) FROM added GROUP BY structure
    ON CONFLICT (structure, slot) DO UPDATE SET size = t.size + excluded.size, bytes = t.bytes + excluded.bytes;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO tallies AS t SELECT structure, pg_backend_pid() % 16, -count(*), -sum(bytes) FROM removed GROUP BY structure
    ON CONFLICT (structure, slot) DO UPDATE SET size = t.size + excluded.size, bytes = t.bytes + excluded.bytes;
  ELSE
    INSERT INTO tallies AS t SELECT structure, pg_backend_pid() % 16, 0, sum(change) FROM (
      SELECT structure, bytes AS change FROM added UNION ALL SELECT structure, -bytes FROM removed
    ) AS changes GROUP BY structure HAVING sum(change) <> 0
    ON CONFLICT (structure, slot) DO UPDATE SET bytes = t.bytes + excluded.bytes;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER entries_added AFTER INSERT ON entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE TRIGGER entries_removed AFTER DELETE ON entries REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE TRIGGER entries_resized AFTER UPDATE ON entries REFERENCING NEW TABLE AS added OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE FUNCTION items_bytes() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE structures SET bytes = bytes + NEW.bytes - OLD.bytes WHERE id = NEW.id >> 42;
  ELSE
    UPDATE structures SET bytes = bytes - OLD.bytes + OLD.span WHERE id = OLD.id >> 42;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER items_resized AFTER UPDATE ON items FOR EACH ROW WHEN (NEW.bytes <> OLD.bytes) EXECUTE FUNCTION items_bytes();
CREATE TRIGGER items_removed AFTER DELETE ON items FOR EACH ROW WHEN (OLD.bytes <> OLD.span) EXECUTE FUNCTION items_bytes();
CREATE FUNCTION waiters_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE structures SET waiting = waiting + 1 WHERE id = NEW.structure;
  ELSE
    UPDATE structures SET waiting = waiting - 1 WHERE id = OLD.structure;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER waiters_changed AFTER INSERT OR DELETE ON waiters FOR EACH ROW EXECUTE FUNCTION waiters_count();
`;

/** The same tables in PostgreSQL's types. */
function inPostgres(sql: string): string {
  return sql
    .replaceAll('INTEGER PRIMARY KEY AUTOINCREMENT', 'bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY')
    .replaceAll('INTEGER', 'bigint')
    .replaceAll(' REAL', ' double precision')
    .replaceAll(' ANY', ' bytea')
    .replaceAll(' STRICT, WITHOUT ROWID', '')
    .replaceAll(' STRICT', '')
    .replace(
      'structure bigint NOT NULL,\n  key',
      'structure bigint NOT NULL REFERENCES structures (id),\n  key',
    );
}

/** Every migration, oldest first. */
export const migrations: readonly Migration[] = [
  { breaking: true, sqlite: tables + sqliteTriggers, postgres: inPostgres(tables) + postgresOnly },
];

/** The names of the tables and sequences on a server, but for `migrations`. */
export const tableNames: readonly string[] = migrations.flatMap(({ postgres }) =>
  Array.from(
    postgres.matchAll(/CREATE (?:TABLE|SEQUENCE) (?:IF NOT EXISTS )?(\w+)/g),
    ([, name = '']) => name,
  ),
);

/** What a store says of itself: the newest migration it had, and the newest breaking one. */
export interface SchemaVersion {
  readonly newest: number;
  readonly breaking: number;
}

/** The version that this code writes. */
export const schemaVersion: SchemaVersion = {
  newest: migrations.length,
  breaking: migrations.findLastIndex((migration) => migration.breaking) + 1,
};

/** @throws {@link HoldfastError} `ERR_SCHEMA_TOO_NEW` when this code can't be trusted with a store of that version. */
export function refuseNewer(found: SchemaVersion, where: string): void {
  if (found.breaking <= migrations.length) return;
  throw new HoldfastError(
    'ERR_SCHEMA_TOO_NEW',
    `${where}: the store was written by a newer version of holdfast (schema ${found.breaking}; this version knows ${migrations.length}); ` +
      'update holdfast here. The store was left untouched',
  );
}
