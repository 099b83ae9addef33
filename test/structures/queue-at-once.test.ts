import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Queue, type AsyncStore, type JobToAdd } from '../../src/index.js';
import { engines, forEachEngine } from '../support/stores.js';
import { deferred, rawConnection, until, withCode } from './helpers.js';

const [, server] = engines;

/** Another client of the server on which a store is. */
async function clientOf(store: AsyncStore): Promise<Client> {
  const { url, schema } = JSON.parse(server.location(store)) as { url: string; schema: string };
  const client = new Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** How many statements wait for a lock that this client holds. */
async function waiting(client: Client): Promise<number> {
  // Else a transaction sees what it has seen first.
  await client.query('SELECT pg_stat_clear_snapshot()');
  const { rows } = await client.query<{ waiting: number }>(
    'SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))',
  );
  return rows[0]?.waiting ?? 0;
}

describe('adding on a server', () => {
  test('wakes whoever has joined the line while it waited for that', async () => {
    const store = await server.open();
    const queue = new Queue<number>(store, 'jobs');
    await queue.add(0);
    const client = await clientOf(store);
    const heard: string[] = [];
    client.on('notification', ({ channel }) => heard.push(channel));
    await client.query(`INSERT INTO owners (token, host, process, thread, since) VALUES ('t', 'h', 1, 0, 0)`);
    const { rows } = await client.query<{ id: string }>(`SELECT id FROM owners WHERE token = 't'`);
    const id = rows[0]?.id ?? '';
    await client.query(`LISTEN "holdfast_${store.schema}_${id}"`);
    await client.query('BEGIN');
    const { rows: structures } = await client.query<{ id: string }>('SELECT id FROM structures FOR UPDATE');
    const added = queue.add(1);
    await until(async () => (await waiting(client)) > 0);
    await client.query(
      `INSERT INTO waiters (structure, owner, mode, since) VALUES (${structures[0]?.id ?? ''}, ${id}, 1, 0)`,
    );
    await client.query('COMMIT');
    await added;
    await until(() => heard.length > 0);
    expect(heard).toEqual([`holdfast_${store.schema}_${id}`]);
  });

  test('keeps others from joining the line until it is committed', async () => {
    const store = await server.open();
    const queue = new Queue<number>(store, 'jobs');
    await queue.add(0);
    const client = await clientOf(store);
    const other = await clientOf(store);
    await client.query('BEGIN');
    await client.query(
      'INSERT INTO job_counts SELECT s.id, n, 0, 0, 0, 0, 0, 0, 0, 0 FROM structures s, generate_series(0, 15) n ON CONFLICT DO NOTHING',
    );
    await client.query('SELECT FROM job_counts FOR UPDATE');
    const added = queue.add(1);
    await until(async () => (await waiting(client)) > 0);
    await expect(other.query('SELECT FROM structures FOR UPDATE NOWAIT')).rejects.toMatchObject({
      code: '55P03',
    });
    await client.query('ROLLBACK');
    await added;
    await other.query('SELECT FROM structures FOR UPDATE NOWAIT');
    expect(await queue.counts()).toMatchObject({ waiting: 2 });
  });

  test('fails for the call alone that can’t be done, though others are done with it', async () => {
    const queue = new Queue<number>(await server.open(), 'jobs');
    const calls = [1, 2, 3, 4].map((n) => queue.add(n, n === 3 ? { name: 'a\0b' } : {}));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect((await queue.jobs()).map(({ data }) => data).sort()).toEqual([1, 2, 4]);
    expect(await queue.counts()).toMatchObject({ waiting: 3 });
  });

  test('is refused to what goes on after its transaction, and done with others outside', async () => {
    const store = await server.open();
    const queue = new Queue<number>(store, 'jobs');
    const ended = deferred<undefined>();
    let late: Promise<unknown> = Promise.resolve();
    await store.transaction(async () => {
      late = ended.promise.then(() => queue.add(1));
      late.catch(() => undefined);
      await queue.add(2);
    });
    ended.resolve(undefined);
    await expect(late).rejects.toThrow(withCode('ERR_TRANSACTION_ENDED'));
    await Promise.all([queue.add(3), queue.add(4)]);
    expect((await queue.jobs()).map(({ data }) => data)).toEqual([2, 3, 4]);
  });
});

/** Keeps all who change how many jobs there are from going on, until it is committed. */
async function holdCounts(client: Client): Promise<void> {
  await client.query('BEGIN');
  await client.query(
    'INSERT INTO job_counts SELECT s.id, n, 0, 0, 0, 0, 0, 0, 0, 0 FROM structures s, generate_series(0, 15) n ON CONFLICT DO NOTHING',
  );
  await client.query('SELECT FROM job_counts FOR UPDATE');
}

/** How many statements that complete jobs and claim others wait for a lock. */
async function exchanging(client: Client, { schema }: AsyncStore): Promise<number> {
  // Else a transaction sees what it has seen first.
  await client.query('SELECT pg_stat_clear_snapshot()');
  const { rows } = await client.query<{ waiting: number }>(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE query LIKE '%"${schema}".%FOR KEY SHARE OF st, o)%' AND wait_event_type = 'Lock'`,
  );
  return rows[0]?.waiting ?? 0;
}

describe('a worker on a server', () => {
  test('can’t be taken for dead while it claims', async () => {
    const store = await server.open();
    const queue = new Queue<number>(store, 'jobs');
    const [client, other] = [await clientOf(store), await clientOf(store)];
    let go = (): void => undefined;
    const worker = queue.work(
      (job) => new Promise<void>((resolve) => (job.data === 0 ? (go = resolve) : resolve())),
    );
    await queue.addMany([{ data: 0 }, { data: 1 }]);
    await until(() => worker.running === 1);
    await holdCounts(client);
    go();
    await until(async () => (await exchanging(other, store)) === 1);
    await expect(other.query('SELECT FROM owners FOR UPDATE NOWAIT')).rejects.toMatchObject({
      code: '55P03',
    });
    await client.query('COMMIT');
    await queue.idle();
    await worker.stop();
    expect(await queue.counts()).toMatchObject({ waiting: 0, running: 0, completed: 2 });
  });

  test('writes several outcomes at a time, each by itself', async () => {
    const store = await server.open();
    const queue = new Queue<number>(store, 'jobs');
    const client = await clientOf(store);
    const ends: (() => void)[] = [];
    await queue.addMany(Array.from({ length: 6 }, (_, data) => ({ data })));
    const worker = queue.work(() => new Promise<void>((resolve) => ends.push(resolve)), {
      concurrency: 6,
      ack: 'each',
    });
    await until(() => ends.length === 6);
    await holdCounts(client);
    for (const end of ends) end();
    await until(async () => (await exchanging(client, store)) >= 4);
    await client.query('COMMIT');
    await queue.idle();
    await worker.stop();
    expect(await queue.counts()).toMatchObject({ waiting: 0, running: 0, completed: 6 });
  });

  test('heeds when jobs expire, by when they are overdue and that they become due, also when it is busy', async () => {
    const store = await server.open();
    const queue = new Queue<string>(store, 'jobs', { timeout: '1m' });
    const raw = await rawConnection(server, store);
    const overdue: (number | string | null)[] = [];
    const ran: string[] = [];
    await queue.addMany([
      ...Array.from({ length: 20 }, () => ({ data: 'plain' })),
      { data: 'expired', expires: new Date(Date.now() - 1_000) },
      { data: 'in time', expires: new Date(Date.now() + 60_000) },
      { data: 'soon', delay: 20 },
      { data: 'own', timeout: 90_000 },
    ]);
    const worker = queue.work(async (job) => {
      ran.push(job.data);
      const [row] = await raw(
        `SELECT count(*) AS count FROM jobs WHERE id = ${job.id} AND deadline IS NOT NULL`,
      );
      overdue.push(row?.['count'] ?? null);
    });
    await queue.idle();
    await worker.stop();
    expect(ran.filter((data) => data !== 'plain').sort()).toEqual(['in time', 'own', 'soon']);
    expect(ran).toHaveLength(23);
    expect(overdue).toEqual(ran.map(() => 1));
    expect(await queue.counts()).toMatchObject({
      waiting: 0,
      delayed: 0,
      running: 0,
      completed: 23,
      cancelled: 1,
    });
  });
});

forEachEngine((engine) => {
  describe('jobs that are added while others are', () => {
    test('have their numbers in the order of the calls', async () => {
      const queue = new Queue<number>(await engine.open(), 'jobs');
      const calls = Array.from({ length: 300 }, (_, i) =>
        i % 10 === 0 ? queue.addMany([{ data: i }, { data: i, priority: -1, name: 'second' }]) : queue.add(i),
      );
      const ids = (await Promise.all(calls)).flat().map(({ id }) => id);
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      expect(new Set(ids).size).toBe(330);
    });

    test('keep what they were added with', async () => {
      const queue = new Queue<unknown>(await engine.open(), 'jobs');
      const all: JobToAdd<unknown>[] = [
        { data: 'a', name: 'first "one"', priority: 5 },
        { data: { large: 'x'.repeat(5_000) } },
        { data: new Uint8Array([0, 1, 255]), attempts: 7 },
        { data: null, name: '\\ {,} null' },
        { data: 12.5, timeout: '5s', priority: -5 },
      ];
      const handles = await Promise.all(all.map(({ data, ...options }) => queue.add(data, options)));
      const read = await Promise.all(handles.map(({ id }) => queue.get(id)));
      for (const [i, { data, name, priority = 0 }] of all.entries())
        expect(read[i]).toMatchObject({ data, name, priority });
      expect(await queue.addMany([])).toEqual([]);
    });
  });

  test('the number of a job that was removed is not given to another, after closing the store either', async () => {
    let store = await engine.open();
    let last = 0;
    for (let round = 0; round < 3; round++) {
      const [queue, other] = [new Queue<number>(store, 'jobs'), new Queue<number>(store, 'others')];
      const next = ({ id }: { readonly id: number }): number => {
        expect(id).toBeGreaterThan(last);
        return (last = id);
      };
      next(await queue.add(1));
      const middle = next(await other.add(2));
      const newest = next(await queue.add(3));
      await other.remove(middle);
      await queue.remove(newest);
      next(await other.add(4));
      for (const handle of await queue.addMany(Array.from({ length: 20 }, () => ({ data: 5 })))) next(handle);
      expect(await queue.remove({})).toBe(21);
      expect(await other.remove({})).toBe(1);
      const again = await engine.reopen(store);
      await store.close();
      store = again;
    }
  });

  test('what belongs to jobs goes with them', async () => {
    const store = await engine.open();
    const queue = new Queue<string>(store, 'jobs', {
      attempts: 2,
      backoff: { type: 'fixed', delay: 1 },
      keep: { completed: { count: 0 } },
    });
    const raw = await rawConnection(engine, store);
    const rows = async (): Promise<unknown[]> =>
      Promise.all(
        ['job_data', 'job_notes', 'job_children'].map(
          async (table) => (await raw(`SELECT count(*) AS count FROM ${table}`))[0]?.['count'],
        ),
      );
    const child = await queue.add('x'.repeat(5_000));
    await queue.add('parent', { after: [child] });
    await queue.add('logs');
    await queue.add('fails');
    expect(await rows()).toEqual([1, 0, 1]);
    const worker = queue.work((job) => {
      if (job.data === 'logs') job.log('a line');
      if (job.data === 'fails' && job.attempt === 1) throw new Error('once');
    });
    await queue.idle();
    await worker.stop();
    expect(await queue.jobs()).toEqual([]);
    expect(await rows()).toEqual([0, 0, 0]);
  });
});
