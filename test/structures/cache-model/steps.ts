import type { AsyncCache, Key, SetOptions } from '../../../src/index.js';
import type { Random } from '../model-steps.js';
import { idOf, Refused, type Keep } from './model.js';
import { listSteps, readSteps } from './reads.js';
import type { ObjectMemory, Whole } from './whole.js';

export type AnyCache = AsyncCache<unknown>;

/** What times to live are counted in. */
export const tick = 600_000;

const stringKeys = ['a', 'b'].flatMap((from) => Array.from({ length: 6 }, (_, i) => `${from}/${i}`));
const memoized = [1, 2, 3];
export const memoName = 'work';
export const allKeys: readonly Key[] = [...stringKeys, 7, ...memoized.map((n) => [memoName, n])];
export const allTags = ['x', 'y', 'z'];
/** Larger ones become files, where that is asked for. */
export const fileThreshold = 500;
export const numbers = Array.from({ length: 1_001 }, (_, i) => i - 500);
export const otherValues: readonly unknown[] = [
  undefined,
  null,
  '',
  'text',
  'x'.repeat(40),
  'é'.repeat(100),
  { n: 1, list: ['a', 2] },
  new Uint8Array(30),
  'large'.repeat(400),
  new Uint8Array(1_500).fill(1),
];

/** One random operation: its words, what it does to the model, and to the cache. */
export interface CacheStep {
  readonly words: string;
  readonly onModel: (whole: Whole, memory: ObjectMemory) => unknown;
  readonly onCache: (cache: AnyCache) => unknown;
}

/** As options are given, and what the model makes of them. */
export interface Kept {
  readonly given: SetOptions | undefined;
  readonly of: (memory: ObjectMemory) => Keep;
}

const ttls = [0, tick, 2 * tick, 5 * tick, 1_000 * tick];
const ttlOf = (ttl: number | undefined, memory: ObjectMemory): number | undefined =>
  ttl === undefined ? memory.ttl : ttl === Infinity ? undefined : ttl;

export class Steps {
  readonly #random: Random;
  /** Whether what is memoized answers at once. */
  readonly #atOnce: boolean;

  constructor(random: Random, atOnce: boolean) {
    this.#random = random;
    this.#atOnce = atOnce;
  }

