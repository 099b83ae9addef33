import type { Key, KeyColumn } from '../../core/key.js';
import { run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Result, type Scope } from '../../core/store.js';
import { MissingFile } from '../../core/value-files.js';
import { sql as flights, type ServedRow } from './flight-statements.js';
import type { Producing } from './options.js';
import type { CacheParts } from './parts.js';
import type { CacheScripts } from './scripts.js';
import { columnOf } from './sharding.js';
import { sql } from './statements.js';
import type { Uses } from './uses.js';

/** An entry that may be served. */
export interface Served<V> {
  /** `undefined` where it is fresh, and need not be refreshed. */
  readonly row: ServedRow | undefined;
  readonly value: V;
}

/** Looks for what may be served in place of what would have to be worked out. */
export class Serving<S extends Kind, V, K extends Key> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<K, V>;
  readonly #uses: Uses<S>;

  constructor({ scope, scripts, uses }: Pick<CacheParts<S, V, K>, 'scope' | 'scripts' | 'uses'>) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#uses = uses;
  }

  /** What may be served; that counts as reading it. Where its file was lost there is nothing: it can be worked out anew. */
  async look(column: KeyColumn, producing: Producing): Promise<Served<V> | undefined> {
    try {
      return await this.#found(column, producing);
    } catch (error) {
      await this.#scope.soon(this.#removing(column, error));
      return undefined;
    }
  }

  /** The same at once. */
  lookNow(column: KeyColumn, producing: Producing): Result<S, Served<V> | undefined> {
    try {
      return this.#found(column, producing);
    } catch (error) {
      return this.#scope.after(this.#scope.write(nothing, this.#removing(column, error)), () => undefined);
    }
  }

  /** The column of a value that may be served; that does not count as reading it. */
  find(column: KeyColumn): Result<S, { readonly column: unknown } | undefined> {
    return this.#scope.one(
      flights.served,
      nothing,
      (structure) => [structure, column],
      (row) => row && { column: this.#scripts.loaded(row[0]) },
    );
  }

  #found(column: KeyColumn, { refreshAhead }: Producing): Result<S, Served<V> | undefined> {
    // A server answers both in the same time, and each takes as long as a journey there.
    if (refreshAhead > 0 || this.#scope.kind === 'server') return this.#served(column);
    return this.#scope.chain(this.#fresh(column), (there) =>
      there === undefined ? this.#served(column) : this.#scope.settled(() => there),
    );
  }

  /** What is fresh, as most is. To read no more than its value takes two thirds of the time. */
  #fresh(column: KeyColumn): Result<S, Served<V> | undefined> {
    return this.#scope.one(
      sql.look,
      nothing,
      (structure) => [structure, column, structure],
      (row) => {
        const found = columnOf(row);
        if (found === undefined) return undefined;
        const served = { row: undefined, value: this.#scripts.value([found]) };
        this.#uses.found(column, found);
        return served;
      },
    );
  }

  #served(column: KeyColumn): Result<S, Served<V> | undefined> {
    return this.#scope.one(
      flights.served,
      nothing,
      (structure) => [structure, column],
      (row) => {
        const served = row && { row, value: this.#scripts.value(row) };
        this.#uses.found(column, row);
        return served;
      },
    );
  }

  /** Removes an entry because of whose file something has failed; throws what it has failed with otherwise. */
  #removing(column: KeyColumn, failure: unknown): (structure: number) => Script<void> {
    if (!(failure instanceof MissingFile) || this.#scope.readonly) throw failure;
    const { file } = failure;
    return function* (structure) {
      yield* run(flights.removeLost, structure, column, file);
    };
  }
}

/**
 * Whether what is served is to be refreshed meanwhile: it is stale; or it will be soon, by a chance that grows as that draws near, and with how long
 * it takes to work out (XFetch; Vattani, Chierichetti, Lowenstein: "Optimal probabilistic cache stampede prevention", 2015).
 */
export function isDue(row: ServedRow | undefined, { refreshAhead }: Producing): boolean {
  if (row === undefined) return false;
  const [, fresh, took] = row;
  if (fresh === null) return false;
  return fresh <= 0 || (took ?? 0) * refreshAhead * -Math.log(1 - Math.random()) >= fresh;
}
