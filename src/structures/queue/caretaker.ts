import { nothing, type Kind, type Scope } from '../../core/store.js';
import type { Pruner } from './pruner.js';
import type { QueueScripts } from './scripts.js';

/** How often a worker that is busy looks after the others, in milliseconds. */
const everyBusy = 50;
/** How often one that waits in line prunes, in milliseconds: it looks after the others as it waits. */
const everyIdle = 1_000;

/** Looks after the other workers of a queue, and prunes, beside a worker. */
export class Caretaker<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  readonly #pruner: Pruner<S>;
  #timer: NodeJS.Timeout | undefined;
  #looks = false;

  constructor(scope: Scope<S>, scripts: QueueScripts, pruner: Pruner<S>) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#pruner = pruner;
  }

  /** The worker waits in line from now on, or does so no more. */
  go(waits: boolean): void {
    clearTimeout(this.#timer);
    if (this.#scope.closing.aborted) return;
    this.#timer = setTimeout(
      () => {
        this.go(waits);
        // One may take long, and more of them would take connections from those who do something.
        if (!this.#looks) this.#look(waits).catch(nothing);
      },
      waits ? everyIdle : everyBusy,
    ).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async #look(waits: boolean): Promise<void> {
    this.#looks = true;
    try {
      await this.#pruner.look();
      if (!waits && !this.#scope.closing.aborted) await this.#lookAfterOthers();
    } finally {
      this.#looks = false;
    }
  }

  async #lookAfterOthers(): Promise<void> {
    const dead = await this.#scope.read(nothing, (structure) => this.#scripts.dead(structure));
    if (dead !== undefined) await this.#scope.soon((structure) => this.#scripts.bury(structure, dead));
  }
}
