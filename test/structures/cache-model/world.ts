import { expect } from 'vitest';
import { Cache, type AsyncStore, type CacheOptions, type Eviction, type Key } from '../../../src/index.js';
import type { Engine } from '../../support/stores.js';
import { checkTables, collect, rawConnection, Rollback, transact, until, type Raw, type Steps as Turns } from '../helpers.js'; // prettier-ignore
import { Machine } from '../machine.js';
import type { Random } from '../model-steps.js';
import { idOf, Model, Refused, type Memory, type ModelLimits, type Now } from './model.js';
import {
  allKeys,
  minute,
  numbers,
  otherValues,
  Steps,
  tick,
  type AnyCache,
  type CacheStep,
} from './steps.js';

/** One object of the class, and what it remembers. */
interface Handle {
  readonly store: AsyncStore;
  readonly cache: AnyCache;
  readonly memory: Memory;
}

const name = 'things';
const hour = 60 * minute;

/** What is answered, or the code or name of the error. */
async function outcomeOf(answer: () => unknown): Promise<unknown> {
  try {
    return { answer: await answer() };
  } catch (error) {
    return { error: errorOf(error) };
  }
}

function errorOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const { code, name: named } = error as { code?: string; name: string };
  return named === 'HoldfastError' ? (code ?? '') : named;
}

/** How many bytes keys and values take: each stored once, beside. */
async function sizes(store: AsyncStore, raw: Raw): Promise<(key: Key, value: unknown) => number> {
  const values = [...numbers, ...otherValues];
  const scale = new Cache<unknown>(store, 'scale');
  await scale.setMany(values.map((value, i) => [String(i).padStart(4, '0'), value]));
  const bytes = (await raw('SELECT bytes FROM cached_entries ORDER BY id')).map((row) =>
    Number(row['bytes']),
  );
  await scale.clear();
  await scale.setMany(allKeys.map((key) => [key, 0]));
  const keyBytes = (await raw('SELECT bytes FROM cached_entries ORDER BY id')).map((row) =>
    Number(row['bytes']),
  );
  await scale.clear();
  const byKey = new Map(allKeys.map((key, i) => [idOf(key), keyBytes[i]!]));
  // As keys of strings of four characters and the number 0 take them.
  const byValue = new Map(values.map((value, i) => [value, bytes[i]! - bytes[numbers.indexOf(0)]!]));
  return (key, value) => {
    const size = byValue.get(value);
    if (size === undefined) throw new Error(`not measured: ${String(value)}`);
    return size + byKey.get(idOf(key))!;
  };
}

/** A cache in a store, through several objects of several stores, and the model of it. */
export class World {
  readonly log: string[] = [];
  readonly #engine: Engine;
  readonly #machine = new Machine();
  readonly #random: Random;
  readonly #steps: Steps;
  #steady = 1e9;
  #stores: AsyncStore[] = [];
  #handles: Handle[] = [];
  #model!: Model;
  #raw!: Raw;

