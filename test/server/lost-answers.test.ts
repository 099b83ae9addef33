import { Pool } from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { connect } from '../../src/postgres.js';
import { connected, losing, outcome, proxy, schemaName, sleep, type Link } from './proxy.js';

test('a place in line whose commit went through, but whose answer was lost, holds nobody up', async () => {
  const { schema, url, lost, arm } = await losing((text) => /INSERT INTO \S*\.waiters/.test(text));
  arm();
  const store = await connected(schema, url);
  const deque = new Deque<string>(store, 'd');
  expect(await outcome(deque.take({ timeout: 3000 }))).toEqual({ error: 'ERR_CONNECTION' });
  expect(lost()).toBe(1);
  await deque.push('item');
  const other = new Deque<string>(await connected(schema), 'd');
  expect(await outcome(other.take({ timeout: 4000 }), 6000)).toEqual({ value: 'item' });
});

test('a store whose listening connection was dropped without a word can wait again', async () => {
  const schema = schemaName();
  const listening = new Set<Link>();
  const url = await proxy((data, link) => {
    if (data.toString('latin1').includes('LISTEN')) listening.add(link);
    return false;
  });
  const store = await connected(schema, url);
  const deque = new Deque<string>(store, 'd');
  await outcome(deque.take({ timeout: 50 }));
  // The server's side alone ends, as by a firewall that forgets the connection: the client hears nothing.
  for (const { server } of listening) server.destroy();
  await sleep(200);
  // Somebody else finds the owner dead.
  const other = new Deque<string>(await connected(schema), 'd');
  await outcome(other.take({ timeout: 50 }));
  const taken = deque.take({ timeout: 5000 });
  void sleep(300)
    .then(() => other.push('item'))
    .catch(() => undefined);
  expect(await outcome(taken, 7000)).toEqual({ value: 'item' });
});

test('many connect at once although transactions are serializable by default', async () => {
  const schema = schemaName();
  const url = `${inject('postgresUrl')}?options=${encodeURIComponent('-c default_transaction_isolation=serializable')}`;
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, () =>
      outcome(
        connected(schema, url, 2).then(() => 'connected'),
        10_000,
      ),
    ),
  );
  expect(outcomes).toEqual(outcomes.map(() => ({ value: 'connected' })));
});

test('a take on a pool of one connection is refused or ends, but does not hang', async () => {
  const schema = schemaName();
  const pool = new Pool({ connectionString: inject('postgresUrl'), max: 1 });
  const store = await connect(pool, { schema });
  onTestFinished(() => void store.close().then(() => pool.end()));
  expect(await outcome(new Deque<string>(store, 'd').take({ timeout: 100 }), 2000)).not.toBe('pending');
});

test('a value is what it was when set was called', async () => {
  const store = await connected(schemaName());
  const index = new Index<string, { n: number }>(store, 'i');
  const value = { n: 0 };
  await Promise.all(
    [1, 2, 3].map((n) => {
      value.n = n;
      return index.set(`k${n}`, value);
    }),
  );
  expect(await index.getMany(['k1', 'k2', 'k3'])).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test('deleteRange ends although another goes on adding to the range', async () => {
  const schema = schemaName();
  const index = new Index<number, number>(await connected(schema), 'i');
  const other = new Index<number, number>(await connected(schema), 'i');
  let key = 0;
  let done = false;
  const writers = Array.from({ length: 6 }, async () => {
    while (!done) await other.set(key++, 1);
  });
  await sleep(200);
  const ended = await outcome(index.deleteRange({ gte: 0 }), 4000);
  done = true;
  await Promise.all(writers);
  expect(ended).not.toBe('pending');
});

test('return() of a watch ends it while it waits', async () => {
  const store = await connected(schemaName());
  const index = new Index<string, number>(store, 'i');
  const watch = index.watch('a');
  await watch.next();
  const waiting = watch.next();
  void waiting.catch(() => undefined);
  expect(await outcome(Promise.resolve(watch.return?.()), 2000)).not.toBe('pending');
});

test('a store can be closed by what a transaction started and that came after it', async () => {
  const store = await connected(schemaName());
  const index = new Index<string, number>(store, 'i');
  const later = await store.transaction(async () => {
    await index.set('a', 1);
    return { close: sleep(300).then(() => store.close()) };
  });
  expect(await outcome(later.close)).toEqual({ value: undefined });
});
