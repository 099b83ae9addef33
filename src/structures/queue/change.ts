import type { ValueColumn } from '../../core/columns.js';
import { all, run, type Script } from '../../core/script.js';
import { ringAll } from '../../core/waiting.js';
import type { EventKind } from './event-statements.js';
import { isTraced, record } from './recording.js';
import { sql, type Counts, type Stage } from './statements.js';

const columnOf = {
  blocked: 0,
  ready: 1,
  parked: 1,
  delayed: 2,
  timed: 2,
  running: 3,
  completed: 4,
  failed: 5,
  cancelled: 6,
} as const;
const bytesColumn = 7;

/** Something that happens to a job. */
export type Happening = readonly [
  kind: EventKind,
  job: number,
  attempt: number | null,
  detail: ValueColumn | null,
];

/** A job that has ended, and that others wait for. */
export interface Ended {
  readonly id: number;
  readonly stage: Stage;
  readonly outcome: ValueColumn | null;
}

/** What a transaction changes in how many jobs a queue has, and whom that concerns. */
export class Change {
  readonly #counts: Counts = [0, 0, 0, 0, 0, 0, 0, 0];
  readonly #groups = new Set<string>();
  readonly #elsewhere = new Map<number, Change>();
  #over: Ended[] = [];
  #happenings: Happening[] = [];
  #failed: number[] = [];
  #ready = 0;
  #delayed = 0;
  #ended = false;
  /** Whether somebody listens to what happens; `undefined` while nobody has looked. */
  recording: boolean | undefined;

  /** `jobs` more, or less, in a stage. */
  count(stage: Stage, jobs: number, bytes = 0): void {
    this.#counts[columnOf[stage]] += jobs;
    this.#counts[bytesColumn] += bytes;
    if (jobs < 0) return;
    if (stage === 'ready') this.#ready += jobs;
    else if (stage === 'delayed' || stage === 'timed') this.#delayed += jobs;
    else if (columnOf[stage] >= columnOf.completed) this.#ended = true;
  }

  /** A job goes from one stage to another. */
  move(from: Stage, to: Stage, bytes = 0): void {
    this.count(from, -1);
    this.count(to, 1, bytes);
  }

  /** Something happens to a job, for those who listen. */
  tell(kind: EventKind, job: number, attempt: number | null = null, detail: ValueColumn | null = null): void {
    if (kind === 'failed') this.#failed.push(job);
    if (this.recording !== false || isTraced()) this.#happenings.push([kind, job, attempt, detail]);
  }

  get happenings(): readonly Happening[] {
    return this.#happenings;
  }

  /** The jobs that have failed since this was asked last. */
  takeFailed(): number[] {
    const failed = this.#failed;
    this.#failed = [];
    return failed;
  }

  /** How many more run. */
  get running(): number {
    return this.#counts[columnOf.running];
  }

  /** Jobs that were parked are ready. */
  admitted(jobs: number): void {
    this.#ready += jobs;
  }

  /** A group may have a place free, or a job that waits for one. */
  freed(group: string | null): void {
    if (group !== null) this.#groups.add(group);
  }

  /** The groups that were freed since this was asked last. */
  takeGroups(): string[] {
    const groups = [...this.#groups];
    this.#groups.clear();
    return groups;
  }

  /** A job has ended, and others wait for it. */
  over(id: number, stage: Stage, outcome: ValueColumn | null): void {
    this.#over.push({ id, stage, outcome });
  }

  /** Those that were {@link over} since this was asked last. */
  takeOver(): Ended[] {
    const over = this.#over;
    this.#over = [];
    return over;
  }

  /** The same for another queue, whose jobs wait for those of this one. */
  elsewhere(structure: number): Change {
    const change = this.#elsewhere.get(structure) ?? new Change();
    this.#elsewhere.set(structure, change);
    return change;
  }

  /** All that {@link elsewhere} has made. */
  get others(): Iterable<[structure: number, change: Change]> {
    return this.#elsewhere;
  }

  /** Somebody may wait for a job that has ended. */
  ended(): void {
    this.#ended = true;
  }

  /** Jobs that were ready were claimed, here and now. */
  claimed(jobs: number): void {
    this.#counts[columnOf.ready] -= jobs;
    this.#counts[columnOf.running] += jobs;
    this.#ready -= jobs;
  }

  /** Writes the counts, then wakes whoever may have waited for it. */
  *store(structure: number): Script<void> {
    // It locks the structure, and the counts lock it, too, but not against each other: two that then wanted more would wait for each other.
    const recorded = yield* record(structure, this.#happenings, this.recording);
    if (this.#counts.some((count) => count !== 0)) yield* run(sql.count, structure, ...this.#counts);
    // Who sleeps until the first delayed job is due has to look when that is now.
    const wanted = Math.max(this.#ready, this.#delayed > 0 ? 1 : 0);
    if (wanted > 0) yield* ringAll(yield* all(sql.line, structure, wanted));
    if (this.#ended || recorded) yield* ringAll(yield* all(sql.observers, structure, this.#ended ? -1 : -2));
  }
}
