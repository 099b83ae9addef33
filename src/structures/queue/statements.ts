import type { ValueColumn } from '../../core/columns.js';
import { Statement, type Value } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { OwnerRow } from '../../core/store.js';

/** In which index a job is: see src/core/tables.ts. */
export type Stage =
  'blocked' | 'ready' | 'parked' | 'delayed' | 'timed' | 'running' | 'completed' | 'failed' | 'cancelled';

/** A job to be added: due `at` a time of the wall clock, or else in `delay` milliseconds. `data` is null where it lies in `job_data`. */
export type NewJob = [
  structure: number,
  stage: Stage,
  rank: number,
  at: number | null,
  delay: number,
  bytes: number,
  name: string | null,
  group: string | null,
  key: string | null,
  keyed: number | null,
  options: string | null,
  data: ValueColumn | null,
];

/** A job that was claimed. */
export type ClaimedRow = [
  id: number,
  claim: number,
  rank: number,
  due: number,
  failures: number,
  added: number,
  name: string | null,
  group: string | null,
  options: string | null,
  bytes: number,
  data: unknown,
];

/**
 * What becomes of a job that was running: the stage, twice; whether it has ended, 1 or 0; what is added to its counts; in how many milliseconds it is due,
 * null for as it was; the outcome, and the bytes of that.
 */
export type Settlement = [
  stage: Stage,
  stage: Stage,
  ended: number,
  ended: number,
  failures: number,
  deaths: number,
  delay: number | null,
  keepsSlot: number,
  outcome: ValueColumn | null,
  bytes: number,
  id: number,
  claim: number,
];

/** Of a job that has completed. */
export type Completion = [outcome: ValueColumn | null, bytes: number, id: number, claim: number];

export type EndRow = [id: number, stage: Stage, ended: number | null, outcome: unknown];

export type SettingsRow = [
  paused: number,
  limits: string | null,
  recording: number | null,
  delayed: number | null,
  timed: number | null,
  snapshot: number,
  admissions: number,
];

/** To make ready what is due. */
export type Promotion = [limited: number, structure: number, most: number];

/** How many jobs there are, and their bytes; or by how much that has changed. */
export type Counts = [
  blocked: number,
  waiting: number,
  delayed: number,
  running: number,
  completed: number,
  failed: number,
  cancelled: number,
  bytes: number,
];

const countColumns = [
  'blocked',
  'waiting',
  'delayed',
  'running',
  'completed',
  'failed',
  'cancelled',
  'bytes',
];
export const counted = `ON CONFLICT (structure, slot) DO UPDATE SET ${countColumns.map((name) => `${name} = c.${name} + excluded.${name}`).join(', ')}`;
export const counting = `INSERT INTO job_counts AS c (structure, slot, ${countColumns.join(', ')})`;

const inserting =
  'INSERT INTO jobs (structure, state, rank, due, added, bytes, name, grp, key, keyed, options, data)';

const readyJobs = `SELECT r.id FROM jobs r WHERE r.structure = ? AND r.state = 'ready' ORDER BY r.rank, r.due, r.id LIMIT ?`;
/** The data of a job, wherever they are. */
export const dataOf =
  'CASE WHEN data IS NULL THEN (SELECT d.data FROM job_data d WHERE d.job = jobs.id) ELSE data END';
export const claimingBy = (owner: string): string =>
  `state = 'running', claim = claim + 1, owner = ${owner}, started = wall(), keyed = CASE WHEN keyed = 1 THEN -1 ELSE keyed END, progress = NULL`;
const claiming = claimingBy('CAST(? AS bigint)');
export const claimedRow = `jobs.id, claim, rank, due, failures, added, name, grp, options, bytes, ${dataOf}`;

/** Rows by their numbers, as SQLite finds them; and as PostgreSQL does where others may change them meanwhile: those are left to them. */
const among = (rows: string): string => `id IN (${rows})`;
const amongUnlocked = (rows: string): string => `id = ANY(ARRAY(${rows} FOR UPDATE SKIP LOCKED))`;

/** The time is asked for in a subquery: PostgreSQL else looks at each row, since the time goes on meanwhile. */
const promoting = (stage: Stage, now: string): Statement<Promotion, [stage: Stage, group: string | null]> => {
  const due = `SELECT d.id FROM jobs d WHERE d.structure = ? AND d.state = '${stage}' AND d.due <= (SELECT ${now}) ORDER BY d.due LIMIT ?`;
  const text = (rows: string): string =>
    `UPDATE jobs SET due = ${steady}, state = CASE WHEN ? = 1 AND grp IS NOT NULL AND slot IS NULL THEN 'parked' ELSE 'ready' END
     WHERE ${rows} RETURNING state, grp`;
  return new Statement(text(among(due)), text(amongUnlocked(due)));
};

