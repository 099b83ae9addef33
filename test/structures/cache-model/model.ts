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

export interface ModelLimits {
  readonly eviction: Eviction;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What becomes of a call that is refused: a code, or the name of an error. */
export class Refused extends Error {}

/** What one object of the class remembers, and no transaction takes back. */
export interface Memory {
  /** As it was when the object was made. */
  readonly eviction: Eviction;
  readonly statistics: boolean;
  readonly ttl: number | undefined;
  hits: number;
  misses: number;
  readonly uses: Map<string, { uses: number; last: number }>;
}

export const idOf = (key: Key): string => JSON.stringify(key);

const isRanked = (eviction: Eviction): boolean =>
  eviction === 'least-recently-used' || eviction === 'least-frequently-used';

/** A use counts as that long ago when it is written: in the order of uses, and behind what was stored in the same moment. */
const usedBefore = 0.001;

/** All that a cache keeps. A transaction that is rolled back goes back to a copy. */
export class Model {
  entries = new Map<string, ModelEntry>();
  limits: ModelLimits = { eviction: 'least-recently-stored', maxBytes: 2 ** 30, maxEntries: Infinity };
  counts: CacheStats = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
  /** Errors that were kept for whoever asks, until then. */
  errors = new Map<string, { readonly until: number; readonly name: string }>();
  #aged = 0;
  #places = 0;
  readonly #now: () => Now;
  readonly #sizeOf: (key: Key, value: unknown) => number;
  /** Counts uses, of all objects. */
  readonly #uses: { count: number };

  constructor(now: () => Now, sizeOf: (key: Key, value: unknown) => number, uses = { count: 0 }) {
    this.#now = now;
    this.#sizeOf = sizeOf;
    this.#uses = uses;
  }

