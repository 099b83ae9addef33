import { all, get, lock, owner, ring, run, type Script } from '../../core/script.js';
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
import { notOwner, type Request } from './options.js';
import { holders } from './people.js';
import { sql } from './statements.js';

/** What is left of `free` for whoever waits: the first in line decides, so that a large request is not starved by small ones. */
interface State {
  readonly capacity: number;
  readonly free: number;
  readonly aheadWeight: number;
  readonly headWeight: number;
  readonly aheadWaited: number | null;
  readonly idle: number | null;
}

/** How many in line are looked at to be woken at once; each that takes its turn wakes the next. */
const mostWoken = 64;

/** Stores how many permits there are, and wakes those who wait: there may be more. */
export function* setPermits(structure: number, permits: number): Script<void> {
  if ((yield* get(sql.capacity, structure))?.[0] === permits) return;
  yield* lock(structure);
  yield* run(sql.setCapacity, permits, structure);
  yield* ringAll(yield* all(sql.line, structure, mostWoken));
}

/** What several may hold at a time, each with a weight. */
export class Permits<S extends Kind> implements Holding<S> {
  readonly #scope: Scope<S>;
  readonly #fair: boolean;
  readonly #lease: number | null;
  readonly #capacity: (stored: number) => number;

  /** @param capacity - How much there is, by what is stored. */
  constructor({ scope, fair, lease }: HoldingParts<S>, capacity: (stored: number) => number) {
    this.#scope = scope;
    this.#fair = fair;
    this.#lease = lease;
    this.#capacity = capacity;
  }

  turn(request: Request): Turn<Held> {
    return {
      mode: request.weight,
      label: request.label,
      ready: (structure, waiter) => this.#mayTake(structure, waiter, request),
      take: (structure, waiter) => this.#take(structure, waiter, request),
      passOn: (structure) => this.passOn(structure),
      hold: { holders: holdingOwners },
    };
  }

  release(held: Held): Result<S, boolean> {
    return this.#scope.write(
      () => this.#scope.refuseInTransaction('release()'),
      (structure) => this.releasing(structure, held),
    );
  }

  releaseSoon(held: Held): Promise<boolean> {
    return this.#scope.soon((structure) => this.releasing(structure, held));
  }

  *releasing(structure: number, held: Held): Script<boolean> {
    yield* lock(structure);
    const removed = yield* get(sql.removeGrant, ...identityOf(held));
    if (removed === undefined) return false;
    yield* run(sql.uncount, removed[0], structure);
    yield* this.passOn(structure);
    return true;
  }

  *force(structure: number): Script<number> {
    yield* lock(structure);
    const robbed = yield* all(sql.holders, structure);
    const count = yield* run(sql.forcePermits, structure);
    yield* run(sql.recount, structure, structure);
    yield* ringAll(robbed);
    yield* this.passOn(structure);
    return count;
  }

  /** How much is free, with what the dead have left; never less than 0, though the permits may have become fewer than are held. */
  *available(structure: number): Script<number> {
    const capacity = this.#capacity((yield* get(sql.capacity, structure))?.[0] ?? 0);
    const held = yield* holders(structure);
    return Math.max(0, capacity - held.reduce((sum, row) => sum + row[7], 0));
  }

  /**
   * Exchanges what is held for another weight, under a new fence; `undefined` where there is no room for it.
   *
   * @throws {@link HoldfastError} `ERR_NOT_OWNER` when it is held no more.
   */
  *exchange(structure: number, held: Held, weight: number): Script<Held | undefined> {
    yield* lock(structure);
    yield* this.#removeVoid(structure);
    const row = yield* get(sql.holds, ...identityOf(held));
    if (row?.[0] !== 1) throw notOwner('this grant', 'it was released or lost');
    if ((yield* this.#state(structure, 0)).free < weight - held.weight) return undefined;
    const label = (yield* get(sql.label, ...identityOf(held)))?.[0] ?? undefined;
    yield* run(sql.removeGrant, ...identityOf(held));
    yield* run(sql.uncount, held.weight, structure);
    const exchanged = yield* this.#add(structure, held.owner, weight, label);
    yield* this.passOn(structure);
    return exchanged;
  }

  /** Wakes the first in line, as many as there is room for. */
  *passOn(structure: number): Script<void> {
    const [capacity, waiting] = (yield* get(sql.capacity, structure)) ?? [null, 0];
    if (waiting === 0) return;
    const used = (yield* get(sql.used, structure))?.[0] ?? 0;
    let free = this.#capacity(capacity ?? 0) - used;
    for (const [id, weight] of yield* all(sql.line, structure, mostWoken)) {
      free -= weight;
      if (free < 0) return;
      yield* ring(id);
    }
  }

  *#take(structure: number, waiter: number, request: Request): Script<{ readonly value: Held } | undefined> {
    const { weight, label } = request;
    const own = yield* owner();
    yield* lock(structure);
    if (!(yield* this.#mayTake(structure, waiter, request))) return undefined;
    yield* this.#removeVoid(structure);
    const value = yield* this.#add(structure, own, weight, label);
    yield* this.passOn(structure);
    return { value };
  }

  *#add(structure: number, owner: number, weight: number, label: string | undefined): Script<Held> {
    const row = yield* get(sql.countGrant, structure, weight);
    const fence = Number(row?.[0]);
    yield* run(sql.addGrant, structure, fence, owner, fence, weight, this.#lease, label ?? null);
    return { structure, slot: fence, owner, fence, weight };
  }

  *#mayTake(structure: number, waiter: number, { weight, overtakes }: Request): Script<boolean> {
    const state = yield* this.#state(structure, waiter);
    const { capacity, free, aheadWeight, headWeight, aheadWaited } = state;
    if (weight > capacity)
      throw new RangeError(`weight must be at most the number of permits, ${capacity}, not ${weight}`);
    if (weight > free) return false;
    // What the first in line has no room for yet is not kept for it in vain: passed each time that nothing has changed for a while, it would starve.
    const idle = headWeight <= free ? state.idle : 0;
    return (
      aheadWaited === null ||
      overtakes ||
      aheadWeight + weight <= free ||
      mayOvertake(this.#fair, aheadWaited, idle)
    );
  }

  *#state(structure: number, waiter: number): Script<State> {
    const capacity = this.#capacity((yield* get(sql.capacity, structure))?.[0] ?? 0);
    const row = yield* get(
      sql.permitState,
      structure,
      structure,
      waiter,
      structure,
      waiter,
      structure,
      waiter,
      structure,
    );
    const [used = 0, aheadWeight = 0, headWeight = 0, aheadWaited = null, idle = null] = row ?? [];
    return { capacity, free: capacity - used, aheadWeight, headWeight, aheadWaited, idle };
  }

  /** What the dead have left, and whose lease has run out: it no more counts, and must not be in the way of a slot's number. */
  *#removeVoid(structure: number): Script<void> {
    if ((yield* run(sql.removeVoid, structure)) > 0) yield* run(sql.recount, structure, structure);
  }
}
