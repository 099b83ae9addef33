import { catalog } from './catalog.js';
import { boolean, knownKeys } from './options.js';
import { all, get, run, type Script } from './script.js';
import { listed, Statement } from './statement.js';
import { theDead } from './waiting.js';

/** What a {@link Finding} is about. */
export type FindingCode =
  /** The database itself is damaged: what SQLite says of it. It can't be mended: restore a backup. While there is such a finding nothing else is mended. */
  | 'integrity'
  /** A size, or another count, is not that of the rows. Mended by correcting it. */
  | 'wrong-count'
  /** Rows that belong to others that are not there. Mended by removing them. */
  | 'orphan'
  /** What a store that was not closed, its process having been killed, has left: its number, what it held, its files. Mended by removing it. */
  | 'dead-owner'
  /** An entry whose value file is missing, or has another size. Mended by removing the entry. */
  | 'missing-file'
  /** A file, or chunks on PostgreSQL, of which no entry is, and whose writer is dead; or what an interrupted operation has left. Mended by removing it. */
  | 'stray-file'
  /** The directory of shards that no cache has (any more). Mended by removing it. */
  | 'stray-shard';

/** Something that `check` has found. */
export interface Finding {
  /** What it is about. */
  readonly code: FindingCode;
  /** The same as a sentence. */
  readonly message: string;
  /** Whether it was mended. */
  readonly mended: boolean;
  /** The structure that it is about, if it is about one. */
  readonly structure?: { readonly kind: string; readonly name: string };
  /** The file or directory that it is about, if it is about one. */
  readonly path?: string;
}

/** What `check` tells. */
export interface CheckReport {
  /** What is not as it should be: of a store in order, nothing. */
  readonly findings: readonly Finding[];
  /** How many structures the store has. */
  readonly structures: number;
  /** How many entries, items and jobs they have, shards included. */
  readonly entries: number;
  /** How many values lie in files, or in chunks on PostgreSQL, shards included. */
  readonly files: number;
}

/** Options of `check`. */
export interface CheckOptions {
  /** Whether what can be mended is. @defaultValue `false` */
  readonly repair?: boolean | undefined;
}

/** The options of `check`, checked. */
export function resolveCheckOptions(given: CheckOptions): { readonly repair: boolean } {
  knownKeys('options of check()', given, ['repair']);
  const { repair = false } = given;
  boolean('repair', repair);
  return { repair };
}

/** By how much a count is less than there are rows: of `what`, in the columns that {@link Tally.mend} corrects. */
interface Tally {
  readonly what: string;
  readonly find: Statement<[], [structure: number, kind: string, name: string, ...differences: number[]]>;
  /** Adds the differences; the structure comes last. */
  readonly mend: Statement<number[]>;
}

const ofStructure = 's.id, s.kind, s.name';

/** What the rows of structures come to, as `r`. */
const counted = (...parts: string[]): string =>
  `LEFT JOIN (SELECT p.structure, sum(p.size) AS size, sum(p.bytes) AS bytes FROM (${parts.join(' UNION ALL ')}) p GROUP BY p.structure) r ON r.structure = s.id`;
const rowsOf = (table: string): string =>
  `SELECT structure, count(*) AS size, sum(bytes) AS bytes FROM ${table} GROUP BY structure`;
const resized =
  'SELECT id >> 42 AS structure, 0 AS size, sum(bytes - span) AS bytes FROM items WHERE bytes <> span GROUP BY 1';
const whole = (sum: string): string => `CAST(coalesce(${sum}, 0) AS bigint)`;

/** Those with a difference. */
const differing = (from: string, ...differences: string[]): string =>
  `SELECT * FROM (SELECT ${ofStructure}, ${differences.map((one, i) => `${one} AS d${i}`).join(', ')} FROM structures s ${from}) f
   WHERE ${differences.map((_, i) => `d${i} <> 0`).join(' OR ')}`;

