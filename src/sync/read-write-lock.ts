import type { AsyncStore, Kind, Result, Store, StoreOf } from '../core/store.js';
import { Acquirer, type Again } from './grants/acquirer.js';
import type { GrantingOptions } from './grants/options.js';
import { granting } from './grants/parts.js';
import type { Holder, Waiter } from './grants/people.js';
import { Permits } from './grants/permits.js';
import { ReadGrant, readWeight, WriteGrant, writeWeight } from './read-write-lock/grants.js';

/** Options of {@link ReadWriteLock}. */
export interface ReadWriteLockOptions extends GrantingOptions {}

/** Readers let each other in, also past a writer that waits for the one who asks; all else would wait for itself. */
const readAgain = (weight: number): Again => (weight === readWeight ? 'let in' : 'refused');

const person = (weight: number): Partial<Waiter> => ({
  weight: 1,
  side: weight === readWeight ? 'read' : 'write',
});

/** What {@link ReadWriteLock} and {@link AsyncReadWriteLock} have in common. */
class ReadWriteLockOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'ReadWriteLock' });
  }

  readonly #read: Acquirer<S, ReadGrant<S>>;
  readonly #write: Acquirer<S, WriteGrant<S>>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: ReadWriteLockOptions = {}) {
    const parts = granting(store, 'ReadWriteLock', { kind: 'read-write-lock', name }, options);
    const holding = new Permits(parts, () => writeWeight);
    this.#read = new Acquirer({
      ...parts,
      holding,
      person,
      weight: readWeight,
      again: ({ weight }) => readAgain(weight),
      grant: (keeper) => new ReadGrant(keeper, holding),
    });
    this.#write = new Acquirer({
      ...parts,
      holding,
      person,
      weight: writeWeight,
      again: () => 'refused',
      grant: (keeper) => new WriteGrant(keeper, holding),
    });
    this.name = name;
  }

  /** The side that many hold at a time, while nobody writes. */
  read(): Acquirer<S, ReadGrant<S>> {
    return this.#read;
  }

  /** The side that one holds at a time, while nobody reads. */
  write(): Acquirer<S, WriteGrant<S>> {
    return this.#write;
  }

  /** Who reads or writes, the longest first. */
  holders(): Result<S, Holder[]> {
    return this.#write.holders();
  }

  /** Who waits to read or to write, in line. */
  waiters(): Result<S, Waiter[]> {
    return this.#write.waiters();
  }

  /**
   * Takes it from all who read or write, and gives it to who waits: for people who know better than the program. The signals of the grants
   * that are lost abort. Tells how many there were.
   */
  forceRelease(): Result<S, number> {
    return this.#write.forceRelease();
  }
}

/** A lock for readers and writers in an embedded store. */
export interface ReadWriteLock extends ReadWriteLockOf<'embedded'> {}

/** A lock for readers and writers in a server store. */
export interface AsyncReadWriteLock extends ReadWriteLockOf<'server'> {}

/**
 * The lock `name` for many readers or one writer: a {@link ReadWriteLock} in an embedded store, an {@link AsyncReadWriteLock} in a server store.
 *
 * Readers and writers wait in one line, so that neither starves the other: a reader that comes while a writer has waited for some
 * milliseconds waits behind it. Who reads may read again in the same asynchronous context; who reads and asks to write, or writes and
 * asks for either, would wait for itself and gets `ERR_DEADLOCK`: see `tryUpgrade` and `downgrade` of the grants.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const config = new ReadWriteLock(store, 'config');
 * await config.read().use(async () => { … });
 * await config.write().use(async () => { … });
 */
export const ReadWriteLock: {
  new (store: Store, name: string, options?: ReadWriteLockOptions): ReadWriteLock;
  new (store: AsyncStore, name: string, options?: ReadWriteLockOptions): AsyncReadWriteLock;
} = ReadWriteLockOf;