  /** @param last - Of which key something may be there that is stale, if any. */
  any(last?: Key): CacheStep {
    const random = this.#random;
    const kind = random.below(22);
    if (kind < 7) return random.pick([this.#set, this.#set, this.#setMany, this.#add])();
    if (kind < 9) return this.#increment();
    // Twice the same, so that it is used more than once.
    const keys = [this.key(), ...random.some(3, this.key)];
    if (kind < 13) return random.pick(readSteps(keys[0]!, [...keys, keys[0]!]))();
    if (kind < 15)
      return random.pick(listSteps(random.pick(allTags), this.#prefix(), random.below(2) === 1))();
    if (kind < 17) return random.pick(this.#removals(this.key(), this.#tags()))();
    if (kind < 18 && this.#atOnce) return this.#memoized();
    if (kind < 20) return this.#touch(random.below(2) === 0 ? last : undefined);
    return random.pick([this.#update, this.#stats])();
  }

  /** What may matter to a value that is being worked out, or has failed to be. */
  about(key: Key, tags: readonly string[]): CacheStep {
    const random = this.#random;
    return random.pick([
      ...this.#removals(key, [random.pick(tags.length === 0 ? allTags : tags)]),
      () => this.#updateTo(key, undefined),
      () => this.#updateTo(key, 2),
      () => this.#touch(key),
    ])();
  }

  key = (): Key => this.#random.pick(allKeys);
  value = (): unknown => this.#random.pick([1, 2, 3, ...otherValues]);
  staleFor = (): number | undefined => this.#random.pick([undefined, ...ttls]);
  #tags = (): string[] => [
    this.#random.pick(allTags),
    ...this.#random.some(1, () => this.#random.pick(allTags)),
  ];
  #prefix = (): string => this.#random.pick(['', 'a', 'a/', 'b/3', 'c']);

  keep(): Kept {
    const random = this.#random;
    const ttl = random.pick([undefined, undefined, Infinity, ...ttls]);
    const tags = random.below(3) > 0 ? undefined : random.some(3, () => random.pick(allTags));
    return {
      given: ttl === undefined && tags === undefined ? undefined : { ttl, tags },
      of: (memory) => ({
        ttl: ttlOf(ttl, memory),
        tags: tags ?? [],
        filed: memory.filed,
      }),
    };
  }

  #set = (): CacheStep => {
    const [key, value, keep] = [this.key(), this.value(), this.keep()];
    return {
      words: `set ${idOf(key)} ${JSON.stringify(keep.given)}`,
      onModel: (whole, memory) => whole.put(key, value, keep.of(memory)),
      onCache: (cache) => cache.set(key, value, keep.given),
    };
  };

  #setMany = (): CacheStep => {
    const [pairs, keep] = [this.#random.some(4, () => [this.key(), this.value()] as const), this.keep()];
    return {
      words: `setMany ${pairs.map(([key]) => idOf(key)).join()} ${JSON.stringify(keep.given)}`,
      onModel: (whole, memory) =>
        whole.writeMany(
          pairs,
          ([key]) => key,
          (shard, [key, value]) => shard.put(key, value, keep.of(memory)),
        ),
      onCache: (cache) => cache.setMany(pairs, keep.given),
    };
  };

  #add = (): CacheStep => {
    const [key, value, keep] = [this.key(), this.value(), this.keep()];
    return {
      words: `add ${idOf(key)} ${JSON.stringify(keep.given)}`,
      onModel: (whole, memory) =>
        whole.write(key, (shard) => {
          if (shard.live(key) !== undefined) return false;
          shard.put(key, value, keep.of(memory));
          return true;
        }),
      onCache: (cache) => cache.add(key, value, keep.given),
    };
  };

  #increment(): CacheStep {
    const random = this.#random;
    const [key, keep, by] = [this.key(), this.keep(), 1 + random.below(3)];
    const initial = random.pick([undefined, 10]);
    const down = random.below(2) === 1;
    const options = { ...keep.given, initial };
    return {
      words: `${down ? 'decrement' : 'increment'} ${idOf(key)} by ${by} ${JSON.stringify(options)}`,
      onModel: (whole, memory) =>
        whole.write(key, (shard) => {
          const from = shard.live(key)?.value;
          if (from !== undefined && typeof from !== 'number') throw new Refused('TypeError');
          const next = (from ?? initial ?? 0) + (down ? -by : by);
          shard.update(key, next, keep.of(memory));
          return next;
        }),
      onCache: (cache) => (down ? cache.decrement(key, by, options) : cache.increment(key, by, options)),
    };
  }

  #update = (): CacheStep => this.#updateTo(this.key(), this.value());

  #updateTo(key: Key, next: unknown): CacheStep {
    const keep = this.keep();
    let seen: unknown;
    const change = (current: unknown): unknown => {
      seen = current;
      return next;
    };
    return {
      words: `update ${idOf(key)} ${next === undefined ? 'to nothing' : ''} ${JSON.stringify(keep.given)}`,
      onModel: (whole, memory) =>
        whole.write(key, (shard) => {
          const before = shard.live(key)?.value;
          shard.update(key, next, keep.of(memory));
          return [before, next];
        }),
      onCache: (cache) => {
        const done = cache.update(key, change, keep.given);
        return done instanceof Promise ? done.then((value: unknown) => [seen, value]) : [seen, done];
      },
    };
  }

  #touch(key = this.key()): CacheStep {
    const ttl = this.#random.pick([undefined, Infinity, ...ttls]);
    return {
      words: `touch ${idOf(key)} ${String(ttl)}`,
      onModel: (whole, memory) => whole.write(key, (shard) => shard.touch(key, ttlOf(ttl, memory))),
      onCache: (cache) => cache.touch(key, ttl),
    };
  }

  #stats = (): CacheStep => {
    const reset = this.#random.below(4) === 0;
    return {
      words: reset ? 'stats, reset' : 'stats',
      onModel: (whole, memory) => whole.stats(memory, reset),
      onCache: (cache) => cache.stats({ reset }),
    };
  };

  #removals(key: Key, tags: readonly string[]): (() => CacheStep)[] {
    const random = this.#random;
    const keys = [...random.some(3, this.key), key];
    const pop = (): CacheStep => ({
      words: `pop ${idOf(key)}`,
      onModel: (whole) =>
        whole.write(key, (shard) => {
          const value = shard.live(key)?.value;
          shard.delete(key);
          return value;
        }),
      onCache: (cache) => cache.pop(key),
    });
    const remove = (): CacheStep => ({
      words: `delete ${idOf(key)}`,
      onModel: (whole) => whole.write(key, (shard) => shard.delete(key)),
      onCache: (cache) => cache.delete(key),
    });
    const all: [string, (whole: Whole) => number, CacheStep['onCache']][] = [
      ['expire', (whole) => whole.removal((shard) => shard.expire()), (cache) => cache.expire()],
      ['cull', (whole) => whole.removal((shard) => shard.cull()), (cache) => cache.cull()],
      [
        `invalidate ${tags.join()}`,
        (whole) => whole.removal((shard) => shard.invalidate(tags)),
        (cache) => cache.invalidate(tags.length === 1 ? tags[0]! : tags),
      ],
      ['clear', (whole) => whole.removal((shard) => shard.clear()), (cache) => cache.clear()],
    ];
    const [words, onModel, onCache] = random.pick(all);
    // What removes all leaves little to be wrong.
    const many = (): CacheStep =>
      words === 'clear' && random.below(3) > 0 ? pop() : { words, onModel, onCache };
    return [pop, remove, remove, () => deleteMany(keys), many, many, many];
  }

