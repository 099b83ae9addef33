import { alive, all, get, lock, run, type Script } from '../../core/script.js';
import type { Turn } from '../../core/store.js';
import { endOfLine, isPresent, ringAll } from '../../core/waiting.js';
import { sql } from './statements.js';

/** What a call of `wait` comes to: its arrival number, or that the round was broken. */
export type Outcome = number | 'broken';

/** An arrival that was counted. */
interface Arrival {
  readonly round: number;
  readonly number: number;
}

interface State {
  /** How many the parties of the round under way are, or were of the one before. */
  readonly parties: number;
  /** The round under way, or broken. */
  readonly round: number;
  readonly arrived: number;
  /** The last round that was broken; 0 for none. */
  readonly broken: number;
}

/**
 * What a barrier does in several statements.
 *
 * An arrival is the party's row in `waiters`, which goes with its owner. Every script first locks the structure, then compares rows with
 * arrivals ({@link BarrierScripts.#settled}): since rows come and go under the same lock, nobody can pass a round that somebody has left.
 */
export class BarrierScripts {
  readonly #parties: number;

  constructor(parties: number) {
    this.#parties = parties;
  }

  /** Waiting for the others: it joins the line unless it is the last. */
  turn(): Turn<Outcome> {
    // Of the run that was committed, which is the last: a run that is rolled back is followed by another, or the call fails.
    let own: Arrival = { round: 0, number: 0 };
    const keep = (arrival: Arrival): void => void (own = arrival);
    return {
      mode: (structure) => this.#arrive(structure, keep),
      ready: (structure, waiter) => this.#isDecided(structure, waiter),
      take: (structure, waiter) =>
        waiter === endOfLine ? this.#takeLast(structure) : this.#take(structure, waiter, own),
      passOn: (structure) => this.#lookAfter(structure),
      lost: (structure) => this.#lost(structure, own),
      peers: (structure, waiter) => this.#peers(structure, waiter),
      // The others have passed, or will, with its number in mind.
      binding: true,
    };
  }

  /** Begins a new round; who waits for the one under way finds its place taken away. */
  *reset(structure: number): Script<void> {
    const state = yield* this.#settled(structure);
    const { parties, round, arrived, broken } = state;
    if (arrived === 0 && broken !== round) return;
    yield* run(sql.set, parties, round + 1, 0, round, structure);
    const owners = yield* all(sql.waitingFor, structure, round);
    yield* run(sql.dismiss, structure, round);
    yield* ringAll(owners);
  }

  /** Passes, with all others, if it is the last; else it has not arrived yet. */
  *#takeLast(structure: number): Script<{ value: Outcome } | undefined> {
    const state = yield* this.#settled(structure);
    const { parties, round, arrived, broken } = state;
    if (broken === round) return { value: 'broken' };
    if (arrived > 0 && parties !== this.#parties) {
      throw new RangeError(
        `parties is ${this.#parties} here, but those who wait at the barrier have ${parties}: all of a round must agree`,
      );
    }
    if (arrived + 1 < this.#parties) return undefined;
    // Those who have died without anybody's noticing have not passed. Their rows go when they are buried.
    if (yield* this.#anyDead(structure, round)) {
      yield* this.#break(structure, state);
      return { value: 'broken' };
    }
    yield* run(sql.start, structure, this.#parties);
    yield* run(sql.set, this.#parties, round + 1, 0, broken, structure);
    yield* ringAll(yield* all(sql.waitingFor, structure, round));
    return { value: arrived };
  }

  /** Runs behind {@link BarrierScripts.#takeLast}, in its transaction. */
  *#arrive(structure: number, keep: (arrival: Arrival) => void): Script<number> {
    const { round, arrived, broken } = yield* this.#settled(structure);
    yield* run(sql.start, structure, this.#parties);
    yield* run(sql.set, this.#parties, round, arrived + 1, broken, structure);
    keep({ round, number: arrived });
    return round;
  }

  *#isDecided(structure: number, waiter: number): Script<boolean> {
    return (yield* get(sql.decided, structure, waiter))?.[0] === 1;
  }

  *#take(structure: number, waiter: number, own: Arrival): Script<{ value: Outcome } | undefined> {
    const { round, broken } = yield* this.#settled(structure);
    if (!(yield* isPresent(waiter))) return yield* this.#lost(structure, own);
    // A row of a round that was broken goes when the next begins: see `reset`.
    if (round > own.round) return { value: own.number };
    return broken === round ? { value: 'broken' } : undefined;
  }

  /** Without its row it can't tell whether its round was broken once a later one was. It then says so: it was taken for dead. */
  *#lost(structure: number, own: Arrival): Script<{ value: Outcome }> {
    const { round, broken } = yield* this.#settled(structure);
    return { value: round > own.round && broken < own.round ? own.number : 'broken' };
  }

  *#lookAfter(structure: number): Script<void> {
    yield* this.#settled(structure);
  }

  *#peers(structure: number, waiter: number): Script<readonly (readonly [number, string])[]> {
    return yield* all(sql.peers, structure, waiter, waiter);
  }

  *#anyDead(structure: number, round: number): Script<boolean> {
    for (const [owner, token] of yield* all(sql.owners, structure, round)) {
      if (!(yield* alive(owner, token))) return true;
    }
    return false;
  }

  /** Locks the barrier, and breaks the round if one of those who have arrived is not there any more. */
  *#settled(structure: number): Script<State> {
    yield* lock(structure);
    const row = yield* get(sql.state, structure);
    if (row === undefined) return { parties: this.#parties, round: 1, arrived: 0, broken: 0 };
    const [parties, round, arrived, broken, present] = row;
    const state = { parties, round, arrived, broken };
    return present < arrived ? yield* this.#break(structure, state) : state;
  }

  *#break(structure: number, { parties, round }: State): Script<State> {
    yield* run(sql.set, parties, round, 0, round, structure);
    yield* ringAll(yield* all(sql.waitingFor, structure, round));
    return { parties, round, arrived: 0, broken: round };
  }
}
