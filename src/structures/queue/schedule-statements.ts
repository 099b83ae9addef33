import type { ValueColumn } from '../../core/columns.js';
import { Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { Stage } from './statements.js';

/** By which clock the ticks of a schedule come: cron by the wall clock, periods by the steady one. */
export type TickClock = 'wall' | 'steady';

/** A schedule of which something is to be done. */
export type DueSchedule = [
  name: string,
  spec: string,
  options: string,
  data: ValueColumn,
  clock: TickClock,
  since: number,
  seen: number,
  job: number | null,
];

/** A schedule for its {@link ScheduleInfo}: `next` and `last` are milliseconds since 1970. */
export type ScheduleRow = [
  name: string,
  spec: string,
  options: string,
  data: unknown,
  next: number | null,
  last: number | null,
  job: number | null,
  error: string | null,
];

/**
 * How far the wall clock must lie behind the last tick to be taken for corrected, in milliseconds, as in Vixie's cron: ticks then come by the time that it tells
 * now. Before that they wait until it is as late again as it was, so that none comes twice.
 */
export const corrected = 3 * 60 * 60 * 1000;

/** The time is a query of its own, or PostgreSQL would ask it again for each row, and go through all of them. */
const due = (condition: string): string =>
  `SELECT name, spec, options, data, clock, since, seen, job FROM schedules WHERE structure = ? AND ${condition} LIMIT ?`;

export const scheduleSql = {
  now: new Statement<[], [wall: number, steady: number]>(`SELECT wall(), ${steady}`),
  find: new Statement<[structure: number, name: string], [spec: string]>(
    'SELECT spec FROM schedules WHERE structure = ? AND name = ?',
  ),
  put: new Statement<
    [
      structure: number,
      name: string,
      spec: string,
      options: string,
      data: ValueColumn,
      clock: TickClock,
      since: number,
      seen: number,
      next: number,
    ]
  >(
    `INSERT INTO schedules (structure, name, spec, options, data, clock, since, seen, next) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (structure, name) DO UPDATE SET spec = excluded.spec, options = excluded.options, data = excluded.data,
       clock = excluded.clock, since = excluded.since, seen = excluded.seen, next = excluded.next, error = NULL`,
  ),
  /** Writes nothing where nothing is different. */
  amend: new Statement<
    [options: string, data: ValueColumn, structure: number, name: string, options: string, data: ValueColumn]
  >(
    'UPDATE schedules SET options = ?, data = ? WHERE structure = ? AND name = ? AND (options <> ? OR data <> ?)',
  ),
  remove: new Statement<[structure: number, name: string]>(
    'DELETE FROM schedules WHERE structure = ? AND name = ?',
  ),
  list: new Statement<[structure: number], ScheduleRow>(
    `SELECT name, spec, options, data, CASE WHEN clock = 'wall' THEN next ELSE next + wall() - ${steady} END, last, job, error
     FROM schedules WHERE structure = ? ORDER BY name`,
  ),
  /** In how many milliseconds the next tick is due, by either clock; and up to when ticks by the wall clock are dealt with, seen from now. */
  next: new Statement<
    [structure: number, structure: number, structure: number],
    [wall: number | null, steady: number | null, dealt: number | null]
  >(
    `SELECT (SELECT min(next) FROM schedules WHERE structure = ? AND clock = 'wall') - wall(),
       (SELECT min(next) FROM schedules WHERE structure = ? AND clock = 'steady') - ${steady},
       (SELECT max(since) FROM schedules WHERE structure = ? AND clock = 'wall') - wall()`,
  ),
  dueByWall: new Statement<[structure: number, most: number], DueSchedule>(
    due(`clock = 'wall' AND next <= (SELECT wall()) ORDER BY next`),
  ),
  dueBySteady: new Statement<[structure: number, most: number], DueSchedule>(
    due(`clock = 'steady' AND next <= (SELECT ${steady}) ORDER BY next`),
  ),
  /** Those whose clock was wrong. */
  ahead: new Statement<[structure: number, most: number], DueSchedule>(
    due(`clock = 'wall' AND since > (SELECT wall()) + ${corrected} ORDER BY since DESC`),
  ),
  /** The fence: of those who would fire the same ticks, one does. */
  advance: new Statement<
    [since: number, seen: number, next: number | null, structure: number, name: string, since: number]
  >(
    `UPDATE schedules SET since = ?, seen = ?, next = ?, error = NULL WHERE structure = ? AND name = ? AND since = ?`,
  ),
  added: new Statement<[last: number, job: number, structure: number, name: string]>(
    'UPDATE schedules SET last = ?, job = ? WHERE structure = ? AND name = ?',
  ),
  /** It could not be worked out: that is tried again later. */
  failed: new Statement<[since: number, next: number, error: string, structure: number, name: string]>(
    'UPDATE schedules SET since = ?, next = ?, error = ? WHERE structure = ? AND name = ?',
  ),
  /** Where the job is that a schedule has added last. */
  stageOf: new Statement<[job: number], [stage: Stage]>('SELECT state FROM jobs WHERE id = ?'),
};
