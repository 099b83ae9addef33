import { alive, all, type Script } from '../../core/script.js';
import { sql, type PersonRow } from './statements.js';

/** Who waits for something, for people who look for what is stuck. */
export interface Waiter {
  /** The process's number on its machine. */
  readonly process: number;
  /** Its machine's name. */
  readonly host: string;
  /** The thread in the process: 0 is the main one, workers have `threadId`. */
  readonly thread: number;
  /** By the clock of whoever asks. */
  readonly since: Date;
  /** As it was given when acquiring. */
  readonly label: string | undefined;
  /** How much of it: permits; 1 for a lock. */
  readonly weight: number;
  /** Which side of a {@link ReadWriteLock}. */
  readonly side?: 'read' | 'write' | undefined;
}

/** Who holds something. */
export interface Holder extends Waiter {
  /** Of its grant. */
  readonly fence: bigint;
}

/** Those who hold, the longest first; without the dead, whom nobody has buried yet. */
export function* holders(structure: number): Script<PersonRow[]> {
  return yield* theLiving(yield* all(sql.holdingPeople, structure));
}

/** Those who wait, in line; without the dead. */
export function* waiters(structure: number): Script<PersonRow[]> {
  return yield* theLiving(yield* all(sql.waitingPeople, structure));
}

function* theLiving(people: readonly PersonRow[]): Script<PersonRow[]> {
  const living: PersonRow[] = [];
  for (const row of people) {
    if (yield* alive(row[0], row[1])) living.push(row);
  }
  return living;
}

export function holderOf(row: PersonRow): Holder {
  return { ...waiterOf(row), fence: BigInt(row[8]) };
}

export function waiterOf([, , host, process, thread, age, label, weight]: PersonRow): Waiter {
  return { process, host, thread, since: new Date(Date.now() - age), label: label ?? undefined, weight };
}
