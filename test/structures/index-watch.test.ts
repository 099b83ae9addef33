import { describe, expect, test } from 'vitest';
import { Index } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { checkTables, pause, rawConnection, Rollback, settled, transact, until, waiting } from './helpers.js';

/** Reads what a watcher yields until `last` comes: what is between may be folded. */
async function next<T>(watcher: AsyncIterator<T>): Promise<T> {
  const outcome = await settled(watcher.next());
  if (outcome.status === 'rejected') throw outcome.reason;
  if (outcome.value.done === true) throw new Error('the watcher ended');
  return outcome.value.value;
}

async function untilYields<T>(watcher: AsyncIterator<T>, last: T): Promise<T[]> {
  const seen: T[] = [];
  for (;;) {
    const value = await next(watcher);
    seen.push(value);
    try {
      expect(value).toEqual(last);
      return seen;
    } catch {
      if (seen.length > 1_000)
        throw new Error(`${JSON.stringify(last)} did not come: ${JSON.stringify(seen.slice(-3))}`);
    }
  }
}

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    const index = new Index<string, number>(store, 'things');
    const other = new Index<string, number>(await engine.reopen(store), 'things');
    return { store, index, other, raw: await rawConnection(engine, store) };
  };

  describe('Index.watch', () => {
    test('a key: yields the present value, then each later one, whoever writes, and undefined when it is gone', async () => {
      const { index, other } = await opened();
      const watcher = index.watch('a');
      expect(await next(watcher)).toBe(undefined);
      await other.set('a', 1);
      expect(await next(watcher)).toBe(1);
      await index.set('a', 2);
      expect(await next(watcher)).toBe(2);
      await other.update('a', (n) => n! + 1);
      expect(await next(watcher)).toBe(3);
      await other.delete('a');
      expect(await next(watcher)).toBe(undefined);
      await other.setMany([['b', 1], ['a', 4]]); // prettier-ignore
      expect(await next(watcher)).toBe(4);
      await other.pop('a');
      expect(await next(watcher)).toBe(undefined);
      await other.setDefault('a', 5);
      expect(await next(watcher)).toBe(5);
      await other.popFirst();
      await other.popFirst();
      expect(await next(watcher)).toBe(undefined);
      await other.set('a', 6);
      expect(await next(watcher)).toBe(6);
      await other.deleteRange({ lte: 'a' });
      expect(await next(watcher)).toBe(undefined);
      await other.set('a', 7);
      expect(await next(watcher)).toBe(7);
      await other.clear();
      expect(await next(watcher)).toBe(undefined);
      await watcher.return?.();
    });

    test('a range: yields its entries as an array in the order of keys, with limit and reverse', async () => {
      const { index, other } = await opened();
      await index.set('ab', 1);
      const watcher = index.watch({ prefix: 'a', reverse: true, limit: 2 });
      expect(await next(watcher)).toEqual([['ab', 1]]);
      await other.set('aa', 2);
      expect(await next(watcher)).toEqual([['ab', 1], ['aa', 2]]); // prettier-ignore
      await other.set('ac', 3);
      expect(await next(watcher)).toEqual([['ac', 3], ['ab', 1]]); // prettier-ignore
      await other.deleteMany(['ab', 'aa']);
      expect(await next(watcher)).toEqual([['ac', 3]]);
      await other.clear();
      expect(await next(watcher)).toEqual([]);
      await watcher.return?.();
    });

    test('writing the same value again, or something else, yields nothing', async () => {
      const { index, other } = await opened();
      await index.set('a', 1);
      const key = index.watch('a');
      const range = index.watch({ gt: 'a' });
      expect(await next(key)).toBe(1);
      expect(await next(range)).toEqual([]);
      await other.set('a', 1);
      await other.set('A', 1);
      await other.set('b', 1);
      await other.set('a', 2);
      expect(await next(key)).toBe(2);
      expect(await next(range)).toEqual([['b', 1]]);
      await Promise.all([key.return?.(), range.return?.()]);
    });

    test('watches tuples and bytes as keys', async () => {
      const store = await engine.open();
      const index = new Index<[string, number] | Uint8Array, string>(store, 'things');
      const tuple = index.watch(['a', 1]);
      const bytes = index.watch(Uint8Array.of(1));
      expect([await next(tuple), await next(bytes)]).toEqual([undefined, undefined]);
      await index.setMany([[['a', 1], 'x'], [Uint8Array.of(1), 'y']]); // prettier-ignore
      expect([await next(tuple), await next(bytes)]).toEqual(['x', 'y']);
      await Promise.all([tuple.return?.(), bytes.return?.()]);
    });

    test('the last of a burst is never missed', async () => {
      const { index, other } = await opened();
      const watcher = index.watch('a');
      expect(await next(watcher)).toBe(undefined);
      for (let round = 1; round <= 20; round++) {
        const writing = (async () => {
          for (let i = 0; i < 10; i++) await other.set('a', round * 100 + i);
        })();
        const seen = await untilYields(watcher, round * 100 + 9);
        await writing;
        expect(seen).toEqual(seen.toSorted((a, b) => a! - b!));
      }
      await watcher.return?.();
    });

    test('a transaction is seen as a whole, and one that is rolled back not at all', async () => {
      const { store, index, raw } = await opened();
      const watcher = index.watch({});
      expect(await next(watcher)).toEqual([]);
      await expect(async () =>
        transact(store, function* () {
          yield index.set('a', 1);
          throw new Rollback();
        }),
      ).rejects.toThrow(Rollback);
      await transact(store, function* () {
        yield index.set('a', 2);
        yield index.set('b', 2);
        yield index.delete('a');
        yield index.set('c', 2);
      });
      expect(await next(watcher)).toEqual([['b', 2], ['c', 2]]); // prettier-ignore
      await watcher.return?.();
      expect(await waiting(raw)).toBe(0);
    });

    test('a loop ends by break, and leaves no trace', async () => {
      const { store, index, raw } = await opened();
      for await (const _ of index.watch('a')) {
        expect(await waiting(raw)).toBe(1);
        break;
      }
      expect(await waiting(raw)).toBe(0);
      await checkTables(raw, store);
      await index.set('a', 1);
      expect(await index.get('a')).toBe(1);
    });

    test('throws the reason of its signal, before and while it waits, and leaves no trace', async () => {
      const { store, index, raw } = await opened();
      const reason = new Error('enough');
      await expect(index.watch('a', { signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
      const abort = new AbortController();
      const watcher = index.watch('a', { signal: abort.signal });
      await next(watcher);
      const waits = watcher.next();
      await pause(5);
      abort.abort(reason);
      await expect(waits).rejects.toBe(reason);
      expect(await waiting(raw)).toBe(0);
      expect(await watcher.next()).toEqual({ done: true, value: undefined });
      await checkTables(raw, store);
    });

    test('throws ERR_CLOSED when the store closes, and leaves no trace', async () => {
      const { store, index, other, raw } = await opened();
      const watchers = [index.watch('a'), index.watch({ gte: 'b' }), index.watch('a')];
      for (const watcher of watchers) await next<unknown>(watcher);
      const waits = watchers.map((watcher) => settled<unknown>(watcher.next()));
      await store.close();
      for (const outcome of await Promise.all(waits)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
      }
      expect(await waiting(raw)).toBe(0);
      await other.set('a', 1);
      await expect(index.watch('a').next()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    });

    test('many watch at once, without a warning', async () => {
      const { index, other, raw } = await opened();
      const warnings: Error[] = [];
      const onWarning = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', onWarning);
      const abort = new AbortController();
      const watchers = Array.from({ length: 30 }, () => index.watch('a', { signal: abort.signal }));
      for (const watcher of watchers) expect(await next(watcher)).toBe(undefined);
      const all = Promise.all(watchers.map((watcher) => next(watcher)));
      await other.set('a', 1);
      expect(await all).toEqual(watchers.map(() => 1));
      abort.abort();
      await Promise.allSettled(watchers.map((watcher) => watcher.next()));
      expect(await waiting(raw)).toBe(0);
      await pause(1);
      process.off('warning', onWarning);
      expect(warnings).toEqual([]);
    });

    test('refuses what is no key, range or signal', async () => {
      const { index, raw } = await opened();
      const watch =
        (...args: unknown[]) =>
        async () =>
          (index.watch as unknown as (...args: unknown[]) => AsyncIterator<unknown>)(...args).next();
      await expect(watch(NaN)).rejects.toThrow(RangeError);
      await expect(watch(null)).rejects.toThrow(TypeError);
      await expect(watch(undefined)).rejects.toThrow(TypeError);
      await expect(watch({ from: 'a' })).rejects.toThrow(/"from"/);
      await expect(watch('a', { timeout: 1 })).rejects.toThrow(/"timeout"/);
      await expect(watch('a', { signal: {} })).rejects.toThrow(TypeError);
      expect(await waiting(raw)).toBe(0);
    });

    test('what is written between two looks is seen although nobody looked then', async () => {
      const { index, other, raw } = await opened();
      const watcher = index.watch('a');
      await next(watcher);
      await other.set('a', 1);
      await other.set('a', 2);
      await pause(20);
      expect(await untilYields(watcher, 2)).toHaveLength(1);
      await until(async () => (await waiting(raw)) === 1);
      await watcher.return?.();
    });
  });
});
