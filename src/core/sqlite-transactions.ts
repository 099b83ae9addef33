import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from './errors.js';
import { triesAfter, type Connection } from './sqlite-connection.js';

/** Pauses between tries to begin without blocking, in milliseconds: timers can't do less than one. */
const firstPause = 1;
const longestPause = 4;

/** How many calls deep it is, at most, to commit or roll back, with some for compiling. */
const framesNeeded = 60;

/**
 * Throws, where the stack is too full to commit or roll back, before there is anything to roll back: a transaction that a full stack
 * left open would keep all others from writing.
 */
function needStack(frames = framesNeeded): number {
  return frames === 0 ? 0 : 1 + needStack(frames - 1);
}

/** Nothing has gone wrong. */
class RolledBack extends Error {}

/** The transactions of one connection: nesting, and what is to follow a commit or a rollback. */
export class Transactions {
  readonly #connection: Connection;
  readonly #where: string;
  readonly #busyTimeout: number;
  /** How often something was rolled back: what was read before that may be of no more worth. */
  rollbacks = 0;
  #depth = 0;
  #reading = false;
  #pause: Promise<unknown> | undefined;
  #nextPause = firstPause;
  #busySince: number | undefined;
  #afterCommit: (() => void)[] = [];
  #afterRollback: (() => void)[] = [];

  /** @param busyTimeout - Milliseconds. */
  constructor(connection: Connection, where: string, busyTimeout: number) {
    this.#connection = connection;
    this.#where = where;
    this.#busyTimeout = busyTimeout;
  }

  get open(): boolean {
    return this.#depth > 0;
  }

  /** Whether something is being read or written. */
  get busy(): boolean {
    return this.open || this.#reading;
  }

  /** To be done once what is being done now is committed; dropped when it is rolled back. */
  afterCommit(action: () => void): void {
    this.#afterCommit.push(action);
  }

  /** To be done if what is being done now is rolled back. */
  afterRollback(action: () => void): void {
    if (this.open) this.#afterRollback.push(action);
  }

  /** SQLite itself rolls back after some failures, a full disk for one. Going on would commit each later statement on its own. */
  checkAlive(): void {
    const { inTransaction } = this.#connection;
    // Left open by a failure on the way back, say a full stack: it would swallow each later write, and keep others from writing.
    if (inTransaction && !this.open && !this.#reading) this.#connection.rollback();
    if (this.open && !inTransaction) {
      throw new HoldfastError('ERR_IO', `${this.#where}: an earlier failure has rolled back the transaction`);
    }
  }

  /** The same before writing. What is written while a read is under way (by an iterable that it was given) would be rolled back with it. */
  checkWritable(): void {
    this.checkAlive();
    if (this.#reading)
      throw new HoldfastError(
        'ERR_IN_TRANSACTION',
        `${this.#where}: nothing can be written by what a read calls`,
      );
  }

  /** Runs `work` in a transaction that writes, or in a savepoint of the one that is open. */
  write<T>(work: () => T): T {
    this.checkWritable();
    if (this.open) return this.#savepoint(work);
    needStack();
    this.#connection.begin();
    return this.#outermost(work);
  }

  /**
   * The same, begun without blocking the event loop. `stillOpen` throws when the store was closed meanwhile. With `wanted`, which throws when
   * nobody waits any more, it is tried until then; without, for `busyTimeout`.
   */
  async writeSoon<T>(work: () => T, stillOpen: () => void, wanted?: () => void): Promise<T> {
    return this.#beginSoon(() => this.#outermost(work), stillOpen, wanted);
  }

  /** Begins a transaction that stays open until {@link end}, without blocking the event loop. */
  async hold(wanted: () => void): Promise<void> {
    return this.#beginSoon(() => void (this.#depth = 1), wanted, wanted);
  }

  /** Ends what {@link hold} has begun. */
  end(commits: boolean): void {
    try {
      this.#outermost(() => {
        if (!commits) throw new RolledBack();
      });
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error;
    }
  }

  /** @param next - Runs at once: others of this connection must find the transaction known. */
  async #beginSoon<T>(next: () => T, stillOpen: () => void, wanted: (() => void) | undefined): Promise<T> {
    // Called inside a transaction, which runs at once, it is to come after that.
    if (this.open) await Promise.resolve();
    const start = performance.now();
    for (;;) {
      stillOpen();
      if (this.#begun()) return next();
      if (wanted === undefined && performance.now() - start > this.#busyTimeout)
        throw this.#connection.busy();
      await this.#pause;
      wanted?.();
    }
  }

  /** Where one has tried in vain, all of this process who wait pause together: any other would fail, too. */
  #begun(): boolean {
    if (this.#pause !== undefined) return false;
    const now = performance.now();
    needStack();
    const isFirst = this.#busySince === undefined;
    const tries = triesAfter(now - (this.#busySince ?? now));
    if (isFirst ? this.#connection.tryBeginShortly() : this.#connection.tryBegin(tries)) {
      this.#busySince = undefined;
      this.#nextPause = firstPause;
      return true;
    }
    this.#busySince ??= now;
    this.#pause = sleep(this.#nextPause * (0.5 + Math.random())).then(() => (this.#pause = undefined));
    this.#nextPause = Math.min(this.#nextPause * 2, longestPause);
    return false;
  }

  /** Runs `work` on one state of the store. */
  read<T>(work: () => T): T {
    if (this.open || this.#reading) return work();
    this.#connection.beginRead();
    this.#reading = true;
    try {
      return work();
    } finally {
      this.#reading = false;
      this.#connection.rollback();
    }
  }

  #outermost<T>(work: () => T): T {
    this.#depth = 1;
    let result: T;
    try {
      result = work();
      this.checkAlive();
      this.#connection.commit();
    } catch (error) {
      try {
        this.#connection.rollback();
      } finally {
        this.#undone(0, 0);
      }
      throw error;
    } finally {
      this.#depth = 0;
      this.#afterRollback.length = 0;
    }
    if (this.#afterCommit.length > 0) this.follow();
    this.#connection.committed();
    return result;
  }

  /** Does what was to be done after the commit. */
  follow(): void {
    const actions = this.#afterCommit;
    this.#afterCommit = [];
    for (const action of actions) action();
  }

  #savepoint<T>(work: () => T): T {
    const commits = this.#afterCommit.length;
    const rollbacks = this.#afterRollback.length;
    needStack();
    this.#connection.savepoint(this.#depth);
    this.#depth++;
    try {
      const result = work();
      this.checkAlive();
      this.#connection.release(this.#depth - 1);
      return result;
    } catch (error) {
      // Where SQLite has rolled back everything already, there is no savepoint to go back to.
      if (this.#connection.inTransaction) this.#connection.rollbackToSavepoint(this.#depth - 1);
      this.#undone(commits, rollbacks);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  #undone(commits: number, rollbacks: number): void {
    this.rollbacks++;
    this.#afterCommit.length = commits;
    for (const action of this.#afterRollback.splice(rollbacks)) action();
  }
}
