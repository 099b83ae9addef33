import type { ValueColumn } from '../../core/columns.js';
import { HoldfastError } from '../../core/errors.js';
import { settledWithin, type Patience } from '../../core/gate.js';
import type { Key, KeyColumn } from '../../core/key.js';
import { functionOf } from '../../core/options.js';
import { outside, UnderWay, type Mark } from '../../core/outside.js';
import { nothing, type Kind, type Observation, type Result, type Scope } from '../../core/store.js';
import { resolvePatience } from '../../core/waiting.js';
import { FlightScripts, type Asking, type Claim, type Lead, type Progress } from './flight-scripts.js';
import { sql } from './flight-statements.js';
import type { Producing } from './options.js';
import type { CacheParts, Elsewhere, Produce } from './parts.js';
import { untilDone, type CacheScripts, type EncodedEntry } from './scripts.js';
import { isDue, Serving, type Served } from './serving.js';
import { keyId } from './uses.js';

/** After how many milliseconds it is told again that nobody works a value out any more. */
const toldAfter = 200;

/** A value that this object works out, or waits for. */
interface Flight {
  /** Its number, once it is known who works it out. */
  number: number | undefined;
  /** Resolves once that is known, or that nobody needs to. */
  readonly claimed: Promise<void>;
  /** The column of the value; `undefined` where it is to be looked for again. */
  readonly outcome: Promise<{ readonly column: unknown } | undefined>;
  /** What its work is known by where it asks for a value itself. */
  readonly mark: Mark;
}

const worked = new UnderWay();

/** Values that are worked out once, whoever asks for them, in whichever process. */
export class Flights<S extends Kind, V, K extends Key> {
  readonly #scope: Scope<S>;
  readonly #scripts: CacheScripts<K, V>;
  readonly #serving: Serving<S, V, K>;
  readonly #elsewhere: Elsewhere<V>;
  readonly #steps: FlightScripts<V, K>;
  /** The newest of each key. */
  readonly #flights = new Map<KeyColumn, Flight>();

