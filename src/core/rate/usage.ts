import type { KeyColumn } from '../key.js';
import { get, run, type Script } from '../script.js';
import { Statement } from '../statement.js';
import { unused, type Rule, type Usage } from './rules.js';

/** What is stored of a key, and what the clocks say. */
export type UsageRow = [
  used: number,
  previous: number,
  phase: number,
  monotonic: number,
  wall: number,
  boot: string,
  nowMonotonic: number,
  nowWall: number,
  nowBoot: string,
];

/** A moment, by the clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
  readonly boot: string;
}

const columns = 't.used, t.previous, t.phase, t.monotonic, t.wall, t.boot, monotonic(), wall(), boot()';

/** Into `throttles`, as of now. */
export const insertUsage = (values: string): string =>
  `INSERT INTO throttles AS t (structure, key, used, previous, phase, monotonic, wall, boot) VALUES (${values}, monotonic(), wall(), boot())`;

const ofKey = `SELECT ${columns} FROM throttles AS t WHERE t.structure = ? AND t.key = ?`;

export const usages = {
  look: new Statement<[structure: number, key: KeyColumn], UsageRow>(ofKey),
  /** The same, and nobody else changes it until the transaction ends. Where somebody did meanwhile, PostgreSQL works out the columns again. */
  hold: new Statement<[structure: number, key: KeyColumn], UsageRow>(ofKey, `${ofKey} FOR UPDATE`),
  create: new Statement<[structure: number, key: KeyColumn]>(
    `${insertUsage('?, ?, 0, 0, 0')} ON CONFLICT (structure, key) DO NOTHING`,
  ),
  put: new Statement<
    [
      used: number,
      previous: number,
      phase: number,
      monotonic: number,
      wall: number,
      boot: string,
      structure: number,
      key: KeyColumn,
    ]
  >(
    'UPDATE throttles SET used = ?, previous = ?, phase = ?, monotonic = ?, wall = ?, boot = ? WHERE structure = ? AND key = ?',
  ),
  /** The same, unless somebody was faster. */
  mend: new Statement<
    [
      used: number,
      previous: number,
      phase: number,
      monotonic: number,
      wall: number,
      boot: string,
      structure: number,
      key: KeyColumn,
      wasMonotonic: number,
      wasBoot: string,
    ]
  >(
    `UPDATE throttles SET used = ?, previous = ?, phase = ?, monotonic = ?, wall = ?, boot = ?
     WHERE structure = ? AND key = ? AND monotonic = ? AND boot = ?`,
  ),
};

/** How long ago a row was written; after a reboot only the wall clock can tell. No clock makes it less than nothing. */
function elapsedOf([, , , monotonic, wall, boot, nowMonotonic, nowWall, nowBoot]: UsageRow): number {
  return Math.max(0, boot === nowBoot ? nowMonotonic - monotonic : nowWall - wall);
}

export const nowOf = ([, , , , , , monotonic, wall, boot]: UsageRow): Moment => ({ monotonic, wall, boot });

/** What `row` has come to by now. */
export function usageOf(rule: Rule, row: UsageRow | undefined): Usage {
  if (row === undefined) return unused;
  const [used, previous, phase] = row;
  return rule.after({ used, previous, phase }, elapsedOf(row));
}

/** What is stored of a key, which nobody else changes until the transaction ends; it is made where there is none: then it is fresh. */
export function* holdUsage(
  structure: number,
  key: KeyColumn,
): Script<{ readonly row: UsageRow; readonly fresh: boolean }> {
  for (let fresh = false; ;) {
    const row = yield* get(usages.hold, structure, key);
    if (row !== undefined) return { row, fresh };
    fresh = (yield* run(usages.create, structure, key)) > 0;
  }
}

export function* putUsage(structure: number, key: KeyColumn, usage: Usage, now: Moment): Script<void> {
  const { used, previous, phase } = usage;
  yield* run(usages.put, used, previous, phase, now.monotonic, now.wall, now.boot, structure, key);
}

/**
 * A row of another boot, or from the future of a clock that was set back, goes on from here: until the clock was where it was then, no time
 * would pass for it.
 */
export function* mendUsage(rule: Rule, structure: number, key: KeyColumn, row: UsageRow): Script<void> {
  const [, , , monotonic, , boot] = row;
  const now = nowOf(row);
  if (boot === now.boot && monotonic <= now.monotonic) return;
  const { used, previous, phase } = usageOf(rule, row);
  yield* run(
    usages.mend,
    ...([used, previous, phase, now.monotonic, now.wall, now.boot, structure, key, monotonic, boot] as const),
  );
}
