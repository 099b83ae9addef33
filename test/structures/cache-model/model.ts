import type { CacheStats, Eviction, Key } from '../../../src/index.js';

/** Where a time is needed: milliseconds. */
export interface Now {
  /** By the clock that nobody sets. */
  readonly steady: number;
  readonly wall: number;
}

/** How an entry is stored. `ttl` in milliseconds. */
export interface Keep {
  readonly ttl: number | undefined;
  readonly tags: readonly string[];
  /** Whether large values become files. */
  readonly filed: boolean;
}

export interface ModelEntry {
  readonly key: Key;
  /** Its place in the order of insertion. */
  readonly place: number;
  value: unknown;
  bytes: number;
  tags: readonly string[];
  stored: number;
  expires: number | undefined;
  /** Until when it is fresh, where that is not as long as it is there. */
  fresh: number | undefined;
  rank: number;
  used: number | undefined;
  hits: number;
}

/** That a value is being worked out; or, with an error, that this has failed. */
export interface Flight {
  readonly number: number;
  readonly tags: readonly string[];
  /** When what it is to replace was stored. */
  readonly stored: number | undefined;
  readonly error: { readonly until: number; readonly name: string } | undefined;
}

export type Claim =
  | { readonly served: ModelEntry }
  | { readonly error: string }
  | { readonly lead: Flight }
  | { readonly follow: true };

export interface ModelLimits {
  readonly eviction: Eviction;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What becomes of a call that is refused: a code, or the name of an error. */
export class Refused extends Error {}

/** What one object of the class remembers of one shard. No transaction takes it back; one that is rolled back gives back what was written in it. */
export interface Memory {
  /** As far as it is known there. */
  eviction: Eviction;
  readonly statistics: boolean;
  hits: number;
  misses: number;
  readonly uses: Map<string, { uses: number; last: number }>;
}

export type SizeOf = (key: Key, value: unknown, filed: boolean) => number;

export const idOf = (key: Key): string => JSON.stringify(key);

/** For how long an error stays that nobody gets any more. */
const errorsKept = 60_000;

const isRanked = (eviction: Eviction): boolean =>
  eviction === 'least-recently-used' || eviction === 'least-frequently-used';

/** Remembers that something was looked for, at a time of the process. */
export function remember(memory: Memory, key: Key, found: boolean, at: number): void {
  if (memory.statistics && found) memory.hits++;
  if (memory.statistics && !found) memory.misses++;
  if (!found || !isRanked(memory.eviction)) return;
  const id = idOf(key);
  memory.uses.set(id, { uses: (memory.uses.get(id)?.uses ?? 0) + 1, last: at });
}

/** Tells how what is remembered now comes back, should it be taken. */
export function keepsake(memory: Memory): () => void {
  const { hits, misses } = memory;
  const uses = new Map(memory.uses);
  return () => {
    memory.hits += hits;
    memory.misses += misses;
    for (const [id, taken] of uses) {
      const since = memory.uses.get(id);
      const last = Math.max(taken.last, since?.last ?? 0);
      memory.uses.set(id, { uses: taken.uses + (since?.uses ?? 0), last });
    }
  };
}

/** All that one shard keeps. A transaction that is rolled back goes back to a copy. */
export class Model {
  entries = new Map<string, ModelEntry>();
  flights = new Map<string, Flight>();
  limits: ModelLimits = { eviction: 'least-recently-stored', maxBytes: 2 ** 30, maxEntries: Infinity };
  counts: CacheStats = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
  /** When something was given a time last, by the steady clock. */
  timed = -Infinity;
  #aged = 0;
  #places = 0;
  #numbers = 0;
  readonly #now: () => Now;
  readonly #sizeOf: SizeOf;

  constructor(now: () => Now, sizeOf: SizeOf) {
    this.#now = now;
    this.#sizeOf = sizeOf;
  }

