import { announce } from '../../core/announcing.js';
import { Columns, type ValueColumn } from '../../core/columns.js';
import { revivedError, storedError, type StoredError } from '../../core/failure.js';
import { Gate, type Patience } from '../../core/gate.js';
import type { Key, KeyColumn } from '../../core/key.js';
import { functionOf } from '../../core/options.js';
import { outside } from '../../core/outside.js';
import { alive, get, lock, owner, run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Observation, type Result, type Scope } from '../../core/store.js';
import { resolvePatience } from '../../core/waiting.js';
import { sql, type FlightRow, type ServedRow } from './flight-statements.js';
import { resolveProducing, type GetOrSetOptions, type Producing } from './options.js';
import { untilDone, type CacheScripts, type EncodedEntry } from './scripts.js';
import { keyId, type Uses } from './uses.js';

/** What works out the value of a key. `signal` is aborted when the store closes. */
export type Produce<V> = (context: { readonly signal: AbortSignal }) => V | PromiseLike<V>;

/** What stores a value that was worked out while the cache was moved to other shards. */
export interface Elsewhere<V> {
  /** Whether it is for that that something has failed. */
  hasMoved(error: unknown): boolean;
  keep(column: KeyColumn, value: V, producing: Producing, took: number): Promise<unknown>;
}

/** What a cache works with. */
interface CacheParts<S extends Kind, V, K extends Key> {
  readonly scope: Scope<S>;
  readonly scripts: CacheScripts<K, V>;
  readonly uses: Uses<S>;
  readonly elsewhere: Elsewhere<V>;
}

/** What comes of asking for a value that is to be worked out. */
type Claim =
  | { readonly column: unknown }
  | { readonly error: Error }
  | { readonly lead: number }
  | { readonly follow: number };

/** What has become of a flight of another. */
interface Progress {
  readonly over: boolean;
  readonly error: Error | undefined;
}

