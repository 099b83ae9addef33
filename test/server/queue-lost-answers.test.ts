import type { Client } from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Queue, type AsyncQueue, type Worker } from '../../src/index.js';
import { connected, outcome, proxy, rawClient, schemaName, sleep, type Link } from './proxy.js';
import { deferred, until } from '../structures/helpers.js';
import { count } from './support.js';

interface Loss {
  readonly url: string;
  /** From now on the answer to a claim is lost, once. */
  arm(): void;
  readonly happened: boolean;
  /** How often it was looked since whether there are claims that nobody knows of, on new connections. */
  readonly looks: number;
}

/** A proxy that lets a claim through, and then ends the connection: that of a script with its commit, or that of one statement. */
const losing = (kind: 'script' | 'statement'): Promise<Loss> =>
  withoutAnswer(kind, (link) => setTimeout(() => link.client.destroy(), 100));

/** A proxy that lets a claim through, but not its answer. */
async function withoutAnswer(kind: 'script' | 'statement', then: (link: Link) => void): Promise<Loss> {
  const claiming = new Map<Link, boolean>();
  const names = new Set<string>();
  let armed = false;
  let happened = false;
  let looks = 0;
  const wanted = /(holdfast_\w+)\0[^\0]*jobs SET state = 'running', claim = claim \+ 1/g;
  const url = await proxy((data, link) => {
    const text = data.toString('latin1');
    for (const [statement, name = ''] of text.matchAll(wanted))
      if (statement.includes('WITH s AS') === (kind === 'statement')) names.add(name);
    if (happened && /SELECT id, claim FROM [^ ]*jobs WHERE structure/.test(text)) looks++;
    if (text.includes('BEGIN')) claiming.delete(link);
    if ([...names].some((name) => text.includes(name))) claiming.set(link, true);
    const isIt = claiming.has(link) && (kind === 'statement' || text.includes('COMMIT'));
    if (kind === 'statement') claiming.delete(link);
    if (!armed || happened || !isIt) return false;
    happened = true;
    link.server.write(data);
    link.server.pause();
    then(link);
    return true;
  });
  return {
    url,
    arm: () => (armed = true),
    get happened() {
      return happened;
    },
    get looks() {
      return looks;
    },
  };
}

function working(
  queue: AsyncQueue<string, string>,
  run: (data: string) => unknown = () => undefined,
): Worker {
  const work = async ({ data }: { data: string }): Promise<string> => {
    await run(data);
    return data;
  };
  const worker = queue.work(work, { onError: () => undefined });
  onTestFinished(() => worker.stop());
  return worker;
}

