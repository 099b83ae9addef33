import type { Row, Statement, Value } from './statement.js';

/** One question to the store. Inside a script, `yield* step` is its answer. */
export class Step<A> {
  constructor(
    readonly kind:
      'get' | 'all' | 'run' | 'each' | 'lock' | 'ring' | 'owner' | 'alive' | 'committed' | 'undone',
    readonly statement?: Statement,
    readonly params: readonly Value[] = [],
    readonly rows: readonly (readonly Value[])[] = [],
    readonly action?: () => void,
  ) {}

  *[Symbol.iterator](): Generator<Step<unknown>, A, A> {
    return yield this;
  }
}

/**
 * Steps written once; an engine runs them at once (embedded) or awaits each (server).
 *
 * A script runs inside a transaction and may be run again after a conflict: no `await`, no I/O, no clock, and no callback of
 * the user's but a pure one.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each `yield*` is typed by its step; the generator's own "next" type can't be.
export type Script<T> = Generator<Step<any>, T>;

/** The first row, or `undefined`. */
export function get<P extends readonly Value[], R extends Row>(
  statement: Statement<P, R>,
  ...params: P
): Step<R | undefined> {
  return new Step('get', statement, params);
}

/** Every row. */
export function all<P extends readonly Value[], R extends Row>(
  statement: Statement<P, R>,
  ...params: P
): Step<R[]> {
  return new Step('all', statement, params);
}

/** How many rows changed. */
export function run<P extends readonly Value[]>(statement: Statement<P>, ...params: P): Step<number> {
  return new Step('run', statement, params);
}

/** The statement for each of many rows of parameters: the rows that all of them give back, in no order. It must have a text for many on PostgreSQL. */
export function each<P extends readonly Value[], R extends Row>(
  statement: Statement<P, R>,
  rows: readonly P[],
): Step<R[]> {
  return new Step('each', statement, [], rows);
}

/**
 * Nobody else changes the structure until the transaction ends. SQLite has one writer at a time anyway; on PostgreSQL the
 * structure's row is locked, and statements after it see what was committed before.
 */
export function lock(structure: number): Step<void> {
  return new Step('lock', undefined, [structure]);
}

/** Wakes the owner with this number once the transaction is committed, and not if it isn't. */
export function ring(owner: number): Step<void> {
  return new Step('ring', undefined, [owner]);
}

/** Runs `action` once the transaction is committed, and not if it isn't. It must not throw. */
export function committed(action: () => void): Step<void> {
  return new Step('committed', undefined, [], [], action);
}

/** Runs `action` should what is done in the transaction be rolled back. It must not throw. */
export function undone(action: () => void): Step<void> {
  return new Step('undone', undefined, [], [], action);
}

/** This store's own number among the owners; registers it at first use. */
export function owner(): Step<number> {
  return new Step('owner');
}

/** Whether another owner lives. */
export function alive(owner: number, token: string): Step<boolean> {
  return new Step('alive', undefined, [owner, token]);
}
