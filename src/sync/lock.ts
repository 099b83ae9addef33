import type { AsyncStore, Kind, Store, StoreOf } from '../core/store.js';
import { Acquirer } from './grants/acquirer.js';
import { Grant } from './grants/grant.js';
import { Exclusive } from './grants/exclusive.js';
import type { GrantingOptions } from './grants/options.js';
import { granting } from './grants/parts.js';
import { LockSet, type AsyncLockSet, type One } from './lock/set.js';

/** Options of {@link Lock}. */
export interface LockOptions extends GrantingOptions {}

/** What {@link Lock} and {@link AsyncLock} have in common. */
class LockOf<S extends Kind> extends Acquirer<S, Grant<S>> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Lock' });
  }

  readonly #one: One<S>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: LockOptions = {}) {
    const parts = granting(store, 'Lock', { kind: 'lock', name }, options);
    const one = { ...parts, holding: new Exclusive(parts) };
    super({
      ...one,
      again: () => 'refused',
      grant: (keeper) => new Grant(keeper, false),
    });
    this.#one = one;
    this.name = name;
  }

  /** See {@link Lock.all}. */
  static all<S extends Kind>(locks: readonly LockOf<S>[]): LockSet<S> {
    // What JavaScript, or a cast, may pass.
    const given: unknown = locks;
    if (!Array.isArray(given) || !given.every((lock: unknown) => isObject(lock) && #one in lock))
      throw new TypeError('Lock.all() takes an array of locks, each made by new Lock()');
    return new LockSet(locks.map((lock) => lock.#one));
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** A lock in an embedded store. */
export interface Lock extends LockOf<'embedded'> {}

/** A lock in a server store. */
export interface AsyncLock extends LockOf<'server'> {}

/**
 * The lock `name`: a {@link Lock} in an embedded store, an {@link AsyncLock} in a server store. One owner holds it at a time; an owner is an open
 * store. If its process dies it is free at once; if that is only stopped, it is not.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const deploy = new Lock(store, 'deploy');
 * await deploy.use(async ({ signal, fence }) => { … });
 */
export const Lock: {
  new (store: Store, name: string, options?: LockOptions): Lock;
  new (store: AsyncStore, name: string, options?: LockOptions): AsyncLock;
  /**
   * Several locks as one: all of them are acquired in one transaction, or none, so that whoever wants several never holds one while it waits
   * for another. The order doesn't matter.
   *
   * @throws `TypeError` when the locks are not of one store; `RangeError` when there is none, or one is given twice.
   * @example
   * await Lock.all([from, to]).use(async () => { … });
   */
  all(locks: readonly Lock[]): LockSet;
  all(locks: readonly AsyncLock[]): AsyncLockSet;
} = LockOf;
