import type { Limits } from './limits.js';
import { isUnfinished, type Model, type ModelJob } from './jobs.js';

/** A job as it is stored. */
export interface JobRow {
  readonly id: number;
  readonly queue: string;
  readonly state: string;
  readonly rank: number;
  readonly due: number;
  readonly claim: number;
  readonly failures: number;
  readonly deaths: number;
  readonly owner: number | null;
  readonly deadline: number | null;
  readonly cancelling: number | null;
  readonly started: number | null;
  readonly ended: number | null;
  readonly bytes: number;
  readonly name: string;
  readonly grp: string | null;
  readonly slot: number | null;
  readonly keyed: number | null;
  readonly followed: number | null;
  readonly pending: number | null;
  readonly options: string | null;
}

export const allJobs = `SELECT j.id, s.name AS queue, j.state, j.rank, j.due, j.claim, j.failures, j.deaths, j.owner, j.deadline, j.cancelling,
  j.started, j.ended, j.bytes, j.name, j.grp, j.slot, j.keyed, j.followed, j.pending, j.options
  FROM jobs j JOIN structures s ON s.id = j.structure WHERE s.kind = 'queue' ORDER BY j.id`;

export const allCounts = `SELECT s.name AS queue, sum(c.blocked) AS blocked, sum(c.waiting) AS waiting, sum(c.delayed) AS delayed,
  sum(c.running) AS running, sum(c.completed) AS completed, sum(c.failed) AS failed, sum(c.cancelled) AS cancelled, sum(c.bytes) AS bytes
  FROM job_counts c JOIN structures s ON s.id = c.structure GROUP BY s.name ORDER BY s.name`;

/** Rows that belong to nothing, and numbers that do not fit: there must be none. */
export const misfits: Readonly<Record<string, string>> = {
  'data of no job': `SELECT d.job AS id FROM job_data d WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = d.job AND j.data IS NULL)`,
  'no data': `SELECT j.id FROM jobs j WHERE j.data IS NULL AND NOT EXISTS (SELECT 1 FROM job_data d WHERE d.job = j.id)`,
  'notes of no job': `SELECT n.job AS id FROM job_notes n WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = n.job)`,
  'links of no parent': `SELECT c.parent AS id FROM job_children c WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.parent)`,
  'an open link to a child that will not tell': `SELECT c.child AS id FROM job_children c WHERE c.stage IS NULL
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.child AND j.ended IS NULL AND j.followed = 1)`,
  'a successor that nobody will start': `SELECT f.job AS id FROM job_successors f
    WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = f.job AND j.ended IS NULL AND j.followed = 1)`,
  'pending is not the number of open links': `SELECT j.id FROM jobs j WHERE j.state = 'blocked'
    AND (j.pending < 1 OR j.pending <> (SELECT count(*) FROM job_children c WHERE c.parent = j.id AND c.stage IS NULL))`,
  'runs without an owner, or has one without running': `SELECT j.id FROM jobs j WHERE (j.state = 'running') <> (coalesce(j.owner, 0) <> 0)`,
  'runs, and nobody looks after its owner': `SELECT j.id FROM jobs j WHERE j.state = 'running'
    AND NOT EXISTS (SELECT 1 FROM queue_workers w WHERE w.structure = j.structure AND w.owner = j.owner)`,
  'something of a run that is over': `SELECT j.id FROM jobs j WHERE j.state <> 'running' AND (j.deadline IS NOT NULL OR j.cancelling IS NOT NULL)`,
  'has ended without a time, or the other way round': `SELECT j.id FROM jobs j WHERE (j.state IN ('completed', 'failed', 'cancelled')) <> (j.ended IS NOT NULL)`,
  'a key of a job that has ended': `SELECT j.id FROM jobs j WHERE j.keyed IS NOT NULL AND (j.key IS NULL OR (j.keyed > 0 AND j.ended IS NOT NULL))`,
  'a place that nobody can have': `SELECT j.id FROM jobs j WHERE j.slot IS NOT NULL AND (j.grp IS NULL OR j.state NOT IN ('ready', 'delayed', 'timed', 'running'))`,
};

type CountRow = Readonly<Record<string, number | string | null>>;

const stateOf: Readonly<Record<string, string>> = { ready: 'waiting', parked: 'waiting', timed: 'delayed' };
export const shownState = ({ state }: Pick<JobRow, 'state'>): string => stateOf[state] ?? state;

export interface Counted {
  readonly [state: string]: number;
}

