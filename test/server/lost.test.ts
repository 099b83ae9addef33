import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { startProcess, type TestProcess } from '../support/processes.js';
import {
  connected,
  count,
  namedUrl,
  outcome,
  rawClient,
  schemaName,
  sleep,
  terminate,
  unique,
  until,
  untilWaiting,
} from './support.js';

interface Setting {
  readonly name: string;
  readonly schema: string;
  readonly raw: Client;
  readonly child: TestProcess;
  /** Has the child make a call, and gives what came of it. */
  readonly ask: (call: string) => Promise<unknown>;
}

/** A process with a store whose sessions can be told from all others. */
async function setting(): Promise<Setting> {
  const name = unique();
  const schema = schemaName();
  const raw = await rawClient();
  const location = JSON.stringify({ engine: 'server', url: namedUrl(name), schema });
  const child = startProcess(new URL('lost-call.js', import.meta.url), location);
  const ask = async (call: string): Promise<unknown> => {
    await child.send(call);
    return child.nextMessage();
  };
  expect(await ask('set')).toEqual({ value: undefined });
  return { name, schema, raw, child, ask };
}

/** The process lives, its store works as before, and can be closed. */
async function expectWell({ ask, child }: Setting): Promise<void> {
  expect(await ask('get')).toEqual({ value: 1 });
  expect(await ask('push')).toEqual({ value: undefined });
  expect(await ask('end')).toBe('closed');
  expect(await child.exited).toEqual({ code: 0, signal: null });
}

const lost = { error: 'ERR_CONNECTION' };

describe('a connection that is lost in a transaction', () => {
  test.each([
    ['while nothing is asked', 'idle'],
    ['before it is asked something', 'asking'],
    ['with the error caught inside', 'swallowing'],
    ['in one that is nested', 'nested'],
  ])('%s rejects it with ERR_CONNECTION; nothing is changed, and the store goes on', async (_, call) => {
    const all = await setting();
    expect(await all.ask(call)).toBe('inside');
    expect(await terminate(all.raw, all.name)).toBeGreaterThan(0);
    expect(await all.ask('go on')).toEqual(lost);
    await expectWell(all);
  });
});

test('a connection that is lost during a statement rejects the call with ERR_CONNECTION', async () => {
  const all = await setting();
  const { raw, name, schema, child } = all;
  await all.ask('push');
  await raw.query(`BEGIN; SELECT FROM ${schema}.structures FOR UPDATE`);
  await child.send('push');
  const blocked = `wait_event_type = 'Lock'`;
  await until(async () => (await sessions(await rawClient(), name, blocked)) === 1);
  expect(await terminate(await rawClient(), name, blocked)).toBe(1);
  expect(await child.nextMessage()).toEqual(lost);
  await raw.query('ROLLBACK');
  await expectWell(all);
});

test('a process that is stopped inside a call keeps the others from writing for some seconds, not for ever; its call changes nothing', async () => {
  const all = await setting();
  await all.child.send('stopped');
  const stopped = `state = 'idle in transaction'`;
  await until(async () => (await sessions(all.raw, all.name, stopped)) === 1);
  const others = new Index<string, number>(await connected(all.schema), 'i');
  expect(
    await outcome(
      others.update('a', (n = 0) => n + 1),
      60_000,
    ),
  ).toEqual({ value: 2 });
  all.child.resume();
  expect(await all.child.nextMessage()).toEqual(lost);
  await others.set('a', 1);
  await expectWell(all);
});

test('connections that are lost while they are idle in the pool are replaced at the next call', async () => {
  const all = await setting();
  for (let round = 0; round < 3; round++) {
    expect(await terminate(all.raw, all.name)).toBeGreaterThan(0);
    await sleep(100);
    expect(await all.ask('get')).toEqual({ value: 1 });
  }
  await expectWell(all);
});

test('a call right after the idle connections were lost succeeds, or rejects with ERR_CONNECTION', async () => {
  const all = await setting();
  for (let round = 0; round < 10; round++) {
    await terminate(all.raw, all.name);
    expect([lost, { value: 1 }]).toContainEqual(await all.ask('get'));
    expect([lost, { value: undefined }]).toContainEqual(await all.ask('set'));
  }
  await sleep(100);
  await expectWell(all);
});

