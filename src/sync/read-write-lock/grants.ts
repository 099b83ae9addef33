import type { Kind, Result, Scope } from '../../core/store.js';
import { Grant } from '../grants/grant.js';
import type { Keeper } from '../grants/keeper.js';
import type { Permits } from '../grants/permits.js';

/** A writer takes all there is, a reader one of it: more readers than there can be processes and tasks. */
export const readWeight = 1;
export const writeWeight: number = 2 ** 31;

/** A {@link Grant} to read. */
export class ReadGrant<S extends Kind = 'embedded'> extends Grant<S> {
  readonly #permits: Permits<S>;

  constructor(keeper: Keeper<S>, permits: Permits<S>) {
    super(keeper, false);
    this.#permits = permits;
  }

  /**
   * Exchanges this grant for one to write, if nobody else reads; `undefined` otherwise, and this grant stays. It never waits: two readers
   * that waited for each other to leave would wait for ever. The new grant has a new fence, and is to be released in place of this one.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when it was released or lost, `ERR_IN_TRANSACTION` inside a transaction.
   */
  tryUpgrade(): Result<S, WriteGrant<S> | undefined> {
    const permits = this.#permits;
    return this.exchange(
      (structure, held) => permits.exchange(structure, held, writeWeight),
      (keeper) => new WriteGrant(keeper, permits),
    );
  }
}

/** A {@link Grant} to write. */
export class WriteGrant<S extends Kind = 'embedded'> extends Grant<S> {
  readonly #scope: Scope<S>;
  readonly #permits: Permits<S>;

  constructor(keeper: Keeper<S>, permits: Permits<S>) {
    super(keeper, false);
    this.#scope = keeper.scope;
    this.#permits = permits;
  }

  /**
   * Exchanges this grant for one to read, before any other writer, and lets other readers in. The new grant has a new fence, and is to be released in
   * place of this one.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when it was released or lost, `ERR_IN_TRANSACTION` inside a transaction.
   */
  downgrade(): Result<S, ReadGrant<S>> {
    const permits = this.#permits;
    const exchanged = this.exchange(
      (structure, held) => permits.exchange(structure, held, readWeight),
      (keeper) => new ReadGrant(keeper, permits),
    );
    return this.#scope.after(exchanged, (grant) => {
      if (grant === undefined) throw new Error('there is always room for less');
      return grant;
    });
  }
}

/** A grant to read, in a server store. */
export type AsyncReadGrant = ReadGrant<'server'>;
/** A grant to write, in a server store. */
export type AsyncWriteGrant = WriteGrant<'server'>;
