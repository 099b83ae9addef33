import { outside } from './outside.js';
import type { Script } from './script.js';
import type { Row, Statement, Value } from './statement.js';

/** One statement that does what a call is to do on an embedded store; or what several are to, on a server. */
export interface Gathering<A, P extends readonly Value[], R extends Row, T> {
  /** What is asked on an embedded store; where that has no row, or can't do it, the script does. */
  readonly quick: (structure: number, prepared: A) => Quick<T> | undefined;
  /** Asked outside of a transaction. It does all or nothing. */
  readonly statement: Statement<P, R>;
  /** Whether the statement can do it; else the script does. */
  readonly fits: (prepared: A) => boolean;
  /** How many rows, say, a call adds to those of others; {@link mostTogether} at most go together. */
  readonly weight: (prepared: A) => number;
  readonly params: (structure: number, all: readonly A[]) => P;
  /** What comes of each call; `undefined` where the statement has done nothing, and scripts are to. */
  readonly read: (row: R | undefined, all: readonly A[]) => readonly T[] | undefined;
}

/** See {@link Gathering.quick}. */
export interface Quick<T> {
  readonly statement: Statement;
  readonly params: readonly Value[];
  readonly read: (row: Row) => T;
  /** What is to follow, if anything: once it is committed, unless a transaction is open. */
  readonly next: (row: Row) => Script<void> | undefined;
}

/** How much goes together at most, by {@link Gathering.weight}, unless it is of one call. */
export const mostTogether = 1_000;

/** A call that waits for its turn. */
interface Call<A, T> {
  readonly prepared: A;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (error: unknown) => void;
}

/** What is done for several calls at once. */
export interface Task<A, T> {
  weight(prepared: A): number;
  /** All or none of them; `undefined` where it has done nothing, and each is to be done by itself. */
  together(all: readonly A[]): Promise<readonly T[] | undefined>;
  alone(prepared: A): Promise<T>;
  /** Whether nobody knows what was done. */
  isLost(error: unknown): boolean;
}

/** Lets the calls that come while one is under way go together, in their order. */
export class Gatherer<A, T> {
  readonly #task: Task<A, T>;
  readonly #waiting: Call<A, T>[] = [];
  #busy = false;

  constructor(task: Task<A, T>) {
    this.#task = task;
  }

  add(prepared: A): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ prepared, resolve, reject });
      if (!this.#busy) outside(() => void this.#work());
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) await this.#do(this.#next());
    this.#busy = false;
  }

  #next(): Call<A, T>[] {
    let weight = 0;
    const beyond = this.#waiting.findIndex(
      ({ prepared }, i) => (weight += this.#task.weight(prepared)) > mostTogether && i > 0,
    );
    return this.#waiting.splice(0, beyond < 0 ? this.#waiting.length : beyond);
  }

  async #do(calls: readonly Call<A, T>[]): Promise<void> {
    try {
      const done = await this.#task.together(calls.map(({ prepared }) => prepared));
      for (const [i, call] of calls.entries())
        if (done === undefined) call.resolve(this.#task.alone(call.prepared));
        else call.resolve(done[i] as T);
    } catch (error) {
      const single = calls.length === 1 || this.#task.isLost(error);
      // What one of them can't do must not fail the others.
      for (const call of calls)
        if (single) call.reject(error);
        else call.resolve(this.#task.alone(call.prepared));
    }
  }
}