  copy(): Model {
    const copy = new Model(this.#now, this.#sizeOf);
    copy.entries = new Map([...this.entries].map(([id, entry]) => [id, { ...entry }]));
    copy.flights = new Map(this.flights);
    copy.limits = this.limits;
    copy.counts = this.counts;
    copy.timed = this.timed;
    copy.#aged = this.#aged;
    copy.#places = this.#places;
    copy.#numbers = this.#numbers;
    return copy;
  }

  get size(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return [...this.entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** In the order of insertion. */
  inOrder(): ModelEntry[] {
    return [...this.entries.values()].sort((a, b) => a.place - b.place);
  }

  listed(): ModelEntry[] {
    return this.inOrder().filter((entry) => this.isFresh(entry));
  }

  /** What has not expired. */
  live(key: Key): ModelEntry | undefined {
    const entry = this.entries.get(idOf(key));
    return entry && this.isFresh(entry) ? entry : undefined;
  }

  /** What may be served, even if it is stale. */
  servable(key: Key): ModelEntry | undefined {
    const entry = this.entries.get(idOf(key));
    return entry && (entry.expires ?? Infinity) > this.#now().steady ? entry : undefined;
  }

  isFresh({ fresh, expires }: ModelEntry): boolean {
    return (fresh ?? expires ?? Infinity) > this.#now().steady;
  }

  /** What an object remembers is written; `at` is the time of the process. */
  flush(memory: Memory, at: number): void {
    const { hits, misses } = this.counts;
    this.counts = { ...this.counts, hits: hits + memory.hits, misses: misses + memory.misses };
    const { steady, wall } = this.#now();
    for (const [id, { uses, last }] of memory.uses) {
      const entry = this.entries.get(id);
      if (entry === undefined) continue;
      const ago = at - last;
      entry.hits += uses;
      entry.used = Math.max(entry.used ?? 0, wall - ago);
      if (this.limits.eviction === 'least-frequently-used') entry.rank = this.#aged + entry.hits + 1;
      if (this.limits.eviction === 'least-recently-used') entry.rank = Math.max(entry.rank, steady - ago);
    }
    memory.uses.clear();
    memory.hits = 0;
    memory.misses = 0;
  }

  put(key: Key, value: unknown, { ttl, tags, filed }: Keep): ModelEntry {
    const { steady, wall } = this.#now();
    const bytes = this.#sizeOf(key, value, filed);
    const old = this.entries.get(idOf(key));
    this.#makeRoom(old, bytes, old === undefined ? 1 : 0);
    const entry: ModelEntry = {
      ...{ key, value, bytes, place: old?.place ?? ++this.#places, tags: [...new Set(tags)].sort() },
      ...{ stored: wall, expires: ttl === undefined ? undefined : steady + ttl, fresh: undefined },
      ...{ rank: 0, used: undefined, hits: 0 },
    };
    entry.rank = this.limits.eviction === 'least-frequently-used' ? this.#aged + 1 : steady;
    if (ttl !== undefined) this.timed = steady;
    this.entries.set(idOf(key), entry);
    return entry;
  }

  /** Another value, whose time and tags are as before. */
  update(key: Key, value: unknown, keep: Keep): void {
    if (value === undefined) {
      this.#cancel(key);
      this.entries.delete(idOf(key));
      return;
    }
    const entry = this.live(key);
    if (entry === undefined) {
      this.put(key, value, keep);
      return;
    }
    const bytes = this.#sizeOf(key, value, keep.filed);
    this.#makeRoom(entry, bytes, 0);
    const { steady, wall } = this.#now();
    Object.assign(entry, { value, bytes, stored: wall });
    if (this.limits.eviction !== 'least-frequently-used') entry.rank = steady;
  }

  /** It may be served stale for as long as before. */
  touch(key: Key, ttl: number | undefined): boolean {
    const entry = this.live(key);
    if (entry === undefined) return false;
    const { fresh, expires } = entry;
    const { steady } = this.#now();
    const stale = fresh === undefined || expires === undefined ? 0 : expires - fresh;
    const until = ttl === undefined ? undefined : steady + ttl;
    entry.expires = until === undefined ? undefined : until + stale;
    entry.fresh = fresh === undefined ? undefined : until;
    if (ttl !== undefined) this.timed = steady;
    return true;
  }

  /** Also what has expired goes; tells whether there was what had not. */
  delete(key: Key): boolean {
    this.#cancel(key);
    const wasLive = this.live(key) !== undefined;
    this.entries.delete(idOf(key));
    return wasLive;
  }

  expire(): number {
    const expired = this.#expired();
    this.#remove(expired);
    this.#counted('expirations', expired.length);
    return expired.length;
  }

  cull(): number {
    const expired = this.expire();
    if (this.limits.eviction === 'none') return expired;
    return expired + this.#evict(undefined, 0, 0);
  }

  invalidate(tags: readonly string[]): number {
    const has = (own: readonly string[] = []): boolean => own.some((tag) => tags.includes(tag));
    for (const [id, flight] of this.flights)
      if (has(flight.tags) || has(this.entries.get(id)?.tags)) this.flights.delete(id);
    return this.#removeWhere((entry) => has(entry.tags));
  }

  clear(): number {
    this.flights.clear();
    return this.#removeWhere(() => true);
  }

  /** Begins to work a value out, or tells why not; `seen` is what was served meanwhile. */
  claim(key: Key, tags: readonly string[], seen: number | undefined): Claim {
    const row = this.servable(key);
    if (row !== undefined && (seen === undefined ? this.isFresh(row) : row.stored !== seen))
      return { served: row };
    const flight = this.flights.get(idOf(key));
    if (flight !== undefined && flight.error === undefined) return { follow: true };
    if (flight?.error !== undefined && flight.error.until > this.#now().steady)
      return { error: flight.error.name };
    const stored = this.entries.get(idOf(key))?.stored;
    const lead: Flight = { number: ++this.#numbers, tags, stored, error: undefined };
    this.flights.set(idOf(key), lead);
    return { lead };
  }

  /** Stores what was worked out, unless it was cancelled, or something else was stored since. */
  land(lead: Flight, key: Key, value: unknown, keep: Keep, staleFor: number): void {
    const standing = this.#standing(lead, key);
    if (standing === 'cancelled') return;
    if (standing === 'alone') {
      const entry = this.put(key, value, keep);
      entry.fresh = entry.expires;
      if (entry.expires !== undefined) entry.expires += staleFor;
    }
    this.flights.delete(idOf(key));
  }

  fail(lead: Flight, key: Key, name: string, errorTtl: number): void {
    const standing = this.#standing(lead, key);
    if (standing === 'cancelled') return;
    if (standing === 'outdone') this.flights.delete(idOf(key));
    else this.flights.set(idOf(key), { ...lead, error: { until: this.#now().steady + errorTtl, name } });
  }

  setLimits(limits: ModelLimits): void {
    const before = this.limits.eviction;
    this.limits = limits;
    if (limits.eviction === before) return;
    for (const entry of this.entries.values()) entry.rank = this.#rankAnew(entry);
  }

  resetCounts(): void {
    this.counts = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
  }

  /** Those that nobody gets any more. After a boot the clock may be before where it was: they must not come back then. */
  forgetErrors(): void {
    const long = this.#now().steady - errorsKept;
    for (const [id, { error }] of this.flights)
      if ((error?.until ?? Infinity) < long) this.flights.delete(id);
  }

  /** The keys whose errors are told to whoever asks, yet. */
  get keptErrors(): string[] {
    const { steady } = this.#now();
    return [...this.flights].filter(([, { error }]) => (error?.until ?? 0) > steady).map(([id]) => id);
  }

  #standing({ number, stored }: Flight, key: Key): 'cancelled' | 'outdone' | 'alone' {
    if (this.flights.get(idOf(key))?.number !== number) return 'cancelled';
    const there = this.entries.get(idOf(key));
    return there === undefined || there.stored === stored ? 'alone' : 'outdone';
  }

  #cancel(key: Key): void {
    this.flights.delete(idOf(key));
  }

  #removeWhere(condition: (entry: ModelEntry) => boolean): number {
    const chosen = this.inOrder().filter(condition);
    this.#remove(chosen);
    return chosen.length;
  }

  #rankAnew({ used, stored, hits }: ModelEntry): number {
    const { steady, wall } = this.#now();
    if (this.limits.eviction === 'least-frequently-used') return this.#aged + hits + 1;
    const last = this.limits.eviction === 'least-recently-used' ? Math.max(used ?? 0, stored) : stored;
    return last - wall + steady;
  }

  #expired(): ModelEntry[] {
    const { steady } = this.#now();
    return this.inOrder()
      .filter(({ expires }) => (expires ?? Infinity) <= steady)
      .sort((a, b) => (a.expires ?? 0) - (b.expires ?? 0));
  }

  /** Room for `size` bytes of one that takes the place of `kept`, or for one more. */
  #makeRoom(kept: ModelEntry | undefined, size: number, more: number): void {
    const { maxBytes, maxEntries, eviction } = this.limits;
    if (size > maxBytes) throw new Refused('ERR_TOO_LARGE');
    const needed = size - (kept?.bytes ?? 0);
    let [bytes, entries] = [this.bytes + needed, this.size + more];
    const expired: ModelEntry[] = [];
    for (const entry of this.#expired()) {
      if (bytes <= maxBytes && entries <= maxEntries) break;
      if (entry === kept) continue;
      expired.push(entry);
      bytes -= entry.bytes;
      entries--;
    }
    if (eviction === 'none' && (bytes > maxBytes || entries > maxEntries)) throw new Refused('ERR_FULL');
    this.#remove(expired);
    this.#counted('expirations', expired.length);
    this.#evict(kept, needed, more);
  }

  #evict(kept: ModelEntry | undefined, bytes: number, more: number): number {
    const { maxBytes, maxEntries, eviction } = this.limits;
    const victims = this.inOrder().sort((a, b) => a.rank - b.rank);
    let evicted = 0;
    for (const victim of victims) {
      if (this.bytes + bytes <= maxBytes && this.size + more <= maxEntries) break;
      if (victim === kept) continue;
      this.#remove([victim]);
      if (eviction === 'least-frequently-used') this.#aged = victim.rank;
      evicted++;
    }
    this.#counted('evictions', evicted);
    return evicted;
  }

  #counted(what: 'evictions' | 'expirations', count: number): void {
    this.counts = { ...this.counts, [what]: this.counts[what] + count };
  }

  #remove(entries: readonly ModelEntry[]): void {
    for (const { key } of entries) this.entries.delete(idOf(key));
  }
}
