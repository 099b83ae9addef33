import { fileOf } from '../../core/columns.js';
import type { Key, KeyColumn } from '../../core/key.js';
import { run, type Script } from '../../core/script.js';
import type { Statement } from '../../core/statement.js';
import { noteClock } from '../../core/steady.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import type { Keeping } from './options.js';
import { columnOf } from './sharding.js';
import { untilDone, type CacheScripts, type EncodedEntry } from './scripts.js';
import { sql, type Look, type Upsert } from './statements.js';

/** How often it is noted where the clock is, in milliseconds: see src/core/steady.ts. */
const notedEvery = 5_000;

/** Stores entries, by one statement where that can do it. */
export class Storer<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<Key, unknown>;
  /** When it was last noted where the clock is, by `performance.now()`. */
  #noted = -Infinity;

  constructor(scope: Scope<S>, scripts: CacheScripts<Key, unknown>) {
    this.#scope = scope;
    this.#scripts = scripts;
  }

  set(entry: EncodedEntry): Result<S, void> {
    if (!isSimple(entry)) return this.#put(entry);
    const stored = this.#quickly(sql.setQuickly, entry, (structure) => this.#scripts.put(structure, entry));
    return this.#scope.chain(stored, (done) => (done ? this.#scope.settled(nothing) : this.#put(entry)));
  }

  setMany(entries: readonly EncodedEntry[]): Result<S, void> {
    const scripts = this.#scripts;
    return scripts.withFiles(entries, (filed) =>
      this.#scope.write(nothing, (structure) => scripts.putAll(structure, filed)),
    );
  }

  add(entry: EncodedEntry): Result<S, boolean> {
    // Mostly it is there.
    return this.#scope.chain(this.#look(sql.lookWhether, entry.key), (there) => {
      if (there !== undefined) return this.#scope.settled(() => false);
      if (!isSimple(entry)) return this.#add(entry);
      const added = this.#quickly(sql.addQuickly, entry, (structure) => this.#scripts.add(structure, entry));
      return this.#scope.chain(added, (done) =>
        done === undefined ? this.#add(entry) : this.#scope.settled(() => done),
      );
    });
  }

  touch(column: KeyColumn, { ttl }: Keeping): Result<S, boolean> {
    const touched = this.#scope.quick(
      sql.touch,
      nothing,
      (structure) => [ttl, ttl, structure, column],
      () => true,
      function* (structure): Script<boolean> {
        return (yield* run(sql.touch, ttl, ttl, structure, column)) > 0;
      },
    );
    return this.#scope.chain(touched, (done) =>
      this.#scope.after(this.#noteClock(done ? ttl : null), () => done),
    );
  }

  /** Replaces a number by `change` of it: by one statement where nobody else does so in between. */
  increase(
    numbers: CacheScripts<Key, number>,
    { column, keeping }: { readonly column: KeyColumn; readonly keeping: Keeping },
    change: (current: number | undefined) => number,
  ): Result<S, number> {
    const scope = this.#scope;
    const script = function* (structure: number): Script<number | undefined> {
      return (yield* numbers.update(structure, column, keeping, change))?.value;
    };
    const byScript = (): Result<S, number> => untilDone(scope, nothing, script, (value) => value ?? 0);
    return scope.chain(this.#look(sql.look, column), (found) => {
      if (found === undefined || fileOf(found) !== undefined) return byScript();
      const next = change(numbers.value([found]));
      const entry = numbers.encoded(column, next, keeping);
      if (entry.isLarge) return byScript();
      const swapped = scope.quick(
        sql.swap,
        nothing,
        (structure) => [entry.column, entry.bytes, structure, column, found, entry.bytes],
        (): number | undefined => next,
        script,
      );
      return scope.chain(swapped, (value) => (value === undefined ? byScript() : scope.settled(() => value)));
    });
  }

  /** Without a lock that others wait for. */
  #look<T>(statement: Look<T>, column: KeyColumn): Result<S, T | undefined> {
    return this.#scope.one(
      statement,
      () => {
        this.#scope.checkWritable();
      },
      (structure) => [structure, column, structure],
      columnOf,
    );
  }

  /** By one statement, else by a script: tells whether it is stored, and `undefined` where there is more to be removed first. */
  #quickly(
    statement: Statement<Upsert>,
    entry: EncodedEntry,
    otherwise: (structure: number) => Script<boolean | undefined>,
  ): Result<S, boolean | undefined> {
    const stored = this.#scope.quick(
      statement,
      () => entry,
      (structure) => this.#scripts.row(structure, entry),
      (): boolean | undefined => true,
      otherwise,
    );
    return this.#scope.chain(stored, (done) => {
      if (done !== true) return this.#scope.settled(() => done);
      return this.#scope.after(this.#noteClock(entry.ttl), () => done);
    });
  }

  #add(entry: EncodedEntry): Result<S, boolean> {
    const add = (filed: EncodedEntry): Result<S, boolean> =>
      untilDone(
        this.#scope,
        nothing,
        (structure) => this.#scripts.add(structure, filed),
        (added) => added === true,
      );
    return this.#scripts.withFile(this.#scope, entry, add, (added) => added);
  }

  #put(entry: EncodedEntry): Result<S, void> {
    return this.#scripts.withFile(this.#scope, entry, (filed) =>
      untilDone(this.#scope, nothing, (structure) => this.#scripts.put(structure, filed), nothing),
    );
  }

  /** Where the clock is has to be known after a reboot, or what expires would do so too late. */
  #noteClock(ttl: number | null): Result<S, void> {
    if (ttl === null || performance.now() - this.#noted < notedEvery) return this.#scope.settled(nothing);
    // A transaction may be rolled back, and what was noted in it.
    if (!this.#scope.aside(() => noteClock())) return this.#scope.write(nothing, () => noteClock());
    this.#noted = performance.now();
    return this.#scope.settled(nothing);
  }
}

/** Whether one statement may store it. */
const isSimple = ({ tags, isLarge }: EncodedEntry): boolean => tags.length === 0 && !isLarge;
