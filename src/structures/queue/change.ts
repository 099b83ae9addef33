import { all, run, type Script } from '../../core/script.js';
import { ringAll } from '../../core/waiting.js';
import { sql, type Counts, type Stage } from './statements.js';

const columnOf = {
  ready: 0,
  parked: 0,
  delayed: 1,
  timed: 1,
  running: 2,
  completed: 3,
  failed: 4,
  cancelled: 5,
} as const;
const bytesColumn = 6;

/** What a transaction changes in how many jobs there are, and whom that concerns. */
export class Change {
  readonly #counts: Counts = [0, 0, 0, 0, 0, 0, 0];
  readonly #groups = new Set<string>();
  #ready = 0;
  #delayed = 0;
  #ended = false;

  /** `jobs` more, or less, in a stage. */
  count(stage: Stage, jobs: number, bytes = 0): void {
    this.#counts[columnOf[stage]] += jobs;
    this.#counts[bytesColumn] += bytes;
    if (jobs < 0) return;
    if (stage === 'ready') this.#ready += jobs;
    else if (stage === 'delayed' || stage === 'timed') this.#delayed += jobs;
    else if (stage !== 'running' && stage !== 'parked') this.#ended = true;
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
    if (this.#counts.some((count) => count !== 0)) yield* run(sql.count, structure, ...this.#counts);
    // Who sleeps until the first delayed job is due has to look when that is now.
    const wanted = Math.max(this.#ready, this.#delayed > 0 ? 1 : 0);
    if (wanted > 0) yield* ringAll(yield* all(sql.line, structure, wanted));
    if (this.#ended) yield* ringAll(yield* all(sql.observers, structure));
  }
}
