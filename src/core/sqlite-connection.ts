import Database from 'better-sqlite3';
import type { Clock } from './clock.js';
import { HoldfastError, driverCode, translated } from './errors.js';
import { Log } from './sqlite-log.js';
import { batchSize, type Row, type Statement, type Value } from './statement.js';
import { pauseBlocking } from './timer.js';

type Prepared = Database.Statement<unknown[], Row>;

/** A statement that was prepared. One column is read as it is: the driver's array around it would take longer than the query. */
interface Known {
  readonly prepared: Prepared;
  readonly single: boolean;
}

/** Shortest and longest pause between two tries for a lock, in milliseconds. Measured: docs/internals.md. */
const firstPause = 0.05;
const longestPause = 1;
/** Those that a call makes, which must not block the event loop. */
const shortPause = 0.03;
const shortTries = 4;
/** The most tries in a row, after a pause. */
const mostTries = 32;

/**
 * How often to try for a lock after a pause, by how long it has been waited for, in milliseconds. Who writes in a loop lets go of the
 * lock for a microsecond at a time, and a single try a millisecond misses that for a long time: whoever waits tries the harder the
 * longer it has waited. Measured: docs/internals.md.
 */
export const triesAfter = (waited: number): number => Math.min(mostTries, 1 + Math.floor(waited ** 2 / 16));

/** Loads better-sqlite3's compiled part, and opens the file. */
function openDatabase(path: string, readonly: boolean): Database.Database {
  try {
    return new Database(path, { readonly, fileMustExist: path !== ':memory:', timeout: 0 });
  } catch (error) {
    throw isNativeFailure(error)
      ? new HoldfastError(
          'ERR_NATIVE_MODULE',
          'better-sqlite3 is installed without its compiled part, or with one for another Node. ' +
            'Run: npm approve-scripts better-sqlite3 && npm rebuild better-sqlite3 (an npm without approve-scripts needs only the second)',
          { cause: error },
        )
      : translated(error, path);
  }
}

function isNativeFailure(error: unknown): boolean {
  const code = driverCode(error);
  return (
    code === 'ERR_DLOPEN_FAILED' ||
    code === 'MODULE_NOT_FOUND' ||
    (error instanceof Error && error.message.includes('bindings file'))
  );
}

let version: string | undefined;

/** The version of SQLite in use. Loads better-sqlite3's compiled part. */
export function sqliteVersion(): string {
  if (version === undefined) {
    const db = openDatabase(':memory:', false);
    version = String(db.prepare('SELECT sqlite_version()').pluck().get());
    db.close();
  }
  return version;
}

/** Each try that fails is an exception, and its stack trace takes longer than the try. */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  // Refused where a program has frozen Error.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return work();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

const isBusy = (error: unknown): boolean => driverCode(error)?.startsWith('SQLITE_BUSY') === true;

/** What came of an attempt that was not refused for being busy. */
type Outcome<T> = { readonly value: T } | { readonly failure: unknown };

/** `undefined` when it was busy each time. */
function tryInARow<T>(attempt: () => T, tries: number): Outcome<T> | undefined {
  for (; tries > 0; tries--) {
    try {
      return { value: attempt() };
    } catch (failure) {
      if (!isBusy(failure)) return { failure };
    }
  }
  return undefined;
}

/** One connection to an SQLite file: prepared statements, waiting for locks, typed errors. */
export class Connection {
  readonly #db: Database.Database;
  readonly #prepared: (Known | undefined)[] = [];
  readonly #batches: (Prepared | undefined)[] = [];
  readonly #path: string;
  #busyTimeout: number;
  readonly #begin: Prepared;
  readonly #beginRead: Prepared;
  readonly #commit: Prepared;
  readonly #rollback: Prepared;
  readonly #log: Log;
  readonly #dataVersion: Database.Statement<[], number>;
  /** Called when something was committed, or may have been. */
  onWritten: (() => void) | undefined;
  /** What the statement that ran last has given to the function `seen`. */
  #seen: unknown;
  /** Whether to wait for the write lock would be in vain. */
  held = false;