  /** A function that is memoized and not async, on an embedded store. */
  #memoized(): CacheStep {
    const random = this.#random;
    const n = random.pick(memoized);
    const key: Key = [memoName, n];
    const [{ given, of }, result, staleFor] = [this.keep(), this.value(), this.staleFor()];
    const fails = random.below(4) === 0;
    let calls = 0;
    const work = (_: number): unknown => {
      calls++;
      if (fails) throw new RangeError('no');
      return result;
    };
    const memo = (cache: AnyCache) => cache.memoize(work, { ...given, staleFor, name: memoName });
    if (random.below(4) === 0)
      return {
        words: `forget ${n}`,
        onModel: (whole) => whole.write(key, (shard) => shard.delete(key)),
        onCache: (cache) => memo(cache).forget(n),
      };
    return {
      words: `memoized ${n} ${JSON.stringify({ ...given, staleFor, fails })}`,
      onModel: (whole, memory) => {
        const worked = {
          value: result,
          fails,
          keep: of(memory),
          staleFor: staleFor ?? 0,
        };
        return workedOut(whole, memory, key, worked);
      },
      onCache: (cache) => [memo(cache)(n), calls],
    };
  }
}

const deleteMany = (keys: readonly Key[]): CacheStep => ({
  words: `deleteMany ${keys.map(idOf).join()}`,
  onModel: (whole) => {
    let count = 0;
    whole.writeMany(
      keys,
      (key) => key,
      (shard, key) => (count += Number(shard.delete(key))),
    );
    return count;
  },
  onCache: (cache) => cache.deleteMany(keys),
});

interface Worked {
  readonly value: unknown;
  readonly fails: boolean;
  readonly keep: Keep;
  readonly staleFor: number;
}

/** What becomes of a value that is worked out at once, and how often it is. */
function workedOut(
  whole: Whole,
  memory: ObjectMemory,
  key: Key,
  { value, fails, keep, staleFor }: Worked,
): unknown {
  const there = whole.at(key).servable(key);
  whole.looked(memory, key, there !== undefined);
  // Also what is stale, where nothing can be written.
  if (there !== undefined && (whole.at(key).isFresh(there) || !whole.canWrite)) return [there.value, 0];
  const claim = whole.write(key, (shard) => shard.claim(key, keep.tags, there?.stored));
  if ('served' in claim) return [claim.served.value, 0];
  if (there !== undefined && !('lead' in claim)) return [there.value, 0];
  if ('error' in claim) throw new Refused(claim.error);
  if (fails && 'follow' in claim) throw new Refused('RangeError');
  if ('follow' in claim) return [value, 1];
  const { lead } = claim;
  try {
    if (fails) throw new Refused('RangeError');
    whole.write(key, (shard) => shard.land(lead, key, value, keep, staleFor));
    return [value, 1];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    whole.write(key, (shard) => shard.fail(lead, key, error.message, 0));
    if (there === undefined) throw error;
    return [there.value, 1];
  }
}
