import { abortSignal, knownKeys } from '../core/options.js';
import {
  type AsyncStore,
  type Kind,
  type Observation,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { Acquirer } from './grants/acquirer.js';
import { Exclusive } from './grants/exclusive.js';
import { Grant } from './grants/grant.js';
import type { AcquireOptions, GrantingOptions } from './grants/options.js';
import { granting } from './grants/parts.js';
import { holderOf, holders, type Holder, type Waiter } from './grants/people.js';
import type { PersonRow } from './grants/statements.js';

/** Options of {@link Election}. */
export interface ElectionOptions extends Pick<GrantingOptions, 'lease'> {}

/** Options of {@link Election}'s `observe`. */
export interface ObserveOptions {
  /** Ends it: the iteration rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Whoever leads, as the first of those who hold. */
const leadership: Observation<readonly PersonRow[], Holder | undefined> = {
  interest: () => ({ mode: -1, low: null, high: null }),
  read: holders,
  same: ([a], [b]) => a?.[8] === b?.[8],
  show: ([leader]) => leader && holderOf(leader),
};

/** What {@link Election} and {@link AsyncElection} have in common. */
class ElectionOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Election' });
  }

  readonly #scope: Scope<S>;
  readonly #candidacy: Acquirer<S, Grant<S>>;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: ElectionOptions = {}) {
    knownKeys('options of Election', options, ['lease']);
    // In the order in which they came: whoever has waited longest leads next.
    const parts = granting(store, 'Election', { kind: 'election', name }, { ...options, fair: true });
    this.#scope = parts.scope;
    this.#candidacy = new Acquirer({
      ...parts,
      holding: new Exclusive(parts),
      grant: (keeper) => new Grant(keeper, false),
    });
    this.name = name;
  }

  /**
   * Waits until this candidate leads. What it gets is its term: a grant, to be released to resign. If the leader dies, the candidate that
   * has waited longest leads at once.
   *
   * @param options - `label` tells others who leads.
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside
   * a transaction; the signal's reason when it aborts.
   */
  async campaign(options?: AcquireOptions): Promise<Grant<S>> {
    return this.#candidacy.acquire(options);
  }

  /** Who leads; `undefined` while nobody does. */
  leader(): Result<S, Holder | undefined> {
    return this.#scope.after(this.#candidacy.holders(), ([leader]) => leader);
  }

  /** Who would lead next, in order. */
  candidates(): Result<S, Waiter[]> {
    return this.#candidacy.waiters();
  }

  /**
   * Yields who leads, now and after each change; `undefined` while nobody does. Changes that follow each other closely may be seen as
   * one. It ends when the loop is left, or with the signal.
   *
   * @throws {@link HoldfastError} `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction.
   */
  observe(options: ObserveOptions = {}): AsyncIterableIterator<Holder | undefined> {
    knownKeys('options of observe()', options, ['signal']);
    abortSignal('signal', options.signal);
    return this.#scope.watch(leadership, options.signal);
  }

  /** Ends the leader's term, whose signal aborts, and lets the next candidate lead. Tells whether there was a leader. */
  depose(): Result<S, boolean> {
    return this.#scope.after(this.#candidacy.forceRelease(), (count) => count > 0);
  }
}

/** An election in an embedded store. */
export interface Election extends ElectionOf<'embedded'> {}

/** An election in a server store. */
export interface AsyncElection extends ElectionOf<'server'> {}

/**
 * The election `name`: an {@link Election} in an embedded store, an {@link AsyncElection} in a server store. Of all candidates, in whichever process, one
 * leads at a time.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_IO`;
 * on an embedded store `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const election = new Election(store, 'scheduler');
 * const term = await election.campaign({ label: 'worker 7' });
 * await runScheduler({ signal: term.signal });
 */
export const Election: {
  new (store: Store, name: string, options?: ElectionOptions): Election;
  new (store: AsyncStore, name: string, options?: ElectionOptions): AsyncElection;
} = ElectionOf;
