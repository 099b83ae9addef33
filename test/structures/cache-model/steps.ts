import type { AsyncCache, Key, SetOptions } from '../../../src/index.js';
import { collect } from '../helpers.js';
import type { Random } from '../model-steps.js';
import { idOf, Refused, type Keep, type Memory, type Model } from './model.js';

export type AnyCache = AsyncCache<unknown>;

export const minute = 60_000;
/** No use waits for so long, in real time, until it is written: whatever happens at another time differs by more. */
export const tick = 10 * minute;

const stringKeys = ['a', 'b'].flatMap((from) => Array.from({ length: 6 }, (_, i) => `${from}/${i}`));
const memoized = [1, 2, 3];
export const memoName = 'work';
export const allKeys: readonly Key[] = [...stringKeys, 7, ...memoized.map((n) => [memoName, n])];
export const allTags = ['x', 'y', 'z'];
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
];

/** One random operation: its words, what it does to the model, and to the cache. */
export interface CacheStep {
  readonly words: string;
  readonly onModel: (model: Model, memory: Memory) => unknown;
  readonly onCache: (cache: AnyCache) => unknown;
}

/** What the steps of one kind of store differ in. */
export interface Kit {
  readonly random: Random;
  /** Times to live, in milliseconds. */
  readonly ttls: readonly number[];
  readonly atOnce: boolean;
}

export class Steps {
  readonly #random: Random;
  readonly #kit: Kit;

  constructor(kit: Kit) {
    this.#random = kit.random;
    this.#kit = kit;
  }

