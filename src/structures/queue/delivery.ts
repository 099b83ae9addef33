import type { ValueColumn } from '../../core/columns.js';
import type { Attempt, Finished, Outcome } from './outcomes.js';

/** A job that was claimed. `data` is as it is stored. */
export interface Claimed extends Attempt, Finished {
  readonly name: string | undefined;
  readonly added: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly data: unknown;
}

/** What running jobs have told of themselves, and by when they are overdue: those that were not started as they were claimed. */
export interface Told {
  readonly begun: readonly (readonly [time: number, id: number, claim: number])[];
  readonly progress: readonly (readonly [progress: ValueColumn, id: number, claim: number])[];
  readonly logs: readonly (readonly [line: ValueColumn, id: number, claim: number])[];
}

/** How many jobs a worker has room for; and how many of them it starts at once. */
export interface Room {
  readonly want: number;
  readonly atOnce: number;
}

/** What a worker has for a transaction: what has ended, what was told; and how many jobs it wants. */
export interface Delivery extends Room {
  readonly outcomes: readonly Outcome[];
  readonly told: Told;
}

/**
 * What a transaction has for a worker: `again` is still to be written; `full` where there may be more to claim; `plain` where nothing is in use that one statement does not
 * heed; `trouble` where something else could not be done.
 */
export interface Answer {
  readonly claimed: readonly Claimed[];
  readonly again: readonly Outcome[];
  readonly full: boolean;
  readonly plain: boolean;
  readonly trouble?: { readonly error: unknown };
}

export const nothingTold: Told = { begun: [], progress: [], logs: [] };
export const noRoom: Room = { want: 0, atOnce: 0 };

/** How long a handler has to end when its time is over, in milliseconds; and when others take its job, whose process must be blocked. */
export const grace = 1_000;
const overdueAfter = 2_000;

/** In how many milliseconds a job that begins now is overdue. */
export const overdueIn = (timeout: number): number => timeout + grace + overdueAfter;

/** The same of one that was claimed, if it ever is. */
export const overdue = ({
  id,
  claim,
  timeout,
}: Claimed): (readonly [time: number, id: number, claim: number])[] =>
  timeout < Infinity ? [[overdueIn(timeout), id, claim]] : [];

/** What is to be written of jobs that begin, and of what others have told. */
export function gathered(begun: readonly Claimed[], told: readonly Told[]): Told {
  if (told.length + begun.length === 0) return nothingTold;
  return {
    begun: begun.flatMap(overdue),
    progress: told.flatMap(({ progress }) => progress),
    logs: told.flatMap(({ logs }) => logs),
  };
}

export const isNothing = ({ begun, progress, logs }: Told): boolean =>
  begun.length + progress.length + logs.length === 0;
