import { expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { connected, outcome, schemaName, sleep } from './proxy.js';

test('two transactions that push to two deques in opposite order are both done: a deadlock is run again', async () => {
  const store = await connected(schemaName());
  const a = new Deque<number>(store, 'a');
  const b = new Deque<number>(store, 'b');
  await a.push(0);
  await b.push(0);
  const both = async (one: typeof a, other: typeof a): Promise<void> =>
    store.transaction(async () => {
      await one.push(1);
      await sleep(100);
      await other.push(1);
    });
  const outcomes = await Promise.all([outcome(both(a, b), 20_000), outcome(both(b, a), 20_000)]);
  expect(outcomes).toEqual([{ value: undefined }, { value: undefined }]);
});

test('a transaction that pushes after somebody began to wait is run again', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const other = new Deque<number>(await connected(schema), 'd');
  const deque = new Deque<number>(store, 'd');
  await deque.push(0);
  await deque.shift();
  let runs = 0;
  const done = store.transaction(async () => {
    await deque.size;
    if (++runs === 1) {
      void other.take({ timeout: '5s' }).catch(() => undefined);
      await sleep(300);
    }
    await deque.push(7);
  });
  expect(await outcome(done)).toEqual({ value: undefined });
  expect(runs).toBe(2);
});

test('popFirst does not give out what pop has given out', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const index = new Index<string, number>(store, 'i');
  const other = new Index<string, number>(await connected(schema), 'i');
  await index.setMany([
    ['a', 1],
    ['b', 2],
  ]);
  let first: Promise<unknown> = Promise.resolve();
  let popped: unknown;
  await store.transaction(async () => {
    popped = await index.pop('a');
    first = other.popFirst();
    await sleep(300);
  });
  expect(popped).toBe(1);
  expect(await first).toEqual(['b', 2]);
});

test('clear and deleteRange leave nothing that was there, though another deletes the same at once', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const index = new Index<number, number>(store, 'i');
  const other = new Index<number, number>(await connected(schema), 'i');
  const left: number[] = [];
  for (const work of [() => other.clear(), () => other.deleteRange({ gte: 0 })]) {
    await index.setMany(Array.from({ length: 1200 }, (_, i) => [i, i] as const));
    let cleared: Promise<number> = Promise.resolve(0);
    await store.transaction(async () => {
      await index.deleteMany(Array.from({ length: 500 }, (_, i) => i));
      cleared = work();
      await sleep(300);
    });
    await cleared;
    left.push(await index.size);
  }
  expect(left).toEqual([0, 0]);
});

test('a plain set is done again when the server broke a deadlock by it', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const index = new Index<string, number>(store, 'i');
  const other = new Index<string, number>(await connected(schema), 'i');
  await index.set('a', 1);
  let set: Promise<unknown> = Promise.resolve();
  const done = outcome(
    store.transaction(async () => {
      await index.set('a', 2);
      set = outcome(other.set('a', 3), 20_000);
      await sleep(200);
      await index.setDefault('new', 1);
    }),
    20_000,
  );
  expect(await done).toEqual({ value: undefined });
  expect(await set).toEqual({ value: undefined });
});

test('take ends by its timeout and its signal while another transaction holds the deque', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const deque = new Deque<number>(store, 'd');
  const other = new Deque<number>(await connected(schema), 'd');
  await deque.push(0);
  const outcomes: unknown[] = [];
  await store.transaction(async () => {
    await deque.push(1);
    const timed = other.take({ timeout: 100 });
    const aborted = other.take({ signal: AbortSignal.timeout(100) });
    outcomes.push(await outcome(timed, 1500), await outcome(aborted, 500));
  });
  expect(outcomes).toEqual([{ error: 'ERR_TIMEOUT' }, { error: 23 }]);
});
