import type { CacheStats, Eviction, Key } from '../../../src/index.js';
import { shardOf } from '../../../src/structures/cache/sharding.js';
import { keepsake, Model, Refused, remember, type Keep, type Memory, type ModelEntry, type ModelLimits, type SizeOf } from './model.js'; // prettier-ignore
import type { SimulatedTime } from './time.js';

/** What one object of the class is given for itself, and what it remembers of each shard. */
export interface ObjectMemory {
  readonly ttl: number | undefined;
  /** Whether large values become files. */
  readonly filed: boolean;
  readonly parts: readonly Memory[];
}

/** A cache as a whole: its shards, each with its part of the limits. */
export class Whole {
  shards: Model[];
  limits: ModelLimits = { eviction: 'least-recently-stored', maxBytes: 2 ** 30, maxEntries: Infinity };
  inTransaction = false;
  /** What else is to be done should the transaction be rolled back. */
  undo: (() => void)[] = [];
  /** By how much the steady clock of each shard is ahead of the monotonic one. */
  readonly #ahead: number[];
  readonly #time: SimulatedTime;

  constructor(shards: number, time: SimulatedTime, sizeOf: SizeOf) {
    this.#time = time;
    this.#ahead = Array.from({ length: shards }, () => 0);
    this.shards = this.#ahead.map((_, i) => new Model(() => this.nowOf(i), sizeOf));
  }

  nowOf(shard: number): { steady: number; wall: number } {
    return { steady: this.#time.now + this.#ahead[shard]!, wall: this.#time.wall() };
  }

  /** After a boot. */
  goOnAt(shard: number, steady: number): void {
    this.#ahead[shard] = steady - this.#time.now;
  }

  copies(): Model[] {
    return this.shards.map((shard) => shard.copy());
  }

  memory(statistics: boolean, ttl: number | undefined, filed: boolean): ObjectMemory {
    const { eviction } = this.limits;
    return {
      ttl,
      filed,
      parts: this.shards.map(() => ({ eviction, statistics, hits: 0, misses: 0, uses: new Map() })),
    };
  }

  shardOf(key: Key): number {
    return this.shards.length === 1 ? 0 : shardOf(key, this.shards.length);
  }

  at(key: Key): Model {
    return this.shards[this.shardOf(key)]!;
  }

  sum(of: (shard: Model) => number): number {
    return this.shards.reduce((sum, shard) => sum + of(shard), 0);
  }

  /** Changes all of them; tells how many entries that were. */
  removal(of: (shard: Model) => number): number {
    this.mayWrite();
    return this.sum(of);
  }

  /** What is in shards is not part of a transaction. */
  get canWrite(): boolean {
    return !this.inTransaction || this.shards.length === 1;
  }

  mayWrite(): void {
    if (!this.canWrite) throw new Refused('ERR_IN_TRANSACTION');
  }

  /** What is refused changes nothing. */
  write<T>(key: Key, work: (shard: Model) => T): T {
    this.mayWrite();
    return this.#wholly(this.shardOf(key), work);
  }

  /** All or none of what is in one shard. */
  writeMany<I>(items: readonly I[], keyOf: (item: I) => Key, work: (shard: Model, item: I) => void): void {
    if (items.length > 0) this.mayWrite();
    for (const i of this.shards.keys()) {
      const own = items.filter((item) => this.shardOf(keyOf(item)) === i);
      this.#wholly(i, (shard) => own.forEach((item) => work(shard, item)));
    }
  }

  put(key: Key, value: unknown, keep: Keep): void {
    this.write(key, (shard) => shard.put(key, value, keep));
  }

  get(memory: ObjectMemory, key: Key): ModelEntry | undefined {
    const entry = this.at(key).live(key);
    this.looked(memory, key, entry !== undefined);
    return entry;
  }

  looked(memory: ObjectMemory, key: Key, found: boolean): void {
    remember(memory.parts[this.shardOf(key)]!, key, found, this.#time.now);
  }

  flush(memory: ObjectMemory): void {
    for (const [i, shard] of this.shards.entries()) shard.flush(memory.parts[i]!, this.#time.now);
  }

  stats(memory: ObjectMemory, reset: boolean): CacheStats {
    this.mayWrite();
    if (this.inTransaction) this.undo.push(...memory.parts.map(keepsake));
    this.flush(memory);
    const { counts } = this;
    if (reset) for (const shard of this.shards) shard.resetCounts();
    return counts;
  }

  get counts(): CacheStats {
    const total = (name: keyof CacheStats): number => this.sum(({ counts }) => counts[name]);
    return {
      hits: total('hits'),
      misses: total('misses'),
      evictions: total('evictions'),
      expirations: total('expirations'),
    };
  }

  /** In the order of insertion, one shard after the other, or the other way round. */
  listed(reverse = false): ModelEntry[] {
    return this.shards.flatMap((shard) => (reverse ? shard.listed().toReversed() : shard.listed()));
  }

  setLimits(given: Partial<ModelLimits>): void {
    this.limits = { ...this.limits, ...given };
    const { eviction, maxBytes, maxEntries } = this.limits;
    const part = (limit: number): number => Math.ceil(limit / this.shards.length);
    for (const shard of this.shards)
      shard.setLimits({ eviction, maxBytes: part(maxBytes), maxEntries: part(maxEntries) });
  }

  /** What the maintenance of all objects does, sooner or later. */
  keepTidy(memories: readonly ObjectMemory[]): void {
    for (const memory of memories) this.flush(memory);
    for (const shard of this.shards) {
      shard.expire();
      shard.forgetErrors();
    }
    const learnt: Eviction = this.limits.eviction;
    for (const { parts } of memories) for (const part of parts) part.eviction = learnt;
  }

  #wholly<T>(i: number, work: (shard: Model) => T): T {
    const before = this.shards[i]!.copy();
    try {
      return work(this.shards[i]!);
    } catch (error) {
      this.shards[i] = before;
      throw error;
    }
  }
}
