import { knownKeys, nameString, oneOf, wholeNumber } from '../../core/options.js';
import { all, type Script } from '../../core/script.js';
import { finding } from './list-statements.js';
import type { JobState } from './looking.js';

/** Which jobs of a queue. */
export interface JobFilter {
  readonly state?: JobState | undefined;
  /** What they were added with. */
  readonly group?: string | undefined;
  /** What they were added with. */
  readonly name?: string | undefined;
}

/** Options of {@link Queue.jobs}. */
export interface ListOptions extends JobFilter {
  /** How many at most, from 1 to 1 000. @defaultValue `100` */
  readonly limit?: number | undefined;
  /** Only those whose number is greater: that of the last job of the page before. @defaultValue `0` */
  readonly after?: number | undefined;
}

const states: readonly JobState[] = [
  'blocked',
  'waiting',
  'delayed',
  'running',
  'completed',
  'failed',
  'cancelled',
];

export function checkFilter(filter: JobFilter, known: readonly string[] = []): JobFilter {
  knownKeys('which jobs', filter, ['state', 'group', 'name', ...known]);
  const { state, group, name } = filter;
  if (state !== undefined) oneOf('state', state, states);
  if (group !== undefined) nameString('group', group);
  if (name !== undefined) nameString('name', name);
  return filter;
}

export function resolveList(options: ListOptions = {}): ListOptions & { limit: number; after: number } {
  checkFilter(options, ['limit', 'after']);
  const { limit = 100, after = 0 } = options;
  wholeNumber('limit', limit, 1, 1_000);
  wholeNumber('after', after, 0);
  return { ...options, limit, after };
}

/** The numbers of the first that match, in order. */
export function* findJobs(
  structure: number,
  { state, group, name }: JobFilter,
  after: number,
  limit: number,
): Script<number[]> {
  const found: number[] = [];
  for (const statement of finding[state ?? 'any']) {
    const rows = yield* all(statement, structure, after, ...either(group), ...either(name), limit);
    found.push(...rows.map(([id]) => id));
  }
  return found.sort((a, b) => a - b).slice(0, limit);
}

/** What is to be the same, unless nothing was given. */
const either = (given: string | undefined): [string | null, string | null] => [given ?? null, given ?? null];
