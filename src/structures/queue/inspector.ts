import { HoldfastError } from '../../core/errors.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import type { Claimed } from './delivery.js';
import type { Run } from './job.js';
import type { Claim } from './outcomes.js';
import type { QueueScripts } from './scripts.js';
import { lostOf } from './standing.js';
import type { Strays } from './strays.js';

/** How often at most a worker looks whether its jobs are still its own, in milliseconds. */
const lostEvery = 90;

/** The jobs of a worker. */
interface Jobs<S extends Kind> {
  readonly running: ReadonlySet<Run<S>>;
  /** Claimed, and not started yet. */
  readonly claimed: Claimed[];
}

/** Looks whether the jobs of a worker are still to run here, and whether there are more than it knows. */
export class Inspector<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  readonly #jobs: Jobs<S>;
  readonly #strays: Strays<S>;
  readonly #release: (claims: readonly Claim[]) => void;
  #looked = -Infinity;

  /** @param release - Gives jobs back. */
  constructor(
    scope: Scope<S>,
    scripts: QueueScripts,
    jobs: Jobs<S>,
    strays: Strays<S>,
    release: (claims: readonly Claim[]) => void,
  ) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#jobs = jobs;
    this.#strays = strays;
    this.#release = release;
  }

  /** The store was rung, or polls. What can't be found out now is the next time. */
  look(): void {
    this.#lookForCancelled().catch(nothing);
    this.#lookForLost().catch(nothing);
    this.#lookForStrays().catch(nothing);
  }

  /** Those that run are told; those that wait here are not started, and are cancelled as they go back. */
  async #lookForCancelled(): Promise<void> {
    const { running, claimed } = this.#jobs;
    if (running.size + claimed.length === 0) return;
    const ids = new Set(await this.#scope.read(nothing, (structure) => this.#scripts.cancelling(structure)));
    if (ids.size === 0) return;
    for (const run of running)
      if (ids.has(run.claimed.id)) run.abort(new HoldfastError('ERR_CANCELLED', 'the job was cancelled'));
    this.#release(claimed.filter((one) => ids.has(one.id)).filter((one) => this.#take(one)));
  }

  /** Others may have taken jobs of this store: it was stopped for too long, say, or its connection was lost. */
  async #lookForLost(): Promise<void> {
    const { running, claimed } = this.#jobs;
    const now = performance.now();
    if (running.size + claimed.length === 0 || now - this.#looked < lostEvery) return;
    this.#looked = now;
    const claims = [...claimed, ...[...running].map((run) => run.claimed)];
    const lost = new Set(await this.#scope.read(nothing, () => lostOf(claims)));
    for (const run of running) if (lost.has(run.claimed)) run.lose();
    for (const one of lost) this.#take(one);
    if (lost.size > 0) this.#release([]);
  }

  async #lookForStrays(): Promise<void> {
    const found = await this.#strays.look();
    if (found.length > 0) this.#release(found);
  }

  /** Whether it was not started, and is not to be any more. */
  #take(claimed: Claimed): boolean {
    const place = this.#jobs.claimed.indexOf(claimed);
    if (place >= 0) this.#jobs.claimed.splice(place, 1);
    return place >= 0;
  }
}