const untilDue = (stage: Stage, now: string): string =>
  `(SELECT n.due - ${now} FROM jobs n WHERE n.structure = s.id AND n.state = '${stage}' ORDER BY n.due LIMIT 1)`;

/** The oldest of those that have ended. One that is retried meanwhile has not: who does so locks it, and may wait for who prunes. */
const pruning = <P extends readonly Value[]>(which: string): Statement<P, [bytes: number]> => {
  const oldest = `SELECT o.id FROM jobs o WHERE o.structure = ? AND o.state = CAST(? AS text) AND o.ended IS NOT NULL AND ${which} ORDER BY o.ended LIMIT ?`;
  const text = (rows: string): string =>
    `DELETE FROM jobs WHERE ${rows} AND ended IS NOT NULL RETURNING bytes`;
  return new Statement(text(among(oldest)), text(amongUnlocked(oldest)));
};

const settings = (left: string): string =>
  `SELECT coalesce(q.paused, 0), q.limits, CASE WHEN q.recording IS NOT NULL AND q.recording > ${steady} THEN 1 END, ${untilDue('delayed', steady)}, ${untilDue('timed', 'wall()')}, ${left}
   FROM structures s LEFT JOIN queues q ON q.structure = s.id WHERE s.id = ?`;

/** How long those that ended are kept at least, in milliseconds: who waits for one of them must not miss it. */
const leastKept = 1_000;

export const simple = `state = 'running' AND followed IS NULL AND cancelling IS NULL AND grp IS NULL`;
export const completed = `state = 'completed', ended = wall(), keyed = -abs(keyed), owner = NULL, deadline = NULL`;
const completing = `UPDATE jobs SET ${completed}, outcome = ?, bytes = bytes + ? WHERE id = ? AND claim = ? AND ${simple}`;

