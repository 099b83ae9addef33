import type { AsyncDeque, AsyncIndex } from '../../src/index.js';
import { collect } from './helpers.js';

/** Each method of both structures, for what all of them owe. */
export type AnyIndex = AsyncIndex<string, unknown>;
export type AnyDeque = AsyncDeque<unknown>;
export type Calls<T> = Record<string, (structure: T) => unknown>;

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
