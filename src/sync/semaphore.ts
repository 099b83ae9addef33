import { wholeNumber } from '../core/options.js';
import {
  nothing,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { Acquirer } from './grants/acquirer.js';
import { Grant } from './grants/grant.js';
import type { AcquireOptions, GrantingOptions, TryAcquireOptions } from './grants/options.js';
import { granting } from './grants/parts.js';
import { Permits, setPermits } from './grants/permits.js';

/** Options of {@link BoundedSemaphore}. */
export interface SemaphoreOptions extends GrantingOptions {
  /**
   * How many permits there are: 1 or more. It is stored with the data and holds for every process: another number takes effect for all at the
   * first call. With fewer than are held, none is given until enough have come back.
   * @defaultValue what is stored; at first 1
   */
  readonly permits?: number | undefined;
}

/** How much to acquire. */
export interface WeightOptions {
  /** How many permits, all or none: 1 or more, at most `permits`. @defaultValue `1` */
  readonly weight?: number | undefined;
}

/** Options of {@link BoundedSemaphore}'s `tryAcquire`. */
export interface TryAcquirePermitsOptions extends TryAcquireOptions, WeightOptions {}

/** Options of {@link BoundedSemaphore}'s calls that wait. */
export interface AcquirePermitsOptions extends AcquireOptions, WeightOptions {}

const mostPermits = 2 ** 31 - 1;

/** What {@link BoundedSemaphore} and {@link AsyncBoundedSemaphore} have in common. */
class BoundedSemaphoreOf<S extends Kind> extends Acquirer<S, Grant<S>, AcquirePermitsOptions> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'BoundedSemaphore' });
  }

  readonly #scope: Scope<S>;
  readonly #permits: Permits<S>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: SemaphoreOptions = {}) {
    const { permits } = options;
    if (permits !== undefined) wholeNumber('permits', permits, 1, mostPermits);
    const setup = permits === undefined ? undefined : (structure: number) => setPermits(structure, permits);
    const parts = granting(store, 'BoundedSemaphore', { kind: 'semaphore', name, setup }, options, [
      'permits',
    ]);
    const holding = new Permits(parts, (stored) => stored || 1);
    super({ ...parts, holding, weight: weightOf, grant: (keeper) => new Grant(keeper, true) });
    this.#scope = parts.scope;
    this.#permits = holding;
    this.name = name;
  }

  /** How many permits are free now; 0 also when there are fewer than are held. */
  get available(): Result<S, number> {
    return this.#scope.read(nothing, (structure) => this.#permits.available(structure));
  }
}

function weightOf(given = 1): number {
  wholeNumber('weight', given, 1, mostPermits);
  return given;
}

/** A semaphore in an embedded store. */
export interface BoundedSemaphore extends BoundedSemaphoreOf<'embedded'> {
  /** How many permits are free now; 0 also when there are fewer than are held. */
  readonly available: number;
}

/** A semaphore in a server store. */
export interface AsyncBoundedSemaphore extends BoundedSemaphoreOf<'server'> {
  /** How many permits are free now; 0 also when there are fewer than are held. */
  readonly available: Promise<number>;
}

/**
 * The semaphore `name`: a {@link BoundedSemaphore} in an embedded store, an {@link AsyncBoundedSemaphore} in a server store. It gives out so many
 * permits and no more. Each permit has an owner, so that none is lost with a process that dies; to release one twice throws
 * `ERR_NOT_OWNER`. Of those who wait, the first decides: a large request is not starved by small ones.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const downloads = new BoundedSemaphore(store, 'downloads', { permits: 5 });
 * await downloads.use(async ({ signal }) => { … });
 */
export const BoundedSemaphore: {
  new (store: Store, name: string, options?: SemaphoreOptions): BoundedSemaphore;
  new (store: AsyncStore, name: string, options?: SemaphoreOptions): AsyncBoundedSemaphore;
} = BoundedSemaphoreOf;