test('a take whose listening connection is lost goes on waiting, or rejects with ERR_CONNECTION; the process lives', async () => {
  const all = await setting();
  await all.child.send('take');
  await untilWaiting(all.raw, all.schema, 1);
  expect(await terminate(all.raw, all.name)).toBeGreaterThan(0);
  const deque = new Deque<string>(await connected(all.schema), 'd');
  await deque.push('first');
  const answer = await all.child.nextMessage();
  expect([lost, { value: 'first' }]).toContainEqual(answer);
  if (answer !== lost) await deque.push('again');
  // Whether the first was lost with the call or not, there is one to take now.
  expect(await all.ask('take')).toEqual({ value: expect.stringMatching(/first|again/) });
  await untilWaiting(all.raw, all.schema, 0, 5000);
  await expectWell(all);
});

test('many takes of one store, whose listening connection is lost again and again, get each item once', async () => {
  const schema = schemaName();
  const name = unique();
  const raw = await rawClient();
  const deque = new Deque<number>(await connected(schema, { url: namedUrl(name) }), 'd');
  const pushing = new Deque<number>(await connected(schema), 'd');
  await pushing.push(-1);
  expect(await deque.shift()).toBe(-1);
  const got: number[] = [];
  let stop = false;
  const takers = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const taken = await outcome(deque.take({ timeout: 1000 }));
      if (typeof taken === 'object' && taken !== null && 'value' in taken) got.push(Number(taken.value));
      else expect([lost, { error: 'ERR_TIMEOUT' }]).toContainEqual(taken);
    }
  });
  for (let item = 0; item < 40; item++) {
    await pushing.push(item);
    if (item % 10 === 5) await terminate(raw, name, `query LIKE '%COMMIT%' OR query LIKE 'LISTEN%'`);
    await sleep(20);
  }
  await until(async () => (await pushing.size) === 0);
  stop = true;
  await Promise.all(takers);
  expect(new Set(got).size).toBe(got.length);
  // An item may be gone with the answer to a COMMIT, but not one more for each connection that was lost.
  expect(got.length).toBeGreaterThanOrEqual(40 - 4 * 10);
  await untilWaiting(raw, schema, 0, 5000);
});

test('a watch whose listening connection is lost still sees later changes, or throws ERR_CONNECTION', async () => {
  const schema = schemaName();
  const name = unique();
  const raw = await rawClient();
  const watching = new Index<string, number>(await connected(schema, { url: namedUrl(name) }), 'i');
  const index = new Index<string, number>(await connected(schema), 'i');
  await index.set('a', 1);
  const watch = watching.watch('a');
  expect(await watch.next()).toMatchObject({ done: false });
  const next = outcome(watch.next(), 5000);
  await sleep(50);
  await terminate(raw, name);
  await index.set('a', 2);
  const seen = await next;
  expect(seen).not.toBe('pending');
  if (JSON.stringify(seen) === JSON.stringify(lost)) return;
  expect(await outcome(Promise.resolve(watch.return?.()))).toMatchObject({ value: { done: true } });
  await untilWaiting(raw, schema, 0, 5000);
});

test('a store all of whose connections are lost closes without an error', async () => {
  const name = unique();
  const raw = await rawClient();
  const store = await connected(schemaName(), { url: namedUrl(name) });
  const take = outcome(new Deque(store, 'd').take({ timeout: '20s' }));
  await sleep(200);
  await terminate(raw, name);
  expect(await outcome(store.close())).toEqual({ value: undefined });
  expect([lost, { error: 'ERR_CLOSED' }]).toContainEqual(await take);
  await until(async () => (await sessions(raw, name)) === 0);
});

test('a commit whose connection is lost either happened or not: a counter is never half changed', async () => {
  const schema = schemaName();
  const name = unique();
  const raw = await rawClient();
  const store = await connected(schema, { url: namedUrl(name) });
  const index = new Index<string, number>(store, 'i');
  await index.setMany([
    ['a', 0],
    ['b', 0],
  ]);
  let done = 0;
  let unsure = 0;
  const work = Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 30; i++) {
        const ended = await outcome(
          store.transaction(async () => {
            await index.update('a', (value) => (value ?? 0) + 1);
            await index.update('b', (value) => (value ?? 0) + 1);
          }),
        );
        if (JSON.stringify(ended) === '{}') done++;
        else {
          expect(ended).toEqual(lost);
          unsure++;
        }
      }
    }),
  );
  for (let round = 0; round < 5; round++) {
    await sleep(100);
    await terminate(raw, name);
  }
  await work;
  // The store's own connections may have been lost just now.
  const [a = -1, b] = await new Index<string, number>(await connected(schema), 'i').getMany(['a', 'b']);
  expect(a).toBe(b);
  expect(a).toBeGreaterThanOrEqual(done);
  expect(a).toBeLessThanOrEqual(done + unsure);
});

async function sessions(raw: Client, name: string, condition = 'true'): Promise<number> {
  return count(
    raw,
    `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND ${condition}`,
    name,
  );
}
