import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Deque, Index, open } from '../../src/index.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { failure, openStore, raw, until } from './support.js';

/** Another process that holds the write lock, with a change under way, until it is told to end. */
async function heldBy(directory: string): Promise<TestProcess> {
  const holder = startProcess('core-hold.js', directory);
  await holder.nextMessage();
  return holder;
}

test('a write throws ERR_BUSY when another process keeps the write lock, and nothing is changed', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '100ms' });
  const pairs = new Index<string, number>(store, 'pairs');
  const items = new Deque<number>(store, 'items');
  pairs.set('a', 1);
  items.push(1);
  const holder = await heldBy(store.directory);
  const ways: (() => unknown)[] = [
    () => pairs.set('a', 2),
    () => pairs.update('a', () => 2),
    () => pairs.delete('a'),
    () => items.push(2),
    () => items.shift(),
    () => items.reverse(),
    () => new Index(store, 'new').set('b', 1),
    () => store.transaction(() => pairs.set('a', 2)),
  ];
  for (const way of ways) {
    const start = performance.now();
    const error = failure(way);
    expect(error.code, String(way)).toBe('ERR_BUSY');
    expect(error.message).toContain('100 ms');
    expect(error.message).toContain(store.directory);
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
    // The stack says where in the user's program it happened.
    expect(error.stack).toContain('locking.test');
  }
  await holder.send('release');
  await holder.nextMessage();
  expect(pairs.toMap()).toEqual(new Map([['a', 1]]));
  expect(items.toArray()).toEqual([1]);
  expect(store.structures().map(({ name }) => name)).toEqual(['items', 'pairs']);
  pairs.set('a', 3);
  expect(pairs.get('a')).toBe(3);
});

test('busyTimeout: 0 tries once', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: 0 });
  const pairs = new Index(store, 'pairs');
  pairs.set('a', 1);
  await heldBy(store.directory);
  expect(failure(() => pairs.set('a', 2)).code).toBe('ERR_BUSY');
});

test('the depth of stack traces is as before after a lock was waited for', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: 20 });
  const pairs = new Index(store, 'pairs');
  pairs.set('a', 1);
  const before = Error.stackTraceLimit;
  await heldBy(store.directory);
  failure(() => pairs.set('a', 2));
  expect(Error.stackTraceLimit).toBe(before);
});

test('a write waits for the write lock, and goes on when it comes free', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '30s' });
  const pairs = new Index(store, 'pairs');
  const holder = await heldBy(store.directory);
  const timer = setTimeout(() => expect.unreachable(), 60_000);
  holder.child.send('release');
  pairs.set('a', 1);
  clearTimeout(timer);
  expect(pairs.get('a')).toBe(1);
});

test('the write lock of a process that is killed comes free, and what it had begun is gone', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '30s' });
  const pairs = new Index(store, 'pairs');
  const holder = await heldBy(store.directory);
  holder.child.kill('SIGKILL');
  pairs.set('a', 1);
  expect(store.structures().map(({ name }) => name)).toEqual(['pairs']);
});

test('readers are not held up by a writer', async () => {
  const directory = temporaryDirectory();
  new Index(openStore(directory), 'pairs').set('a', 1);
  await heldBy(directory);
  const store = openStore(directory, { busyTimeout: 0 });
  const pairs = new Index(store, 'pairs');
  expect(pairs.get('a')).toBe(1);
  expect([...pairs]).toEqual([['a', 1]]);
  expect(pairs.getMany(['a', 'b'])).toEqual([1, undefined]);
  expect(store.structures()).toHaveLength(1);
});

test('a writer is not held up by readers in the middle of an iteration', () => {
  const store = openStore(temporaryDirectory());
  const pairs = new Index<number, number>(store, 'pairs');
  pairs.setMany(Array.from({ length: 1_000 }, (_, i) => [i, i] as const));
  const other = new Index<number, number>(openStore(store.directory, { busyTimeout: 0 }), 'pairs');
  const iterator = pairs.keys();
  iterator.next();
  other.set(2_000, 1);
  expect([...iterator].at(-1)).toBe(2_000);
});

