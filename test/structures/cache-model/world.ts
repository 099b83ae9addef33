import { expect } from 'vitest';
import { Cache, type AsyncStore, type CacheOptions, type Eviction } from '../../../src/index.js';
import type { Engine } from '../../support/stores.js';
import { Rollback, transact, type Steps as Turns } from '../helpers.js';
import type { Random } from '../model-steps.js';
import { Refused, type ModelLimits } from './model.js';
import { allKeys, fileThreshold, Steps, tick, type AnyCache, type CacheStep } from './steps.js';
import { Tables } from './tables.js';
import { SimulatedTime } from './time.js';
import { Whole, type ObjectMemory } from './whole.js';

/** One object of the class, and what it remembers. */
export interface Handle {
  readonly store: AsyncStore;
  readonly cache: AnyCache;
  readonly memory: ObjectMemory;
}

const hour = 6 * tick;
/** No timer that is set waits for longer. */
const longestTimer = 6_100;
/** How long ago it was noted where the clock is, at most, when something is given a time. */
const notedWithin = 15_000;

/** What is answered, or the code or name of the error. */
export async function outcomeOf(answer: () => unknown): Promise<unknown> {
  try {
    return { answer: await answer() };
  } catch (error) {
    return { error: errorOf(error) };
  }
}

export function errorOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const { code, name: named } = error as { code?: string; name: string };
  return named === 'HoldfastError' ? (code ?? '') : named;
}

/** A cache in a store, through several objects of several stores, and the model of it. */
export class World {
  readonly log: string[] = [];
  readonly random: Random;
  readonly steps: Steps;
  readonly time: SimulatedTime;
  readonly #engine: Engine;
  readonly #shards: number;
  #stores: AsyncStore[] = [];
  handles: Handle[] = [];
  whole!: Whole;
  tables!: Tables;

  constructor(engine: Engine, random: Random, shards: number) {
    this.#engine = engine;
    this.#shards = shards;
    this.random = random;
    this.time = new SimulatedTime(random.next);
    this.steps = new Steps(random, this.embedded);
  }

  get embedded(): boolean {
    return this.#engine.name === 'embedded';
  }

  /** As the database is told it. */
  get monotonic(): number {
    return this.embedded ? this.time.now : this.time.wall();
  }

