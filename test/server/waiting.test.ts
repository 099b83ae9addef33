import { once as event } from 'node:events';
import { createServer, connect as connectSocket, type Socket } from 'node:net';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Deque, Index, type AsyncDeque, type AsyncStore } from '../../src/index.js';
import { startProcess } from '../support/processes.js';
import {
  changedUrl,
  connected,
  connectedMany,
  count,
  outcome,
  rawClient,
  schemaName,
  sleep,
  untilWaiting,
} from './support.js';

test('between two stores, those who wait are served in the order in which they came', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const stores = await connectedMany(2, schema);
  const deques = stores.map((store) => new Deque<number>(store, 'd'));
  const takes: Promise<number>[] = [];
  const order = [0, 1, 1, 0, 1, 0, 0, 1];
  for (const [i, one] of order.entries()) {
    takes.push(deques[one]!.take({ timeout: '20s' }));
    await untilWaiting(raw, schema, i + 1);
  }
  const pushing = new Deque<number>(await connected(schema), 'd');
  for (const i of order.keys()) await pushing.push(i);
  expect(await outcome(Promise.all(takes))).toEqual({ value: [...order.keys()] });
  await untilWaiting(raw, schema, 0);
});

test('who comes while others wait does not overtake them', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const [first, second, third] = (await connectedMany(3, schema)).map(
    (store) => new Deque<string>(store, 'd'),
  ) as [AsyncDeque<string>, AsyncDeque<string>, AsyncDeque<string>];
  const waiting = first.take({ timeout: '20s' });
  await untilWaiting(raw, schema, 1);
  const [, late] = await Promise.all([third.push('one'), second.take({ timeout: '20s' }), third.push('two')]);
  expect([await waiting, late].sort()).toEqual(['one', 'two']);
});

/** Kills a process that waits, with others behind it in line. */
async function killedInLine(): Promise<{ schema: string; killed: () => Promise<void>; store: AsyncStore }> {
  const schema = schemaName();
  const store = await connected(schema);
  const location = JSON.stringify({ engine: 'server', url: inject('postgresUrl'), schema });
  const child = startProcess('structures-take.js', location, 'take');
  await untilWaiting(await rawClient(), schema, 1);
  return { schema, store, killed: () => child.kill9() };
}

test('a process that was killed in line is buried, and the next one is served', async () => {
  const { schema, store, killed } = await killedInLine();
  const deque = new Deque<string>(store, 'things');
  const take = deque.take({ timeout: '20s' });
  const raw = await rawClient();
  await untilWaiting(raw, schema, 2);
  await killed();
  await deque.push('item');
  expect(await outcome(take, 5000)).toEqual({ value: 'item' });
  expect(await count(raw, `SELECT count(*) FROM ${schema}.waiters`)).toBe(0);
  expect(await count(raw, `SELECT count(*) FROM ${schema}.owners`)).toBe(1);
});

test('a process that was killed alone in line holds up nobody who comes later', async () => {
  const { store, killed } = await killedInLine();
  const deque = new Deque<string>(store, 'things');
  await killed();
  await deque.push('item');
  expect(await outcome(deque.take({ timeout: '20s' }), 5000)).toEqual({ value: 'item' });
});

test('a process that was killed between two who wait holds up neither', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const [first, last] = (await connectedMany(2, schema)).map((store) => new Deque<number>(store, 'things'));
  const takes = [first!.take({ timeout: '20s' })];
  await untilWaiting(raw, schema, 1);
  const location = JSON.stringify({ engine: 'server', url: inject('postgresUrl'), schema });
  const child = startProcess('structures-take.js', location, 'take');
  await untilWaiting(raw, schema, 2);
  takes.push(last!.take({ timeout: '20s' }));
  await untilWaiting(raw, schema, 3);
  await child.kill9();
  await new Deque<number>(await connected(schema), 'things').push(1, 2);
  expect(await outcome(Promise.all(takes), 5000)).toEqual({ value: [1, 2] });
});