  constructor(engine: Engine, random: Random) {
    this.#engine = engine;
    this.#random = random;
    this.#steps = new Steps({
      random,
      atOnce: engine.name === 'embedded',
      // On a server time passes by itself: nothing is to expire there.
      ttls: this.embedded ? [0, tick, 2 * tick, 5 * tick, 1_000 * tick] : [hour, 24 * hour],
    });
  }

  get embedded(): boolean {
    return this.#engine.name === 'embedded';
  }

  async open(): Promise<void> {
    const first = await this.#engine.open(this.#options());
    this.#stores = [first];
    this.#raw = await rawConnection(this.#engine, first);
    this.#model = new Model(() => this.#now(), await sizes(first, this.#raw));
    this.#stores.push(await this.#engine.reopen(first, this.#options()));
    for (const store of [...this.#stores, first]) await this.#construct(store);
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close();
  }

  /** Some of what may happen. */
  async turn(): Promise<void> {
    const random = this.#random;
    if (random.below(12) === 0) await this.#change();
    else if (random.below(10) === 0) await this.#produce();
    else if (random.below(6) === 0) await this.#transaction();
    else await this.#once();
    if (this.embedded && random.below(3) === 0) this.#pass();
  }

  async check(): Promise<void> {
    const { cache, store } = this.#random.pick(this.#handles);
    const model = this.#model;
    const all = model.listed();
    expect(await collect(cache.entries()), 'entries').toStrictEqual(
      all.map(({ key, value }) => [key, value]),
    );
    expect([await cache.size, await cache.bytes], 'size and bytes').toEqual([model.size, model.bytes]);
    for (const key of allKeys) {
      const entry = await cache.entry(key);
      expect(entry && this.#shown(entry), idOf(key)).toEqual(this.#expected(key));
      if (entry === undefined || !this.embedded) continue;
      const used = model.live(key)?.used;
      expect(entry.accessedAt === undefined, `${idOf(key)} was read`).toBe(used === undefined);
      if (used !== undefined) expect(Math.abs(used - Number(entry.accessedAt))).toBeLessThan(tick / 2);
    }
    const [counts] = await this.#raw(
      'SELECT hits, misses, evictions, expirations FROM caches c JOIN structures s ON s.id = c.structure WHERE s.name = \'things\'', // prettier-ignore
    );
    expect(counts, 'counts').toEqual(model.counts);
    await checkTables(this.#raw, store);
  }

  #shown({ value, bytes, tags, hits, storedAt, expiresAt }: Awaited<ReturnType<AnyCache['entry']>> & object) {
    const times = this.embedded
      ? { stored: Number(storedAt), expires: expiresAt && Number(expiresAt) }
      : { stored: 0, expires: expiresAt && 0 };
    return { value, bytes, tags, hits, ...times };
  }

  #expected(key: Key): unknown {
    const entry = this.#model.live(key);
    if (entry === undefined) return undefined;
    const { value, bytes, tags, hits, stored, fresh, expires: last } = entry;
    const { steady, wall } = this.#now();
    const until = fresh ?? last;
    const times = this.embedded
      ? { stored, expires: until === undefined ? undefined : until - steady + wall }
      : { stored: 0, expires: until && 0 };
    return { value, bytes, tags, hits, ...times };
  }

  #options(): Parameters<Engine['open']>[0] {
    return { embedded: { clock: this.#machine } };
  }

  #now(): Now {
    // On a server no two moments are the same.
    if (!this.embedded) return { steady: ++this.#steady, wall: this.#steady };
    return { steady: this.#steady, wall: this.#machine.wall() };
  }

  /** Time passes; the wall clock may be set besides. */
  #pass(): void {
    const random = this.#random;
    const ticks = 1 + random.below(3);
    this.log.push(`${ticks} ticks pass`);
    this.#steady += ticks * tick;
    this.#machine.now += ticks * tick;
    if (random.below(8) > 0) return;
    const step = random.below(20 * hour) - 10 * hour;
    this.log.push(`the wall clock is set by ${step}`);
    this.#machine.offset += step;
  }

  /** Does the same to the model and the cache, whatever comes of it. */
  async #once(step: CacheStep = this.#steps.any(), handle = this.#random.pick(this.#handles)): Promise<void> {
    this.log.push(`${this.#handles.indexOf(handle)}: ${step.words}`);
    const expected = await outcomeOf(() => this.#apply(step, handle));
    expect(await outcomeOf(() => step.onCache(handle.cache)), step.words).toStrictEqual(expected);
  }

  /** What is refused changes nothing. */
  #apply(step: CacheStep, { memory }: Handle): unknown {
    const before = this.#model.copy();
    try {
      return step.onModel(this.#model, memory);
    } catch (error) {
      this.#model = before;
      throw error;
    }
  }

  /** Several steps in a transaction, and in savepoints within it, some of which are rolled back. */
  async #transaction(): Promise<void> {
    const store = this.#random.pick(this.#stores);
    this.log.push('{');
    try {
      await transact(store, () => this.#within(store, 0));
    } catch (error) {
      if (!(error instanceof Rollback)) throw error;
    }
  }

  *#within(store: AsyncStore, depth: number): Turns<void> {
    const random = this.#random;
    const before = this.#model.copy();
    for (let i = random.below(5); i >= 0; i--) {
      if (depth < 2 && random.below(4) === 0) {
        this.log.push('{');
        try {
          yield transact(store, () => this.#within(store, depth + 1));
        } catch (error) {
          if (!(error instanceof Rollback)) throw error;
        }
        continue;
      }
      const handle = random.pick(this.#handles.filter((one) => one.store === store));
      const step = this.#steps.any();
      this.log.push(`${this.#handles.indexOf(handle)}: ${step.words}`);
      let expected: unknown;
      try {
        expected = { answer: this.#apply(step, handle) };
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
    const isRolledBack = random.below(3) === 0;
    this.log.push(isRolledBack ? '} rolled back' : '}');
    if (!isRolledBack) return;
    this.#model = before;
    throw new Rollback();
  }

  /** Other limits, another policy, another store, another boot. */
  async #change(): Promise<void> {
    const random = this.#random;
    const kind = random.below(8);
    if (kind === 0 && this.embedded) return this.#reboot();
    if (kind < 3) {
      const [old] = this.#stores.splice(random.below(2), 1);
      return this.#reopen([old!]);
    }
    const [handle] = this.#handles.splice(random.below(this.#handles.length), 1);
    await this.#flush([handle!]);
    await this.#construct(handle!.store, this.#limits());
  }

  #limits(): Partial<ModelLimits> {
    const random = this.#random;
    const evictions: readonly Eviction[] = this.embedded
      ? ['least-recently-stored', 'least-recently-used', 'least-frequently-used', 'none']
      : // When a use is written hangs on time, there.
        ['least-recently-stored', 'none'];
    const eviction = random.pick(evictions);
    const isExact = eviction !== 'least-recently-used' || !this.#model.isDelicate();
    const given: Partial<ModelLimits> = {
      ...(random.below(2) === 0 && isExact ? { eviction } : {}),
      ...(random.below(3) === 0 ? { maxEntries: random.pick([1 + random.below(4), 9, Infinity]) } : {}),
      ...(random.below(3) === 0 ? { maxBytes: random.pick([60 + random.below(300), 2 ** 30]) } : {}),
    };
    return given;
  }

  async #construct(store: AsyncStore, limits: Partial<ModelLimits> = {}): Promise<void> {
    const random = this.#random;
    const ttl = random.below(3) === 0 ? 24 * hour : undefined;
    const statistics = this.embedded && random.below(2) === 0;
    this.log.push(`new ${JSON.stringify({ ...limits, ttl, statistics })}`);
    const options: CacheOptions = { ...limits, ttl, statistics };
    const cache: AnyCache = new Cache<unknown>(store, name, options);
    this.#model.setLimits(limits);
    const { eviction } = this.#model.limits;
    const memory: Memory = { eviction, statistics, ttl, hits: 0, misses: 0, uses: new Map() };
    this.#handles.push({ store, cache, memory });
    expect(await cache.size, 'size, of one that is new').toBe(this.#model.size);
  }

  /** Stores are closed, and others take their places: what their objects remember is written. */
  async #reopen(stores: readonly AsyncStore[], meanwhile = (): void => {}): Promise<void> {
    this.log.push(`reopen ${stores.length}`);
    const closed = this.#handles.filter(({ store }) => stores.includes(store));
    this.#handles = this.#handles.filter((handle) => !closed.includes(handle));
    for (const store of stores) await store.close();
    for (const { memory } of closed) this.#model.flush(memory);
    meanwhile();
    for (const store of stores) {
      const again = await this.#engine.reopen(store, this.#options());
      this.#stores.push(again);
      await this.#construct(again);
      if (this.#handles.length < 3) await this.#construct(again);
    }
  }

  /** How late it is was noted when something with a time was stored last. */
  async #reboot(): Promise<void> {
    const off = this.#random.below(5) * tick;
    this.#steady += tick;
    this.#machine.now += tick;
    const keep = { ttl: 3 * tick, tags: ['x'] };
    await this.#once({
      words: 'set with tags',
      onModel: (model) => void model.put('a/0', 1, keep),
      onCache: (cache) => cache.set('a/0', 1, keep),
    });
    // It was refused.
    if (this.#model.live('a/0')?.stored !== this.#machine.wall()) return;
    const stores = this.#stores.splice(0);
    await this.#reopen(stores, () => {
      this.log.push(`reboot, off for ${off}`);
      this.#machine.reboot(off);
      this.#steady += off;
    });
  }

  async #flush(handles: readonly Handle[]): Promise<void> {
    let counts;
    for (const { cache, memory } of handles) {
      this.#model.flush(memory);
      counts = await cache.stats();
    }
    // Not before all is written: timers may have written some of it.
    expect(counts, 'stats').toEqual(this.#model.counts);
  }

  /** A value is worked out. While that goes on, timers may fire: nothing is left to them. */
  async #produce(): Promise<void> {
    const { key, keep } = { key: this.#steps.key(), keep: this.#steps.keep() };
    const handle = this.#random.pick(this.#handles);
    await this.#flush(this.#handles);
    expect(await handle.cache.expire(), 'expire').toBe(this.#model.expire());
    const [value, fails, staleFor] = [
      this.#steps.value(),
      this.#random.below(4) === 0,
      this.#random.below(2) * 2 * tick,
    ];
    const errorTtl = fails ? this.#random.below(2) * 2 * tick : 0;
    this.log.push(`getOrSet ${idOf(key)} ${JSON.stringify({ ...keep.given, staleFor, fails, errorTtl })}`);
    let calls = 0;
    const produce = (): unknown => {
      calls++;
      if (fails) throw new RangeError('no');
      return value;
    };
    const wasStale = this.#isStale(key);
    const expected = this.#produced(key, handle.memory, {
      ...{ value, fails, errorTtl },
      store: () => this.#model.produced(key, value, keep.of(handle.memory), staleFor),
    });
    const options = { ...keep.given, staleFor, errorTtl };
    expect(await outcomeOf(() => handle.cache.getOrSet(key, produce, options)), 'getOrSet').toStrictEqual(
      expected.outcome,
    );
    await until(
      async () => calls === expected.calls && (await this.#flights()) === 0,
      'it is not worked out',
    );
    // The timer may have written that it was used before it was stored anew, which forgets it, or after.
    if (wasStale && expected.calls > 0) await this.#unsure(key, handle);
    await this.#flush(this.#handles);
  }

  #produced(
    key: Key,
    memory: Memory,
    work: { value: unknown; fails: boolean; errorTtl: number; store: () => void },
  ): { outcome: unknown; calls: number } {
    const model = this.#model;
    const { steady } = this.#now();
    const entry = model.servable(key);
    model.count(memory, key, entry !== undefined);
    const served = entry && { answer: entry.value };
    if (entry !== undefined && model.isFresh(entry)) return { outcome: served, calls: 0 };
    const known = model.errors.get(idOf(key));
    if (known !== undefined && known.until > steady)
      return { outcome: served ?? { error: known.name }, calls: 0 };
    const before = model.copy();
    try {
      if (work.fails) throw new Refused('RangeError');
      work.store();
      model.errors.delete(idOf(key));
      return { outcome: served ?? { answer: work.value }, calls: 1 };
    } catch (error) {
      this.#model = before;
      before.errors.set(idOf(key), { until: steady + work.errorTtl, name: errorOf(error) });
      return { outcome: served ?? { error: errorOf(error) }, calls: 1 };
    }
  }

  #isStale(key: Key): boolean {
    const entry = this.#model.servable(key);
    return entry !== undefined && !this.#model.isFresh(entry);
  }

  async #unsure(key: Key, { cache, memory }: Handle): Promise<void> {
    await cache.stats();
    const hits = (await cache.entry(key))?.hits;
    if (this.#model.live(key) !== undefined && hits === 0) memory.uses.delete(idOf(key));
  }

  async #flights(): Promise<number> {
    const [row] = await this.#raw('SELECT count(*) AS n FROM cache_flights WHERE owner IS NOT NULL');
    return Number(row?.['n']);
  }
}
