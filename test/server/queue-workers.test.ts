import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { deferred, pause, until } from '../structures/helpers.js';
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
