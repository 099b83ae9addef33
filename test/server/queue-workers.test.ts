import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { deferred, pause, until } from '../structures/helpers.js';
import { connected, count, namedUrl, rawClient, schemaName, unique } from './support.js';

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
