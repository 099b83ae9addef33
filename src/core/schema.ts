import { HoldfastError } from './errors.js';
import { tables } from './tables.js';

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
 * AUTOINCREMENT would write one more page for each job that is added. A number is not given twice all the same: where the newest job is removed, a
 * row of no structure keeps its number; which row that is says the row of no structure in `job_counts`.
 */
const jobNumbers = 'CREATE TABLE jobs (\n  id INTEGER PRIMARY KEY';

/** In a trigger: a column of the entry that goes first when a cache is full, but for the new one. */
const firstBut = (column: string): string =>
  `SELECT e.${column} FROM cached_entries e WHERE e.structure = NEW.structure AND e.rank IS NOT NULL AND e.id <> NEW.id ORDER BY e.rank, e.id LIMIT 1`;

const sqliteTriggers = `
INSERT INTO job_counts VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
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
CREATE TRIGGER cached_added AFTER INSERT ON cached_entries BEGIN
  UPDATE structures SET size = size + 1, bytes = bytes + NEW.bytes, sequence = NEW.id & 4398046511103 WHERE id = NEW.structure;
  UPDATE caches SET evictions = evictions + 1, aged = CASE eviction WHEN 'least-frequently-used' THEN (
    ${firstBut('rank')}
  ) ELSE aged END WHERE structure = NEW.structure AND shards = 1 AND eviction <> 'none' AND EXISTS (
    SELECT 1 FROM structures s WHERE s.id = caches.structure AND (s.size > most_entries OR s.bytes > most_bytes)
  ) AND EXISTS (SELECT 1 FROM cached_entries e WHERE e.structure = NEW.structure AND e.rank IS NOT NULL AND e.id <> NEW.id);
  DELETE FROM cached_entries WHERE id = CASE WHEN changes() = 1 THEN (
    ${firstBut('id')}
  ) END;
  UPDATE cached_entries SET rank = (SELECT aged + 1 FROM caches WHERE structure = NEW.structure) WHERE id = CASE WHEN changes() = 1 THEN NEW.id END
    AND (SELECT eviction FROM caches WHERE structure = NEW.structure) = 'least-frequently-used';
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
CREATE TRIGGER cached_file_removed AFTER DELETE ON cached_entries WHEN OLD.file IS NOT NULL BEGIN
  INSERT INTO value_trash (file) VALUES (OLD.file);
END;
CREATE TRIGGER cached_file_replaced AFTER UPDATE OF file ON cached_entries WHEN OLD.file IS NOT NULL AND OLD.file IS NOT NEW.file BEGIN
  INSERT INTO value_trash (file) VALUES (OLD.file);
END;
CREATE TRIGGER job_notes_added AFTER INSERT ON job_notes BEGIN
  UPDATE jobs SET noted = 1 WHERE id = NEW.job AND noted IS NULL;
END;
`;

/**
 * PostgreSQL keeps the size and bytes of an index in 16 rows, by connection: in one row, all who write to one index would wait for each other's
 * commits, and serializable transactions would conflict. Numbers of entries come from a sequence for the same reason. A script locks the row in
 * `structures` FOR UPDATE; the reference from `entries` makes each insert wait for it.
 *
 * A user's transaction sees flights and entries as they were when it began. Should it remove some, it must not miss those that have come since: each
 * that begins or ends changes the marks of its key and its tags (`mark_flight`), and so does such a transaction, which then conflicts and runs again.
 * There are 256 marks, by hash; all where neither a key nor tags are given.
 *
 * `wake_waiters` is a function since each of its statements sees what was committed before it: in the statement that calls it, behind what that has
 * locked.
 */
