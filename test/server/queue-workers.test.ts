import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { deferred, pause, settled, until } from '../structures/helpers.js';
import { connected, count, namedUrl, rawClient, schemaName, unique } from './support.js';

test('what can’t be done of a job that a statement has claimed is told to onError, and the job goes back', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const queue = new Queue<string, string>(await connected(schema), 'q');
  await queue.add('first');
  const handle = await queue.add('second', { timeout: '1m' });
  const errors: unknown[] = [];
  const goOn = deferred<undefined>();
  const worker = queue.work(
    async ({ data }) => {
      await goOn.promise;
      return data;
    },
    { onError: (error) => errors.push(error) },
  );
  await until(() => worker.running === 1);
  // By when the second is overdue is written after it was claimed.
  await raw.query(`
    CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
    CREATE TRIGGER refusing BEFORE UPDATE ON ${schema}.jobs FOR EACH ROW WHEN (NEW.deadline IS NOT NULL AND NEW.claim = 1) EXECUTE FUNCTION ${schema}.refuse();
  `);
  goOn.resolve(undefined);
  expect(await handle.result()).toBe('second');
  expect(errors).toEqual([
    expect.objectContaining({ code: 'ERR_IO', message: expect.stringContaining('refused') }),
  ]);
  expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
  await worker.stop();
});

test('a worker that is busy looks after the others once at a time, however long that takes', async () => {
  const schema = schemaName();
  const name = unique();
  const raw = await rawClient();
  const other = await rawClient();
  const queue = new Queue<string>(await connected(schema, { url: namedUrl(name) }), 'q');
  await queue.add('x');
  const end = deferred<undefined>();
  const worker = queue.work(() => end.promise);
  await until(() => worker.running === 1);
  await raw.query(`BEGIN; LOCK TABLE ${schema}.queue_workers`);
  const looking = async (): Promise<number> =>
    count(
      other,
      `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock' AND query LIKE '%queue_workers%'`,
      name,
    );
  await until(async () => (await looking()) > 0);
  await pause(500);
  expect(await looking()).toBe(1);
  await raw.query('ROLLBACK');
  end.resolve(undefined);
  await worker.stop();
});

test('a worker with nothing to do sees that a place of the queue is free, which one that stops has left while it runs another job', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const here = new Queue<string>(await connected(schema), 'q', { concurrency: 2 });
  const there = new Queue<string>(await connected(schema), 'q');
  const [long, short] = [deferred<undefined>(), deferred<undefined>()];
  const started: string[] = [];
  const handler = async ({ data }: { readonly data: string }): Promise<undefined> => {
    started.push(data);
    if (data !== 'next') await (data === 'long' ? long : short).promise;
    return undefined;
  };
  await here.addMany([{ data: 'long' }, { data: 'short' }]);
  const first = here.work(handler, { concurrency: 2 });
  await until(() => started.length === 2);
  const next = await here.add('next');
  const second = there.work(handler);
  await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.waiters WHERE mode = 1`)) > 0);
  // It has looked by then, and would not look again by itself for 10 s.
  await pause(500);
  expect(started).toHaveLength(2);
  const stopped = first.stop();
  short.resolve(undefined);
  expect((await settled(next.result(), 8_000)).status).toBe('fulfilled');
  long.resolve(undefined);
  await Promise.all([stopped, second.stop()]);
});
