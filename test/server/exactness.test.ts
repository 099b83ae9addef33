import { expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { connectedMany, count, outcome, rawClient, rows, schemaName } from './support.js';

const connections = 4;

test('updates of one key from 4 connections add up exactly, while others set and delete its neighbours', async () => {
  const indexes = (await connectedMany(connections)).map((store) => new Index<string, number>(store, 'i'));
  await Promise.all(
    indexes.map(async (index, number) => {
      for (let i = 0; i < 40; i++) {
        await index.update('n', (value) => (value ?? 0) + 1);
        await index.set(`k${(i + number) % 3}`, i);
        await index.delete(`k${i % 3}`);
      }
    }),
  );
  const [index] = indexes;
  expect(await index!.get('n')).toBe(40 * connections);
  expect(await index!.size).toBe((await index!.toMap()).size);
});

test('what updates add to a key, and pop and delete take away from it at once, is neither lost nor there twice', async () => {
  const indexes = (await connectedMany(connections)).map((store) => new Index<string, number>(store, 'i'));
  let popped = 0;
  await Promise.all(
    indexes.map(async (index, number) => {
      for (let i = 0; i < 60; i++) {
        if (number === 0) popped += (await index.pop('n')) ?? 0;
        else await index.update('n', (value) => (value ?? 0) + 1);
      }
    }),
  );
  expect(popped + ((await indexes[0]!.get('n')) ?? 0)).toBe(60 * (connections - 1));
  expect(await indexes[0]!.size).toBe((await indexes[0]!.toMap()).size);
});

test('setDefault from 4 connections: all who find no value get the same one, though others delete it', async () => {
  const indexes = (await connectedMany(connections)).map((store) => new Index<number, number>(store, 'i'));
  for (let key = 0; key < 25; key++) {
    const got = await Promise.all(indexes.map((index, number) => index.setDefault(key, number)));
    expect(new Set(got).size).toBe(1);
    expect(await indexes[0]!.get(key)).toBe(got[0]);
  }
  await Promise.all(
    indexes.map(async (index, number) => {
      for (let i = 0; i < 40; i++) {
        if (number === 3) await index.delete(-1);
        else expect(await index.setDefault(-1, number)).toBeTypeOf('number');
      }
    }),
  );
  expect(await indexes[0]!.size).toBe((await indexes[0]!.toMap()).size);
});

test('an update that sees no value beside a set of the same key does not overwrite it unseen', async () => {
  const indexes = (await connectedMany(connections)).map((store) => new Index<number, number>(store, 'i'));
  for (let key = 0; key < 40; key++) {
    await Promise.all([
      indexes[0]!.set(key, 100),
      indexes[1]!.update(key, (value) => (value ?? 0) + 1),
      indexes[2]!.update(key, (value) => (value ?? 0) + 1),
    ]);
    // The set may come before, between or after the two updates.
    expect([100, 101, 102]).toContain(await indexes[0]!.get(key));
  }
});

test('size and bytes of an index are exact after 4 connections have changed it in every way', async () => {
  const schema = schemaName();
  const indexes = (await connectedMany(connections, schema)).map(
    (store) => new Index<number, string>(store, 'i'),
  );
  await Promise.all(
    indexes.map(async (index, number) => {
      for (let i = 0; i < 25; i++) {
        await index.setMany([1, 2, 3].map((n) => [(i * n + number) % 10, 'x'.repeat(i)] as const));
        await index.update(i % 10, (value) => (i % 4 === 0 ? undefined : `${value ?? ''}y`));
        await index.popFirst();
        await index.deleteRange({ gte: 5, lt: 5 + number });
      }
    }),
  );
  const raw = await rawClient();
  const [tally] = await rows(raw, `SELECT sum(size)::int, sum(bytes)::int FROM ${schema}.tallies`);
  const [truth] = await rows(
    raw,
    `SELECT count(*)::int, coalesce(sum(bytes), 0)::int FROM ${schema}.entries`,
  );
  expect(tally).toEqual(truth);
  expect(await indexes[0]!.size).toBe(truth![0]);
});

test('pushes and shifts at both ends of a deque from 4 connections keep its places consecutive, and each item once', async () => {
  const schema = schemaName();
  const deques = (await connectedMany(connections, schema)).map((store) => new Deque<string>(store, 'd'));
  const taken: (string | undefined)[] = [];
  await Promise.all(
    deques.map(async (deque, number) => {
      for (let i = 0; i < 40; i++) {
        await (i % 2 ? deque.push(`${number}:${i}`) : deque.unshift(`${number}:${i}`));
        if (i % 5 === 0) await deque.rotate(number - 1);
        if (i % 3 === 0) taken.push(await deque.shift());
        if (i % 4 === 0) taken.push(await deque.pop());
        if (i % 7 === 0) taken.push(...(await deque.popMany(2)));
      }
    }),
  );
  const left = await deques[0]!.toArray();
  const all = [...taken.filter((item) => item !== undefined), ...left];
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBe(40 * connections);
  const raw = await rawClient();
  const gaps = `SELECT max(id) - min(id) + 1 - count(*) FROM ${schema}.items`;
  expect(await count(raw, gaps)).toBe(0);
  expect(await deques[0]!.size).toBe(left.length);
  const bytes = `SELECT sum(bytes) - (SELECT max(upto) - min(upto - span) FROM ${schema}.items)
    - (SELECT bytes FROM ${schema}.structures WHERE kind = 'deque') FROM ${schema}.items`;
  expect(await count(raw, bytes)).toBe(0);
});

test('a bounded deque never holds more than its bound, whoever pushes', async () => {
  const schema = schemaName();
  const deques = (await connectedMany(connections, schema)).map(
    (store) => new Deque<number>(store, 'd', { maxLength: 5 }),
  );
  const sizes: number[] = [];
  await Promise.all(
    deques.map(async (deque, number) => {
      for (let i = 0; i < 30; i++) {
        await (number % 2 ? deque.push(i, i) : deque.unshift(i));
        sizes.push(await deque.size);
      }
    }),
  );
  expect(Math.max(...sizes)).toBe(5);
  expect(await count(await rawClient(), `SELECT max(id) - min(id) + 1 FROM ${schema}.items`)).toBe(5);
});

test('transfers between two structures in serializable transactions from 4 connections keep the sum', async () => {
  const stores = await connectedMany(connections);
  const accounts = new Index<string, number>(stores[0]!, 'accounts');
  await accounts.setMany(['a', 'b', 'c'].map((name) => [name, 100] as const));
  const sums: number[] = [];
  await Promise.all(
    stores.map(async (store, number) => {
      const index = new Index<string, number>(store, 'accounts');
      const log = new Deque<number>(store, 'log');
      for (let i = 0; i < 10; i++) {
        const [from = 'a', to = 'b'] = ['a', 'b', 'c', 'a'].slice((i + number) % 3);
        await store.transaction(async () => {
          await index.update(from, (value) => (value ?? 0) - 1);
          await index.update(to, (value) => (value ?? 0) + 1);
          await log.push(1);
        });
        const values = await index.getMany(['a', 'b', 'c']);
        sums.push(values.reduce<number>((sum, value) => sum + (value ?? 0), 0));
      }
    }),
  );
  expect(new Set(sums)).toEqual(new Set([300]));
  expect(await new Deque(stores[0]!, 'log').size).toBe(10 * connections);
});

test('a structure that 8 connections use first at the same time is made once', async () => {
  const schema = schemaName();
  const stores = await connectedMany(8, schema);
  const done = stores.map((store, i) =>
    i % 2 ? new Deque<number>(store, 'x').push(i) : new Index<number, number>(store, 'x').set(i, i),
  );
  expect(await outcome(Promise.all(done))).toMatchObject({ value: expect.any(Array) });
  expect(await count(await rawClient(), `SELECT count(*) FROM ${schema}.structures`)).toBe(2);
  expect([await new Deque(stores[0]!, 'x').size, await new Index(stores[0]!, 'x').size]).toEqual([4, 4]);
});
