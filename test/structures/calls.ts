import type { AsyncCache, AsyncDeque, AsyncIndex } from '../../src/index.js';
import { collect } from './helpers.js';

/** Each method of these structures, for what all of them owe. */
export type AnyIndex = AsyncIndex<string, unknown>;
export type AnyDeque = AsyncDeque<unknown>;
export type AnyCache = AsyncCache<unknown>;
export type Calls<T> = Record<string, (structure: T) => unknown>;

/** Does the same for each of many calls; a failure names the call. */
export async function each<T>(calls: Record<string, T>, body: (call: T) => Promise<void>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    try {
      await body(call);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

export const indexReads: Calls<AnyIndex> = {
  size: (index) => index.size,
  get: (index) => index.get('a'),
  has: (index) => index.has('a'),
  getMany: (index) => index.getMany(['a']),
  first: (index) => index.first(),
  last: (index) => index.last(),
  keys: (index) => collect(index.keys()),
  values: (index) => collect(index.values()),
  entries: (index) => collect(index.entries()),
  range: (index) => collect(index.range({ gte: 'a' })),
  forEach: (index) => index.forEach(() => {}),
  toMap: (index) => index.toMap(),
};

export const indexWrites: Calls<AnyIndex> = {
  set: (index) => index.set('z', 1),
  setMany: (index) => index.setMany([['a', 'new'], ['z', 1]]), // prettier-ignore
  setDefault: (index) => index.setDefault('z', 1),
  update: (index) => index.update('a', () => 'new'),
  'update that deletes': (index) => index.update('a', () => undefined),
  delete: (index) => index.delete('a'),
  deleteMany: (index) => index.deleteMany(['a', 'b']),
  deleteRange: (index) => index.deleteRange({ gte: 'b' }),
  clear: (index) => index.clear(),
  pop: (index) => index.pop('a'),
  popFirst: (index) => index.popFirst(),
  popLast: (index) => index.popLast(),
};

export const dequeReads: Calls<AnyDeque> = {
  size: (deque) => deque.size,
  at: (deque) => deque.at(1),
  first: (deque) => deque.first(),
  last: (deque) => deque.last(),
  includes: (deque) => deque.includes('b'),
  indexOf: (deque) => deque.indexOf('b'),
  count: (deque) => deque.count('b'),
  values: (deque) => collect(deque.values()),
  toArray: (deque) => deque.toArray(),
};

export const dequeWrites: Calls<AnyDeque> = {
  push: (deque) => deque.push('z'),
  'push of many': (deque) => deque.push('y', 'z'),
  unshift: (deque) => deque.unshift('z'),
  'unshift of many': (deque) => deque.unshift('y', 'z'),
  pushMany: (deque) => deque.pushMany(new Set(['y', 'z'])),
  unshiftMany: (deque) => deque.unshiftMany(['y', 'z']),
  shift: (deque) => deque.shift(),
  pop: (deque) => deque.pop(),
  shiftMany: (deque) => deque.shiftMany(2),
  popMany: (deque) => deque.popMany(2),
  set: (deque) => deque.set(1, 'a longer one'),
  remove: (deque) => deque.remove('b'),
  rotate: (deque) => deque.rotate(1),
  reverse: (deque) => deque.reverse(),
  clear: (deque) => deque.clear(),
};

export const waits: Calls<AnyDeque> = {
  take: (deque) => deque.take({ timeout: 0 }),
  takeLast: (deque) => deque.takeLast(),
};

/** Whose results are in {@link cacheEntries}. */
export const memo = (cache: AnyCache) => cache.memoize((n: number): unknown => n, { name: 'memo' });

/** What a cache is filled with for these calls. */
export const cacheEntries: readonly (readonly [key: string, value: unknown])[] = [
  ['a', { n: 1 }],
  ['b', 'two'],
  ['n', 3],
];

export const cacheReads: Calls<AnyCache> = {
  size: (cache) => cache.size,
  bytes: (cache) => cache.bytes,
  get: (cache) => cache.get('a'),
  has: (cache) => cache.has('a'),
  getMany: (cache) => cache.getMany(['a', 'x']),
  entry: (cache) => cache.entry('a'),
  keys: (cache) => collect(cache.keys()),
  'keys of a tag': (cache) => collect(cache.keys({ tag: 't' })),
  'keys with a prefix': (cache) => collect(cache.keys({ prefix: 'a' })),
  values: (cache) => collect(cache.values()),
  entries: (cache) => collect(cache.entries()),
};

export const cacheWrites: Calls<AnyCache> = {
  set: (cache) => cache.set('z', 1),
  'set of what is there': (cache) => cache.set('a', 'new'),
  'set with tags': (cache) => cache.set('b', 'new', { ttl: '1h', tags: ['t', 'u'] }),
  setMany: (cache) => cache.setMany([['a', 'new'], ['z', 1]]), // prettier-ignore
  add: (cache) => cache.add('z', 1, { tags: ['t'] }),
  touch: (cache) => cache.touch('a', '1h'),
  pop: (cache) => cache.pop('a'),
  delete: (cache) => cache.delete('a'),
  deleteMany: (cache) => cache.deleteMany(['a', 'b']),
  increment: (cache) => cache.increment('n'),
  'increment of what is not there': (cache) => cache.increment('z', 1, { initial: 5 }),
  decrement: (cache) => cache.decrement('n'),
  update: (cache) => cache.update('a', () => 'new'),
  'update that deletes': (cache) => cache.update('a', () => undefined),
  'stats with reset': (cache) => cache.stats({ reset: true }),
  expire: (cache) => cache.expire(),
  cull: (cache) => cache.cull(),
  invalidate: (cache) => cache.invalidate('t'),
  clear: (cache) => cache.clear(),
  'refresh of a memoized function': (cache) => memo(cache).refresh(1),
  'forget of a memoized function': (cache) => memo(cache).forget(1),
};

export const cacheWaits: Calls<AnyCache> = {
  getOrSet: (cache) => cache.getOrSet('z', () => 1),
  'getOrSet of what is there': (cache) => cache.getOrSet('a', () => 1),
  'a memoized function that is async': (cache) =>
    cache.memoize(async (n: number): Promise<unknown> => n, { name: 'later' })(1),
};