const postgresOnly = `
CREATE TABLE tallies (
  structure bigint NOT NULL,
  slot integer NOT NULL,
  size bigint NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (structure, slot)
);
CREATE TABLE cache_marks (
  structure bigint NOT NULL,
  slot integer NOT NULL,
  changes bigint NOT NULL,
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
CREATE TRIGGER cached_added AFTER INSERT ON cached_entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE TRIGGER cached_removed AFTER DELETE ON cached_entries REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE TRIGGER cached_resized AFTER UPDATE ON cached_entries REFERENCING NEW TABLE AS added OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION tally();
CREATE FUNCTION untag() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM cache_tags WHERE entry = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER cached_untagged AFTER DELETE ON cached_entries FOR EACH ROW WHEN (OLD.tagged IS NOT NULL) EXECUTE FUNCTION untag();
CREATE TABLE value_chunks (
  file text NOT NULL,
  place bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (file, place)
);
ALTER TABLE value_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE value_uses (
  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  file text NOT NULL,
  owner bigint NOT NULL REFERENCES owners (id) ON DELETE CASCADE
);
CREATE INDEX value_uses_by_file ON value_uses (file);
CREATE INDEX value_uses_by_owner ON value_uses (owner);
CREATE FUNCTION trash_value() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO value_trash (file) VALUES (OLD.file);
  RETURN NULL;
END $$;
CREATE TRIGGER cached_file_removed AFTER DELETE ON cached_entries FOR EACH ROW WHEN (OLD.file IS NOT NULL) EXECUTE FUNCTION trash_value();
CREATE TRIGGER cached_file_replaced AFTER UPDATE ON cached_entries FOR EACH ROW
  WHEN (OLD.file IS NOT NULL AND OLD.file IS DISTINCT FROM NEW.file) EXECUTE FUNCTION trash_value();
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
CREATE FUNCTION job_removed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM job_data WHERE job = OLD.id;
  DELETE FROM job_notes WHERE job = OLD.id;
  DELETE FROM job_children WHERE parent = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_removed AFTER DELETE ON jobs FOR EACH ROW
  WHEN (OLD.data IS NULL OR OLD.noted IS NOT NULL OR OLD.becomes IS NOT NULL) EXECUTE FUNCTION job_removed();
CREATE FUNCTION job_noted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE jobs SET noted = 1 WHERE id IN (SELECT job FROM added) AND noted IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER job_notes_added AFTER INSERT ON job_notes REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION job_noted();
CREATE FUNCTION mark_flight(cache bigint, key bytea, tags text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO cache_marks AS m SELECT cache, s.slot, 1 FROM (
    SELECT get_byte(sha256(key), 0) AS slot WHERE key IS NOT NULL
    UNION SELECT get_byte(sha256(convert_to(t.tag, 'UTF8')), 0) FROM jsonb_array_elements_text(CAST(tags AS jsonb)) AS t(tag)
    UNION SELECT generate_series(0, 255) WHERE key IS NULL AND tags IS NULL
  ) s ORDER BY s.slot ON CONFLICT (structure, slot) DO UPDATE SET changes = m.changes + 1;
END $$;
CREATE FUNCTION flight_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM mark_flight(NEW.structure, NEW.key, NEW.tags);
  ELSE
    PERFORM mark_flight(OLD.structure, OLD.key, OLD.tags);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cache_flights_changed AFTER INSERT OR DELETE ON cache_flights FOR EACH ROW EXECUTE FUNCTION flight_changed();
CREATE FUNCTION wake_waiters(queue bigint, ready bigint, ended boolean) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF ready > 0 THEN
    PERFORM pg_notify('holdfast_' || current_schema() || '_' || w.owner, '')
      FROM (SELECT owner FROM waiters WHERE structure = queue AND mode >= 0 ORDER BY id LIMIT ready) w;
  END IF;
  IF ended THEN
    PERFORM pg_notify('holdfast_' || current_schema() || '_' || w.owner, '')
      FROM (SELECT DISTINCT owner FROM waiters WHERE structure = queue AND mode = -1) w;
  END IF;
END $$;
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
  {
    breaking: true,
    sqlite: tables.replace(`${jobNumbers} AUTOINCREMENT`, jobNumbers) + sqliteTriggers,
    postgres: inPostgres(tables) + postgresOnly,
  },
];

/** The names of the tables, sequences and functions on a server, but for `migrations`. */
export const tableNames: readonly string[] = migrations.flatMap(({ postgres }) =>
  Array.from(
    postgres.matchAll(/CREATE (?:TABLE|SEQUENCE|FUNCTION) (?:IF NOT EXISTS )?(\w+)/g),
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