const stages = {
  blocked: "'blocked'",
  waiting: "'ready', 'parked'",
  delayed: "'delayed', 'timed'",
  running: "'running'",
  completed: "'completed'",
  failed: "'failed'",
  cancelled: "'cancelled'",
};
const stageNames = Object.keys(stages);
const ofJobs = `SELECT structure, ${Object.entries(stages)
  .map(([name, states]) => `sum(CASE WHEN state IN (${states}) THEN 1 ELSE 0 END) AS ${name}`)
  .join(', ')}, sum(bytes) AS bytes FROM jobs GROUP BY structure`;
const jobColumns = [...stageNames, 'bytes'];
const countedJobs = `SELECT structure, ${jobColumns.map((name) => `sum(${name}) AS ${name}`).join(', ')} FROM job_counts GROUP BY structure`;

/** On PostgreSQL entries are counted in `tallies`, and only what deques have overwritten in `structures`. */
const tallied =
  'LEFT JOIN (SELECT structure, sum(size) AS size, sum(bytes) AS bytes FROM tallies GROUP BY structure) t ON t.structure = s.id';

const tallies: readonly Tally[] = [
  {
    what: 'entries',
    find: new Statement(
      differing(
        counted(rowsOf('entries'), rowsOf('cached_entries'), resized),
        `${whole('r.size')} - s.size`,
        `${whole('r.bytes')} - s.bytes`,
      ),
      differing(
        `${counted(rowsOf('entries'), rowsOf('cached_entries'))} ${tallied}`,
        `${whole('r.size')} - ${whole('t.size')}`,
        `${whole('r.bytes')} - ${whole('t.bytes')}`,
      ),
    ),
    mend: new Statement(
      'UPDATE structures SET size = size + ?, bytes = bytes + ? WHERE id = ?',
      `INSERT INTO tallies AS t (size, bytes, structure, slot) VALUES (?, ?, ?, 0)
       ON CONFLICT (structure, slot) DO UPDATE SET size = t.size + excluded.size, bytes = t.bytes + excluded.bytes`,
    ),
  },
  {
    what: 'items',
    // On SQLite they are among those above.
    find: new Statement(
      `SELECT ${ofStructure}, 0 FROM structures s WHERE 0 = 1`,
      differing(counted(resized), `${whole('r.bytes')} - s.bytes`),
    ),
    mend: new Statement('UPDATE structures SET bytes = bytes + ? WHERE id = ?'),
  },
  {
    what: 'those that wait',
    find: new Statement(
      differing(
        'LEFT JOIN (SELECT structure, count(*) AS size FROM waiters GROUP BY structure) r ON r.structure = s.id',
        `${whole('r.size')} - s.waiting`,
      ),
    ),
    mend: new Statement('UPDATE structures SET waiting = waiting + ? WHERE id = ?'),
  },
  {
    what: 'jobs',
    find: new Statement(
      differing(
        `LEFT JOIN (${ofJobs}) j ON j.structure = s.id LEFT JOIN (${countedJobs}) c ON c.structure = s.id`,
        ...jobColumns.map((name) => `${whole(`j.${name}`)} - ${whole(`c.${name}`)}`),
      ),
    ),
    mend: new Statement(
      `INSERT INTO job_counts AS c (${jobColumns.join(', ')}, structure, slot) VALUES (${jobColumns.map(() => '?, ').join('')}?, 0)
       ON CONFLICT (structure, slot) DO UPDATE SET ${jobColumns.map((name) => `${name} = c.${name} + excluded.${name}`).join(', ')}`,
    ),
  },
];

/** A count that is wrong. */
export interface WrongCount {
  readonly tally: Tally;
  readonly structure: number;
  readonly kind: string;
  readonly name: string;
  readonly differences: readonly number[];
}

/** Every count that is wrong, on one state of the store. It goes through all rows. */
export function* findWrongCounts(): Script<WrongCount[]> {
  const wrong: WrongCount[] = [];
  for (const tally of tallies)
    for (const [structure, kind, name, ...differences] of yield* all(tally.find))
      wrong.push({ tally, structure, kind, name, differences });
  return wrong;
}

/**
 * Adds what was missing when it was counted: what was written since has been counted by those who wrote it. Nobody else must have mended the
 * same meanwhile.
 */
