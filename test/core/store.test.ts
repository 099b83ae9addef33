import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Deque, Index, open, type Store } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { failure, openStore, raw } from './support.js';

test('structures lists what was written to, by kind and name, with entries and bytes', () => {
  const store = openStore();
  expect(store.structures()).toEqual([]);
  new Index(store, 'never used').get('key');
  const pairs = new Index<string, string>(store, 'b');
  pairs.set('key', 'value');
  pairs.set('key two', 'v');
  new Index(store, 'a').set(1, 'x');
  const items = new Deque<string>(store, 'b');
  items.push('one', 'three');
  expect(store.structures()).toEqual([
    { kind: 'deque', name: 'b', entries: 2, bytes: 8 },
    { kind: 'index', name: 'a', entries: 1, bytes: 9 },
    { kind: 'index', name: 'b', entries: 2, bytes: 16 },
  ]);
  pairs.clear();
  items.clear();
  expect(store.structures().map(({ entries, bytes }) => [entries, bytes])).toEqual([
    [0, 0],
    [1, 9],
    [0, 0],
  ]);
});

test('structures keeps deques apart from what lies beside them', () => {
  const store = openStore();
  const deques = [1, 2, 3].map((n) => new Deque<string>(store, `deque ${n}`));
  deques[0]!.push('a');
  deques[1]!.push('bb');
  deques[1]!.shift();
  deques[2]!.unshift('ccc', 'dddd');
  deques[2]!.set(0, 'c');
  expect(store.structures().map(({ entries, bytes }) => [entries, bytes])).toEqual([
    [1, 1],
    [0, 0],
    [2, 5],
  ]);
});

test('a structure of the same kind and name is the same thing, and of another kind another', () => {
  const store = openStore();
  new Index(store, 'name').set('key', 1);
  expect(new Index(store, 'name').get('key')).toBe(1);
  new Deque(store, 'name').push(1);
  expect(new Index(store, 'name').size).toBe(1);
  expect(new Index(store, 'Name').size).toBe(0);
});

test('constructing a structure writes nothing', () => {
  const store = openStore();
  const before = raw(store.directory).prepare('SELECT count(*) FROM structures').pluck();
  new Index(store, 'a');
  new Deque(store, 'b', { maxLength: 5 });
  expect(before.get()).toBe(0);
});

test.each<[string, (store: Store) => unknown]>([
  ['structures', (store) => store.structures()],
  ['transaction', (store) => store.transaction(() => 1)],
  ['Index.get', (store) => new Index(store, 'pairs').get('key')],
  ['Index.set', (store) => new Index(store, 'pairs').set('key', 1)],
  ['Deque.push', (store) => new Deque(store, 'items').push(1)],
  ['iteration', (store) => [...new Index(store, 'pairs')]],
])('%s of a closed store throws ERR_CLOSED, naming the directory', (_, use) => {
  const store = openStore();
  new Index(store, 'pairs').set('key', 1);
  store.close();
  const error = failure(() => use(store));
  expect(error.code).toBe('ERR_CLOSED');
  expect(error.message).toContain(store.directory);
});

test('closing in the middle of an iteration ends it with ERR_CLOSED', () => {
  const store = openStore();
  const pairs = new Index<number, number>(store, 'pairs');
  for (let i = 0; i < 500; i++) pairs.set(i, i);
  const seen: number[] = [];
  expect(
    failure(() => {
      for (const key of pairs.keys()) {
        seen.push(key);
        if (key === 20) store.close();
      }
    }).code,
  ).toBe('ERR_CLOSED');
  expect(seen.at(-1)).toBeGreaterThanOrEqual(20);
});

test('a store closed by an iterable that a call reads from is closed, and the call throws', () => {
  const store = openStore();
  const pairs = new Index<string, number>(store, 'pairs');
  pairs.set('a', 1);
  const keys = function* (): Generator<string> {
    yield 'a';
    store.close();
    yield 'a';
  };
  expect(() => pairs.getMany(keys())).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^ERR_(CLOSED|IN_TRANSACTION)$/) }),
  );
  store.close();
  expect(new Index(openStore(store.directory), 'pairs').get('a')).toBe(1);
});

test('closing again does nothing', () => {
  const store = openStore();
  store.close();
  store.close();
  store[Symbol.dispose]();
});

test('using closes the store at the end of the block', () => {
  const directory = temporaryDirectory();
  let kept: Store;
  {
    using store = open(directory);
    new Index(store, 'pairs').set('key', 1);
    kept = store;
  }
  expect(failure(() => kept.structures()).code).toBe('ERR_CLOSED');
  // The log is gone: nobody has it open.
  expect(existsSync(join(directory, 'holdfast.db-wal'))).toBe(false);
});

test('close ends every call that waits with ERR_CLOSED', async () => {
  const store = openStore();
  const waits = [1, 2, 3].map((n) => new Deque(store, `line ${n % 2}`).take());
  const changes = new Index(store, 'pairs').watch('key');
  await changes.next();
  const next = changes.next();
  store.close();
  for (const wait of [...waits, next]) await expect(wait).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test.each([undefined, null, {}, 'store', 5, { kind: 'embedded' }])(
  'a structure refuses %j for a store',
  (store) => {
    expect(() => new Index(store as never, 'name')).toThrow(TypeError);
    expect(() => new Deque(store as never, 'name')).toThrow(
      'store must be what open() or connect() returned',
    );
  },
);

test.each(['', 'x'.repeat(513), 'a\0b', '\udfff', undefined, null, 5, {}])(
  'a structure refuses the name %j',
  (name) => {
    const store = openStore();
    expect(() => new Index(store, name as never)).toThrow(/name must/);
    expect(() => new Deque(store, name as never)).toThrow(/name must/);
    expect(store.structures()).toEqual([]);
  },
);

test.each(["Robert'); DROP TABLE structures;--", '日本語', '😀', ' ', '%', 'x'.repeat(512)])(
  'a structure may be called %j',
  (name) => {
    const store = openStore();
    new Index(store, name).set('key', 1);
    expect(store.structures()).toEqual([expect.objectContaining({ name, entries: 1 })]);
    expect(new Index(openStore(store.directory), name).get('key')).toBe(1);
  },
);

test.runIf(process.platform === 'linux')(
  'opening and closing 200 stores keeps no descriptor, and the process ends by itself',
  async () => {
    const child = startProcess('core-leak.js', temporaryDirectory(), 200);
    const { before, after } = await child.result<{ before: number; after: number }>();
    expect(after).toBe(before);
  },
);

test('a store left open does not keep the process from ending', async () => {
  const child = startProcess('core-left-open.js', temporaryDirectory());
  expect(await child.exited).toEqual({ code: 0, signal: null });
});