  any(): CacheStep {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 7) return random.pick([this.#set, this.#set, this.#setMany, this.#add])();
    if (kind < 10) return this.#numbers();
    if (kind < 14) return random.pick(this.#reads())();
    if (kind < 16) return random.pick(this.#lists())();
    if (kind < 18) return random.pick(this.#removals())();
    if (kind < 19 && this.#kit.atOnce) return this.#memoized();
    return random.pick([this.#touch, this.#update, this.#stats])();
  }

  key = (): Key => this.#random.pick(allKeys);
  value = (): unknown => this.#random.pick([1, 2, 3, ...otherValues]);

  /** As it is given, and what the model makes of it. */
  keep(): { readonly given: SetOptions | undefined; readonly of: (memory: Memory) => Keep } {
    const random = this.#random;
    const ttl = random.pick([undefined, undefined, Infinity, ...this.#kit.ttls]);
    const tags = random.below(3) > 0 ? undefined : random.some(3, () => random.pick(allTags));
    return {
      given: ttl === undefined && tags === undefined ? undefined : { ttl, tags },
      of: (memory) => ({
        ttl: ttl === undefined ? memory.ttl : ttl === Infinity ? undefined : ttl,
        tags: tags ?? [],
      }),
    };
  }

  #set = (): CacheStep => {
    const [key, value, keep] = [this.key(), this.value(), this.keep()];
    return {
      words: `set ${idOf(key)} ${JSON.stringify(keep.given)}`,
      onModel: (model, memory) => void model.put(key, value, keep.of(memory)),
      onCache: (cache) => cache.set(key, value, keep.given),
    };
  };

  #setMany = (): CacheStep => {
    const [pairs, keep] = [this.#random.some(4, () => [this.key(), this.value()] as const), this.keep()];
    return {
      words: `setMany ${pairs.map(([key]) => idOf(key)).join()} ${JSON.stringify(keep.given)}`,
      onModel: (model, memory) => pairs.forEach(([key, value]) => model.put(key, value, keep.of(memory))),
      onCache: (cache) => cache.setMany(pairs, keep.given),
    };
  };

  #add = (): CacheStep => {
    const [key, value, keep] = [this.key(), this.value(), this.keep()];
    return {
      words: `add ${idOf(key)} ${JSON.stringify(keep.given)}`,
      onModel: (model, memory) =>
        model.live(key) === undefined && (model.put(key, value, keep.of(memory)), true),
      onCache: (cache) => cache.add(key, value, keep.given),
    };
  };

  #numbers(): CacheStep {
    const random = this.#random;
    const [key, keep, by] = [this.key(), this.keep(), 1 + random.below(3)];
    const initial = random.pick([undefined, 10]);
    const down = random.below(2) === 1;
    const options = { ...keep.given, initial };
    return {
      words: `${down ? 'decrement' : 'increment'} ${idOf(key)} by ${by} ${JSON.stringify(options)}`,
      onModel: (model, memory) => {
        const from = model.live(key)?.value;
        if (from !== undefined && typeof from !== 'number') throw new Refused('TypeError');
        const next = (from ?? initial ?? 0) + (down ? -by : by);
        model.update(key, next, keep.of(memory));
        return next;
      },
      onCache: (cache) => (down ? cache.decrement(key, by, options) : cache.increment(key, by, options)),
    };
  }

  #update = (): CacheStep => {
    const [key, keep, next] = [this.key(), this.keep(), this.value()];
    let seen: unknown;
    return {
      words: `update ${idOf(key)} ${JSON.stringify(keep.given)}`,
      onModel: (model, memory) => {
        const before = model.live(key)?.value;
        model.update(key, next, keep.of(memory));
        return [before, next];
      },
      onCache: (cache) => {
        const done = cache.update(
          key,
          (current) => {
            seen = current;
            return next;
          },
          keep.given,
        );
        return done instanceof Promise ? done.then((value: unknown) => [seen, value]) : [seen, done];
      },
    };
  };

  #touch = (): CacheStep => {
    const key = this.key();
    const ttl = this.#random.pick([undefined, Infinity, ...this.#kit.ttls]);
    return {
      words: `touch ${idOf(key)} ${String(ttl)}`,
      onModel: (model, memory) =>
        model.touch(key, ttl === undefined ? memory.ttl : ttl === Infinity ? undefined : ttl),
      onCache: (cache) => cache.touch(key, ttl),
    };
  };

  #stats = (): CacheStep => {
    const reset = this.#random.below(4) === 0;
    return {
      words: reset ? 'stats, reset' : 'stats',
      onModel: (model, memory) => {
        model.flush(memory);
        const { counts } = model;
        if (reset) model.resetCounts();
        return counts;
      },
      onCache: (cache) => cache.stats({ reset }),
    };
  };

  #reads(): (() => CacheStep)[] {
    const key = this.key();
    const keys = this.#random.some(4, this.key);
    const get = (): CacheStep => ({
      words: `get ${idOf(key)}`,
      onModel: (model, memory) => model.get(memory, key)?.value,
      onCache: (cache) => cache.get(key),
    });
    return [
      get,
      get,
      get,
      () => ({
        words: `getMany ${keys.map(idOf).join()}`,
        onModel: (model, memory) => keys.map((one) => model.get(memory, one)?.value),
        onCache: (cache) => cache.getMany(keys),
      }),
      () => ({
        words: `has ${idOf(key)}`,
        onModel: (model) => model.live(key) !== undefined,
        onCache: (cache) => cache.has(key),
      }),
      () => ({ words: 'size', onModel: (model) => model.size, onCache: (cache) => cache.size }),
      () => ({ words: 'bytes', onModel: (model) => model.bytes, onCache: (cache) => cache.bytes }),
    ];
  }

  #lists(): (() => CacheStep)[] {
    const random = this.#random;
    const reverse = random.below(2) === 1;
    const tag = random.pick(allTags);
    const prefix = random.pick(['', 'a', 'a/', 'b/3', 'c']);
    const turned = <T>(list: T[]): T[] => (reverse ? list.toReversed() : list);
    const keysOf = (model: Model): Key[] => turned(model.listed().map(({ key }) => key));
    return [
      () => ({ words: 'keys', onModel: keysOf, onCache: (cache) => collect(cache.keys({ reverse })) }),
      () => ({
        words: 'values',
        onModel: (model) => turned(model.listed().map(({ value }) => value)),
        onCache: (cache) => collect(cache.values({ reverse })),
      }),
      () => ({
        words: 'entries',
        onModel: (model) => turned(model.listed().map(({ key, value }) => [key, value])),
        onCache: (cache) => collect(cache.entries({ reverse })),
      }),
      () => ({
        words: `keys of tag ${tag}`,
        onModel: (model) =>
          turned(model.listed().filter(({ tags }) => tags.includes(tag))).map(({ key }) => key),
        onCache: (cache) => collect(cache.keys({ tag, reverse })),
      }),
      () => ({
        words: `keys with prefix ${prefix}`,
        onModel: (model) =>
          turned(
            keysOf(model)
              .filter((key) => typeof key === 'string' && key.startsWith(prefix))
              .sort(),
          ),
        onCache: (cache) => collect(cache.keys({ prefix, reverse })),
      }),
    ];
  }

  #removals(): (() => CacheStep)[] {
    const random = this.#random;
    const key = this.key();
    const keys = random.some(4, this.key);
    const tags = [random.pick(allTags), ...random.some(1, () => random.pick(allTags))];
    const pop = (): CacheStep => ({
      words: `pop ${idOf(key)}`,
      onModel: (model) => {
        const value = model.live(key)?.value;
        model.delete(key);
        return value;
      },
      onCache: (cache) => cache.pop(key),
    });
    return [
      pop,
      pop,
      () => ({
        words: `delete ${idOf(key)}`,
        onModel: (model) => model.delete(key),
        onCache: (cache) => cache.delete(key),
      }),
      () => ({
        words: `deleteMany ${keys.map(idOf).join()}`,
        onModel: (model) => keys.filter((one) => model.delete(one)).length,
        onCache: (cache) => cache.deleteMany(keys),
      }),
      () => ({ words: 'expire', onModel: (model) => model.expire(), onCache: (cache) => cache.expire() }),
      () => ({ words: 'cull', onModel: (model) => model.cull(), onCache: (cache) => cache.cull() }),
      () => ({
        words: `invalidate ${tags.join()}`,
        onModel: (model) => model.removeWhere((entry) => entry.tags.some((tag) => tags.includes(tag))),
        onCache: (cache) => cache.invalidate(tags.length === 1 ? tags[0]! : tags),
      }),
      () =>
        random.below(3) > 0
          ? pop()
          : {
              words: 'clear',
              onModel: (model) => model.removeWhere(() => true),
              onCache: (cache) => cache.clear(),
            },
    ];
  }

