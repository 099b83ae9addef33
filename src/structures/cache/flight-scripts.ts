import { announce } from '../../core/announcing.js';
import { Columns } from '../../core/columns.js';
import { revivedError, storedError, type StoredError } from '../../core/failure.js';
import type { Key, KeyColumn } from '../../core/key.js';
import { alive, get, lock, owner, run, type Script } from '../../core/script.js';
import { sql, type FlightRow, type ServedRow } from './flight-statements.js';
import type { CacheScripts, EncodedEntry } from './scripts.js';

/** The flight of whoever is to work a value out: its number, and when what it is to replace was stored. */
export interface Lead {
  readonly number: number;
  readonly stored: number | undefined;
}

/** What comes of asking for a value that is to be worked out. */
export type Claim =
  | { readonly column: unknown }
  | { readonly error: Error }
  | { readonly lead: Lead }
  | { readonly follow: number };

/** How it is asked for: to refresh what was `seen`, unless it has been since; or `anew`, whatever is there, and whoever works it out. */
export interface Asking {
  readonly seen?: ServedRow | undefined;
  readonly anew?: boolean;
}

/** What has become of a flight of another. */
export interface Progress {
  readonly over: boolean;
  readonly error: Error | undefined;
}

/** How flights begin and end, each step in a transaction. */
export class FlightScripts<V, K extends Key> {
  readonly #scripts: CacheScripts<K, V>;
  readonly #errors: Columns<Key, StoredError>;

  constructor(scripts: CacheScripts<K, V>) {
    this.#scripts = scripts;
    this.#errors = new Columns(scripts.kind);
  }

  *claim(
    structure: number,
    column: KeyColumn,
    tags: readonly string[],
    { seen, anew = false }: Asking,
    begun: (number: number) => void = () => undefined,
  ): Script<Claim> {
    const own = yield* owner();
    yield* lock(structure);
    const row = anew ? undefined : yield* get(sql.served, structure, column);
    if (row !== undefined && (seen === undefined ? isFresh(row) : row[3] !== seen[3]))
      return { column: this.#scripts.loaded(row[0]) };
    const flight = yield* get(sql.flight, structure, column);
    if (flight !== undefined) {
      const [number, , , error, sticky] = flight;
      if (!anew && (yield* isFlying(flight))) return { follow: number };
      if (!anew && error !== null && (sticky ?? 0) > 0) return { error: this.#errorOf(error) };
      yield* run(sql.remove, structure, column);
      if (anew) yield* announce(structure, [column]);
    }
    const stored = (yield* get(sql.stored, structure, column))?.[0];
    yield* run(sql.begin, structure, column, own, tags.length === 0 ? null : JSON.stringify(tags));
    const number = (yield* get(sql.flight, structure, column))?.[0] ?? 0;
    begun(number);
    return { lead: { number, stored } };
  }

  /** Stores what was worked out, unless something else was meanwhile, which is newer; `undefined` where there is more to be removed first. Tells whether it was stored. */
  *land(
    structure: number,
    lead: Lead,
    entry: EncodedEntry,
    staleFor: number,
    took: number,
  ): Script<boolean | undefined> {
    const standing = yield* this.#standing(structure, lead, entry.key);
    if (standing === 'cancelled') return false;
    if (standing === 'alone' && (yield* this.store(structure, entry, staleFor, took)) === undefined)
      return undefined;
    yield* run(sql.remove, structure, entry.key);
    yield* announce(structure, [entry.key]);
    return standing === 'alone';
  }

  /** Stores what was worked out; `undefined` where there is more to be removed first. */
  *store(structure: number, entry: EncodedEntry, staleFor: number, took: number): Script<true | undefined> {
    if ((yield* this.#scripts.put(structure, entry)) === undefined) return undefined;
    yield* run(sql.produced, staleFor, took, structure, entry.key);
    return true;
  }

  *fail(structure: number, lead: Lead, column: KeyColumn, error: unknown, sticky: number): Script<void> {
    const standing = yield* this.#standing(structure, lead, column);
    if (standing === 'cancelled') return;
    const stored = this.#errors.encodeValue(storedError(error), 'error').column;
    yield* standing === 'alone'
      ? run(sql.fail, stored, sticky, lead.number)
      : run(sql.remove, structure, column);
    yield* announce(structure, [column]);
  }

  /** Ends a flight whose end could not be told. */
  *abandon(structure: number, column: KeyColumn, number: number): Script<void> {
    yield* lock(structure);
    if ((yield* get(sql.flight, structure, column))?.[0] !== number) return;
    yield* run(sql.remove, structure, column);
    yield* announce(structure, [column]);
  }

  /**
   * What has become of a flight when it is to end: cancelled, also by who took this store for dead; or something else was stored, say by `set`. What
   * has gone without being cancelled had expired, or there was no room.
   */
  *#standing(
    structure: number,
    { number, stored }: Lead,
    column: KeyColumn,
  ): Script<'cancelled' | 'outdone' | 'alone'> {
    yield* lock(structure);
    if ((yield* get(sql.flight, structure, column))?.[0] !== number) return 'cancelled';
    const there = yield* get(sql.stored, structure, column);
    return there === undefined || there[0] === stored ? 'alone' : 'outdone';
  }

  *progress(structure: number, column: KeyColumn, id: number): Script<Progress> {
    const flight = yield* get(sql.flight, structure, column);
    if (flight?.[0] !== id) return { over: true, error: undefined };
    const [, , , error] = flight;
    if (error !== null) return { over: true, error: this.#errorOf(error) };
    return { over: !(yield* isFlying(flight)), error: undefined };
  }

  #errorOf(column: unknown): Error {
    return revivedError(this.#errors.decodeValue(column));
  }
}

const isFresh = ([, fresh]: ServedRow): boolean => fresh === null || fresh > 0;

/** Whether somebody who lives works it out. */
function* isFlying([, leader, token]: FlightRow): Script<boolean> {
  if (leader === null || token === null) return false;
  return leader === (yield* owner()) || (yield* alive(leader, token));
}
