import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { deferred, pause, until } from '../structures/helpers.js';
import { connected, proxy, rawClient, schemaName } from './proxy.js';
import { count } from './support.js';

test('two who remove what has ended at the same time leave as many as are to be kept', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const held = deferred<undefined>();
  const goOn = deferred<undefined>();
  // One has counted, and is stopped before it removes.
  const url = await proxy((data, { server }) => {
    if (!data.toString('latin1').includes('ORDER BY o.ended')) return false;
    held.resolve(undefined);
    void goOn.promise.then(() => server.write(data));
    return true;
  });
  const all = new Queue<number>(await connected(schema), 'q', { keep: { completed: { count: 1_000 } } });
  await all.addMany(Array.from({ length: 40 }, (_, data) => ({ data })));
  const worker = all.work(() => undefined, { concurrency: 10 });
  await all.idle();
  await worker.stop();
  // None of them is kept any more for those who wait for it.
  await raw.query(`UPDATE ${schema}.jobs SET ended = ended - 5000`);
  const options = { keep: { completed: { count: 30 } } };
  const stop = async (queue: typeof all): Promise<void> => {
    await queue.add(0);
    const one = queue.work(() => undefined);
    await queue.idle();
    // Then it removes what is too much.
    await one.stop();
  };
  const first = stop(new Queue<number>(await connected(schema, url), 'q', options));
  await held.promise;
  const second = stop(new Queue<number>(await connected(schema), 'q', options));
  const waits = `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${schema}%'`;
  let isOver = false;
  void second.then(() => (isOver = true));
  await until(async () => isOver || (await count(raw, waits)) > 0);
  await pause(50);
  goOn.resolve(undefined);
  await Promise.all([first, second]);
  expect((await all.counts()).completed).toBe(30);
});
