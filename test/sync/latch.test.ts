import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Latch, type AsyncLatch, type AsyncStore } from '../../src/index.js';
import { startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import {
  checkTables,
  pause,
  rawConnection,
  refused,
  rolledBack,
  settled,
  transact,
  until,
  waiting,
  withCode,
} from '../structures/helpers.js';

const done = { status: 'fulfilled', value: undefined };
const failed = (reason: unknown) => ({
  status: 'rejected',
  reason: expect.objectContaining(reason as object),
});

forEachEngine((engine) => {
  const opened = async (count = 2) => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    const latch = new Latch(store, 'gate', { count });
    /** Calls of `wait` that have joined the line. */
    const wait = async (...latches: AsyncLatch[]) => {
      const before = await waiting(raw);
      const waits = latches.map((one) => settled(one.wait()));
      await until(async () => (await waiting(raw)) === before + latches.length, 'nobody joined the line');
      return waits;
    };
    return { store, raw, latch, wait };
  };
  const again = async (store: AsyncStore, count = 2) =>
    new Latch(await engine.reopen(store), 'gate', { count });

  describe('Latch', () => {
    test('counts down, never below 0', async () => {
      const { latch } = await opened(5);
      expect(await latch.count).toBe(5);
      expect(await latch.countDown()).toBe(4);
      expect(await latch.countDown(2)).toBe(2);
      expect(await latch.count).toBe(2);
      expect(await latch.countDown(3)).toBe(0);
      expect(await latch.countDown()).toBe(0);
      expect(await latch.count).toBe(0);
    });

    test('lets all who wait go when 0 is reached, in every store, and later ones at once', async () => {
      const { store, raw, latch, wait } = await opened();
      const other = await again(store);
      const waits = await wait(latch, other, latch, other);
      expect(await latch.countDown()).toBe(1);
      await pause(20);
      expect(await waiting(raw)).toBe(4);
      expect(await other.countDown()).toBe(0);
      expect(await Promise.all(waits)).toEqual([done, done, done, done]);
      await latch.wait({ timeout: 0 });
      await other.wait();
      expect(await waiting(raw)).toBe(0);
      await checkTables(raw, store);
    });

    test('has the count that was stored first, also when that is 0 by now', async () => {
      const { store, latch } = await opened(3);
      await latch.countDown();
      const other = await again(store, 10);
      expect(await other.count).toBe(2);
      expect(await other.countDown(2)).toBe(0);
      expect(await (await again(store, 5)).count).toBe(0);
    });

    test('that begins at 0 is open', async () => {
      const { latch } = await opened(0);
      await latch.wait({ timeout: 0 });
      expect(await latch.countDown()).toBe(0);
    });

    test('goes back to the option of whoever resets it', async () => {
      const { store, latch, wait } = await opened(2);
      const other = await again(store, 7);
      await latch.countDown();
      await latch.reset();
      expect(await other.count).toBe(2);
      const waits = await wait(latch);
      await other.reset();
      expect(await latch.count).toBe(7);
      await latch.countDown(7);
      expect(await Promise.all(waits)).toEqual([done]);
      await latch.reset();
      await expect(latch.wait({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      const more = await wait(latch);
      await (await again(store, 0)).reset();
      expect(await Promise.all(more)).toEqual([done]);
    });

    test('lets those go who waited when 0 was reached, though it is reset at once, and no later ones', async () => {
      const { store, raw, latch, wait } = await opened(1);
      const other = await again(store, 1);
      const waits = await wait(latch, other, other, latch);
      await transact(store, function* () {
        yield latch.countDown();
        yield latch.reset();
      });
      const late = settled(latch.wait());
      expect(await Promise.all(waits)).toEqual([done, done, done, done]);
      await until(async () => (await waiting(raw)) === 1);
      await pause(20);
      expect(await waiting(raw)).toBe(1);
      await other.countDown();
      expect(await late).toEqual(done);
    });

    test('wakes a thousand that wait in one process', async () => {
      const { raw, latch } = await opened(1);
      const many = engine.name === 'embedded' ? 1_000 : 200;
      const waits = Array.from({ length: many }, () => settled(latch.wait()));
      await until(async () => (await waiting(raw)) === many, 'not all joined the line');
      await latch.countDown();
      expect(await Promise.all(waits)).toEqual(Array(many).fill(done));
      expect(await waiting(raw)).toBe(0);
    });

    test('wakes by bells alone, without the poll behind them', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const { store, latch, wait } = await opened(1);
      const other = await again(store, 1);
      const waits = await wait(latch, other, latch, other);
      await latch.countDown();
      expect(await Promise.all(waits)).toEqual([done, done, done, done]);
      await latch.reset();
      const more = await wait(other, latch);
      await (await again(store, 0)).reset();
      expect(await Promise.all(more)).toEqual([done, done]);
    });

    test('is counted down by a transaction when that is committed, and not when it is rolled back', async () => {
      const { store, raw, latch, wait } = await opened(1);
      const waits = await wait(latch, await again(store, 1));
      await rolledBack(store, function* () {
        expect(yield latch.countDown()).toBe(0);
        expect(yield latch.count).toBe(0);
      });
      expect(await latch.count).toBe(1);
      await pause(20);
      expect(await waiting(raw)).toBe(2);
      await transact(store, function* () {
        yield latch.countDown();
      });
      expect(await Promise.all(waits)).toEqual([done, done]);
      await rolledBack(store, function* () {
        yield latch.reset();
      });
      expect(await latch.count).toBe(0);
    });

    test('stores the count again where the transaction that did is rolled back', async () => {
      const { store, latch } = await opened(3);
      await rolledBack(store, function* () {
        expect(yield latch.countDown()).toBe(2);
      });
      expect(await latch.count).toBe(3);
      expect(await latch.countDown()).toBe(2);
    });

    test('ends a wait by timeout, signal or closing, which leaves no trace', async () => {
      const { store, raw, latch, wait } = await opened(1);
      await expect(latch.wait({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await expect(latch.wait({ timeout: 30 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      const controller = new AbortController();
      const aborted = settled(latch.wait({ signal: controller.signal }));
      await until(async () => (await waiting(raw)) === 1);
      controller.abort(new Error('enough'));
      expect(await aborted).toEqual(failed({ message: 'enough' }));
      expect(await waiting(raw)).toBe(0);
      const other = await engine.reopen(store);
      const [closed] = await wait(new Latch(other, 'gate', { count: 1 }));
      const [stays] = await wait(latch);
      await other.close();
      expect(await closed).toEqual(failed({ code: 'ERR_CLOSED' }));
      expect(await waiting(raw)).toBe(1);
      expect(await latch.countDown()).toBe(0);
      expect(await stays).toEqual(done);
    });

    test('refuses what is no count', async () => {
      const { store, latch } = await opened(3);
      for (const n of [0, -1, 0.5, NaN, Infinity]) await refused(store, () => latch.countDown(n), RangeError);
      for (const n of ['1', null, 1n]) await refused(store, () => latch.countDown(n as never), TypeError);
      expect(await latch.count).toBe(3);
      for (const count of [-1, 0.5, NaN, Infinity])
        expect(() => new Latch(store, 'gate', { count })).toThrow(RangeError);
      for (const options of [undefined, {}, { count: '1' }, { count: 1, parties: 1 }] as never[])
        expect(() => new Latch(store, 'gate', options)).toThrow(TypeError);
      await expect(latch.wait({ timeot: 1 } as never)).rejects.toThrow(/"timeot"/);
    });
  });

  describe('Latch across processes', () => {
    test('is passed by those who were paused when it opened, and was reset', async () => {
      const { store, raw, latch } = await opened(1);
      const processes = [0, 1].map(() => startProcess('sync-party.js', engine.location(store), 1));
      for (const process of processes) {
        await process.nextMessage();
        await process.send('pass');
      }
      await until(async () => (await waiting(raw)) === 2);
      const [paused, running] = processes;
      paused?.pause();
      await latch.countDown();
      await latch.reset();
      expect(await running?.nextMessage()).toEqual({ value: undefined });
      paused?.resume();
      expect(await paused?.nextMessage()).toEqual({ value: undefined });
      expect(await waiting(raw)).toBe(0);
    });

    test('keeps what those who were killed have counted down', async () => {
      const { store, raw, latch, wait } = await opened(2);
      const [mine] = await wait(latch);
      const [one, two] = [0, 1].map(() => startProcess('sync-party.js', engine.location(store), 2));
      for (const process of [one, two]) {
        await process?.nextMessage();
        await process?.send('countDown');
        await process?.nextMessage();
        await process?.kill9();
      }
      expect(await mine).toEqual(done);
      expect(await latch.count).toBe(0);
      expect(await waiting(raw)).toBe(0);
    });
  });
});