  async open(): Promise<void> {
    const first = await this.#engine.open(this.time.options);
    this.tables = await Tables.of(this.#engine, first, this.#shards);
    this.whole = new Whole(this.#shards, this.time, await this.tables.sizes(first));
    this.#stores = [first, await this.#engine.reopen(first, this.time.options)];
    for (const store of [...this.#stores, first]) await this.#construct(store);
  }

  async close(): Promise<void> {
    const [store] = this.#stores;
    // What others have left behind goes by and by.
    if (this.embedded) await this.#elapse();
    expect((await store!.check()).findings, 'findings of check()').toEqual([]);
    await this.tables.checkFiles(() => this.time.hear());
    for (const one of this.#stores) await one.close();
    this.time.end();
  }

  /** Some of what may happen. */
  async turn(): Promise<void> {
    const { random } = this;
    if (random.below(14) === 0) await this.#change();
    else if (random.below(6) === 0) await this.#transaction();
    else if (random.below(15) === 0 && this.embedded) await this.#elapse();
    else await this.once();
    if (random.below(4) === 0) this.#pass();
  }

  /** Does the same to the model and the cache, whatever comes of it. */
  async once(step?: CacheStep, handle = this.random.pick(this.handles)): Promise<void> {
    const chosen = step ?? this.anyStep();
    this.time.pass(1);
    this.log.push(`${this.handles.indexOf(handle)}: ${chosen.words}`);
    const expected = await outcomeOf(() => chosen.onModel(this.whole, handle.memory));
    expect(await outcomeOf(() => chosen.onCache(handle.cache)), chosen.words).toStrictEqual(expected);
  }

  anyStep(): CacheStep {
    const stale = this.whole.shards.flatMap((shard) => shard.listed().filter(({ fresh }) => fresh));
    return this.steps.any(stale[0]?.key);
  }

  async check(): Promise<void> {
    const { cache, store } = this.random.pick(this.handles);
    const { whole } = this;
    const sums = [whole.sum(({ size }) => size), whole.sum(({ bytes }) => bytes)];
    expect([await cache.size, await cache.bytes], 'size and bytes').toEqual(sums);
    for (const key of allKeys)
      expect(await cache.entry(key), JSON.stringify(key)).toEqual(this.#expected(key));
    expect(await this.tables.counts(), 'counts').toEqual(whole.counts);
    const errors = whole.shards.flatMap(({ keptErrors }) => keptErrors);
    expect(await this.tables.keptErrors(this.monotonic), 'errors that are kept').toBe(errors.length);
    await this.tables.check(store);
  }

  #expected(key: (typeof allKeys)[number]): unknown {
    const entry = this.whole.at(key).live(key);
    if (entry === undefined) return undefined;
    const { value, bytes, tags, hits, stored, used, fresh, expires: last } = entry;
    const { steady, wall } = this.whole.nowOf(this.whole.shardOf(key));
    const expires = fresh ?? last;
    const times = {
      storedAt: new Date(stored),
      expiresAt: expires === undefined ? undefined : new Date(expires - steady + wall),
      accessedAt: used === undefined ? undefined : new Date(used),
    };
    return { value, bytes, tags, hits, ...times };
  }

  /** Time passes; the wall clock of a machine may be set besides. */
  #pass(): void {
    const { random } = this;
    const ticks = 1 + random.below(3);
    this.log.push(`${ticks} ticks pass`);
    this.time.pass(ticks * tick);
    if (!this.embedded || random.below(8) > 0) return;
    const step = random.below(20 * hour) - 10 * hour;
    this.log.push(`the wall clock is set by ${step}`);
    this.time.offset += step;
  }

  /** Some seconds pass, in which all is done that is left to timers. */
  async #elapse(): Promise<void> {
    this.log.push('timers fire');
    await this.time.elapse(longestTimer);
    this.whole.keepTidy(this.handles.map(({ memory }) => memory));
  }

  /** Several steps in a transaction, and in savepoints within it, some of which are rolled back. */
  async #transaction(): Promise<void> {
    const store = this.random.pick(this.#stores);
    this.log.push('{');
    this.whole.inTransaction = true;
    let before: World['whole']['shards'] | undefined;
    try {
      await transact(store, () => {
        // A server begins anew where it was in the way of what a store does by itself: noting where the clock is.
        if (before !== undefined) this.#undo(before, 0);
        before = this.whole.copies();
        return this.#within(store, 0);
      });
    } catch (error) {
      if (!(error instanceof Rollback)) throw error;
    }
    this.whole.inTransaction = false;
    this.whole.undo = [];
  }

  *#within(store: AsyncStore, depth: number): Turns<void> {
    const { random } = this;
    const before = this.whole.copies();
    const done = this.whole.undo.length;
    for (let i = random.below(5); i >= 0; i--) {
      if (depth < 2 && random.below(4) === 0) {
        this.log.push('{');
        try {
          yield transact(store, () => this.#within(store, depth + 1));
        } catch (error) {
          if (!(error instanceof Rollback)) throw error;
        }
      } else yield* this.#stepWithin(random.pick(this.handles.filter((one) => one.store === store)));
    }
    const isRolledBack = random.below(3) === 0;
    this.log.push(isRolledBack ? '} rolled back' : '}');
    if (!isRolledBack) return;
    this.#undo(before, done);
    throw new Rollback();
  }

  #undo(before: World['whole']['shards'], done: number): void {
    this.whole.shards = before;
    for (const undo of this.whole.undo.splice(done)) undo();
  }

  *#stepWithin(handle: Handle): Turns<void> {
    const step = this.anyStep();
    this.time.pass(1);
    this.log.push(`${this.handles.indexOf(handle)}: ${step.words}`);
    let expected: unknown;
    try {
      expected = { answer: step.onModel(this.whole, handle.memory) };
    } catch (error) {
      expected = { error: errorOf(error) };
    }
    let found: unknown;
    try {
      found = { answer: yield step.onCache(handle.cache) };
    } catch (error) {
      found = { error: errorOf(error) };
    }
    expect(found, step.words).toStrictEqual(expected);
  }

  /** Other limits, another policy, another store, another boot. */
  async #change(): Promise<void> {
    const { random } = this;
    const kind = random.below(8);
    if (kind === 0 && this.embedded) return this.#reboot();
    if (kind < 3) return this.#reopen(this.#stores.splice(random.below(2), 1));
    const [handle] = this.handles.splice(random.below(this.handles.length), 1);
    await this.#flush(handle!);
    await this.#construct(handle!.store, this.#limits());
  }

