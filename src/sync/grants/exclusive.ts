import { all, get, lock, run, type Script, owner } from '../../core/script.js';
import type { Kind, Result, Scope, Turn } from '../../core/store.js';
import { ringAll } from '../../core/waiting.js';
import {
  holdingOwners,
  identityOf,
  mayOvertake,
  type Held,
  type Holding,
  type HoldingParts,
} from './holding.js';
import type { Request } from './options.js';
import { sql } from './statements.js';

/** What one may hold at a time. Uncontended, to take it is one statement, and to give it back another. */
export class Exclusive<S extends Kind> implements Holding<S> {
  readonly #scope: Scope<S>;
  readonly #fair: boolean;
  readonly #lease: number | null;

  constructor({ scope, fair, lease }: HoldingParts<S>) {
    this.#scope = scope;
    this.#fair = fair;
    this.#lease = lease;
  }

  turn({ label }: Request): Turn<Held> {
    return {
      mode: 1,
      label,
      ready: (structure, waiter) => this.isFree(structure, waiter),
      take: (structure, waiter) => this.take(structure, waiter, label),
      passOn: (structure) => this.passOn(structure),
      hold: {
        quick: {
          statement: sql.takeLockUnwatched,
          params: (structure, own) => [structure, own, this.#lease, label ?? null],
          read: ([fence], structure, own) => heldBy(structure, own, Number(fence)),
        },
        holders: holdingOwners,
      },
    };
  }

  release(held: Held): Result<S, boolean> {
    return this.#scope.quick(
      sql.freeLockUnwatched,
      () => this.#scope.refuseInTransaction('release()'),
      () => identityOf(held),
      () => true,
      (structure) => this.releasing(structure, held),
    );
  }

  releaseSoon(held: Held): Promise<boolean> {
    return this.#scope.quickSoon(
      sql.freeLockUnwatched,
      identityOf(held),
      () => true,
      (structure) => this.releasing(structure, held),
    );
  }

  *releasing(structure: number, held: Held): Script<boolean> {
    yield* lock(structure);
    if ((yield* run(sql.freeLock, ...identityOf(held))) === 0) return false;
    yield* this.passOn(structure);
    return true;
  }

  *force(structure: number): Script<number> {
    yield* lock(structure);
    const robbed = yield* all(sql.holders, structure);
    const count = yield* run(sql.forceLock, structure);
    yield* ringAll(robbed);
    yield* this.passOn(structure);
    return count;
  }

  *passOn(structure: number): Script<void> {
    yield* ringAll(yield* all(sql.line, structure, 1));
    yield* ringAll(yield* all(sql.observers, structure));
  }

  /** Whether a waiter may take it. */
  *isFree(structure: number, waiter: number): Script<boolean> {
    const row = yield* get(sql.lockState, structure, structure, waiter, structure);
    const [held = 0, aheadWaited = null, idle = null] = row ?? [];
    return held === 0 && (aheadWaited === null || mayOvertake(this.#fair, aheadWaited, idle));
  }

  *take(
    structure: number,
    waiter: number,
    label: string | undefined,
  ): Script<{ readonly value: Held } | undefined> {
    yield* lock(structure);
    if (!(yield* this.isFree(structure, waiter))) return undefined;
    return { value: yield* this.takeFree(structure, label) };
  }

  /** Takes what is free, and locked by this transaction. */
  *takeFree(structure: number, label: string | undefined): Script<Held> {
    const own = yield* owner();
    const row = yield* get(sql.takeLock, structure, own, this.#lease, label ?? null);
    yield* ringAll(yield* all(sql.observers, structure));
    return heldBy(structure, own, Number(row?.[0]));
  }
}

const heldBy = (structure: number, owner: number, fence: number): Held => ({
  structure,
  slot: 0,
  owner,
  fence,
  weight: 1,
});
