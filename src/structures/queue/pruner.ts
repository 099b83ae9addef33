import { nothing, type Kind, type Scope } from '../../core/store.js';
import type { Outcome } from './outcomes.js';
import type { QueueScripts } from './scripts.js';

/**
 * When it is looked whether there are too many jobs that have ended: after how many have here, and after so long, in milliseconds, since it was looked last,
 * where some have, and where none has, but old ones are to go.
 */
const prunedAfter = 256;
const prunedWithin = 10_000;
const prunedIdle = 60_000;

/** Removes jobs that have ended, when there are too many, beside a worker. */
export class Pruner<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  #ended = 0;
  /** Whether some of those that had ended were too young to go. */
  #young = false;
  #pruned = performance.now();
  #pruning: Promise<void> | undefined;

  constructor(scope: Scope<S>, scripts: QueueScripts) {
    this.#scope = scope;
    this.#scripts = scripts;
  }

  /** Those have ended. What can't be removed now is later. */
  ended(outcomes: readonly Outcome[]): void {
    const { keep } = this.#scripts.outcomes.policy;
    for (const { stage } of outcomes) if (stage !== 'completed' || keep.completed.count > 0) this.#ended++;
    if (this.#ended >= prunedAfter) void this.#prune();
  }

  /** To be called from time to time. */
  async look(): Promise<void> {
    const since = performance.now() - this.#pruned;
    if (since > prunedIdle || (since > prunedWithin && (this.#ended > 0 || this.#young))) await this.#prune();
  }

  /** Nothing more ends. */
  async stop(): Promise<void> {
    await this.#pruning;
    if (this.#ended > 0) await this.#prune();
  }

  #prune(): Promise<void> {
    this.#pruning ??= this.#pruneOnce()
      .catch(nothing)
      .finally(() => (this.#pruning = undefined));
    return this.#pruning;
  }

  async #pruneOnce(): Promise<void> {
    this.#pruned = performance.now();
    const before = this.#ended;
    const more = await this.#scope.soon((structure) => this.#scripts.prune(structure));
    if (!more) this.#ended -= before;
    this.#young = before > 0;
  }
}