  /** @param busyTimeout - Milliseconds. */
  constructor(path: string, readonly: boolean, busyTimeout: number, clock: Clock) {
    this.#db = openDatabase(path, readonly);
    for (const name of ['monotonic', 'wall', 'boot'] as const) this.#db.function(name, () => clock[name]());
    this.#db.function('seen', (value: unknown) => {
      this.#seen = value;
      return 1;
    });
    this.#path = path;
    this.#busyTimeout = busyTimeout;
    this.#log = new Log(this.#db);
    try {
      this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
      this.#beginRead = this.#db.prepare('BEGIN');
      this.#commit = this.#db.prepare('COMMIT');
      this.#rollback = this.#db.prepare('ROLLBACK');
      this.#dataVersion = this.#db.prepare<[], number>('PRAGMA data_version').pluck();
    } catch (error) {
      this.#db.close();
      throw translated(error, path);
    }
  }

  /** Whether a transaction is open. SQLite itself ends one after some failures, a full disk for example. */
  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  /** Changes whenever another connection has committed. */
  get dataVersion(): number {
    return this.#retry(() => this.#dataVersion.get()) ?? 0;
  }

  /** Starts a transaction that writes; waits for the write lock up to `busyTimeout`. */
  begin(): void {
    this.#retry(() => this.#begin.run());
  }

  /** Starts a transaction that writes, unless another connection is writing each of the times that it is tried, one right after the other. */
  tryBegin(tries: number): boolean {
    const outcome = withoutStackTraces(() => tryInARow(() => this.#begin.run(), tries));
    if (outcome !== undefined && 'failure' in outcome) throw translated(outcome.failure, this.#path);
    return outcome !== undefined;
  }

  /**
   * The same with short pauses, of a tenth of a millisecond together: mostly the one who is writing is about to be done. Timers can't
   * do less than a millisecond.
   */
  tryBeginShortly(): boolean {
    for (let tries = shortTries; ; tries--) {
      if (this.tryBegin(1)) return true;
      if (tries === 0) return false;
      pauseBlocking(shortPause * (0.5 + Math.random()));
    }
  }

  /** Starts a transaction that sees one state of the store. */
  beginRead(): void {
    this.#retry(() => this.#beginRead.run());
  }

  commit(): void {
    this.#retry(() => this.#commit.run());
  }

  /** To be called when all that was to follow a commit is done: looking after the log may take as long as the disk does. */
  committed(): void {
    this.#log.committed();
    this.onWritten?.();
  }

  rollback(): void {
    if (this.#db.inTransaction) this.#retry(() => this.#rollback.run());
  }

  /** @param depth - Part of its name: one that was left open by a failure is then undone with the one around it. */
  savepoint(depth: number): void {
    this.exec(`SAVEPOINT nested${depth}`);
  }

  release(depth: number): void {
    this.exec(`RELEASE nested${depth}`);
  }

  rollbackToSavepoint(depth: number): void {
    this.exec(`ROLLBACK TO nested${depth}; RELEASE nested${depth}`);
  }

  /** The first row, or `undefined`. */
  get(statement: Statement, params: readonly Value[]): Row | undefined {
    if (statement.answers !== undefined) return this.#answer(statement, statement.answers, params);
    // After a row, better-sqlite3's get() resets the statement and ignores what that returns. Outside a transaction a writing
    // statement is committed by that reset, so a full disk would go unnoticed; all() reports it.
    if (!statement.reads && !this.#db.inTransaction) return this.all(statement, params)[0];
    // Spread: the driver fetches the elements of an array one at a time, 0.8 µs for 11.
    const { prepared, single } = this.#prepare(statement);
    let row: Row | undefined;
    // Most calls are this one: without a function that is called from everywhere V8 makes one piece of it, 3 % faster.
    try {
      row = prepared.get(...params);
    } catch (error) {
      if (!isBusy(error)) throw translated(error, this.#path);
      row = this.#retry(() => prepared.get(...params));
    }
    return single && row !== undefined ? [row] : row;
  }

  /** The row of a statement that returns none. */
  #answer(
    statement: Statement,
    answers: 'rowid' | readonly number[],
    params: readonly Value[],
  ): Row | undefined {
    const { prepared } = this.#prepare(statement);
    const { changes, lastInsertRowid } = this.#retry(() => prepared.run(...params));
    this.#written();
    if (changes === 0) return undefined;
    return answers === 'rowid'
      ? [Number(lastInsertRowid), this.#seen]
      : answers.map((place) => params[place]);
  }

  /** The first row of each of many rows of parameters, inside a transaction. */
  each(statement: Statement, rows: readonly (readonly Value[])[]): Row[] {
    const answers: Row[] = [];
    let done = 0;
    const { batch } = statement;
    if (batch !== undefined && rows.length >= batchSize) {
      const prepared = (this.#batches[statement.id] ??= this.#retry(() =>
        this.#db.prepare<unknown[], Row>(batch),
      ));
      for (; done + batchSize <= rows.length; done += batchSize) {
        // flat() would take as long as the statement.
        const params: Value[] = [];
        for (let row = done; row < done + batchSize; row++) params.push(...(rows[row] ?? []));
        const last = Number(this.#retry(() => prepared.run(...params)).lastInsertRowid);
        // One statement numbers its rows without a gap.
        for (let id = last - batchSize + 1; id <= last; id++) answers.push([id]);
      }
    }
    for (; done < rows.length; done++) {
      const row = this.get(statement, rows[done] ?? []);
      if (row !== undefined) answers.push(row);
    }
    return answers;
  }

  /** Every row. */
  all(statement: Statement, params: readonly Value[]): Row[] {
    const { prepared, single } = this.#prepare(statement);
    const rows = this.#retry(() => prepared.all(...params));
    if (!statement.reads) this.#written();
    return single ? rows.map((value) => [value]) : rows;
  }

  /** The rows of a statement that writes on its own; `undefined` where SQLite is busy. */
  tryAll(statement: Statement, params: readonly Value[]): Row[] | undefined {
    const { prepared, single } = this.#prepare(statement);
    const rows = this.#tryOnce(() => prepared.all(...params));
    return single ? rows?.map((value) => [value]) : rows;
  }

  /** How many rows a statement changed; `undefined` where SQLite is busy. */
  tryRun(statement: Statement, params: readonly Value[]): number | undefined {
    const { prepared } = this.#prepare(statement);
    return this.#tryOnce(() => prepared.run(...params))?.changes;
  }

  #tryOnce<T>(attempt: () => T): T | undefined {
    const outcome = withoutStackTraces(() => tryInARow(attempt, 1));
    if (outcome === undefined) return undefined;
    if ('failure' in outcome) throw translated(outcome.failure, this.#path);
    this.#written();
    return outcome.value;
  }

  /** How many rows changed. */
  run(statement: Statement, params: readonly Value[]): number {
    const { prepared } = this.#prepare(statement);
    const { changes } = this.#retry(() => prepared.run(...params));
    this.#written();
    return changes;
  }

  #written(): void {
    if (!this.#db.inTransaction) this.committed();
  }

  /** Does something, and waits for no lock for longer than so many milliseconds. */
  within<T>(milliseconds: number, work: () => T): T {
    const usual = this.#busyTimeout;
    this.#busyTimeout = Math.min(usual, milliseconds);
    try {
      return work();
    } finally {
      this.#busyTimeout = usual;
    }
  }

  /** Runs SQL without parameters, once. */
  exec(sql: string): void {
    this.#retry(() => this.#db.exec(sql));
  }

  /** The first column of the first row of a query, once. */
  value(sql: string): unknown {
    return this.#retry(() => this.#db.prepare(sql).pluck().get());
  }

  close(): void {
    this.#log.close();
    this.#db.close();
  }

  #prepare(statement: Statement): Known {
    return this.#prepared[statement.id] ?? this.#prepareNew(statement);
  }

  #prepareNew(statement: Statement): Known {
    const prepared = this.#retry(() => this.#db.prepare<unknown[], Row>(statement.sqlite));
    const single = prepared.reader && prepared.columns().length === 1;
    if (single) prepared.pluck(true);
    else if (prepared.reader) prepared.raw(true);
    // Integers beyond 2^53 would come back rounded otherwise.
    if (prepared.reader) prepared.safeIntegers(statement.bigints);
    const known = { prepared, single };
    this.#prepared[statement.id] = known;
    return known;
  }

  /** Tries until SQLite is not busy, for at most `busyTimeout`. Why not SQLite's own busy handler: docs/internals.md. */
  #retry<T>(attempt: () => T): T {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw translated(error, this.#path);
      if (this.held) throw this.busy(error);
      const answer = withoutStackTraces(() => this.#pauseAndTry(attempt));
      if (answer === undefined) throw this.busy(error);
      if ('failure' in answer) throw translated(answer.failure, this.#path);
      return answer.value;
    }
  }

  /** `undefined` when the time is over. */
  #pauseAndTry<T>(attempt: () => T): Outcome<T> | undefined {
    const start = performance.now();
    for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
      const left = start + this.#busyTimeout - performance.now();
      if (left > 0) pauseBlocking(Math.min(pause * (0.5 + Math.random()), left));
      const outcome = tryInARow(attempt, triesAfter(performance.now() - start));
      if (outcome !== undefined || left <= 0) return outcome;
    }
  }

  /** The error for a lock that did not come free. */
  busy(cause?: unknown): HoldfastError {
    return new HoldfastError(
      'ERR_BUSY',
      this.held
        ? `${this.#path}: this process holds the write lock for something that takes long; try again later`
        : `${this.#path}: another process held the write lock for ${this.#busyTimeout} ms; try again`,
      { cause },
    );
  }
}
