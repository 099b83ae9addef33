import { expect } from 'vitest';
import type { AsyncDeque, AsyncIndex } from '../../src/index.js';
import { randomFrom } from '../support/random.js';
import { collect } from './helpers.js';

export class Random {
  readonly next: () => number;

  constructor(from: number) {
    this.next = randomFrom(from);
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Short and long, of each encoding. */
  value(): unknown {
    const n = this.below(6);
    return this.pick<() => unknown>([
      () => n,
      () => 'x'.repeat(n * 3),
      () => new Uint8Array(n).fill(n),
      () => ({ n, list: Array.from({ length: n }, () => n) }),
      () => new Map([[n, { n }]]),
      () => undefined,
      () => null,
      () => NaN,
    ])();
  }

  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

/** One random operation: its words, what it does to the model, and to the structure. */
export interface Step<M, S> {
  readonly words: string;
  readonly onModel: (model: M) => unknown;
  readonly onStructure: (structure: S) => unknown;
}

export type Entries = Map<number, unknown>;
export type AnyIndex = AsyncIndex<number, unknown>;
type Pair = readonly [number, unknown];

const byKey = (model: Entries): Pair[] => [...model].sort(([a], [b]) => a - b);

function popEntry(model: Entries, entry: Pair | undefined): Pair | undefined {
  if (entry !== undefined) model.delete(entry[0]);
  return entry;
}

function deleteAll(model: Entries, keys: readonly number[]): number {
  return keys.filter((key) => model.delete(key)).length;
}

/** `order` is that of the object which the step is for. */
export function indexStep(random: Random, order: 'insertion' | 'key'): Step<Entries, AnyIndex> {
  const key = random.below(40);
  const [low, high] = [random.below(40), random.below(45)];
  const value = random.value();
  const within = (model: Entries): Pair[] => byKey(model).filter(([one]) => one > low && one <= high);
  const ordered = (model: Entries): Pair[] => (order === 'key' ? byKey(model) : [...model]);
  const pairs = random.some(5, () => [random.below(40), random.value()] as const);
  const keys = random.some(5, () => random.below(40));
  const reverse = random.below(2) === 1;
  const limit = 1 + random.below(20);
  const turned = (list: Pair[]): Pair[] => (reverse ? list.toReversed() : list);
  const steps: (() => Step<Entries, AnyIndex>)[] = [
    () => ({
      words: `set ${key}`,
      onModel: (m) => void m.set(key, value),
      onStructure: (s) => s.set(key, value),
    }),
    () => ({
      words: `set ${key}`,
      onModel: (m) => void m.set(key, value),
      onStructure: (s) => s.set(key, value),
    }),
    () => ({
      words: `setMany ${pairs.map(([one]) => one).join()}`,
      onModel: (m) => pairs.forEach(([one, v]) => m.set(one, v)),
      onStructure: (s) => s.setMany(pairs),
    }),
    () => ({
      words: `setDefault ${key}`,
      onModel: (m) => (m.has(key) ? m.get(key) : (m.set(key, value), value)),
      onStructure: (s) => s.setDefault(key, () => value),
    }),
    () => ({
      words: `update ${key}`,
      onModel: (m) => {
        if (value === undefined) return void m.delete(key);
        const next = [m.get(key), value].slice(-2).map((one) => (Array.isArray(one) ? 'nested' : one));
        m.set(key, next);
        return next;
      },
      onStructure: (s) =>
        s.update(key, (current) =>
          value === undefined ? undefined : [Array.isArray(current) ? 'nested' : current, value],
        ),
    }),
    () => ({ words: `delete ${key}`, onModel: (m) => m.delete(key), onStructure: (s) => s.delete(key) }),
    () => ({
      words: `deleteMany ${keys.join()}`,
      onModel: (m) => deleteAll(m, keys),
      onStructure: (s) => s.deleteMany(keys),
    }),
    () => ({
      words: `deleteRange ${low} to ${high}`,
      onModel: (m) =>
        reverse
          ? deleteAll(
              m,
              within(m).map(([one]) => one),
            )
          : 0,
      onStructure: (s) => s.deleteRange(reverse ? { gt: low, lte: high } : { gt: low, lt: low }),
    }),
    () => ({
      words: `pop ${key}`,
      onModel: (m) => popEntry(m, m.has(key) ? [key, m.get(key)] : undefined)?.[1],
      onStructure: (s) => s.pop(key),
    }),
    () => ({
      words: 'popFirst',
      onModel: (m) => popEntry(m, ordered(m)[0]),
      onStructure: (s) => s.popFirst(),
    }),
    () => ({
      words: 'popLast',
      onModel: (m) => popEntry(m, ordered(m).at(-1)),
      onStructure: (s) => s.popLast(),
    }),
    () => ({ words: `get ${key}`, onModel: (m) => m.get(key), onStructure: (s) => s.get(key) }),
    () => ({ words: `has ${key}`, onModel: (m) => m.has(key), onStructure: (s) => s.has(key) }),
    () => ({ words: 'first', onModel: (m) => ordered(m)[0], onStructure: (s) => s.first() }),
    () => ({ words: 'last', onModel: (m) => ordered(m).at(-1), onStructure: (s) => s.last() }),
    () => ({
      words: `getMany ${keys.join()}`,
      onModel: (m) => keys.map((one) => m.get(one)),
      onStructure: (s) => s.getMany(keys),
    }),
    () => ({
      words: `range ${low} to ${high}, ${limit}`,
      onModel: (m) => turned(within(m)).slice(0, limit),
      onStructure: (s) => collect(s.range({ gt: low, lte: high, reverse, limit })),
    }),
    () => ({
      words: 'entries',
      onModel: (m) => turned(ordered(m)),
      onStructure: (s) => collect(s.entries({ reverse })),
    }),
    () =>
      random.below(10) > 0
        ? { words: 'size', onModel: (m) => m.size, onStructure: (s) => s.size }
        : {
            words: 'clear',
            onModel: (m) => deleteAll(m, [...m.keys()]),
            onStructure: (s) => s.clear(),
          },
  ];
  return random.pick(steps)();
}

export type AnyDeque = AsyncDeque<unknown>;

/** The items, and the bound that is stored with them. */
export interface Items {
  list: unknown[];
  most: number;
}

const same = (a: unknown, b: unknown): boolean => {
  try {
    expect(a).toStrictEqual(b);
    return true;
  } catch {
    return false;
  }
};

function add(model: Items, end: 'push' | 'unshift', items: unknown[]): void {
  const { list, most } = model;
  list[end](...items);
  if (list.length > most) list.splice(end === 'push' ? 0 : most, list.length - most);
}

export function dequeStep(random: Random): Step<Items, AnyDeque> {
  const value = random.value();
  const items = random.some(5, () => random.value());
  const index = random.below(40) - 20;
  const count = 1 + random.below(4);
  const steps = random.below(60) - 30;
  const find = (m: Items): number => m.list.findIndex((item) => same(item, value));
  const choices: (() => Step<Items, AnyDeque>)[] = [
    () => ({ words: 'push', onModel: (m) => add(m, 'push', [value]), onStructure: (s) => s.push(value) }),
    () => ({
      words: 'unshift',
      onModel: (m) => add(m, 'unshift', [value]),
      onStructure: (s) => s.unshift(value),
    }),
    () => ({
      words: `push ${items.length}`,
      onModel: (m) => add(m, 'push', items),
      onStructure: (s) => s.push(...items),
    }),
    () => ({
      words: `unshift ${items.length}`,
      onModel: (m) => add(m, 'unshift', items),
      onStructure: (s) => s.unshift(...items),
    }),
    () => ({
      words: `pushMany ${items.length}`,
      onModel: (m) => add(m, 'push', items),
      onStructure: (s) => s.pushMany(items.values()),
    }),
    () => ({
      words: `unshiftMany ${items.length}`,
      onModel: (m) => add(m, 'unshift', items),
      onStructure: (s) => s.unshiftMany(items),
    }),
    () => ({ words: 'shift', onModel: (m) => m.list.shift(), onStructure: (s) => s.shift() }),
    () => ({ words: 'pop', onModel: (m) => m.list.pop(), onStructure: (s) => s.pop() }),
    () => ({
      words: `shiftMany ${count}`,
      onModel: (m) => m.list.splice(0, count),
      onStructure: (s) => s.shiftMany(count),
    }),
    () => ({
      words: `popMany ${count}`,
      onModel: (m) => m.list.splice(-count).reverse(),
      onStructure: (s) => s.popMany(count),
    }),
    () => ({ words: `at ${index}`, onModel: (m) => m.list.at(index), onStructure: (s) => s.at(index) }),
    () => ({
      words: `set ${index}`,
      onModel: (m) => {
        if (index >= m.list.length || index < -m.list.length) throw new RangeError();
        m.list[index < 0 ? index + m.list.length : index] = value;
      },
      onStructure: (s) => s.set(index, value),
    }),
    () => ({ words: 'indexOf', onModel: find, onStructure: (s) => s.indexOf(value) }),
    () => ({ words: 'includes', onModel: (m) => find(m) >= 0, onStructure: (s) => s.includes(value) }),
    () => ({
      words: 'count',
      onModel: (m) => m.list.filter((item) => same(item, value)).length,
      onStructure: (s) => s.count(value),
    }),
    () => ({
      words: 'remove',
      onModel: (m) => (find(m) >= 0 ? m.list.splice(find(m), 1).length === 1 : false),
      onStructure: (s) => s.remove(value),
    }),
    () => ({
      words: `rotate ${steps}`,
      onModel: ({ list }) => {
        const right = list.length === 0 ? 0 : ((steps % list.length) + list.length) % list.length;
        list.unshift(...list.splice(list.length - right, right));
      },
      onStructure: (s) => s.rotate(steps),
    }),
    () => ({ words: 'reverse', onModel: (m) => void m.list.reverse(), onStructure: (s) => s.reverse() }),
    () => ({ words: 'first', onModel: (m) => m.list[0], onStructure: (s) => s.first() }),
    () => ({ words: 'last', onModel: (m) => m.list.at(-1), onStructure: (s) => s.last() }),
    () => ({ words: 'toArray', onModel: (m) => [...m.list], onStructure: (s) => s.toArray() }),
    () => ({
      words: 'values in reverse',
      onModel: (m) => m.list.toReversed(),
      onStructure: (s) => collect(s.values({ reverse: true })),
    }),
    () =>
      random.below(10) > 0
        ? { words: 'size', onModel: (m) => m.list.length, onStructure: (s) => s.size }
        : { words: 'clear', onModel: (m) => m.list.splice(0).length, onStructure: (s) => s.clear() },
  ];
  return random.pick(choices)();
}
