import { describe, expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { engines } from '../support/stores.js';
import {
  indexReads,
  indexWrites,
  dequeReads,
  dequeWrites,
  waits,
  type AnyDeque,
  type AnyIndex,
} from './calls.js';
import { refused, withCode } from './helpers.js';

describe('a store that was opened with readonly', () => {
  const [engine] = engines;
  const opened = async () => {
    const writer = await engine.open();
    await new Index<string, unknown>(writer, 'index').setMany([['a', 1], ['b', 2]]); // prettier-ignore
    await new Deque<unknown>(writer, 'deque').push('a', 'b');
    const store = await engine.reopen(writer, { embedded: { readonly: true } });
    return { writer, store };
  };

  test.each(Object.entries(indexReads))('allows Index.%s', async (_, call) => {
    const { store } = await opened();
    await call(new Index(store, 'index'));
    await call(new Index(store, 'never written'));
  });

  test.each(Object.entries(dequeReads))('allows Deque.%s', async (_, call) => {
    const { store } = await opened();
    await call(new Deque(store, 'deque'));
    await call(new Deque(store, 'never written', { maxLength: 1 }));
    await call(new Deque(store, 'deque', { maxLength: 1 }));
    expect(await new Deque(store, 'deque').size).toBe(2);
  });

  test.each(Object.entries(indexWrites))('refuses Index.%s', async (_, call) => {
    const { store } = await opened();
    const index: AnyIndex = new Index(store, 'index');
    await refused(store, () => call(index), withCode('ERR_READONLY'));
    await refused(store, () => call(new Index(store, 'never written')), withCode('ERR_READONLY'));
    expect(await index.size).toBe(2);
  });

  test.each(Object.entries({ ...dequeWrites, ...waits }))('refuses Deque.%s', async (_, call) => {
    const { store } = await opened();
    const deque: AnyDeque = new Deque(store, 'deque', { maxLength: 1 });
    await refused(store, async () => call(deque), withCode('ERR_READONLY'));
    expect(await deque.toArray()).toEqual(['a', 'b']);
  });

  test('sees what others write, and watches it', async () => {
    const { writer, store } = await opened();
    const index: AnyIndex = new Index(store, 'index');
    const watcher = index.watch('a');
    expect((await watcher.next()).value).toBe(1);
    await new Index<string, unknown>(writer, 'index').set('a', 2);
    expect((await watcher.next()).value).toBe(2);
    await watcher.return?.();
  });
});
