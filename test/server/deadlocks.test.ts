import { expect, onTestFinished, test } from 'vitest';
import { Deque, Index, type AsyncDeque, type AsyncIndex } from '../../src/index.js';
import { connect } from '../../src/postgres.js';
import { changedUrl, count, once, rawClient, unique } from './support.js';

/** A database of the test's own: the server counts the deadlocks of each. */
async function newDatabase(): Promise<{ name: string; url: string }> {
  const name = unique();
  await once(`CREATE DATABASE ${name}`);
  onTestFinished(() => once(`DROP DATABASE ${name} WITH (FORCE)`));
  return { name, url: changedUrl({ pathname: `/${name}` }) };
}

interface Shared {
  readonly index: AsyncIndex<number, number>;
  readonly deque: AsyncDeque<number>;
}

type Call = (shared: Shared, i: number) => Promise<unknown>;

const update: Call = ({ index }) => index.update(1, (value) => (value ?? 0) + 1);
const pop: Call = ({ index }) => index.pop(1);
const remove: Call = ({ index }) => index.delete(1);
const set: Call = ({ index }, i) => index.set(1, i);
const setDefault: Call = ({ index }, i) => index.setDefault(1, i);
const popFirst: Call = ({ index }) => index.popFirst();
const clear: Call = ({ index }) => index.clear();
const upwards: Call = ({ index }, i) => index.setMany([1, 2, 3, 4].map((key) => [key, i] as const));
const downwards: Call = ({ index }, i) => index.setMany([4, 3, 2, 1].map((key) => [key, i] as const));
const removeDownwards: Call = ({ index }) => index.deleteMany([4, 3, 2, 1]);
const removeRange: Call = ({ index }) => index.deleteRange({ gte: 1, lt: 4 });
const push: Call = ({ deque }, i) => deque.push(i);
const shift: Call = ({ deque }) => deque.shift();
const rotate: Call = ({ deque }) => deque.rotate(1);

/** A deadlock stops those in it for a second. Single calls need never come into one: they can take their locks in one order. */
test.each<[string, readonly Call[]]>([
  ['update and pop', [update, pop]],
  ['update and delete', [update, remove]],
  ['update and set', [update, set]],
  ['setDefault and delete', [setDefault, remove]],
  ['update and popFirst', [update, popFirst]],
  ['update and clear', [update, clear]],
  ['set and deleteRange', [upwards, removeRange]],
  ['setMany in two orders', [upwards, downwards]],
  ['setMany and deleteMany in two orders', [upwards, removeDownwards]],
  ['setMany and update', [downwards, update]],
  ['push, shift and rotate', [push, shift, rotate]],
])('single calls from 4 connections never deadlock: %s', async (_, calls) => {
  const { name, url } = await newDatabase();
  const stores = await Promise.all(
    Array.from({ length: 4 }, () => connect(url, { schema: 'shared', connections: 2 })),
  );
  await Promise.all(
    stores.map(async (store, number) => {
      const shared = { index: new Index<number, number>(store, 'i'), deque: new Deque<number>(store, 'd') };
      for (let i = 0; i < 12; i++) await calls[(i + number) % calls.length]!(shared, i);
    }),
  );
  // A session tells its counts at its end, at the latest.
  await Promise.all(stores.map((store) => store.close()));
  const raw = await rawClient();
  await expect
    .poll(() => count(raw, 'SELECT count(*) FROM pg_stat_activity WHERE datname = $1', name))
    .toBe(0);
  expect(await count(raw, 'SELECT deadlocks FROM pg_stat_database WHERE datname = $1', name)).toBe(0);
});
