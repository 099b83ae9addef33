import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { ValueColumn } from '../../core/columns.js';
import { counted, counting } from './statements.js';

/** Jobs to be added: their data behind each other, and, as arrays and JSON, where each begins and how long it is. What is null holds for none. */
export type JobsAtOnce = [
  structure: number,
  data: Uint8Array,
  starts: string,
  lengths: string,
  bytes: string,
  ranks: string | null,
  names: string | null,
  options: string | null,
  jobs: number,
];

/** A job to be added that nothing is particular about. */
export type QuickJob = [
  rank: number,
  bytes: number,
  name: string | null,
  options: string | null,
  data: ValueColumn,
  structure: number,
];

/**
 * First of all, the structure's row is locked as `count` does, and all else comes from there: where something is in use that the statement does not heed, it does nothing.
 * Whoever joins the line locks the row, too: if before, `wake_waiters` sees them, since it looks anew; if after, they find what was done here. At another
 * isolation it would not look anew.
 */
const unless = (inUse: string): string =>
  `s AS (SELECT st.id FROM structures st LEFT JOIN queues q ON q.structure = st.id
    WHERE st.id = ? AND current_setting('transaction_isolation') = 'read committed' AND NOT (${inUse}) FOR KEY SHARE OF st)`;

const isRecording = `coalesce(q.recording > ${steady}, false)`;

/** Statements each of which does what a script does in several: on PostgreSQL as a transaction of its own. */
export const sql = {
  /** On SQLite: a job that is ready, without a group or a key, where nobody waits for one and nobody listens: the trigger `jobs_added` counts it. */
  addOne: new Statement<QuickJob, [id: number]>(
    `INSERT INTO jobs (structure, state, owner, due, added, rank, bytes, name, options, data)
     SELECT s.id, 'ready', 0, ${steady}, wall(), ?, ?, ?, ?, ? FROM structures s
     WHERE s.id = ? AND s.waiting = 0 AND EXISTS (SELECT 1 FROM job_counts c WHERE c.structure = s.id AND c.slot = 0)
       AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.structure = s.id AND q.recording IS NOT NULL AND q.recording > ${steady})`,
    '',
    { answers: 'rowid' },
  ),
  /** In the order in which they are given: each is due a moment after the one before. */
  add: new Statement<JobsAtOnce, [ids: string | null]>(
    `WITH ${unless(isRecording)},
     t AS MATERIALIZED (SELECT wall() AS wall, ${steady} AS steady),
     a AS (INSERT INTO jobs (structure, state, rank, due, added, bytes, name, options, data)
       SELECT s.id, 'ready', coalesce(n.rank, 0), t.steady + n.place * 0.001, t.wall, n.bytes, n.name, n.options, substring(CAST(? AS bytea) FROM n.start FOR n.span)
       FROM s, t, ROWS FROM (unnest(CAST(? AS integer[])), unnest(CAST(? AS integer[])), unnest(CAST(? AS bigint[])), unnest(CAST(? AS bigint[])),
         json_array_elements_text(CAST(? AS json)), json_array_elements_text(CAST(? AS json))) WITH ORDINALITY AS n(start, span, bytes, rank, name, options, place)
       ORDER BY n.place RETURNING id, bytes),
     k AS (${counting} SELECT s.id, pg_backend_pid() % 16, 0, n.added, 0, 0, 0, 0, 0, n.bytes
       FROM s, (SELECT count(*) AS added, CAST(sum(a.bytes) AS bigint) AS bytes FROM a) n ${counted} RETURNING structure)
     SELECT (SELECT string_agg(CAST(a.id AS text), ',') FROM a), (SELECT wake_waiters(k.structure, ?, false) FROM k)`,
  ),
};