test('a store that closes while it waits gives up its place and its session at once', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const [closing, staying] = (await connectedMany(2, schema)) as [AsyncStore, AsyncStore];
  const ended = outcome(new Deque<string>(closing, 'd').take());
  await untilWaiting(raw, schema, 1);
  const take = new Deque<string>(staying, 'd').take({ timeout: '20s' });
  await untilWaiting(raw, schema, 2);
  await closing.close();
  expect(await ended).toEqual({ error: 'ERR_CLOSED' });
  expect(await count(raw, `SELECT count(*) FROM ${schema}.waiters`)).toBe(1);
  expect(await count(raw, `SELECT count(*) FROM ${schema}.owners`)).toBe(1);
  await new Deque<string>(staying, 'd').push('item');
  expect(await outcome(take)).toEqual({ value: 'item' });
});

test('a push in a transaction that is rolled back serves nobody', async () => {
  const schema = schemaName();
  const [store, other] = (await connectedMany(2, schema)) as [AsyncStore, AsyncStore];
  const deque = new Deque<string>(store, 'd');
  const take = outcome(new Deque<string>(other, 'd').take({ timeout: '20s' }));
  await untilWaiting(await rawClient(), schema, 1);
  const failed = store.transaction(async () => {
    await deque.push('never');
    throw new Error('undone');
  });
  expect(await outcome(failed)).toEqual({ error: 'undone' });
  await store.transaction(() => deque.push('item'));
  expect(await take).toEqual({ value: 'item' });
});

test('the notifications of two schemas do not mix', async () => {
  const stores = await Promise.all([schemaName(), schemaName()].map((schema) => connected(schema)));
  const [one, two] = stores.map((store) => new Deque<string>(store, 'd'));
  const takes = [one!, two!].map((deque) => outcome(deque.take({ timeout: 1500 })));
  await sleep(300);
  await one!.push('item');
  expect(await Promise.all(takes)).toEqual([{ value: 'item' }, { error: 'ERR_TIMEOUT' }]);
});

/** A proxy in front of the server, which keeps what its clients send. */
async function recorded(): Promise<{ url: string; sent: () => string }> {
  const { hostname, port } = new URL(inject('postgresUrl'));
  const sockets = new Set<Socket>();
  let sent = '';
  const server = createServer((client) => {
    const upstream = connectSocket(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (data) => (sent += data.toString('latin1')));
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await event(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = changedUrl({ port: String((server.address() as { port: number }).port) });
  return { url, sent: () => sent };
}

test('nobody is notified, and nobody listens, as long as nobody waits', async () => {
  const { url, sent } = await recorded();
  const schema = schemaName();
  // The functions that it makes say it, too.
  await connected(schema);
  const store = await connected(schema, { url });
  const deque = new Deque<number>(store, 'd');
  const index = new Index<string, number>(store, 'i');
  for (let i = 0; i < 5; i++) {
    await deque.push(i, i);
    await index.set('a', i);
    await store.transaction(async () => {
      await deque.shift();
      await index.update('a', () => i);
    });
  }
  expect(await deque.take()).toBe(2);
  expect(sent()).toContain('INSERT INTO');
  expect(sent()).not.toMatch(/pg_notify|LISTEN/);
  await deque.clear();
  const take = new Deque<number>(await connected(schema), 'd').take({ timeout: '20s' });
  await untilWaiting(await rawClient(), schema, 1);
  await deque.push(7);
  expect(await take).toBe(7);
  expect(sent()).toContain('pg_notify');
});

test('a push wakes who waits in another process by a notification, long before the poll', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const [pushing, taking] = (await connectedMany(2, schema)).map((store) => new Deque<number>(store, 'd'));
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    const take = taking!.take({ timeout: '20s' });
    await untilWaiting(raw, schema, 1);
    const begun = performance.now();
    await pushing!.push(i);
    expect(await take).toBe(i);
    times.push(performance.now() - begun);
  }
  const median = times.sort((a, b) => a - b)[7]!;
  expect(median).toBeLessThan(150);
});