export const sql = {
  add: new Statement<NewJob, [id: number]>(
    `${inserting} VALUES (?, ?, ?, coalesce(?, ${steady} + ?), wall(), ?, ?, ?, ?, ?, ?, ?)`,
    `${inserting} VALUES (?, ?, ?, coalesce(?, ${steady} + ?), wall(), ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
    {
      answers: 'rowid',
      many: `${inserting}
        SELECT n.structure, n.state, n.rank, coalesce(n.at, ${steady} + n.delay), wall(), n.bytes, n.name, n.grp, n.key, n.keyed, n.options, n.data
        FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::float8[], ?::float8[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::text[], ?::bytea[])
          WITH ORDINALITY AS n(structure, state, rank, at, delay, bytes, name, grp, key, keyed, options, data, place) ORDER BY n.place
        RETURNING id`,
    },
  ),
  addData: new Statement<[job: number, data: ValueColumn], [job: number]>(
    'INSERT INTO job_data (job, data) VALUES (?, ?)',
    'INSERT INTO job_data (job, data) VALUES (?, ?) RETURNING job',
    {
      answers: [0],
      many: 'INSERT INTO job_data (job, data) SELECT * FROM unnest(?::bigint[], ?::bytea[]) RETURNING job',
    },
  ),
  /** Comes after what has changed, and before those who wait are looked for: on PostgreSQL it keeps others from joining until the commit. */
  count: new Statement<[structure: number, ...Counts]>(
    `${counting} VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?) ${counted}`,
    // Else all who add to one queue would wait for each other's commits; and those of a user's transaction would fail, which can't change what others have meanwhile.
    `WITH s AS (SELECT id FROM structures WHERE id = ? FOR KEY SHARE)
     ${counting} SELECT s.id, pg_backend_pid() % 16 + CASE current_setting('transaction_isolation') WHEN 'serializable' THEN 16 ELSE 0 END, ${countColumns.map(() => 'CAST(? AS bigint)').join(', ')} FROM s ${counted}`,
  ),
  counts: new Statement<[structure: number], Counts>(
    `SELECT ${countColumns.map((name) => `CAST(coalesce(sum(${name}), 0) AS bigint)`).join(', ')} FROM job_counts WHERE structure = ?`,
  ),
  /** Those who wait for a job, the first in line first. */
  line: new Statement<[structure: number, count: number], [owner: number]>(
    'SELECT owner FROM waiters WHERE structure = ? AND mode >= 0 ORDER BY id LIMIT ?',
  ),
  /** Who listens for the end of jobs, or for what happens to them: -1 is for both, -2 for the latter. */
  observers: new Statement<[structure: number, mode: number], [owner: number]>(
    'SELECT DISTINCT owner FROM waiters WHERE structure = ? AND mode < 0 AND mode <= ?',
  ),
  /** With `limited` groups, their jobs are parked first. */
  promoteDelayed: promoting('delayed', steady),
  promoteTimed: promoting('timed', 'wall()'),
  claim: new Statement<[owner: number, structure: number, most: number], ClaimedRow>(
    `UPDATE jobs SET ${claiming} WHERE ${among(readyJobs)}`,
    `UPDATE jobs SET ${claiming} WHERE ${amongUnlocked(readyJobs)} RETURNING ${claimedRow}`,
  ),
  /** On SQLite, where a list of one would take as long as the claim. */
  claimOne: new Statement<[owner: number, id: number]>(`UPDATE jobs SET ${claiming} WHERE id = ?`),
  /** On SQLite: what a claim would give. */
  ready: new Statement<[structure: number, most: number], ClaimedRow>(
    `SELECT ${claimedRow.replace('claim', 'claim + 1')} FROM jobs WHERE structure = ? AND state = 'ready' ORDER BY rank, due, id LIMIT ?`,
  ),
  now: new Statement<[], [wall: number]>('SELECT wall()'),
  anyReady: new Statement<[structure: number], [id: number]>(
    `SELECT id FROM jobs WHERE structure = ? AND state = 'ready' LIMIT 1`,
  ),
  writeDeadline: new Statement<[time: number, id: number, claim: number], [id: number]>(
    `UPDATE jobs SET deadline = ${steady} + ? WHERE id = ? AND claim = ? AND state = 'running'`,
    `UPDATE jobs SET deadline = ${steady} + ? WHERE id = ? AND claim = ? AND state = 'running' RETURNING id`,
    {
      answers: [1],
      many: `UPDATE jobs SET deadline = ${steady} + t.time FROM unnest(?::float8[], ?::bigint[], ?::bigint[]) AS t(time, id, claim)
        WHERE jobs.id = t.id AND jobs.claim = t.claim AND jobs.state = 'running' RETURNING jobs.id`,
    },
  ),
  /** A job has completed that nobody waits for or wants to be cancelled, and that is of no group: most are so. */
  complete: new Statement<Completion, [id: number, claim: number]>(
    completing,
    `${completing} RETURNING id, claim`,
    {
      answers: [2, 3],
      many: `UPDATE jobs SET ${completed}, outcome = c.outcome, bytes = jobs.bytes + c.bytes
        FROM unnest(?::bytea[], ?::bigint[], ?::bigint[], ?::bigint[]) AS c(outcome, bytes, id, claim)
        WHERE jobs.id = c.id AND jobs.claim = c.claim AND ${simple} RETURNING jobs.id, jobs.claim`,
    },
  ),
  /** The same, for one that is not to be kept. */
  completeAndRemove: new Statement<[id: number, claim: number], [id: number, claim: number]>(
    `DELETE FROM jobs WHERE id = ? AND claim = ? AND ${simple}`,
    `DELETE FROM jobs WHERE id = ? AND claim = ? AND ${simple} RETURNING id, claim`,
    {
      answers: [0, 1],
      many: `DELETE FROM jobs USING unnest(?::bigint[], ?::bigint[]) AS c(id, claim)
        WHERE jobs.id = c.id AND jobs.claim = c.claim AND ${simple} RETURNING jobs.id, jobs.claim`,
    },
  ),
  /** Tells the group that has a place free now, or has a job with a place that is ready again. */
  settle: new Statement<
    Settlement,
    [id: number, claim: number, stage: Stage, group: string | null, followed: number | null]
  >(
    `UPDATE jobs SET state = CASE WHEN cancelling IS NULL OR ? = 'completed' THEN ? ELSE 'cancelled' END,
       ended = CASE WHEN cancelling IS NOT NULL OR ? = 1 THEN wall() END,
       keyed = CASE WHEN cancelling IS NOT NULL OR ? = 1 THEN -abs(keyed) ELSE keyed END,
       owner = NULL, deadline = NULL, cancelling = NULL, failures = failures + ?, deaths = deaths + ?,
       due = coalesce(${steady} + ?, due), slot = CASE WHEN cancelling IS NULL AND ? = 1 THEN slot END, outcome = ?, bytes = bytes + ?
     WHERE id = ? AND claim = ? AND state = 'running' RETURNING id, claim, state, CASE WHEN slot IS NULL OR jobs.state = 'ready' THEN grp END, followed`,
    undefined,
    {
      many: `UPDATE jobs SET state = CASE WHEN cancelling IS NULL OR s.stage = 'completed' THEN s.stage ELSE 'cancelled' END,
          ended = CASE WHEN cancelling IS NOT NULL OR s.ended = 1 THEN wall() END,
          keyed = CASE WHEN cancelling IS NOT NULL OR s.ended = 1 THEN -abs(keyed) ELSE keyed END,
          owner = NULL, deadline = NULL, cancelling = NULL, failures = jobs.failures + s.failures, deaths = jobs.deaths + s.deaths,
          due = coalesce(${steady} + s.delay, due), slot = CASE WHEN cancelling IS NULL AND s.keeps = 1 THEN slot END,
          outcome = s.outcome, bytes = jobs.bytes + s.bytes
        FROM unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::float8[], ?::bigint[], ?::bytea[], ?::bigint[], ?::bigint[], ?::bigint[])
          AS s(stage, stage_again, ended, ended_again, failures, deaths, delay, keeps, outcome, bytes, id, claim)
        WHERE jobs.id = s.id AND jobs.claim = s.claim AND jobs.state = 'running' RETURNING jobs.id, jobs.claim, jobs.state, CASE WHEN slot IS NULL OR jobs.state = 'ready' THEN grp END, followed`,
    },
  ),
  /** For those that are not to be kept. */
  settleAndRemove: new Statement<
    [id: number, claim: number],
    [id: number, claim: number, bytes: number, group: string | null, followed: number | null]
  >(
    `DELETE FROM jobs WHERE id = ? AND claim = ? AND state = 'running' RETURNING id, claim, bytes, grp, followed`,
    undefined,
    {
      many: `DELETE FROM jobs USING unnest(?::bigint[], ?::bigint[]) AS s(id, claim)
        WHERE jobs.id = s.id AND jobs.claim = s.claim AND state = 'running' RETURNING jobs.id, jobs.claim, bytes, grp, followed`,
    },
  ),
  note: new Statement<[job: number, kind: 'error' | 'log', note: ValueColumn], [id: number]>(
    'INSERT INTO job_notes (job, at, kind, note) VALUES (?, wall(), ?, ?)',
    'INSERT INTO job_notes (job, at, kind, note) VALUES (?, wall(), ?, ?) RETURNING id',
    {
      answers: 'rowid',
      many: `INSERT INTO job_notes (job, at, kind, note) SELECT n.job, wall(), n.kind, n.note
        FROM unnest(?::bigint[], ?::text[], ?::bytea[]) AS n(job, kind, note) RETURNING id`,
    },
  ),
  progress: new Statement<[progress: ValueColumn, id: number, claim: number], [id: number]>(
    `UPDATE jobs SET progress = ? WHERE id = ? AND claim = ? AND state = 'running'`,
    `UPDATE jobs SET progress = ? WHERE id = ? AND claim = ? AND state = 'running' RETURNING id`,
    {
      answers: [1],
      many: `UPDATE jobs SET progress = p.progress FROM unnest(?::bytea[], ?::bigint[], ?::bigint[]) AS p(progress, id, claim)
        WHERE jobs.id = p.id AND jobs.claim = p.claim AND state = 'running' RETURNING jobs.id`,
    },
  ),
  /** Whether a claim still holds. */
  isCurrent: new Statement<[id: number, claim: number], [id: number]>(
    `SELECT id FROM jobs WHERE id = ? AND claim = ? AND state = 'running'`,
    `SELECT id FROM jobs WHERE id = ? AND claim = ? AND state = 'running' FOR UPDATE`,
  ),
  register: new Statement<[structure: number, owner: number]>(
    'INSERT INTO queue_workers (structure, owner) VALUES (?, ?) ON CONFLICT (structure, owner) DO NOTHING',
  ),
  unregister: new Statement<[structure: number, owner: number]>(
    'DELETE FROM queue_workers WHERE structure = ? AND owner = ?',
  ),
  /** Who runs jobs, but for one. */
  workers: new Statement<[structure: number, own: number], OwnerRow>(
    `SELECT o.id, o.token FROM queue_workers w JOIN owners o ON o.id = w.owner WHERE w.structure = ? AND w.owner <> ?
       AND EXISTS (SELECT 1 FROM jobs j WHERE j.structure = w.structure AND j.owner = w.owner AND j.state = 'running')`,
  ),
  /** Who took jobs, and is gone. */
  gone: new Statement<[structure: number], [owner: number]>(
    `SELECT w.owner FROM queue_workers w WHERE w.structure = ? AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = w.owner)`,
  ),
  runningOf: new Statement<
    [structure: number, owner: number, most: number],
    [id: number, claim: number, deaths: number]
  >(
    `SELECT id, claim, deaths FROM jobs WHERE structure = ? AND owner = ? AND state = 'running' LIMIT ?`,
    `SELECT id, claim, deaths FROM jobs WHERE structure = ? AND owner = ? AND state = 'running' LIMIT ? FOR UPDATE`,
  ),
  overdue: new Statement<
    [structure: number, most: number],
    [id: number, claim: number, failures: number, options: string | null]
  >(
    `SELECT id, claim, failures, options FROM jobs WHERE structure = ? AND deadline IS NOT NULL AND deadline < (SELECT ${steady}) LIMIT ?`,
    `SELECT id, claim, failures, options FROM jobs WHERE structure = ? AND deadline IS NOT NULL AND deadline < (SELECT ${steady}) LIMIT ? FOR UPDATE SKIP LOCKED`,
  ),
  /** The own jobs that somebody wants to be cancelled. */
  cancelling: new Statement<[structure: number, owner: number], [id: number]>(
    'SELECT id FROM jobs WHERE structure = ? AND owner = ? AND cancelling IS NOT NULL',
  ),
  cancelRunning: new Statement<[structure: number, id: number], [owner: number | null]>(
    `UPDATE jobs SET cancelling = 1 WHERE structure = ? AND id = ? AND state = 'running' RETURNING owner`,
  ),
  /** Nobody else changes it until the transaction ends. */
  stageOf: new Statement<
    [structure: number, id: number],
    [stage: Stage, bytes: number, group: string | null, followed: number | null]
  >(
    'SELECT state, bytes, grp, followed FROM jobs WHERE structure = ? AND id = ?',
    'SELECT state, bytes, grp, followed FROM jobs WHERE structure = ? AND id = ? FOR UPDATE',
  ),
  cancel: new Statement<[id: number]>(
    `UPDATE jobs SET state = 'cancelled', ended = wall(), slot = NULL, keyed = -abs(keyed) WHERE id = ?`,
  ),
  /** Of a job that has ended. */
  remains: new Statement<
    [id: number],
    [pending: number | null, key: string | null, keyed: number, outcome: unknown]
  >('SELECT pending, key, coalesce(keyed, 0), outcome FROM jobs WHERE id = ?'),
  retry: new Statement<[stage: Stage, pending: number | null, bytes: number, id: number]>(
    `UPDATE jobs SET state = ?, pending = ?, becomes = CASE WHEN becomes IS NULL THEN NULL ELSE 'ready' END, bytes = bytes - ?, due = ${steady}, failures = 0, deaths = 0, ended = NULL, outcome = NULL, keyed = abs(keyed) WHERE id = ?`,
  ),
  remove: new Statement<[id: number]>('DELETE FROM jobs WHERE id = ?'),
  /** What became of a job. `ended` is null while it has not. */
  end: new Statement<[structure: number, id: number], EndRow>(
    `SELECT id, state, ended, outcome FROM jobs WHERE structure = ? AND id = ?`,
    undefined,
    {
      many: `SELECT j.id, j.state, j.ended, j.outcome FROM unnest(?::bigint[], ?::bigint[]) AS w(structure, id)
        JOIN jobs j ON j.structure = w.structure AND j.id = w.id`,
    },
  ),
  /** Also in how many milliseconds a job is due, by either clock. */
  settings: new Statement<[structure: number], SettingsRow>(
    settings('0, 0'),
    settings(
      `CASE current_setting('transaction_isolation') WHEN 'serializable' THEN 1 ELSE 0 END,
       CASE WHEN q.limits IS NOT NULL AND EXISTS (SELECT 1 FROM job_admissions a WHERE a.structure = s.id) THEN 1 ELSE 0 END`,
    ),
  ),
  setLimits: new Statement<[structure: number, limits: string]>(
    'INSERT INTO queues (structure, limits) VALUES (?, ?) ON CONFLICT (structure) DO UPDATE SET limits = excluded.limits',
  ),
  /** Users' transactions on PostgreSQL that began before see the limits as they were: where they add to a group they lock this row, and find that they are late. */
  outdate: new Statement<[structure: number]>('UPDATE structures SET waiting = waiting WHERE id = ?'),
  pause: new Statement<[structure: number, paused: number]>(
    'INSERT INTO queues (structure, paused) VALUES (?, ?) ON CONFLICT (structure) DO UPDATE SET paused = excluded.paused',
  ),
  /** Beyond a number, or an age. */
  removeOldest: pruning<[structure: number, stage: Stage, most: number]>(
    `o.ended < (SELECT wall()) - ${leastKept}`,
  ),
  removeOlder: pruning<[structure: number, stage: Stage, age: number, most: number]>(
    'o.ended < (SELECT wall()) - ?',
  ),
};