/** Values that are worked out once, whoever asks for them, in whichever process. */
export class Flights<S extends Kind, V, K extends Key> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<K, V>;
  readonly #uses: Uses<S>;
  readonly #elsewhere: Elsewhere<V>;
  readonly #ttl: number | null;
  readonly #errors: Columns<Key, StoredError>;
  /** Those that this object leads or follows, by key. */
  readonly #flights = new Map<KeyColumn, Promise<unknown>>();

  constructor({ scope, scripts, uses, elsewhere }: CacheParts<S, V, K>, ttl: number | null) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#uses = uses;
    this.#elsewhere = elsewhere;
    this.#ttl = ttl;
    this.#errors = new Columns(scope.kind);
  }

  async getOrSet(key: K, produce: Produce<V>, options: GetOrSetOptions | undefined): Promise<V> {
    this.#scope.refuseInTransaction('getOrSet()');
    functionOf('produce', produce);
    const producing = resolveProducing(options, this.#ttl);
    const patience = resolvePatience(this.#scope.closing, 'getOrSet()', producing.waiting);
    const column = this.#scripts.key(key);
    const row = await this.#look(column);
    if (row !== undefined) {
      if (isDue(row, producing)) this.#join(column, produce, producing, row).catch(nothing);
      return this.#scripts.value(row);
    }
    return this.#scripts.value([await settledWithin(this.#join(column, produce, producing), patience)]);
  }

  /** The same at once, by each who finds none: what is worked out without waiting has nobody to wait for. */
  getOrSetNow(key: K, produce: () => V, options: GetOrSetOptions | undefined): Result<S, V> {
    const scope = this.#scope;
    const prepare = () => ({
      column: this.#scripts.key(key),
      producing: resolveProducing(options, this.#ttl),
    });
    return scope.chain(scope.settled(prepare), ({ column, producing }) =>
      scope.chain(this.#look(column), (row) => this.#served(column, row, produce, producing)),
    );
  }

  /** What may be served; that counts as reading it. */
  #look(column: KeyColumn): Result<S, ServedRow | undefined> {
    return this.#scope.one(
      sql.served,
      nothing,
      (structure) => [structure, column],
      (row) => {
        if (row === undefined) this.#uses.miss();
        else this.#uses.hit(column);
        return row;
      },
    );
  }

  #served(
    column: KeyColumn,
    row: ServedRow | undefined,
    produce: () => V,
    producing: Producing,
  ): Result<S, V> {
    if (row !== undefined && !isDue(row, producing))
      return this.#scope.settled(() => this.#scripts.value(row));
    const began = performance.now();
    let value: V;
    try {
      value = produce();
    } catch (error) {
      if (row === undefined) throw error;
      return this.#scope.settled(() => this.#scripts.value(row));
    }
    return this.keep(column, value, producing, performance.now() - began);
  }

  /** Stores what was worked out, and gives it back, a copy. */
  keep(column: KeyColumn, value: V, { keeping, staleFor }: Producing, took: number): Result<S, V> {
    const entry = this.#scripts.encoded(column, value, keeping);
    return untilDone(
      this.#scope,
      nothing,
      (structure) => this.#put(structure, entry, staleFor, took),
      () => this.#scripts.value([copied(entry.column)]),
    );
  }

  /** Stores what was worked out; `undefined` where there is more to be removed first. */
  *#put(structure: number, entry: EncodedEntry, staleFor: number, took: number): Script<true | undefined> {
    if ((yield* this.#scripts.put(structure, entry)) === undefined) return undefined;
    yield* run(sql.produced, staleFor, took, structure, entry.key);
    return true;
  }

  /** All who ask here for a key get the same, each a copy: its column. */
  #join(column: KeyColumn, produce: Produce<V>, producing: Producing, seen?: ServedRow): Promise<unknown> {
    const id = keyId(column);
    const known = this.#flights.get(id);
    if (known !== undefined) return known;
    // It goes on for the others when the one who began it waits no more.
    const flight = outside(() => this.#fly(column, produce, producing, seen)).finally(() =>
      this.#flights.delete(id),
    );
    this.#flights.set(id, flight);
    return flight;
  }

  async #fly(
    column: KeyColumn,
    produce: Produce<V>,
    producing: Producing,
    seen: ServedRow | undefined,
  ): Promise<unknown> {
    for (;;) {
      const claim = await this.#scope.soon((structure) => this.#claim(structure, column, seen));
      if ('column' in claim) return claim.column;
      if ('error' in claim) throw claim.error;
      if ('lead' in claim) return this.#lead(claim.lead, column, produce, producing);
      // What is served meanwhile does not wait for it.
      if (seen !== undefined) return seen[0];
      const error = await this.#landing(column, claim.follow);
      if (error !== undefined) throw error;
    }
  }

  /** @param seen - What is to be refreshed, unless it has been since. */
  *#claim(structure: number, column: KeyColumn, seen: ServedRow | undefined): Script<Claim> {
    const own = yield* owner();
    yield* lock(structure);
    const row = yield* get(sql.served, structure, column);
    if (row !== undefined && (seen === undefined ? isFresh(row) : row[3] !== seen[3]))
      return { column: row[0] };
    const flight = yield* get(sql.flight, structure, column);
    if (flight !== undefined) {
      if (yield* isFlying(flight)) return { follow: flight[0] };
      const [, , , error, sticky] = flight;
      if (error !== null && (sticky ?? 0) > 0) return { error: this.#errorOf(error) };
      yield* run(sql.remove, structure, column);
    }
    yield* run(sql.begin, structure, column, own);
    return { lead: (yield* get(sql.flight, structure, column))?.[0] ?? 0 };
  }

  async #lead(id: number, column: KeyColumn, produce: Produce<V>, producing: Producing): Promise<unknown> {
    const began = performance.now();
    try {
      const value = await produce({ signal: this.#scope.closing });
      const took = performance.now() - began;
      const entry = this.#scripts.encoded(column, value, producing.keeping);
      const store = function* (this: Flights<S, V, K>, structure: number): Script<boolean> {
        // Others may have taken this store for dead, and work it out themselves.
        yield* lock(structure);
        if ((yield* get(sql.flight, structure, column))?.[0] !== id) return true;
        if ((yield* this.#put(structure, entry, producing.staleFor, took)) === undefined) return false;
        yield* run(sql.remove, structure, column);
        yield* announce(structure, [column]);
        return true;
      };
      try {
        while (!(await this.#scope.soon((structure) => store.call(this, structure))));
      } catch (error) {
        if (!this.#elsewhere.hasMoved(error)) throw error;
        await this.#elsewhere.keep(column, value, producing, took);
      }
      return copied(entry.column);
    } catch (error) {
      await this.#scope
        .soon((structure) => this.#fail(structure, id, column, error, producing.errorTtl))
        .catch(nothing);
      throw error;
    }
  }

  *#fail(structure: number, id: number, column: KeyColumn, error: unknown, sticky: number): Script<void> {
    yield* lock(structure);
    const stored = this.#errors.encodeValue(storedError(error), 'error').column;
    if ((yield* run(sql.fail, stored, sticky, id)) > 0) yield* announce(structure, [column]);
  }

  /** Waits until the flight of another is over; gives back what it has failed with. */
  async #landing(column: KeyColumn, id: number): Promise<Error | undefined> {
    const observation: Observation<Progress, Progress> = {
      interest: () => ({ mode: -1, low: column, high: column }),
      read: (structure) => this.#progress(structure, column, id),
      same: (a, b) => a.over === b.over,
      show: (progress) => progress,
    };
    for await (const { over, error } of this.#scope.watch(observation, undefined)) if (over) return error;
    return undefined;
  }

  *#progress(structure: number, column: KeyColumn, id: number): Script<Progress> {
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

/** What a promise gives, as long as the patience lasts. */
async function settledWithin<T>(promise: Promise<T>, patience: Patience): Promise<T> {
  const gate = new Gate();
  const state = { settled: false };
  const settle = (): void => {
    state.settled = true;
    gate.knock(true);
  };
  promise.then(settle, settle);
  while (!state.settled) await gate.pass(patience);
  return promise;
}

/** A value that was just encoded may share memory with what it was made of. */
const copied = (column: ValueColumn): ValueColumn =>
  typeof column === 'object' ? new Uint8Array(column) : column;

const isFresh = ([, fresh]: ServedRow): boolean => fresh === null || fresh > 0;

/**
 * Whether what is served is to be refreshed meanwhile: it is stale; or it will be soon, by a chance that grows as that draws near, and with how long it takes to work out (XFetch; Vattani, Chierichetti, Lowenstein: "Optimal
 * probabilistic cache stampede prevention", 2015).
 */
function isDue([, fresh, took]: ServedRow, { refreshAhead }: Producing): boolean {
  if (fresh === null) return false;
  return fresh <= 0 || (took ?? 0) * refreshAhead * -Math.log(1 - Math.random()) >= fresh;
}

/** Whether somebody who lives works it out. */
function* isFlying([, leader, token]: FlightRow): Script<boolean> {
  if (leader === null || token === null) return false;
  return leader === (yield* owner()) || (yield* alive(leader, token));
}
