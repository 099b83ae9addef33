import { describe, expect, test } from 'vitest';
import { Cache, Deque, Index, type AsyncDeque, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import {
  checkTables,
  isEmbedded,
  rawConnection,
  refused,
  transact,
  waiting,
  withCode,
  type Raw,
} from './helpers.js';

const corrupt = withCode('ERR_CORRUPT');

/** Overwrites the value of one row by bytes that no version ever wrote. */
const garble = (store: AsyncStore, raw: Raw, table: string, which: 'min' | 'max'): Promise<unknown> =>
  raw(
    `UPDATE ${table} SET value = ${isEmbedded(store) ? "x'eeee'" : String.raw`'\xeeee'`} WHERE id = (SELECT ${which}(id) FROM ${table})`,
  );

forEachEngine((engine) => {
  describe('What is stored but can’t be read', () => {
    const opened = async () => {
      const store = await engine.open();
      const deque = new Deque<object>(store, 'things');
      await deque.push({ n: 0 }, { n: 1 }, { n: 2 });
      return { store, deque, raw: await rawConnection(engine, store) };
    };

    test.each<[string, 'min' | 'max', (deque: AsyncDeque<object>) => unknown]>([
      ['shift', 'min', (deque) => deque.shift()],
      ['shiftMany', 'min', (deque) => deque.shiftMany(2)],
      ['take', 'min', (deque) => deque.take()],
      ['pop', 'max', (deque) => deque.pop()],
      ['popMany', 'max', (deque) => deque.popMany(2)],
      ['takeLast', 'max', (deque) => deque.takeLast()],
    ])('is reported by %s, and stays where it is', async (_, which, call) => {
      const { store, deque, raw } = await opened();
      await garble(store, raw, 'items', which);
      const before = await raw('SELECT id, value, span, upto FROM items ORDER BY id');
      await expect(async () => call(deque)).rejects.toThrow(corrupt);
      await refused(store, () => deque.at(which === 'min' ? 0 : -1), corrupt);
      expect(await deque.size).toBe(3);
      const after = await raw('SELECT id, value FROM items ORDER BY id');
      expect(after).toEqual(before.map(({ id, value }) => ({ id, value })));
      expect(await (which === 'min' ? deque.pop() : deque.shift())).toEqual({ n: which === 'min' ? 2 : 0 });
      expect(await waiting(raw)).toBe(0);
      await checkTables(raw, store);
    });

    test('is not gone when a transaction goes on after the error', async () => {
      const { store, deque, raw } = await opened();
      await garble(store, raw, 'items', 'min');
      await transact(store, function* () {
        try {
          yield deque.shift();
        } catch {
          yield deque.push({ n: 3 });
        }
      });
      expect(await deque.size).toBe(4);
      expect(await deque.at(-1)).toEqual({ n: 3 });
      await refused(store, () => deque.first(), corrupt);
      await checkTables(raw, store);
    });

    test('stays in a cache, until another value takes its place', async () => {
      const { store, raw } = await opened();
      const cache = new Cache<object>(store, 'cached');
      await cache.set('a', { n: 0 });
      await garble(store, raw, 'cached_entries', 'min');
      for (const call of [
        () => cache.get('a'),
        () => cache.getMany(['a']),
        () => cache.entry('a'),
        () => cache.pop('a'),
        () => cache.increment('a'),
        () => cache.update('a', () => ({ n: 1 })),
      ]) {
        await refused(store, call, corrupt);
        expect(await cache.has('a')).toBe(true);
      }
      await expect(cache.getOrSet('a', () => ({ n: 1 }))).rejects.toThrow(corrupt);
      await cache.set('a', { n: 1 });
      expect(await cache.get('a')).toEqual({ n: 1 });
      await checkTables(raw, store);
    });

    test('stays in an index, whatever would have removed or replaced it', async () => {
      const { store, raw } = await opened();
      const index = new Index<string, object>(store, 'entries');
      await index.set('a', { n: 0 });
      await garble(store, raw, 'entries', 'min');
      for (const call of [
        () => index.get('a'),
        () => index.pop('a'),
        () => index.popFirst(),
        () => index.popLast(),
        () => index.update('a', () => ({ n: 1 })),
      ]) {
        await refused(store, call, corrupt);
        expect(await index.size).toBe(1);
      }
      await index.set('a', { n: 1 });
      expect(await index.get('a')).toEqual({ n: 1 });
      await checkTables(raw, store);
    });
  });
});
