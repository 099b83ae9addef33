import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { deferred, pause, until } from '../structures/helpers.js';
import { connected, proxy, rawClient, schemaName, type Link } from './proxy.js';
import { count } from './support.js';

test('a line that is being written while complete() begins is stored once', async () => {
  const schema = schemaName();
  const raw = await rawClient();
  const names = new Set<string>();
  const noting = new Set<Link>();
  const held = deferred<undefined>();
  const goOn = deferred<undefined>();
  let armed = false;
  // The line is written, and its transaction is about to be committed.
  const url = await proxy((data, link) => {
    const text = data.toString('latin1');
    for (const [, name = ''] of text.matchAll(/(holdfast_\w+)\0INSERT INTO [^ ]*job_notes/g)) names.add(name);
    if (armed && [...names].some((name) => text.includes(name))) noting.add(link);
    if (!noting.has(link) || !text.includes('COMMIT')) return false;
    armed = false;
    noting.clear();
    held.resolve(undefined);
    void goOn.promise.then(() => link.server.write(data));
    return true;
  });
  const queue = new Queue<string, string>(await connected(schema, url), 'q');
  const handle = await queue.add('x');
  const worker = queue.work(async (job) => {
    job.log('first');
    await until(async () => (await count(raw, `SELECT count(*) FROM ${schema}.job_notes`)) === 1);
    armed = true;
    job.log('second');
    await held.promise;
    const done = job.complete(async () => 'result');
    job.log('third');
    // It may write now what it has to write, if it does not wait.
    await pause(300);
    goOn.resolve(undefined);
    return done;
  });
  expect(await handle.result()).toBe('result');
  expect((await handle.get())?.log.map(({ line }) => line)).toEqual(['first', 'second', 'third']);
  await worker.stop();
});
