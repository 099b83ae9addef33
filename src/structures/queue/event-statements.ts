import type { ValueColumn } from '../../core/columns.js';
import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';

/** What can happen to a job. */
export type EventKind =
  'added' | 'started' | 'progress' | 'completed' | 'failed' | 'retrying' | 'stalled' | 'cancelled';

export type EventRow = [
  id: number,
  at: number,
  kind: EventKind,
  job: number,
  attempt: number | null,
  detail: unknown,
];

/** How many events of a queue are kept, at least. */
const kept = 10_000;

/** Statements about the events of a queue. */
export const sql = {
  add: new Statement<
    [structure: number, kind: EventKind, job: number, attempt: number | null, detail: ValueColumn | null],
    [id: number]
  >(
    'INSERT INTO job_events (structure, at, kind, job, attempt, detail) VALUES (?, wall(), ?, ?, ?, ?)',
    'INSERT INTO job_events (structure, at, kind, job, attempt, detail) VALUES (?, wall(), ?, ?, ?, ?) RETURNING id',
    {
      answers: 'rowid',
      many: `INSERT INTO job_events (structure, at, kind, job, attempt, detail) SELECT n.structure, wall(), n.kind, n.job, n.attempt, n.detail
        FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bytea[]) WITH ORDINALITY AS n(structure, kind, job, attempt, detail, place)
        ORDER BY n.place RETURNING id`,
    },
  ),
  /** Whether events are recorded now, and which were removed last. */
  state: new Statement<[structure: number], [recording: number | null, removed: number | null]>(
    `SELECT CASE WHEN recording > ${steady} THEN 1 END, removed FROM queues WHERE structure = ?`,
  ),
  record: new Statement<[structure: number, time: number]>(
    `INSERT INTO queues (structure, recording) VALUES (?, ${steady} + ?) ON CONFLICT (structure) DO UPDATE SET recording = excluded.recording`,
  ),
  last: new Statement<[structure: number], [id: number | null]>(
    'SELECT max(id) FROM job_events WHERE structure = ?',
  ),
  behind: new Statement<[structure: number, after: number, most: number], EventRow>(
    'SELECT id, at, kind, job, attempt, detail FROM job_events WHERE structure = ? AND id > ? ORDER BY id LIMIT ?',
  ),
  /** The newest of those that are to go. */
  excess: new Statement<[structure: number], [id: number]>(
    `SELECT id FROM job_events WHERE structure = ? ORDER BY id DESC LIMIT 1 OFFSET ${kept}`,
  ),
  remove: new Statement<[structure: number, upTo: number]>(
    'DELETE FROM job_events WHERE structure = ? AND id <= ?',
  ),
  removed: new Statement<[upTo: number, structure: number]>(
    'UPDATE queues SET removed = ? WHERE structure = ?',
  ),
};
