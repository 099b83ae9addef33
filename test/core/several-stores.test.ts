import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Deque, Index, open } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { openStore, until } from './support.js';

// A process forgets all of its POSIX locks on a file when it closes any descriptor of it: SQLite takes care of its own, and
// what else the library does with the files must not interfere. (SQLite 3.51 survives some of it; the locks are asked for directly.)

/** Whether this process has a lock on a file; `true` where the system can't be asked. */
function isLocked(file: string): boolean {
  if (process.platform !== 'linux') return true;
  const { ino } = statSync(file);
  const locks = readFileSync('/proc/locks', 'utf8').split('\n');
  return locks.some((lock) => lock.includes(` ${process.pid} `) && lock.includes(`:${ino} `));
}

test('closing one of two stores of a process leaves the other its locks', async () => {
  const directory = temporaryDirectory();
  const child = startProcess('core-open.js');
  for (let round = 0; round < 3; round++) {
    const a = open(directory);
    const b = open(directory);
    const pairs = new Index<string, number>(b, 'pairs');
    pairs.set(`before ${round}`, round);
    expect(isLocked(join(directory, 'holdfast.db'))).toBe(true);
    a.close();
    expect(isLocked(join(directory, 'holdfast.db'))).toBe(true);
    // If the locks were gone, this process would take itself for the last, and remove the log.
    await child.nextMessage();
    await child.send({ directory, key: round });
    await child.nextMessage();
    await child.nextMessage();
    expect(existsSync(join(directory, 'holdfast.db-wal'))).toBe(true);
    pairs.set(`after ${round}`, round);
    await child.send({ directory, key: `again ${round}` });
    const { entries } = await child.nextMessage<{ entries: number }>();
    expect(entries).toBe(2 * (round + 1));
    b.close();
    const store = open(directory);
    expect(new Index(store, 'pairs').size).toBe(2 * (round + 1));
    expect(new Index(store, 'openers').size).toBe(2 * (round + 1));
    store.close();
  }
});

test('opening a store again, or failing to, leaves an open one its locks', async () => {
  const directory = temporaryDirectory();
  const store = openStore(directory);
  const pairs = new Index<string, number>(store, 'pairs');
  pairs.set('before', 1);
  open(directory, { readonly: true }).close();
  open(directory, { create: false }).close();
  expect(() => open(join(directory, 'holdfast.db'))).toThrow();
  expect(() => open(directory, { create: 'yes' } as never)).toThrow();
  expect(isLocked(join(directory, 'holdfast.db'))).toBe(true);
  const child = startProcess('core-open.js');
  await child.nextMessage();
  await child.send({ directory, key: 1 });
  await child.nextMessage();
  await child.nextMessage();
  expect(existsSync(join(directory, 'holdfast.db-wal'))).toBe(true);
  pairs.set('after', 1);
  await child.send({ directory, key: 2 });
  expect(await child.nextMessage()).toEqual({ entries: 2 });
  expect(new Index(openStore(directory), 'pairs').size).toBe(2);
});

test('an owner stays alive for others when another store of its process closes', async () => {
  const directory = temporaryDirectory();
  const waiting = openStore(directory);
  const wait = new Deque<string>(waiting, 'line').take();
  await until(() => existsSync(join(directory, 'owners')));
  const other = open(directory);
  const otherWait = new Deque(other, 'other line').take();
  await until(() => readdirSync(join(directory, 'owners')).length === 2);
  const [first, second] = readdirSync(join(directory, 'owners')).map((file) =>
    join(directory, 'owners', file),
  );
  expect([first, second].map((file) => isLocked(file!))).toEqual([true, true]);
  other.close();
  expect([first, second].filter((file) => existsSync(file!)).map((file) => isLocked(file!))).toEqual([true]);
  await expect(otherWait).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  // Another process that comes to wait buries the dead first; this one must not be among them.
  const child = startProcess('core-modes.js', directory, 0o022);
  await child.nextMessage();
  expect(readdirSync(join(directory, 'owners'))).toHaveLength(2);
  const places = new Deque<string>(waiting, 'line');
  places.push('for the first');
  expect(await wait).toBe('for the first');
});

test('stores of one process wake each other', async () => {
  const directory = temporaryDirectory();
  const [a, b] = [openStore(directory), openStore(directory)];
  const wait = new Deque<number>(a, 'line').take();
  await until(() => existsSync(join(directory, 'bells')));
  new Deque<number>(b, 'line').push(1);
  expect(await wait).toBe(1);
});

test('what one store of a process has in a transaction, another does not see', () => {
  const directory = temporaryDirectory();
  const [a, b] = [openStore(directory), openStore(directory, { busyTimeout: 10 })];
  const [one, other] = [new Index(a, 'pairs'), new Index(b, 'pairs')];
  a.transaction(() => {
    one.set('key', 1);
    expect(other.size).toBe(0);
    expect(() => other.set('key', 2)).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
  });
  expect(other.get('key')).toBe(1);
});
