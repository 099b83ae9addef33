import { describe, expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { inProcesses, startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { checkTables, pause, rawConnection, until, waiting } from './helpers.js';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const ascending = (items: readonly number[]): number[] => items.toSorted((a, b) => a - b);

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    return { store, deque: new Deque<number>(store, 'things'), raw, location: engine.location(store) };
  };

  /** Processes that wait in line, in this order. */
  const inLine = async (count: number) => {
    const all = await opened();
    const processes = [];
    for (let i = 0; i < count; i++) {
      const process = startProcess('structures-take.js', all.location, i % 2 ? 'takeLast' : 'take');
      await until(async () => (await waiting(all.raw)) === i + 1, 'a process did not join the line');
      processes.push(process);
    }
    return { ...all, processes };
  };

  describe('across processes', () => {
    test('eight on one deque lose no item, and get none twice', async () => {
      const { store, deque, raw, location } = await opened();
      const each = engine.name === 'embedded' ? 400 : 120;
      const methods = ['take', 'takeLast', 'take', 'shift', 'shiftMany'];
      const removers = methods.map((method) => startProcess('structures-remove.js', location, method));
      const pushers = [0, 1, 2].map((n) => startProcess('structures-push.js', location, n * each, each));
      for (const pusher of pushers) await pusher.result();
      await until(async () => (await deque.size) === 0, 'not all items were removed');
      for (const remover of removers) await remover.send('stop');
      const removed = await Promise.all(removers.map((remover) => remover.result<number[]>()));
      expect(ascending(removed.flat())).toEqual(numbers(0, 3 * each));
      expect(await waiting(raw)).toBe(0);
      await checkTables(raw, store);
    });

    test('eight that update one counter count exactly', async () => {
      const { store, location, raw } = await opened();
      const each = engine.name === 'embedded' ? 150 : 25;
      await inProcesses(8, 'structures-update.js', location, each);
      const counters = new Index<string, number>(store, 'counters');
      expect(await counters.getMany(['all', 'of 0', 'of 1'])).toEqual([8 * each, 4 * each, 4 * each]);
      await checkTables(raw, store);
    });

    test('who came first is served first', async () => {
      const { store, deque, raw, processes } = await inLine(4);
      for (const [i, process] of processes.entries()) {
        await deque.push(i);
        expect(await process.nextMessage()).toEqual({ item: i });
      }
      for (const process of processes) await process.result();
      expect(await waiting(raw)).toBe(0);
      await checkTables(raw, store);
    });

    test('many items at once go each to its own waiter, by the order of the line', async () => {
      const { deque, processes } = await inLine(4);
      await deque.push(1, 2, 3, 4, 5);
      const items = await Promise.all(processes.map((process) => process.nextMessage()));
      expect(items).toEqual([{ item: 1 }, { item: 5 }, { item: 2 }, { item: 4 }]);
      expect(await deque.toArray()).toEqual([3]);
    });

    test('one that is killed while it waits holds nobody up, and its place disappears', async () => {
      for (const victim of engine.name === 'embedded' ? [0, 2] : [1]) {
        const { store, deque, raw, processes } = await inLine(4);
        const [dead] = processes.splice(victim, 1);
        await dead!.kill9();
        await deque.push(1, 2, 3);
        const got = await Promise.all(processes.map((process) => process.nextMessage<{ item: number }>()));
        expect(ascending(got.map(({ item }) => item))).toEqual([1, 2, 3]);
        for (const process of processes) await process.result();
        // The last in line may have been killed: who waits next looks after it.
        await expect(deque.take({ timeout: 1_000 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
        expect(await waiting(raw)).toBe(0);
        await checkTables(raw, store);
      }
    });

    test('all who wait are killed, and the next one to come is served', async () => {
      const { store, deque, raw, processes } = await inLine(3);
      await Promise.all(processes.map((process) => process.kill9()));
      await deque.push(1);
      expect(await deque.take()).toBe(1);
      await until(async () => (await waiting(raw)) === 0, 'the places of the dead are still there');
      await checkTables(raw, store);
    });

    test('one that is stopped keeps its place and its item, and goes on', async () => {
      const { deque, raw, processes } = await inLine(3);
      const [stopped, second, third] = processes;
      stopped!.pause();
      await deque.push(1, 2);
      expect(await second!.nextMessage()).toEqual({ item: 2 });
      // Longer than both engines' polls, which look for the dead.
      await pause(1_500);
      expect(await waiting(raw)).toBe(2);
      expect(await deque.toArray()).toEqual([1]);
      stopped!.resume();
      expect(await stopped!.nextMessage()).toEqual({ item: 1 });
      await deque.push(3);
      expect(await third!.nextMessage()).toEqual({ item: 3 });
      expect(await deque.size).toBe(0);
    });

    test('those who watch in other processes see the last state', async () => {
      const { store, location, raw } = await opened();
      const index = new Index<string, number>(store, 'things');
      const last = engine.name === 'embedded' ? 400 : 80;
      const watchers = ['key', 'key', 'range'].map((what) =>
        startProcess('structures-watch.js', location, what, last),
      );
      for (const watcher of watchers) expect(await watcher.nextMessage()).toBe('watching');
      for (let i = 0; i <= last; i++) {
        await index.setMany([['m', i], ['n', i], ['na', i]]); // prettier-ignore
        if (i % 50 === 0) await pause(3);
      }
      const [first, second, range] = await Promise.all(
        watchers.map((watcher) => watcher.result<unknown[]>()),
      );
      for (const seen of [first, second]) {
        expect(seen![0]).toBe(undefined);
        expect(seen!.at(-1)).toBe(last);
        expect(seen!.slice(1)).toEqual(ascending(seen!.slice(1) as number[]));
      }
      // Each state is one that a transaction left.
      for (const entries of range as [string, number][][]) {
        expect(entries.map(([key]) => key)).toEqual(entries.length === 0 ? [] : ['n', 'na']);
        expect(new Set(entries.map(([, value]) => value)).size).toBeLessThan(2);
      }
      expect(await waiting(raw)).toBe(0);
    });

    test('a watcher that is killed leaves no trace once somebody writes and waits', async () => {
      const { store, location, raw } = await opened();
      const index = new Index<string, number>(store, 'things');
      const watcher = startProcess('structures-watch.js', location, 'key', 1);
      expect(await watcher.nextMessage()).toBe('watching');
      await watcher.kill9();
      await index.set('n', 5);
      for await (const value of index.watch('n')) {
        expect(value).toBe(5);
        break;
      }
      await until(async () => {
        await index.update('n', (n) => n! + 1);
        return (await waiting(raw)) === 0;
      }, 'the place of the dead watcher is still there');
    });
  });
});
