import { HoldfastError } from '../core/errors.js';
import { knownKeys, wholeNumber, type WaitOptions } from '../core/options.js';
import {
  nothing,
  scopeOf,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { BarrierScripts } from './barrier/scripts.js';
import { sql, type BarrierRow } from './barrier/statements.js';

/** Options of {@link Barrier}. */
export interface BarrierOptions {
  /**
   * How many meet: 1 or more. All of a round must agree: whoever comes with another number than those who wait is refused with a `RangeError`.
   * Another number takes effect as soon as nobody waits.
   */
  readonly parties: number;
}

/** What {@link Barrier} and {@link AsyncBarrier} have in common. */
class BarrierOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Barrier' });
  }

  readonly #scope: Scope<S>;
  readonly #scripts: BarrierScripts;

  /** The name it was constructed with. */
  readonly name: string;
  /** How many meet, as it was constructed with. */
  readonly parties: number;

  constructor(store: StoreOf<S>, name: string, options: BarrierOptions) {
    knownKeys('options of Barrier', options, ['parties']);
    const { parties } = options;
    wholeNumber('parties', parties, 1);
    this.#scope = scopeOf(store, { kind: 'barrier', name, places: false });
    this.#scripts = new BarrierScripts(parties);
    this.name = name;
    this.parties = parties;
  }

  /** How many have arrived and wait for the rest; 0 when the round is broken. */
  get waiting(): Result<S, number> {
    return this.#read((row) => (row === undefined || isBroken(row) ? 0 : row[2]));
  }

  /** Whether the round is broken: then `wait` is refused until {@link reset}. */
  get broken(): Result<S, boolean> {
    return this.#read((row) => row !== undefined && isBroken(row));
  }

  /**
   * Arrives, and waits until all parties have. When the last arrives, all of them go on, and the next round begins.
   *
   * If one that waits dies, aborts, times out or closes its store, the round is broken: the rest get `ERR_BROKEN`, and so does whoever
   * comes, until {@link reset}. Either all of a round pass or none does: who is about to give up when the last arrives passes with the others.
   * With `timeout: 0` it passes if it is the last; else it has not arrived, and breaks nothing, as when a signal was aborted before.
   *
   * @returns Its arrival number: 0 for the first of the round, `parties - 1` for the last. Each is given once, so one of them may be
   * chosen for what is to be done once a round.
   * @throws `RangeError` when those who wait have another number of parties.
   * @throws {@link HoldfastError} `ERR_BROKEN`; `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed,
   * `ERR_IN_TRANSACTION` inside a transaction; the signal's reason when it aborts.
   */
  async wait(options?: WaitOptions): Promise<number> {
    const outcome = await this.#scope.wait(this.#scripts.turn(), 'wait()', options);
    if (outcome !== 'broken') return outcome;
    throw new HoldfastError(
      'ERR_BROKEN',
      `the barrier ${JSON.stringify(this.name)} is broken: one that waited died or gave up, or it was reset; reset() mends it`,
    );
  }

  /** Begins a new round, of a barrier that is broken or not. Whoever waits gets `ERR_BROKEN`. */
  reset(): Result<S, void> {
    return this.#scope.write(nothing, (structure) => this.#scripts.reset(structure));
  }

  #read<T>(read: (row: BarrierRow | undefined) => T): Result<S, T> {
    return this.#scope.one(sql.state, nothing, (structure) => [structure], read);
  }
}

/** Broken, or about to be found so. */
function isBroken([, round, arrived, broken, present]: BarrierRow): boolean {
  return broken === round || present < arrived;
}

/** A barrier in an embedded store. */
export interface Barrier extends BarrierOf<'embedded'> {
  /** How many have arrived and wait for the rest; 0 when the round is broken. */
  readonly waiting: number;
  /** Whether the round is broken: then `wait` is refused until `reset`. */
  readonly broken: boolean;
}

/** A barrier in a server store. */
export interface AsyncBarrier extends BarrierOf<'server'> {
  /** How many have arrived and wait for the rest; 0 when the round is broken. */
  readonly waiting: Promise<number>;
  /** Whether the round is broken: then `wait` is refused until `reset`. */
  readonly broken: Promise<boolean>;
}

/**
 * The barrier `name`: a {@link Barrier} in an embedded store, an {@link AsyncBarrier} in a server store. A number of parties, in any processes,
 * meet again and again, as at `java.util.concurrent.CyclicBarrier` or Python's `threading.Barrier`.
 *
 * A party is a call of `wait`. One that was killed while it waited breaks the round: the others get to know within some 0.1 s (on a server 0.5 s),
 * and the last to arrive in any case. One that is only paused, breaks nothing; it learns its own round's outcome when it goes on, however many
 * rounds later. On a server, one whose connection is lost while it waits is as good as dead; it gets `ERR_BROKEN`.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const step = new Barrier(store, 'step', { parties: 4 });
 * for (const part of parts) {
 *   compute(part);
 *   if ((await step.wait({ timeout: '5m' })) === 0) report(part); // all four are done; one of them reports
 * }
 */
export const Barrier: {
  new (store: Store, name: string, options: BarrierOptions): Barrier;
  new (store: AsyncStore, name: string, options: BarrierOptions): AsyncBarrier;
} = BarrierOf;
