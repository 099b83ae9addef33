import type { ValueColumn } from '../../core/columns.js';
import type { Script } from '../../core/script.js';
import type { Row } from '../../core/statement.js';
import type { Gathering } from '../../core/gatherer.js';
import { isPlain, mostInline, type EncodedJob } from './adding.js';
import { sql, type JobsAtOnce, type QuickJob } from './at-once-statements.js';
import { isTraced } from './recording.js';
import { wakeOne } from './turn.js';

/** Whether nothing has to be heeded but that they are there. */
const fits = (jobs: readonly EncodedJob[]): boolean => jobs.length > 0 && !isTraced() && jobs.every(isReady);

const isReady = (job: EncodedJob): boolean =>
  isPlain(job) && job.group === null && job.delay === 0 && job.at === null && job.size <= mostInline;

/** Adds jobs: one by one statement on an embedded store, those of several calls together on a server. */
export const adding: Gathering<readonly EncodedJob[], JobsAtOnce, [ids: string | null], number[]> = {
  quick: (structure, jobs) => {
    const [job] = jobs;
    if (job === undefined || jobs.length > 1 || !fits(jobs)) return undefined;
    const { rank, size, name, options, column } = job;
    const params: QuickJob = [rank, size, name, options, column, structure];
    const next = ([, waiting]: Row): Script<void> | undefined =>
      Number(waiting) > 0 ? wakeOne(structure) : undefined;
    return { statement: sql.addOne, params, read: ([id]) => [Number(id)], next };
  },
  statement: sql.add,
  weight: (jobs) => jobs.length,
  fits,
  params: (structure, calls) => paramsOf(structure, calls.flat()),
  read: (row, calls) => {
    const given = row?.[0];
    if (typeof given !== 'string') return undefined;
    // Each number is greater than the one before.
    const ids = given
      .split(',')
      .map(Number)
      .sort((a, b) => a - b);
    return calls.map(({ length }) => ids.splice(0, length));
  },
};

function paramsOf(structure: number, jobs: readonly EncodedJob[]): JobsAtOnce {
  const { data, starts, spans } = packed(jobs.map(({ column }) => column));
  return [
    structure,
    data,
    starts,
    spans,
    array(jobs.map(({ size }) => size)),
    jobs.some(({ rank }) => rank !== 0) ? array(jobs.map(({ rank }) => rank)) : null,
    json(jobs.map(({ name }) => name)),
    json(jobs.map(({ options }) => options)),
    jobs.length,
  ];
}

/** Values behind each other, and, as arrays, where each begins and how long it is. */
export function packed(columns: readonly (ValueColumn | null)[]): {
  readonly data: Uint8Array;
  readonly starts: string;
  readonly spans: string;
} {
  const all = columns.map((column) => (typeof column === 'object' ? column : Buffer.from(String(column))));
  let end = 1;
  const starts = all.map((one) => (end += one?.byteLength ?? 0) - (one?.byteLength ?? 0));
  return {
    data: Buffer.concat(all.filter((one) => one !== null)),
    starts: array(starts),
    spans: array(all.map((one) => one?.byteLength ?? null)),
  };
}

export const array = (numbers: readonly (number | null)[]): string =>
  `{${numbers.map((number) => number ?? 'NULL').join(',')}}`;

/** Null where all are. */
const json = (texts: readonly (string | null)[]): string | null =>
  texts.some((text) => text !== null) ? JSON.stringify(texts) : null;
