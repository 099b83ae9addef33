import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { ValueColumn } from '../../core/columns.js';
import {
  claimedRow,
  claimingBy,
  completed,
  counted,
  counting,
  simple,
  type ClaimedRow,
} from './statements.js';

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

/** What an exchange is to do: those that have completed, as arrays, their results behind each other; by when a claimed job is overdue, if it ever is; and how many are wanted. */
export type ExchangeAtOnce = [
  owner: number,
  structure: number,
  results: Uint8Array,
  ids: string,
  claims: string,
  starts: string | null,
  lengths: string | null,
  bytes: string | null,
  want: number,
  overdue: number | null,
  structure: number,
  structure: number,
];

/** How many are done, whether something has become due, and a job that was claimed, or nulls. There is one row at least, unless the statement has done nothing. */
export type ExchangedRow = [done: number, due: boolean, woken: string | null, ...ClaimedRow];

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
  `WHERE st.id = ? AND current_setting('transaction_isolation') = 'read committed' AND NOT (${inUse}) FOR KEY SHARE OF st`;
const queue = 'structures st LEFT JOIN queues q ON q.structure = st.id';

const isRecording = `coalesce(q.recording > ${steady}, false)`;
const isSettled = `coalesce(q.paused, 0) = 1 OR coalesce(q.limits, '{}') <> '{}' OR ${isRecording}`;

const isDue = (stage: string, now: string): string =>
  `EXISTS (SELECT 1 FROM jobs e WHERE e.structure = ? AND e.state = '${stage}' AND e.due <= (SELECT ${now}))`;

/** Those that are as they were claimed, and of which nothing more is to be done. */
const given = `s, ROWS FROM (unnest(CAST(? AS bigint[])), unnest(CAST(? AS bigint[])), unnest(CAST(? AS integer[])), unnest(CAST(? AS integer[])), unnest(CAST(? AS bigint[])))
  AS n(id, claim, start, span, bytes) WHERE jobs.id = n.id AND jobs.claim = n.claim AND ${simple}`;

/** Completes jobs and claims others. The owner's row is locked: who takes it for dead has to wait, and then finds what was claimed. */
const exchanging = (done: string, kept: 0 | 1): Statement<ExchangeAtOnce, ExchangedRow> =>
  new Statement(
    `WITH s AS (SELECT st.id, o.id AS own FROM ${queue} JOIN queue_workers w ON w.structure = st.id JOIN owners o ON o.id = w.owner AND o.id = ? ${unless(isSettled)}, o),
     d AS (${done}),
     r AS (SELECT f.id FROM s, LATERAL (SELECT r.id FROM jobs r WHERE r.structure = s.id AND r.state = 'ready' ORDER BY r.rank, r.due, r.id LIMIT ? FOR UPDATE SKIP LOCKED) f),
     k AS (UPDATE jobs SET ${claimingBy('s.own')}, deadline = ${steady} + CAST(? AS double precision)
       FROM s WHERE jobs.id = ANY(ARRAY(SELECT r.id FROM r)) RETURNING ${claimedRow}),
     u AS (${counting} SELECT s.id, pg_backend_pid() % 16, 0, - k.many, 0, k.many - d.many, ${kept} * d.many, 0, 0, d.bytes
       FROM s, (SELECT count(*) AS many FROM k) k, (SELECT count(*) AS many, CAST(coalesce(sum(d.bytes), 0) AS bigint) AS bytes FROM d) d
       WHERE k.many + d.many > 0 ${counted})
     SELECT (SELECT count(*) FROM d), ${isDue('delayed', steady)} OR ${isDue('timed', 'wall()')},
       (SELECT wake_waiters(s.id, 0, true) FROM s WHERE EXISTS (SELECT 1 FROM d)), k.*
     FROM s LEFT JOIN k ON true`,
  );

/** Statements each of which does what a script does in several: on PostgreSQL as a transaction of its own. */
export const sql = {
  /** On SQLite: a job that is ready, without a group or a key, where nobody listens: the trigger `jobs_added` counts it. */
  addOne: new Statement<QuickJob, [id: number, waiting: number]>(
    `INSERT INTO jobs (structure, state, owner, due, added, rank, bytes, name, options, data)
     SELECT s.id, 'ready', 0, ${steady}, wall(), ?, ?, ?, ?, ? FROM structures s
     WHERE s.id = ? AND EXISTS (SELECT 1 FROM job_counts c WHERE c.structure = s.id AND c.slot = 0)
       AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.structure = s.id AND q.recording IS NOT NULL AND q.recording > ${steady}) AND seen(s.waiting)`,
    '',
    { answers: 'rowid' },
  ),
  /** In the order in which they are given: each is due a moment after the one before. */
  add: new Statement<JobsAtOnce, [ids: string | null]>(
    `WITH s AS (SELECT st.id FROM ${queue} ${unless(isRecording)}),
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
  /**
   * What somebody who waits for jobs goes by: whether its place is there, who is ahead, who runs jobs, whether somebody who did is gone or a job is overdue; what can
   * be claimed, and when; what keeps jobs from starting, and how many run where there may be limits: where one ends, another may start that was ready before.
   */
  waitState: new Statement<[structure: number, waiter: number], [state: string]>(
    `SELECT concat_ws(' ', EXISTS (SELECT 1 FROM waiters w WHERE w.id = n.waiter),
       coalesce((SELECT w.owner FROM waiters w WHERE w.structure = n.structure AND w.id < n.waiter AND w.mode >= 0 ORDER BY w.id DESC LIMIT 1), 0),
       (SELECT json_agg(w.owner ORDER BY w.owner) FROM queue_workers w WHERE w.structure = n.structure
         AND EXISTS (SELECT 1 FROM jobs j WHERE j.structure = w.structure AND j.owner = w.owner AND j.state = 'running')),
       EXISTS (SELECT 1 FROM queue_workers w WHERE w.structure = n.structure AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = w.owner)),
       EXISTS (SELECT 1 FROM jobs j WHERE j.structure = n.structure AND j.deadline IS NOT NULL AND j.deadline < (SELECT ${steady})),
       EXISTS (SELECT 1 FROM jobs j WHERE j.structure = n.structure AND j.state = 'ready'),
       coalesce((SELECT min(j.due) FROM jobs j WHERE j.structure = n.structure AND j.state = 'delayed'), 0),
       coalesce((SELECT min(j.due) FROM jobs j WHERE j.structure = n.structure AND j.state = 'timed'), 0),
       EXISTS (SELECT 1 FROM job_admissions a WHERE a.structure = n.structure),
       (SELECT json_build_array(q.paused, q.limits,
           CASE WHEN q.limits IS NOT NULL THEN (SELECT sum(c.running) FROM job_counts c WHERE c.structure = q.structure) END) FROM queues q WHERE q.structure = n.structure))
     FROM (SELECT CAST(? AS bigint) AS structure, CAST(? AS bigint) AS waiter) n`,
  ),
  exchange: {
    keeping: exchanging(
      `UPDATE jobs SET ${completed}, outcome = substring(CAST(? AS bytea) FROM n.start FOR n.span), bytes = jobs.bytes + n.bytes FROM ${given} RETURNING n.bytes`,
      1,
    ),
    removing: exchanging(
      `DELETE FROM jobs USING (SELECT CAST(? AS bytea)) x, ${given} RETURNING - jobs.bytes AS bytes`,
      0,
    ),
  },
};
