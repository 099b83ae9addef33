import type { KeyColumn } from '../../core/key.js';
import { outside } from '../../core/outside.js';
import { lock, run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import { Moved } from './sharding.js';
import { sql, type Eviction } from './statements.js';

/** How long after an entry was read that is written, in milliseconds; of more than are written at once some wait for as long again. */
const writtenAfter = 1_000;
/**
 * How many entries that were read are written each time: to write one takes as long as two reads. Where more are read, which of them is left to
 * chance, so that what is read often is among them sooner or later, and what is not is not: how Redis, too, comes near to these policies.
 */
const mostRemembered = 1_000;
/** How many of them a transaction writes. */
const writtenAtOnce = 250;

interface Use {
  readonly key: KeyColumn;
  uses: number;
  /** By `performance.now()`. */
  last: number;
}

/** A key as it is told apart in a map. */
export const keyId = (key: KeyColumn): KeyColumn =>
  typeof key === 'object' ? `\0${Buffer.from(key).toString('latin1')}` : key;

/** What is to be written. */
export interface Taken {
  readonly hits: number;
  readonly misses: number;
  readonly uses: readonly Readonly<Use>[];
}

/** Which entries this object has read, and how often it has found none, until that is written: to read costs no transaction. */
export class Uses<S extends Kind> {
  readonly scope: Scope<S>;
  readonly #counts: boolean;
  /** Whether what is remembered can be written. */
  readonly #lasts: boolean;
  readonly #uses = new Map<KeyColumn, Use>();
  /** How many entries were not remembered, or not any more, since they were written. */
  #passed = 0;
  #hits = 0;
  #misses = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Has nothing written any more when the store closes. */
  #forget: (() => void) | undefined;
  /** Of the cache, as far as it is known here. */
  eviction: Eviction | undefined;

  /** @param counts - Whether hits and misses are counted. */
  constructor(scope: Scope<S>, counts: boolean) {
    this.scope = scope;
    this.#lasts = !scope.readonly;
    this.#counts = counts && this.#lasts;
  }

  /** Whether what was looked for is there, which is remembered. */
  found<R>(key: KeyColumn, row: R | undefined): row is R {
    if (row === undefined) this.#miss();
    else this.#hit(key);
    return row !== undefined;
  }

  #hit(key: KeyColumn): void {
    const isRanked =
      this.#lasts && (this.eviction === 'least-recently-used' || this.eviction === 'least-frequently-used');
    if (this.#counts) this.#hits++;
    if (isRanked) this.#remember(key);
    if (isRanked || this.#counts) this.#schedule();
  }

  #miss(): void {
    if (!this.#counts) return;
    this.#misses++;
    this.#schedule();
  }

  /** What is to be written; it is not remembered any more. */
  take(most = Infinity): Taken {
    const uses = [...this.#uses].slice(0, most);
    for (const [id] of uses) this.#uses.delete(id);
    const taken = { hits: this.#hits, misses: this.#misses, uses: uses.map(([, use]) => use) };
    this.#hits = 0;
    this.#misses = 0;
    return taken;
  }

  /** What was taken, and not written after all. */
  giveBack({ hits, misses, uses }: Taken): void {
    this.#hits += hits;
    this.#misses += misses;
    for (const { key, uses: times, last } of uses) this.#remember(key, times, last);
    if (hits + misses + uses.length > 0) this.#schedule();
  }

  #remember(key: KeyColumn, uses = 1, last = performance.now()): void {
    const id = keyId(key);
    const known = this.#uses.get(id);
    if (known !== undefined) {
      known.uses += uses;
      known.last = Math.max(known.last, last);
      return;
    }
    if (this.#uses.size >= mostRemembered && !this.#makeRoom()) return;
    this.#uses.set(id, { key, uses, last });
  }

  /** Forgets the one that was remembered first, by a chance that falls with how many there were (reservoir sampling; Vitter: "Random sampling with a reservoir", 1985). */
  #makeRoom(): boolean {
    this.#passed++;
    if (Math.random() * (mostRemembered + this.#passed) >= mostRemembered) return false;
    for (const [first] of this.#uses) return this.#uses.delete(first);
    return true;
  }

  #isScheduled(): boolean {
    return this.#timer !== undefined;
  }

  #schedule(): void {
    if (this.#isScheduled()) return;
    this.#forget ??= this.scope.onClose((structure) => writeUses(structure, this.take()));
    this.#timer = outside(() =>
      setTimeout(() => {
        this.#write().catch(nothing);
      }, writtenAfter),
    );
    this.#timer.unref();
  }

  async #write(): Promise<void> {
    this.#timer = undefined;
    this.#passed = 0;
    do {
      const taken = this.take(writtenAtOnce);
      try {
        await this.scope.soon((structure) => writeUses(structure, taken));
      } catch (error) {
        // What was read is as if nobody had: were it given back, all that can't be written would be tried again and again.
        this.#hits += taken.hits;
        this.#misses += taken.misses;
        // But for what is to be written elsewhere then.
        if (error instanceof Moved)
          for (const { key, uses, last } of taken.uses) this.#remember(key, uses, last);
        throw error;
      }
    } while (this.#uses.size >= writtenAtOnce);
    if (this.#uses.size > 0) this.#schedule();
    // More may have been read meanwhile.
    if (this.#isScheduled()) return;
    // Else the store would keep this in memory.
    this.#forget?.();
    this.#forget = undefined;
  }
}

export function* writeUses(structure: number, { hits, misses, uses }: Taken): Script<void> {
  yield* lock(structure);
  if (hits + misses > 0) yield* run(sql.counted, hits, misses, structure);
  const now = performance.now();
  for (const { key, uses: times, last } of uses) {
    const ago = Math.max(0, now - last);
    yield* run(sql.used, times, ago, times, ago, structure, key);
  }
}