const untilIdle = (raw: Client, schema: string): Promise<void> =>
  until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.waiters WHERE mode >= 0`)) === 1);

test('a job that was claimed by a commit whose answer was lost is run all the same', async () => {
  const schema = schemaName();
  const loss = await losing('script');
  loss.arm();
  const queue = new Queue<string, string>(await connected(schema, loss.url), 'q');
  const handle = await queue.add('x');
  working(queue);
  expect(await outcome(handle.result(), 20_000)).toEqual({ value: 'x' });
  expect(loss.happened).toBe(true);
  expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
});

test('so is one that was claimed by a single statement, with what that has completed', async () => {
  const schema = schemaName();
  const loss = await losing('statement');
  const queue = new Queue<string, string>(await connected(schema, loss.url), 'q');
  const [first, second] = await queue.addMany([{ data: 'first' }, { data: 'second' }]);
  const began = deferred<undefined>();
  const goOn = deferred<undefined>();
  working(queue, () => {
    began.resolve(undefined);
    return goOn.promise;
  });
  await began.promise;
  loss.arm();
  goOn.resolve(undefined);
  expect(await outcome(second?.result() ?? Promise.resolve(), 20_000)).toEqual({ value: 'second' });
  expect(loss.happened).toBe(true);
  expect(await second?.get()).toMatchObject({ failures: 0, deaths: 0 });
  expect(await first?.get()).toMatchObject({ state: 'completed' });
});

test('so is one that was claimed by a worker that waited in line', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const loss = await losing('script');
  working(new Queue<string, string>(await connected(schema, loss.url), 'q'));
  await untilIdle(raw, schema);
  loss.arm();
  const handle = await new Queue<string, string>(await connected(schema), 'q').add('x');
  expect(await outcome(handle.result(), 20_000)).toEqual({ value: 'x' });
  expect(loss.happened).toBe(true);
  expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
});

test('what other workers of the same store have claimed is not given back with it', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const loss = await losing('script');
  const store = await connected(schema, loss.url);
  const queue = new Queue<string, string>(store, 'q');
  await queue.addMany([{ data: 'a' }, { data: 'b' }, { data: 'c' }]);
  const runs: string[] = [];
  const goOn = deferred<undefined>();
  const busy = new Queue<string, string>(store, 'q').work(
    async ({ data }) => {
      runs.push(data);
      await goOn.promise;
      return data;
    },
    { prefetch: 2 },
  );
  onTestFinished(() => busy.stop());
  await until(async () => (await queue.counts()).running === 3);
  working(queue);
  await untilIdle(raw, schema);
  loss.arm();
  const handle = await new Queue<string, string>(await connected(schema), 'q').add('x');
  expect(await outcome(handle.result(), 20_000)).toEqual({ value: 'x' });
  expect(loss.happened).toBe(true);
  goOn.resolve(undefined);
  await queue.idle();
  expect(runs).toEqual(['a', 'b', 'c']);
  expect(await count(raw, `SELECT max(claim) FROM ${schema}.jobs WHERE id < ${handle.id}`)).toBe(1);
});

test('so is one whose claim was committed after its worker was told to stop', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const loss = await losing('script');
  const worker = working(new Queue<string, string>(await connected(schema, loss.url), 'q'));
  await untilIdle(raw, schema);
  loss.arm();
  const handle = await new Queue<string, string>(await connected(schema), 'q').add('x');
  await until(() => loss.happened);
  await worker.stop();
  expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
});

test('so is one that the server commits long after the connection was lost', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const loss = await losing('statement');
  const queue = new Queue<string, string>(await connected(schema, loss.url), 'q');
  const [, second] = await queue.addMany([{ data: 'first' }, { data: 'second' }]);
  const began = deferred<undefined>();
  const goOn = deferred<undefined>();
  working(queue, () => {
    began.resolve(undefined);
    return goOn.promise;
  });
  await began.promise;
  await raw.query(`BEGIN; LOCK TABLE ${schema}.jobs IN SHARE MODE`);
  loss.arm();
  goOn.resolve(undefined);
  await until(() => loss.happened);
  // What is looked for after a failure is not there yet.
  await sleep(1_500);
  await raw.query('COMMIT');
  expect(await outcome(second?.result() ?? Promise.resolve(), 20_000)).toEqual({ value: 'second' });
});

test.each(['that is there', 'that is waited for'])(
  'a job %s is not given back while the answer to its claim is under way',
  async (which) => {
    const schema = schemaName();
    const raw = await rawClient();
    const held: Link[] = [];
    const loss = await withoutAnswer('script', (link) => held.push(link));
    const queue = new Queue<string, string>(await connected(schema, loss.url), 'q');
    const adding = new Queue<string, string>(await connected(schema), 'q');
    const early = which === 'that is there' ? await adding.add('x') : undefined;
    if (early !== undefined) loss.arm();
    // What is given back can be claimed again meanwhile.
    working(queue, () => sleep(500));
    if (early === undefined) await untilIdle(raw, schema);
    loss.arm();
    const handle = early ?? (await adding.add('x'));
    await until(() => loss.looks > 0);
    await sleep(300);
    for (const { server } of held) server.resume();
    expect(await outcome(handle.result(), 20_000)).toEqual({ value: 'x' });
    expect(await count(raw, `SELECT claim FROM ${schema}.jobs`)).toBe(1);
  },
);

test('jobs whose adding took longer than the driver waits for an answer are not added again', async () => {
  const schema = schemaName();
  const [holder, looker] = await Promise.all([rawClient(), rawClient()]);
  const url = new URL(inject('postgresUrl'));
  url.searchParams.set('query_timeout', '1500');
  const queue = new Queue<string>(await connected(schema, url.href), 'q');
  await queue.add('before');
  await holder.query(`BEGIN; SELECT FROM ${schema}.structures FOR UPDATE`);
  // The first goes alone, the others together.
  const adds = ['a', 'b', 'c'].map((data) => outcome(queue.add(data), 20_000));
  const waiting = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}".jobs%'`;
  await until(async () => (await count(looker, waiting)) >= 2);
  await adds[0];
  await sleep(2_000);
  await holder.query('ROLLBACK');
  const lost = { error: 'ERR_CONNECTION' };
  expect(await Promise.all(adds)).toEqual([lost, lost, lost]);
  // The server does what it was asked to, when it can.
  await until(async () => (await count(looker, waiting)) === 0);
  expect(await count(looker, `SELECT count(*) FROM ${schema}.jobs`)).toBeLessThanOrEqual(4);
});
