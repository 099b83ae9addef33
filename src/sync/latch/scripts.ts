import { wholeNumber } from '../../core/options.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import type { Turn } from '../../core/store.js';
import { endOfLine, ringAll } from '../../core/waiting.js';
import { sql } from './statements.js';

/** That the wait is over. */
const passed = { value: undefined };

interface State {
  readonly remaining: number;
  /** Grows whenever 0 is reached. */
  readonly round: number;
}

/** What a latch does in several statements. */
export class LatchScripts {
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  /** Stores the count, unless there is one. */
  *start(structure: number): Script<void> {
    if ((yield* get(sql.state, structure)) === undefined) yield* run(sql.start, structure, this.#count);
  }

  *countDown(structure: number, n: number): Script<number> {
    wholeNumber('n', n, 1);
    const state = yield* this.#locked(structure);
    return yield* this.#set(structure, state, Math.max(0, state.remaining - n));
  }

  *reset(structure: number): Script<void> {
    const state = yield* this.#locked(structure);
    yield* this.#set(structure, state, this.#count);
  }

  /** Waiting for 0. Who waits for a round that is over may go, whatever the count is by then. */
  turn(): Turn<undefined> {
    // Of the run that was committed, which is the last: a run that is rolled back is followed by another, or the call fails.
    let own = 0;
    const round = (state: State): number => (own = state.round);
    return {
      mode: (structure) => this.#join(structure, round),
      ready: (structure, waiter) => this.#isReady(structure, waiter),
      take: (structure, waiter) => this.#take(structure, waiter),
      passOn: nobody,
      lost: (structure) => this.#lost(structure, own),
    };
  }

  *#join(structure: number, round: (state: State) => number): Script<number> {
    return round(yield* this.#locked(structure));
  }

  *#isReady(structure: number, waiter: number): Script<boolean> {
    return (yield* get(sql.passed, structure, waiter))?.[0] === 1;
  }

  *#take(structure: number, waiter: number): Script<typeof passed | undefined> {
    const { remaining } = yield* this.#locked(structure);
    if (remaining === 0) return passed;
    return waiter !== endOfLine && (yield* this.#isReady(structure, waiter)) ? passed : undefined;
  }

  /** It may have been 0 meanwhile. */
  *#lost(structure: number, own: number): Script<typeof passed | undefined> {
    return (yield* this.#locked(structure)).round > own ? passed : undefined;
  }

  /** Locked before it is read, or whoever joins the line could miss what is committed meanwhile. */
  *#locked(structure: number): Script<State> {
    yield* lock(structure);
    const [remaining, round] = (yield* get(sql.state, structure)) ?? [this.#count, 1];
    return { remaining, round };
  }

  *#set(structure: number, state: State, remaining: number): Script<number> {
    if (remaining === state.remaining) return remaining;
    const opened = remaining === 0;
    yield* run(sql.set, remaining, opened ? state.round + 1 : state.round, structure);
    if (opened) yield* ringAll(yield* all(sql.owners, structure));
    return remaining;
  }
}

/** Whoever leaves the line leaves nothing to the others. */
function* nobody(): Script<void> {}
