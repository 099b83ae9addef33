import { describe, expect, test } from 'vitest';
import { Queue, type AsyncQueue, type AsyncStore } from '../../src/index.js';
import { engines, forEachEngine } from '../support/stores.js';
import { refused, rolledBack, transact, withCode } from './helpers.js';

type Jobs = AsyncQueue<string>;
type Calls = readonly (readonly [name: string, call: (queue: Jobs, id: number) => unknown])[];

const reads: Calls = [
  ['get', (queue, id) => queue.get(id)],
  ['jobs', (queue) => queue.jobs({ state: 'waiting' })],
  ['counts', (queue) => queue.counts()],
  ['schedules', (queue) => queue.schedules()],
  ['isPaused', (queue) => queue.isPaused()],
  ['get of a handle', (queue, id) => queue.handle(id).get()],
];

const writes: Calls = [
  ['add', (queue) => queue.add('x')],
  ['add with a key', (queue) => queue.add('x', { key: 'k', onDuplicate: 'replace' })],
  ['add with a delay', (queue) => queue.add('x', { delay: '1h' })],
  ['addMany', (queue) => queue.addMany([{ data: 'x' }, { data: 'y', group: 'g' }])],
  ['flow', (queue) => queue.flow({ a: { data: 'x' }, b: { data: 'y', after: ['a'] } })],
  ['cancel', (queue, id) => queue.cancel(id)],
  ['remove', (queue, id) => queue.remove(id)],
  ['retry', (queue, id) => queue.retry(id)],
  ['pause', (queue) => queue.pause()],
  ['resume', (queue) => queue.resume()],
  ['schedule', (queue) => queue.schedule('s', { every: '1h', data: 'x' })],
  ['unschedule', (queue) => queue.unschedule('there')],
  ['cancel of a handle', (queue, id) => queue.handle(id).cancel()],
];

/** In transactions of their own, a batch each. */
const batches: Calls = [
  ['cancel of all', (queue) => queue.cancel({})],
  ['remove of all', (queue) => queue.remove({})],
  ['retry of all', (queue) => queue.retry({})],
];

const waits: Calls = [
  ['result', (queue, id) => queue.handle(id).result()],
  ['idle', (queue) => queue.idle()],
  ['events', (queue) => queue.events().next()],
];

const newQueue = (store: AsyncStore): Jobs => new Queue<string>(store, 'jobs');

async function filled(
  store: AsyncStore,
): Promise<{ queue: Jobs; id: number; state: () => Promise<unknown> }> {
  const queue = newQueue(store);
  const { id } = await queue.add('a', { key: 'k' });
  const cancelled = await queue.add('b');
  await cancelled.cancel();
  await queue.schedule('there', { every: '1h', data: 'x' });
  const state = async () => [
    await queue.jobs(),
    await queue.counts(),
    await queue.isPaused(),
    (await queue.schedules()).map(({ name }) => name),
    await store.structures(),
  ];
  return { queue, id, state };
}

forEachEngine((engine) => {
  test.each([...reads, ...writes, ...batches, ...waits])(
    'a store that was closed refuses %s',
    async (_, call) => {
      const store = await engine.open();
      const { queue, id } = await filled(store);
      await store.close();
      await refused(store, async () => call(queue, id), withCode('ERR_CLOSED'));
      await refused(store, async () => call(newQueue(store), id), withCode('ERR_CLOSED'));
      expect(() => queue.work(() => undefined)).toThrow(withCode('ERR_CLOSED'));
    },
  );

  test.each(writes)('a transaction that is rolled back leaves nothing of %s', async (_, call) => {
    const store = await engine.open();
    const { queue, id, state } = await filled(store);
    const before = await state();
    await rolledBack(store, function* () {
      yield call(queue, id);
      yield call(queue, id);
    });
    expect(await state()).toEqual(before);
  });

  test.each(waits)('a transaction refuses to wait for %s', async (name, call) => {
    const store = await engine.open();
    const { queue, id } = await filled(store);
    const outcomes: unknown[] = [];
    await transact(store, function* () {
      outcomes.push((call(queue, id) as Promise<unknown>).catch((error: unknown) => error));
      yield queue.counts();
    });
    expect(await Promise.all(outcomes)).toEqual([withCode('ERR_IN_TRANSACTION')]);
    expect(String(await outcomes[0])).toContain(`${name}()`);
  });
});

describe('a store that was opened with readonly', () => {
  const [engine] = engines;
  const opened = async () => {
    const writer = await engine.open();
    const { id, state } = await filled(writer);
    const store = await engine.reopen(writer, { embedded: { readonly: true } });
    return { queue: newQueue(store), store, id, state };
  };

  test.each(reads)('allows %s of a queue', async (_, call) => {
    const { queue, store, id } = await opened();
    await call(queue, id);
    await call(new Queue<string>(store, 'never written'), id);
  });

  test.each([...writes, ...batches])('refuses %s of a queue', async (_, call) => {
    const { queue, store, id, state } = await opened();
    const before = await state();
    await refused(store, () => call(queue, id), withCode('ERR_READONLY'));
    expect(await state()).toEqual(before);
  });
});
