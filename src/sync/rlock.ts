import type { AsyncStore, Kind, Store, StoreOf } from '../core/store.js';
import { Acquirer } from './grants/acquirer.js';
import { Grant } from './grants/grant.js';
import { Exclusive } from './grants/exclusive.js';
import type { GrantingOptions } from './grants/options.js';
import { granting } from './grants/parts.js';

/** Options of {@link RLock}. */
export interface RLockOptions extends GrantingOptions {}

/** What {@link RLock} and {@link AsyncRLock} have in common. */
class RLockOf<S extends Kind> extends Acquirer<S, Grant<S>> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'RLock' });
  }

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: RLockOptions = {}) {
    const parts = granting(store, 'RLock', { kind: 'rlock', name }, options);
    super({
      ...parts,
      holding: new Exclusive(parts),
      again: () => 'counted',
      grant: (keeper) => new Grant(keeper, true),
    });
    this.name = name;
  }
}

/** A re-entrant lock in an embedded store. */
export interface RLock extends RLockOf<'embedded'> {}

/** A re-entrant lock in a server store. */
export interface AsyncRLock extends RLockOf<'server'> {}

/**
 * The re-entrant lock `name`: an {@link RLock} in an embedded store, an {@link AsyncRLock} in a server store. A {@link Lock} whose holder is an asynchronous
 * context, that of the work given to `use` (or of a function of `wrap`): in it, `use`, `acquire` and `tryAcquire` count. It is free once each of its
 * grants, which have the same `fence`, was released; to release one twice throws `ERR_NOT_OWNER`. Two requests that one process serves
 * exclude each other. What is acquired outside of `use` is a holder of its own, as with a {@link Lock}.
 *
 * A context includes what it starts: tasks that the work of one `use` runs side by side do not exclude each other.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const lock = new RLock(store, 'accounts');
 * const audit = lock.wrap(async () => { … });
 * await lock.use(async () => { await audit(); });
 */
export const RLock: {
  new (store: Store, name: string, options?: RLockOptions): RLock;
  new (store: AsyncStore, name: string, options?: RLockOptions): AsyncRLock;
} = RLockOf;