  /** A function that is memoized and not async, on an embedded store. */
  #memoized(): CacheStep {
    const random = this.#random;
    const n = random.pick(memoized);
    const key: Key = [memoName, n];
    const [{ given, of }, result] = [this.keep(), this.value()];
    const staleFor = random.pick([undefined, ...this.#kit.ttls]);
    const fails = random.below(4) === 0;
    let calls = 0;
    const work = (_: number): unknown => {
      calls++;
      if (fails) throw new RangeError('no');
      return result;
    };
    const memo = (cache: AnyCache) => cache.memoize(work, { ...given, staleFor, name: memoName });
    const forgets = random.below(4) === 0;
    if (forgets)
      return {
        words: `forget ${n}`,
        onModel: (model) => model.delete(key),
        onCache: (cache) => memo(cache).forget(n),
      };
    return {
      words: `memoized ${n} ${JSON.stringify({ ...given, staleFor, fails })}`,
      onModel: (model, memory) => {
        const entry = model.servable(key);
        model.count(memory, key, entry !== undefined);
        if (entry !== undefined && model.isFresh(entry)) return [entry.value, 0];
        if (fails && entry === undefined) throw new Refused('RangeError');
        if (fails) return [entry?.value, 1];
        model.produced(key, result, of(memory), staleFor ?? 0);
        return [result, 1];
      },
      onCache: (cache) => [memo(cache)(n), calls],
    };
  }
}
