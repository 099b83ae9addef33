import { listed, Statement } from '../../core/statement.js';
import { steady } from '../../core/steady.js';
import type { JobState } from './looking.js';
import { dataOf, type Stage } from './statements.js';

/** What is to be shown of a job. `now` is the steady clock's. */
export type JobRow = [
  id: number,
  stage: Stage,
  rank: number,
  due: number,
  now: number,
  failures: number,
  deaths: number,
  added: number,
  started: number | null,
  ended: number | null,
  name: string | null,
  group: string | null,
  data: unknown,
  outcome: unknown,
  progress: unknown,
  options: string | null,
  host: string | null,
  process: number | null,
];

export type NoteRow = [job: number, at: number, kind: 'error' | 'log', note: unknown];

/** The jobs of a queue behind a number, by number; only those of a group and a name, where these are not null. */
export type Listed = [
  structure: number,
  after: number,
  group: string | null,
  sameGroup: string | null,
  name: string | null,
  sameName: string | null,
  most: number,
];

const matching =
  'AND id > ? AND (CAST(? AS text) IS NULL OR grp = ?) AND (CAST(? AS text) IS NULL OR name = ?)';

/** Goes through the jobs of the store: an index of those of each queue would cost each that is added more than a seldom look is worth. */
const walking = (which: string): Statement<Listed, [id: number]> =>
  new Statement(`SELECT id FROM jobs WHERE +structure = ? ${matching} ${which} ORDER BY id LIMIT ?`);

/** Goes through the index of a stage, and sorts: the sign keeps SQLite from walking by number, past all others. */
const picking = (stage: string): Statement<Listed, [id: number]> =>
  new Statement(
    `SELECT id FROM jobs WHERE structure = ? ${matching.replace('id >', '+id >')} AND ${stage} ORDER BY +id LIMIT ?`,
  );

const inEnded = (stage: Stage): string => `state = '${stage}' AND ended IS NOT NULL`;

/** Statements that find a page of jobs, by their state. Of those that wait there may be the most: to sort them would cost more than to walk. */
export const finding: Readonly<Record<JobState | 'any', readonly Statement<Listed, [id: number]>[]>> = {
  any: [walking('')],
  blocked: [walking(`AND state = 'blocked'`)],
  waiting: [walking(`AND state IN ('ready', 'parked')`)],
  delayed: [picking(`state = 'delayed'`), picking(`state = 'timed'`)],
  running: [picking(`state = 'running'`)],
  completed: [picking(inEnded('completed'))],
  failed: [picking(inEnded('failed'))],
  cancelled: [picking(inEnded('cancelled'))],
};

const owner = (column: string): string => `(SELECT o.${column} FROM owners o WHERE o.id = jobs.owner)`;
const shown = `SELECT id, state, rank, due, ${steady}, failures, deaths, added, started, ended, name, grp, ${dataOf}, outcome, progress, options, ${owner('host')}, ${owner('process')} FROM jobs WHERE structure = ? AND id`;
const notes = 'SELECT job, at, kind, note FROM job_notes WHERE job';

/** Statements that read jobs by their numbers, a JSON array. */
export const sql = {
  jobs: new Statement<[structure: number, ids: string], JobRow>(
    `${shown} ${listed.sqlite} ORDER BY id`,
    `${shown} ${listed.postgres} ORDER BY id`,
  ),
  notes: new Statement<[ids: string], NoteRow>(
    `${notes} ${listed.sqlite} ORDER BY id`,
    `${notes} ${listed.postgres} ORDER BY id`,
  ),
};