  constructor({ scope, scripts, uses, elsewhere }: CacheParts<S, V, K>) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#serving = new Serving({ scope, scripts, uses });
    this.#elsewhere = elsewhere;
    this.#steps = new FlightScripts(scripts);
  }

  async getOrSet(key: K, produce: Produce<V>, producing: Producing): Promise<V> {
    this.#scope.refuseInTransaction('getOrSet()');
    functionOf('produce', produce);
    const patience = resolvePatience(this.#elsewhere.closing, 'getOrSet()', producing.waiting);
    const column = this.#scripts.key(key);
    const there = await this.#serving.look(column, producing);
    if (there !== undefined) {
      if (isDue(there.row, producing) && !this.#flights.has(keyId(column)))
        this.#begin(column, produce, producing, { seen: there.row }).outcome.catch(nothing);
      return there.value;
    }
    return this.#scripts.value([await this.#awaited(column, produce, producing, patience)]);
  }

  /** Works a value out and stores it, whatever is there: what others were working out is older, and is not stored any more. */
  async refresh(key: K, produce: Produce<V>, producing: Producing): Promise<V> {
    this.#scope.refuseInTransaction('refresh()');
    const patience = resolvePatience(this.#elsewhere.closing, 'refresh()', undefined);
    const column = this.#scripts.key(key);
    const { outcome: working } = this.#begin(column, produce, producing, { anew: true });
    const outcome = await settledWithin(working, patience);
    return this.#scripts.value([outcome?.column]);
  }

  /** The same as {@link getOrSet} at once: where another works the value out, this one does, too, and stores nothing. */
  getOrSetNow(key: K, produce: () => V, producing: Producing): Result<S, V> {
    const scope = this.#scope;
    return scope.chain(this.#column(key), (column) =>
      scope.chain(this.#serving.lookNow(column, producing), (there) => {
        if (there === undefined) return this.#workedOut(column, produce, producing, {});
        const served = (): Result<S, V> => scope.settled(() => there.value);
        if (!isDue(there.row, producing)) return served();
        // Also where nothing can be written: only an embedded store works at once, and it throws.
        try {
          return this.#workedOut(column, produce, producing, { seen: there.row }, there);
        } catch {
          return served();
        }
      }),
    );
  }

  /** The same as {@link refresh} at once. */
  refreshNow(key: K, produce: () => V, producing: Producing): Result<S, V> {
    return this.#scope.chain(this.#column(key), (column) =>
      this.#workedOut(column, produce, producing, { anew: true }),
    );
  }

  #column(key: K): Result<S, KeyColumn> {
    return this.#scope.settled(() => this.#scripts.key(key));
  }

  /** Stores what was worked out, and gives it back, a copy. */
  storeProduced(column: KeyColumn, value: V, { keeping, staleFor }: Producing, took: number): Result<S, V> {
    const entry = this.#scripts.encoded(column, value, keeping);
    const kept = this.#scripts.withFile(this.#scope, entry, (filed) =>
      untilDone(
        this.#scope,
        nothing,
        (structure) => this.#steps.store(structure, filed, staleFor, took),
        nothing,
      ),
    );
    return this.#scope.after(kept, () => this.#scripts.value([copied(entry.column)]));
  }

  /** The column of a value that was not there. What was cancelled since the caller has asked must not be what it gets. */
  async #awaited(
    column: KeyColumn,
    produce: Produce<V>,
    producing: Producing,
    patience: Patience,
  ): Promise<unknown> {
    const id = keyId(column);
    for (;;) {
      const known = this.#flights.get(id);
      if (known !== undefined && known.number === undefined) await settledWithin(known.claimed, patience);
      else {
        const flight = known !== undefined && (await this.#isUp(column, known)) ? known : undefined;
        // While it was looked up, another caller may have begun one.
        if (flight === undefined && this.#flights.get(id) !== known) continue;
        if (flight !== undefined && worked.now.includes(flight.mark)) throw waitsForItself();
        const { outcome } = flight ?? this.#begin(column, produce, producing, {});
        const landed = await settledWithin(outcome, patience);
        if (landed !== undefined) return landed.column;
      }
      const there = await this.#serving.find(column);
      if (there !== undefined) return there.column;
    }
  }

  /** Whether it was not cancelled, and has not failed. */
  #isUp(column: KeyColumn, { number }: Flight): Result<S, boolean> {
    return this.#scope.one(
      sql.flight,
      nothing,
      (structure) => [structure, column],
      (row) => row?.[0] === number && row?.[3] === null,
    );
  }

  /** It goes on for the others when the one who began it waits no more. All who wait here get the same, each a copy: its column. */
  #begin(column: KeyColumn, produce: Produce<V>, producing: Producing, asking: Asking): Flight {
    const id = keyId(column);
    const { tags } = producing.keeping;
    const mark: Mark = { isOver: false };
    const bind = (): Produce<V> => worked.bound(mark, produce);
    // Nobody who was served waits for it: it must take part in nothing that the caller holds.
    const work = asking.seen === undefined ? bind() : outside(bind);
    return outside(() => {
      let begun: number | undefined;
      const claim = this.#scope.soon((structure) =>
        this.#steps.claim(structure, column, tags, asking, (number) => (begun = number)),
      );
      claim.catch((failure: unknown) => {
        // On a server the answer to its commit may have been lost. On an embedded store it was rolled back, and its number may be another's by now.
        if (begun !== undefined && this.#scope.kind === 'server') this.#abandon(column, begun, failure);
      });
      const over = (): void => {
        if (this.#flights.get(id) === flight) this.#flights.delete(id);
      };
      // Before it is worked out: who joins until then gets nothing that is too old.
      const claimed = claim.then((to) => {
        if ('lead' in to) flight.number = to.lead.number;
        else if ('follow' in to) flight.number = to.follow;
        else over();
      }, over);
      const outcome = claim.then((to) => this.#outcome(to, column, work, producing, asking)).finally(over);
      const flight: Flight = { number: undefined, claimed, outcome, mark };
      this.#flights.set(id, flight);
      return flight;
    });
  }

  async #outcome(
    claim: Claim,
    column: KeyColumn,
    produce: Produce<V>,
    producing: Producing,
    { seen }: Asking,
  ): Promise<{ readonly column: unknown } | undefined> {
    if ('column' in claim) return claim;
    if ('error' in claim) throw claim.error;
    if ('lead' in claim) return { column: await this.#lead(claim.lead, column, produce, producing) };
    // Who was served something does not wait.
    const error = seen === undefined ? await this.#landing(column, claim.follow) : undefined;
    if (error !== undefined) throw error;
    return undefined;
  }

  async #lead(lead: Lead, column: KeyColumn, produce: Produce<V>, producing: Producing): Promise<unknown> {
    const began = performance.now();
    try {
      const value = await produce({ signal: this.#elsewhere.closing });
      const took = performance.now() - began;
      const entry = this.#scripts.encoded(column, value, producing.keeping);
      try {
        await this.#scripts.withFileSoon(entry, (filed) => this.#land(lead, filed, producing.staleFor, took));
      } catch (error) {
        if (!this.#elsewhere.hasMoved(error)) throw error;
        await this.#elsewhere.storeProduced(column, value, producing, took);
      }
      // Also what was cancelled is for those who had asked before: worked out again, it might be cancelled again, and so on.
      return copied(entry.column);
    } catch (error) {
      const fail = (structure: number) =>
        this.#steps.fail(structure, lead, column, error, producing.errorTtl);
      await this.#scope.soon(fail).catch((failure: unknown) => {
        this.#abandon(column, lead.number, failure);
      });
      throw error;
    }
  }

  /**
   * That nobody works it out any more, which can't be told now, since the disk is full, say, is told as soon as it can be: all others would wait for
   * as long as this store is open.
   *
   * @param failure - Why it can't: where the cache has been moved there is nothing left to be told.
   */
  #abandon(column: KeyColumn, number: number, failure: unknown): void {
    if (this.#elsewhere.hasMoved(failure)) return;
    const timer = setTimeout(() => {
      if (this.#scope.closing.aborted) return;
      this.#scope
        .soon((structure) => this.#steps.abandon(structure, column, number))
        .catch((again: unknown) => {
          this.#abandon(column, number, again);
        });
    }, toldAfter);
    timer.unref();
  }

  async #land(lead: Lead, entry: EncodedEntry, staleFor: number, took: number): Promise<boolean> {
    for (;;) {
      const isStored = await this.#scope.soon((structure) =>
        this.#steps.land(structure, lead, entry, staleFor, took),
      );
      if (isStored !== undefined) return isStored;
    }
  }

  /** The same at once. */
  #workedOut(
    column: KeyColumn,
    produce: () => V,
    producing: Producing,
    asking: Asking,
    there?: Served<V>,
  ): Result<S, V> {
    const scope = this.#scope;
    const { keeping, staleFor, errorTtl } = producing;
    const claim = scope.write(nothing, (structure) =>
      this.#steps.claim(structure, column, keeping.tags, asking),
    );
    return scope.chain(claim, (to) => {
      if ('column' in to) return scope.settled(() => this.#scripts.value([to.column]));
      if (there !== undefined && !('lead' in to)) return scope.settled(() => there.value);
      if ('error' in to) throw to.error;
      if ('follow' in to) return scope.settled(produce);
      const began = performance.now();
      try {
        const value = produce();
        const took = performance.now() - began;
        const entry = this.#scripts.encoded(column, value, keeping);
        const landed = this.#scripts.withFile(
          scope,
          entry,
          (filed) => {
            const land = (structure: number) => this.#steps.land(structure, to.lead, filed, staleFor, took);
            return untilDone(scope, nothing, land, (isStored) => isStored === true);
          },
          (isStored) => isStored,
        );
        return scope.after(landed, () => this.#scripts.value([copied(entry.column)]));
      } catch (error) {
        const fail = (structure: number) => this.#steps.fail(structure, to.lead, column, error, errorTtl);
        // Only an embedded store works at once, and it throws.
        try {
          void scope.write(nothing, fail);
        } catch (failure) {
          this.#abandon(column, to.lead.number, failure);
        }
        if (there === undefined) throw error;
        return scope.settled(() => there.value);
      }
    });
  }

  /** Waits until the flight of another is over; gives back what it has failed with. */
  async #landing(column: KeyColumn, id: number): Promise<Error | undefined> {
    const observation: Observation<Progress, Progress> = {
      interest: () => ({ mode: -1, low: column, high: column }),
      read: (structure) => this.#steps.progress(structure, column, id),
      same: (a, b) => a.over === b.over,
      show: (progress) => progress,
    };
    for await (const { over, error } of this.#scope.watch(observation, undefined)) if (over) return error;
    return undefined;
  }
}

const waitsForItself = (): HoldfastError =>
  new HoldfastError('ERR_DEADLOCK', 'what works a value out would wait for itself: it asks for its key');

/** A value that was just encoded may share memory with what it was made of. */
const copied = (column: ValueColumn): ValueColumn =>
  typeof column === 'object' ? new Uint8Array(column) : column;