test('a call that returns a promise lets the event loop run while it waits for the write lock', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '30s' });
  const items = new Deque<number>(store, 'items');
  items.push(1);
  const holder = await heldBy(store.directory);
  const wait = items.take();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await until(() => ticks > 30);
  clearInterval(timer);
  await holder.send('release');
  expect(await wait).toBe(1);
});

test('a call that waits has a timeout of its own, and does not end with ERR_BUSY; one that tries once does', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '50ms' });
  const items = new Deque<number>(store, 'items');
  items.push(1);
  const holder = await heldBy(store.directory);
  const wait = items.take();
  await expect(items.take({ timeout: 0 })).rejects.toMatchObject({ code: 'ERR_BUSY' });
  expect(items.size).toBe(1);
  await holder.send('release');
  expect(await wait).toBe(1);
});

test('a call that waits is aborted though another process keeps the write lock', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '1h' });
  const items = new Deque<number>(store, 'items');
  items.push(1);
  await heldBy(store.directory);
  const end = new AbortController();
  const wait = items.take({ signal: end.signal });
  end.abort(new Error('enough'));
  await expect(wait).rejects.toThrow('enough');
  expect(items.size).toBe(1);
});

test('a call that waits times out though another process keeps the write lock', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '1h' });
  const items = new Deque<number>(store, 'items');
  items.push(1);
  await heldBy(store.directory);
  await expect(items.take({ timeout: '50ms' })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  expect(items.size).toBe(1);
});

test('a call that waits for the write lock ends when the store is closed', async () => {
  const directory = temporaryDirectory();
  const store = open(directory, { busyTimeout: '1h' });
  const items = new Deque<number>(store, 'items');
  items.push(1);
  await heldBy(store.directory);
  const wait = items.take();
  store.close();
  await expect(wait).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('who gives up while another process keeps the write lock gives its own reason, and leaves no place in the line', async () => {
  const store = openStore(temporaryDirectory(), { busyTimeout: '50ms' });
  const items = new Deque<number>(store, 'items');
  const end = new AbortController();
  const wait = items.take({ signal: end.signal });
  const places = raw(store.directory).prepare('SELECT count(*) FROM waiters').pluck();
  await until(() => places.get() === 1);
  const holder = await heldBy(store.directory);
  end.abort(new Error('enough'));
  const outcome = await Promise.race([
    wait.catch((error: unknown) => error),
    new Promise((resolve) => setTimeout(resolve, 1_000)),
  ]);
  await holder.send('release');
  await holder.nextMessage();
  expect(outcome === undefined ? await wait.catch((error: unknown) => error) : outcome).toMatchObject({
    message: 'enough',
  });
  await until(() => places.get() === 0, 5_000);
});

test('a store can be opened, read and closed while another process keeps the write lock', async () => {
  const directory = temporaryDirectory();
  openStore(directory);
  await heldBy(directory);
  const store = open(directory, { busyTimeout: 0 });
  expect(store.structures()).toEqual([]);
  store.close();
});

test('many processes at once recover the log of one that was killed', async () => {
  const directory = temporaryDirectory();
  const acknowledgements = join(temporaryDirectory(), 'acknowledged');
  const children = Array.from({ length: 8 }, (_, key) => ({ key, child: startProcess('core-open.js') }));
  await Promise.all(children.map(({ child }) => child.nextMessage()));
  for (let round = 1; round <= 4; round++) {
    const writer = startProcess('core-writer.js', directory, acknowledgements);
    await writer.nextMessage();
    await writer.kill9();
    // Nobody has the store open now: whoever comes first recovers the log, under the feet of the others.
    for (const { key, child } of children) void child.send({ directory, key: round * 100 + key });
    for (const { child } of children) await child.nextMessage();
    const store = open(directory);
    expect(new Index(store, 'openers').size).toBe(round * 8);
    expect(new Index<string, number>(store, 'counters').get('last')).toBeGreaterThanOrEqual(round);
    store.close();
    await Promise.all(children.map(({ child }) => child.nextMessage()));
  }
});
