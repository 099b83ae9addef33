import { all, lock, run, type Script } from '../../core/script.js';
import type { Result, Kind, OwnerRow, Scope, Turn } from '../../core/store.js';
import type { Request } from './options.js';
import { sql, type Identity } from './statements.js';

/** What was taken: the row in `holds`, and until when it holds by this process's clock. */
export interface Held {
  readonly structure: number;
  readonly slot: number;
  readonly owner: number;
  readonly fence: number;
  readonly weight: number;
}

/** How one kind of thing is taken and given back. */
export interface Holding<S extends Kind> {
  /** How it is waited for. */
  turn(request: Request): Turn<Held>;
  /** Gives it back; tells whether it was still held. */
  release(held: Held): Result<S, boolean>;
  /** The same without blocking the event loop, however long it takes. */
  releaseSoon(held: Held): Promise<boolean>;
  releasing(structure: number, held: Held): Script<boolean>;
  /** Takes it from all who hold it; tells from how many. */
  force(structure: number): Script<number>;
}

export const identityOf = ({ structure, slot, owner, fence }: Held): Identity => [
  structure,
  slot,
  owner,
  fence,
];

/** Keeps what is held for another `lease` milliseconds; tells whether it was still held. */
export function* renewing(held: Held, lease: number): Script<boolean> {
  // Else it could be committed behind the back of who has just seen that the lease has run out.
  yield* lock(held.structure);
  return (yield* run(sql.renew, lease, ...identityOf(held))) > 0;
}

/** Who holds something of a structure. */
export function* holdingOwners(structure: number): Script<readonly OwnerRow[]> {
  return yield* all(sql.holders, structure);
}

/** A turn that remembers when it was tried last: a lease runs from then on. Not from the call on, which may wait for longer than a lease lasts. */
export function timed<T>(turn: Turn<T>): { readonly turn: Turn<T>; readonly askedAt: () => number } {
  // What is taken by one statement is taken at once, without `take`.
  let asked = performance.now();
  const take: typeof turn.take = (structure, waiter) => {
    asked = performance.now();
    return turn.take(structure, waiter);
  };
  return { turn: { ...turn, take }, askedAt: () => asked };
}

/**
 * How long the first in line waits, in milliseconds, before what comes free is kept for it. Go's rule (sync.Mutex, "starvation mode"):
 * https://go.dev/src/sync/mutex.go. Measured: docs/internals.md.
 */
const patience = 5;

/**
 * How long what is free is kept for the first in line, in milliseconds, which may be stopped: it is then free for all.
 */
const reservation = 100;

/** Whether a newcomer, or a waiter, may take what is free although others are ahead of it. */
export function mayOvertake(fair: boolean, aheadWaited: number, idle: number | null): boolean {
  return !fair && (aheadWaited < patience || (idle ?? Infinity) > reservation);
}

/** What a kind of holding is made with. */
export interface HoldingParts<S extends Kind> {
  readonly scope: Scope<S>;
  readonly fair: boolean;
  /** Milliseconds; `null` without. */
  readonly lease: number | null;
}