  #limits(): Partial<ModelLimits> {
    const { random } = this;
    const evictions: readonly Eviction[] = [
      'least-recently-stored',
      'least-recently-used',
      'least-frequently-used',
      'none',
    ];
    const entries = this.#shards * (1 + random.below(4));
    const bytes = this.#shards * random.pick([60 + random.below(300), 2_000 + random.below(3_000)]);
    return {
      ...(random.below(2) === 0 ? { eviction: random.pick(evictions) } : {}),
      ...(random.below(3) === 0 ? { maxEntries: random.pick([entries, 10, Infinity]) } : {}),
      ...(random.below(3) === 0 ? { maxBytes: random.pick([bytes, 2 ** 30]) } : {}),
    };
  }

  async #construct(store: AsyncStore, limits: Partial<ModelLimits> = {}): Promise<void> {
    const { random } = this;
    const ttl = random.below(3) === 0 ? 24 * hour : undefined;
    const [statistics, filed] = [random.below(2) === 0, random.below(2) === 0 && this.embedded];
    this.log.push(`new ${JSON.stringify({ ...limits, ttl, statistics, filed })}`);
    const own = { ttl, statistics, fileThreshold: filed ? fileThreshold : Infinity };
    const options: CacheOptions = { ...limits, ...own, shards: this.#shards };
    const cache: AnyCache = new Cache<unknown>(store, 'things', options);
    this.whole.setLimits(limits);
    this.handles.push({ store, cache, memory: this.whole.memory(statistics, ttl, filed) });
    expect(await cache.size, 'size, of one that is new').toBe(this.whole.sum(({ size }) => size));
  }

  /** Stores are closed, and others take their places: what their objects remember is written. */
  async #reopen(stores: readonly AsyncStore[], meanwhile = async (): Promise<void> => {}): Promise<void> {
    this.log.push(`reopen ${stores.length}`);
    const closed = this.handles.filter(({ store }) => stores.includes(store));
    this.handles = this.handles.filter((handle) => !closed.includes(handle));
    for (const store of stores) await store.close();
    for (const { memory } of closed) this.whole.flush(memory);
    await meanwhile();
    for (const store of stores) {
      const again = await this.#engine.reopen(store, this.time.options);
      this.#stores.push(again);
      await this.#construct(again);
      if (this.handles.length < 3) await this.#construct(again);
    }
  }

  /** The steady clock goes on from where it was noted, by the time that has passed by the wall clock since. */
  async #reboot(): Promise<void> {
    await this.time.settle();
    await this.#reopen(this.#stores.splice(0), async () => {
      const off = this.random.below(5) * tick;
      this.log.push(`reboot, off for ${off}`);
      const before = this.whole.shards.map((_, i) => this.whole.nowOf(i));
      const clocks = await this.tables.clocks();
      const { now } = this.time;
      this.time.reboot(off);
      for (const [i, { ahead, steady, wall }] of clocks.entries()) {
        const shard = this.whole.shards[i]!;
        const apart = now + ahead - before[i]!.steady;
        expect(steady - apart, 'where the clock is noted').toBeGreaterThanOrEqual(shard.timed - notedWithin);
        const next = steady + Math.max(0, this.time.wall() - wall) - apart;
        this.whole.goOnAt(i, next);
        shard.timed = Math.min(shard.timed, next);
      }
    });
  }

  async #flush({ cache, memory }: Handle): Promise<void> {
    this.whole.flush(memory);
    expect(await cache.stats(), 'stats').toEqual(this.whole.counts);
  }
}