  copy(): Model {
    const copy = new Model(this.#now, this.#sizeOf, this.#uses);
    copy.entries = new Map([...this.entries].map(([id, entry]) => [id, { ...entry }]));
    copy.limits = this.limits;
    copy.counts = this.counts;
    copy.errors = new Map(this.errors);
    copy.#aged = this.#aged;
    copy.#places = this.#places;
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
    return this.inOrder().filter((entry) => this.#isLive(entry));
  }

  /** What has not expired. */
  live(key: Key): ModelEntry | undefined {
    const entry = this.entries.get(idOf(key));
    return entry && this.#isLive(entry) ? entry : undefined;
  }

  /** What may be served, even if it is stale. */
  servable(key: Key): ModelEntry | undefined {
    const entry = this.entries.get(idOf(key));
    return entry && (entry.expires ?? Infinity) > this.#now().steady ? entry : undefined;
  }

  isFresh({ fresh }: ModelEntry): boolean {
    return (fresh ?? Infinity) > this.#now().steady;
  }

  get(memory: Memory, key: Key): ModelEntry | undefined {
    const entry = this.live(key);
    this.count(memory, key, entry !== undefined);
    return entry;
  }

  count(memory: Memory, key: Key, found: boolean): void {
    if (memory.statistics && found) memory.hits++;
    if (memory.statistics && !found) memory.misses++;
    if (!found || !isRanked(memory.eviction)) return;
    const id = idOf(key);
    memory.uses.set(id, { uses: (memory.uses.get(id)?.uses ?? 0) + 1, last: ++this.#uses.count });
  }

  /** What an object remembers is written. */
  flush(memory: Memory): void {
    const { hits, misses } = this.counts;
    this.counts = { ...this.counts, hits: hits + memory.hits, misses: misses + memory.misses };
    const { steady, wall } = this.#now();
    for (const [id, { uses, last }] of memory.uses) {
      const entry = this.entries.get(id);
      if (entry === undefined) continue;
      const ago = usedBefore * (1 + this.#uses.count - last);
      entry.hits += uses;
      entry.used = Math.max(entry.used ?? 0, wall - ago);
      if (this.limits.eviction === 'least-frequently-used') entry.rank = this.#aged + entry.hits + 1;
      if (this.limits.eviction === 'least-recently-used') entry.rank = Math.max(entry.rank, steady - ago);
    }
    memory.uses.clear();
    memory.hits = 0;
    memory.misses = 0;
  }

  put(key: Key, value: unknown, { ttl, tags }: Keep): ModelEntry {
    const { steady, wall } = this.#now();
    const bytes = this.#sizeOf(key, value);
    const old = this.entries.get(idOf(key));
    this.#makeRoom(old, bytes, old === undefined ? 1 : 0);
    const entry: ModelEntry = {
      ...{ key, value, bytes, place: old?.place ?? ++this.#places, tags: [...new Set(tags)].sort() },
      ...{ stored: wall, expires: ttl === undefined ? undefined : steady + ttl, fresh: undefined },
      ...{ rank: 0, used: undefined, hits: 0 },
    };
    entry.rank = this.limits.eviction === 'least-frequently-used' ? this.#aged + 1 : steady;
    this.entries.set(idOf(key), entry);
    return entry;
  }

  /** Stores what was worked out. */
  produced(key: Key, value: unknown, keep: Keep, staleFor: number): void {
    const entry = this.put(key, value, keep);
    entry.fresh = entry.expires;
    if (entry.expires !== undefined) entry.expires += staleFor;
  }

  /** Another value, whose time and tags are as before. */
  update(key: Key, value: unknown, keep: Keep): void {
    const entry = this.live(key);
    if (value === undefined) {
      if (entry !== undefined) this.entries.delete(idOf(key));
      return;
    }
    if (entry === undefined) {
      this.put(key, value, keep);
      return;
    }
    const bytes = this.#sizeOf(key, value);
    this.#makeRoom(entry, bytes, 0);
    const { steady, wall } = this.#now();
    Object.assign(entry, { value, bytes, stored: wall });
    if (this.limits.eviction !== 'least-frequently-used') entry.rank = steady;
  }

  touch(key: Key, ttl: number | undefined): boolean {
    const entry = this.live(key);
    if (entry === undefined) return false;
    entry.expires = ttl === undefined ? undefined : this.#now().steady + ttl;
    entry.fresh = undefined;
    return true;
  }

  delete(key: Key): boolean {
    return this.live(key) !== undefined && this.entries.delete(idOf(key));
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

  /** Expired or not. */
  removeWhere(condition: (entry: ModelEntry) => boolean): number {
    const chosen = this.inOrder().filter(condition);
    this.#remove(chosen);
    return chosen.length;
  }

  setLimits(given: Partial<ModelLimits>): void {
    const before = this.limits.eviction;
    this.limits = { ...this.limits, ...given };
    if (this.limits.eviction === before) return;
    for (const entry of this.entries.values()) entry.rank = this.#rankAnew(entry);
  }

  /** Whether the order in which entries go would hang on how long ago, to the moment, they were used. */
  isDelicate(): boolean {
    const times = [...this.entries.values()].map(({ used, stored }) => Math.max(used ?? 0, stored));
    return times.some((a, i) =>
      times.some((b, j) => i !== j && Math.abs(a - b) < 300_000 && Math.abs(a - b) > 10),
    );
  }

  resetCounts(): void {
    this.counts = { hits: 0, misses: 0, evictions: 0, expirations: 0 };
  }

  #rankAnew({ used, stored, hits }: ModelEntry): number {
    const { steady, wall } = this.#now();
    if (this.limits.eviction === 'least-frequently-used') return this.#aged + hits + 1;
    const last = this.limits.eviction === 'least-recently-used' ? Math.max(used ?? 0, stored) : stored;
    return last - wall + steady;
  }

  #isLive(entry: ModelEntry): boolean {
    return (entry.fresh ?? entry.expires ?? Infinity) > this.#now().steady;
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
