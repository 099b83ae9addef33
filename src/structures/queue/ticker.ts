import { outside } from '../../core/outside.js';
import { lock, type Script } from '../../core/script.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import { fire, untilTick } from './firing.js';
import { scheduleSql } from './schedule-statements.js';
import type { QueueScripts } from './scripts.js';

/** How long it sleeps at most, in milliseconds: the wall clock may be set, or a schedule be stored that nobody tells of. */
const longestSleep = 500;
/** How often it looks at most because somebody rang, in milliseconds: mostly it is for a job. */
const shortestSleep = 50;

/**
 * Fires the ticks of a queue's schedules, beside a worker: also when all of its places are taken, or the queue is paused. Each worker has one, in each process; whoever comes
 * first fires, in a transaction of its own, so that what can't be fired holds up no claim.
 */
export class Ticker<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  #timer: NodeJS.Timeout | undefined;
  /** When it looks next, and has looked last. */
  #next = Infinity;
  #looked = -Infinity;
  #looking = false;
  #longest = longestSleep;
  #stopped = false;

  constructor(scope: Scope<S>, scripts: QueueScripts) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#lookAt(performance.now());
  }

  /** Somebody rang: there may be another schedule. */
  heard(): void {
    if (this.#looking) this.#longest = shortestSleep;
    else this.#lookAt(this.#looked + shortestSleep);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Unless it does so before. */
  #lookAt(time: number): void {
    if (this.#stopped || time >= this.#next) return;
    clearTimeout(this.#timer);
    this.#next = time;
    this.#timer = outside(() => setTimeout(() => void this.#look(), time - performance.now()).unref());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#longest = longestSleep;
    // What can't be read or written now, say since the disk is full, is tried again.
    const until = await this.#fire().catch(() => longestSleep);
    this.#looking = false;
    this.#looked = performance.now();
    this.#next = Infinity;
    this.#lookAt(this.#looked + Math.min(until, this.#longest));
  }

  /** In how many milliseconds to look again. */
  async #fire(): Promise<number> {
    const until = await this.#scope.one(
      scheduleSql.next,
      nothing,
      (queue) => [queue, queue, queue],
      (row) => untilTick(row ?? []),
    );
    if (until > 0) return until;
    await this.#scope.soon((structure) => this.#fireDue(structure));
    return 0;
  }

  *#fireDue(structure: number): Script<void> {
    yield* lock(structure);
    yield* this.#scripts.changing(structure, (change, settings) => fire(structure, settings, change));
  }
}