export function* mendCounts(wrong: readonly WrongCount[]): Script<void> {
  for (const { tally, structure, differences } of wrong) yield* run(tally.mend, ...differences, structure);
}

export function countFinding({ tally, kind, name, differences }: WrongCount, mended: boolean): Finding {
  const message = `${kind} ${name}: the count of ${tally.what} is not that of the rows (off by ${differences.join(', ')})`;
  return { code: 'wrong-count', message, mended, structure: { kind, name } };
}

/** Rows that belong to others that are not there. */
export interface Orphans {
  readonly what: string;
  /** What they belong to, as text: numbers may be beyond what a double holds. */
  readonly find: Statement<[], [id: string]>;
  readonly mend: Statement<[ids: string]>;
}

const mostOrphans = 500;

function orphansOf(what: string, table: string, column: string, condition: string): Orphans {
  return {
    what,
    find: new Statement(
      `SELECT DISTINCT CAST(o.${column} AS text) FROM ${table} o WHERE ${condition} LIMIT ${mostOrphans}`,
    ),
    mend: new Statement(
      `DELETE FROM ${table} AS o WHERE o.${column} ${listed.sqlite} AND ${condition}`,
      `DELETE FROM ${table} AS o WHERE o.${column} ${listed.postgres} AND ${condition}`,
    ),
  };
}

const withoutJob = (column: string): string => `NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = o.${column})`;

const orphans: readonly Orphans[] = [
  orphansOf(
    'tags of cache entries',
    'cache_tags',
    'entry',
    'NOT EXISTS (SELECT 1 FROM cached_entries e WHERE e.id = o.entry AND e.tagged IS NOT NULL)',
  ),
  orphansOf('data of jobs', 'job_data', 'job', withoutJob('job')),
  orphansOf('notes of jobs', 'job_notes', 'job', withoutJob('job')),
  orphansOf('children of jobs', 'job_children', 'parent', withoutJob('parent')),
  orphansOf('successors of jobs', 'job_successors', 'job', withoutJob('job')),
  orphansOf(
    'waiters of stores',
    'waiters',
    'owner',
    'NOT EXISTS (SELECT 1 FROM owners w WHERE w.id = o.owner)',
  ),
];

/** What belongs to what is not there, up to some hundred of each kind. */
export function* findOrphans(): Script<(readonly [Orphans, ids: string[]])[]> {
  const found: (readonly [Orphans, string[]])[] = [];
  for (const one of orphans) {
    const ids = (yield* all(one.find)).map(([id]) => id);
    if (ids.length > 0) found.push([one, ids]);
  }
  return found;
}

/** Removes them, where they still are; tells how many rows went. */
export function* mendOrphans({ mend }: Orphans, ids: readonly string[]): Script<number> {
  // As they are: a double would round them.
  return yield* run(mend, `[${ids.join(',')}]`);
}

export function orphanFinding({ what }: Orphans, ids: readonly string[], mended: boolean): Finding {
  const many = ids.length < mostOrphans ? `${ids.length}` : `${ids.length} or more`;
  return { code: 'orphan', message: `there are ${what} that do not exist: of ${many}`, mended };
}

/** On a server: owners whose store was not closed. */
export function* findDeadOwners(): Script<number[]> {
  return yield* theDead(yield* all(catalog.owners));
}

export const deadOwnerFinding = (owner: number, mended: boolean): Finding => ({
  code: 'dead-owner',
  message: `store number ${owner} was not closed, and its process is gone`,
  mended,
});

const totals = new Statement<[], [structures: number, files: number]>(
  'SELECT count(*), (SELECT count(*) FROM cached_entries WHERE file IS NOT NULL) FROM structures',
);

/** How much there is. */
export function* countAll(): Script<Omit<CheckReport, 'findings'>> {
  const [structures, files] = (yield* get(totals)) ?? [0, 0];
  let entries = 0;
  for (const [, , size] of yield* all(catalog.list)) entries += size;
  return { structures, entries, files };
}