/** How many jobs a queue has by state, and bytes, as its rows say. */
export function countRows(rows: readonly JobRow[], queue: string): Counted {
  const counts: Record<string, number> = {
    ...{ blocked: 0, waiting: 0, delayed: 0, running: 0 },
    ...{ completed: 0, failed: 0, cancelled: 0, bytes: 0 },
  };
  for (const row of rows) {
    if (row.queue !== queue) continue;
    counts[shownState(row)]! += 1;
    counts['bytes']! += row.bytes;
  }
  return counts;
}

/** What is wrong with the counts that are kept. */
export function* wrongCounts(
  rows: readonly JobRow[],
  kept: readonly CountRow[],
  queues: readonly string[],
): Iterable<string> {
  for (const queue of queues) {
    const expected = countRows(rows, queue);
    const found = kept.find((row) => row['queue'] === queue);
    for (const [what, count] of Object.entries(expected))
      if (Number(found?.[what] ?? 0) !== count)
        yield `${queue}: counts say ${found?.[what] ?? 0} ${what}, rows ${count}`;
  }
}

/** Where the rows are not what the model says. */
export function* differences(model: Model, rows: readonly JobRow[]): Iterable<string> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const row of rows)
    if (!model.jobs.has(row.id)) yield `job ${row.id} (${row.name}) of ${row.queue} should not be there`;
  for (const { token } of model.unborn) yield `${token} should be there`;
  for (const job of model.jobs.values()) {
    const row = byId.get(job.id);
    if (row === undefined) yield `job ${job.id} is lost`;
    else {
      const expected = asRow(job);
      for (const [what, value] of Object.entries(expected)) {
        const found = what === 'state' ? classOf(row) : row[what as keyof JobRow];
        if (found !== value)
          yield `job ${job.id}: ${what} is ${found ?? 'null'}, should be ${value ?? 'null'}`;
      }
      // On the server the time passes meanwhile.
      if (!(Math.abs((tickOf(row) ?? 0) - (job.tick ?? 0)) < 1_000))
        yield `job ${job.id} is of tick ${tickOf(row) ?? 'none'}, should be of ${job.tick ?? 'none'}`;
      if (isUnfinished(job) && row.bytes !== job.plan.size)
        yield `job ${job.id} takes ${row.bytes} bytes, should take ${job.plan.size}`;
    }
  }
}

/** For which tick of a schedule it was added. */
const tickOf = ({ options }: JobRow): number | undefined =>
  options === null ? undefined : (JSON.parse(options) as { scheduledFor?: number }).scheduledFor;

const classOf = (row: JobRow): string => {
  const state = shownState(row);
  return state === 'delayed' ? 'waiting' : state;
};

function asRow(job: ModelJob): Partial<Record<keyof JobRow, string | number | null>> {
  return {
    queue: job.queue,
    state: job.claim === undefined ? job.state : 'running',
    rank: -job.plan.priority + 0,
    claim: job.claims,
    failures: job.failures,
    deaths: job.deaths,
    cancelling: job.cancelling ? 1 : null,
    name: job.token,
    grp: job.group ?? null,
    keyed: job.keyed ?? null,
  };
}

/** What is wrong with the places in groups. @param pending - Groups of which jobs are still to be admitted. */
export function* wrongPlaces(
  rows: readonly JobRow[],
  queue: string,
  { groups }: Limits,
  pending: ReadonlySet<string>,
): Iterable<string> {
  const own = rows.filter((row) => row.queue === queue);
  const parked = new Set(own.filter(({ state }) => state === 'parked').map(({ grp }) => grp));
  if (groups === undefined) {
    if (parked.size > 0) yield `${queue}: jobs are parked, and nothing limits them`;
    return;
  }
  for (const row of own)
    if ((row.state === 'ready' || row.state === 'running') && row.grp !== null && row.slot === null)
      yield `job ${row.id} of a group is ${row.state}, and has no place`;
  for (const group of parked) {
    if (group !== null && pending.has(group)) continue;
    const places = own.filter(({ grp, slot }) => grp === group && slot !== null);
    const most = groups.ordered === true ? 1 : (groups.concurrency ?? Infinity);
    const isExpected = places.some(({ state }) => state !== 'running');
    if (places.length < most && !(groups.rate !== undefined && isExpected))
      yield `${queue}: jobs of group ${group ?? ''} are parked, and ${places.length} of ${most} places are taken`;
  }
}
