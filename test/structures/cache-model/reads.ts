import type { Key } from '../../../src/index.js';
import { collect } from '../helpers.js';
import { idOf } from './model.js';
import type { CacheStep } from './steps.js';
import type { Whole } from './whole.js';

/** What asks about one key, or some, or how much there is. */
export function readSteps(key: Key, keys: readonly Key[]): (() => CacheStep)[] {
  const get = (): CacheStep => ({
    words: `get ${idOf(key)}`,
    onModel: (whole, memory) => whole.get(memory, key)?.value,
    onCache: (cache) => cache.get(key),
  });
  return [
    get,
    get,
    get,
    () => ({
      words: `getMany ${keys.map(idOf).join()}`,
      onModel: (whole, memory) => keys.map((one) => whole.get(memory, one)?.value),
      onCache: (cache) => cache.getMany(keys),
    }),
    () => ({
      words: `has ${idOf(key)}`,
      onModel: (whole) => whole.at(key).live(key) !== undefined,
      onCache: (cache) => cache.has(key),
    }),
    () => ({
      words: 'size',
      onModel: (whole) => whole.sum(({ size }) => size),
      onCache: (cache) => cache.size,
    }),
    () => ({
      words: 'bytes',
      onModel: (whole) => whole.sum(({ bytes }) => bytes),
      onCache: (cache) => cache.bytes,
    }),
  ];
}

/** What iterates. */
export function listSteps(tag: string, prefix: string, reverse: boolean): (() => CacheStep)[] {
  const keysOf = (whole: Whole): Key[] => whole.listed(reverse).map(({ key }) => key);
  const withPrefix = (whole: Whole): Key[] => {
    const keys = keysOf(whole)
      .filter((key) => typeof key === 'string' && key.startsWith(prefix))
      .sort();
    return reverse ? keys.toReversed() : keys;
  };
  return [
    () => ({ words: 'keys', onModel: keysOf, onCache: (cache) => collect(cache.keys({ reverse })) }),
    () => ({
      words: 'values',
      onModel: (whole) => whole.listed(reverse).map(({ value }) => value),
      onCache: (cache) => collect(cache.values({ reverse })),
    }),
    () => ({
      words: 'entries',
      onModel: (whole) => whole.listed(reverse).map(({ key, value }) => [key, value]),
      onCache: (cache) => collect(cache.entries({ reverse })),
    }),
    () => ({
      words: `keys of tag ${tag}`,
      onModel: (whole) =>
        whole
          .listed(reverse)
          .filter(({ tags }) => tags.includes(tag))
          .map(({ key }) => key),
      onCache: (cache) => collect(cache.keys({ tag, reverse })),
    }),
    () => ({
      words: `keys with prefix ${prefix}`,
      onModel: withPrefix,
      onCache: (cache) => collect(cache.keys({ prefix, reverse })),
    }),
  ];
}
