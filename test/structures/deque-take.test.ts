import { describe, expect, test } from 'vitest';
import { Deque, type AsyncStore } from '../../src/index.js';
import { randomFrom } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import {
  checkTables,
  pause,
  rawConnection,
  rolledBack,
  settled,
  transact,
  until,
  waiting,
  type Raw,
} from './helpers.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

/** Puts one after the other in line: each is there before the next call. */
async function inLine<T>(
  raw: Raw,
  calls: readonly (() => Promise<T>)[],
): Promise<Promise<PromiseSettledResult<T>>[]> {
  const waits: Promise<PromiseSettledResult<T>>[] = [];
  for (const call of calls) {
    const before = await waiting(raw);
    waits.push(settled(call()));
    await until(async () => (await waiting(raw)) > before, 'nobody joined the line');
  }
  return waits;
}

const values = async (waits: readonly Promise<PromiseSettledResult<unknown>>[]): Promise<unknown[]> =>
  (await Promise.all(waits)).map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as unknown)));

forEachEngine((engine) => {
  const opened = async () => {
    const store = await engine.open();
    const deque = new Deque<number>(store, 'things');
    const otherStore = await engine.reopen(store);
    const other = new Deque<number>(otherStore, 'things');
    const raw = await rawConnection(engine, store);
    return { store, deque, otherStore, other, raw };
  };

  const noTrace = async (raw: Raw, store: AsyncStore): Promise<void> => {
    expect(await waiting(raw)).toBe(0);
    await checkTables(raw, store);
  };

  describe('Deque.take and takeLast', () => {
    test('take what is there at once, from their end', async () => {
      const { store, deque, raw } = await opened();
      await deque.push(1, 2, 3);
      expect(await deque.take()).toBe(1);
      expect(await deque.takeLast({ timeout: 0 })).toBe(3);
      expect(await deque.take({ timeout: 0, signal: new AbortController().signal })).toBe(2);
      await noTrace(raw, store);
    });

    test('an item that is undefined is an item', async () => {
      const store = await engine.open();
      const deque = new Deque<undefined>(store, 'things');
      const wait = deque.take();
      await deque.push(undefined);
      expect(await settled(wait)).toEqual({ status: 'fulfilled', value: undefined });
    });

    test.each(['push', 'unshift'] as const)(
      'wait for a %s of another store, or of their own',
      async (add) => {
        const { store, deque, other, raw } = await opened();
        const [first] = await inLine(raw, [() => deque.take()]);
        await other[add](1);
        expect(await first).toEqual({ status: 'fulfilled', value: 1 });
        const [second] = await inLine(raw, [() => deque.takeLast()]);
        await deque[add](2);
        expect(await second).toEqual({ status: 'fulfilled', value: 2 });
        await noTrace(raw, store);
      },
    );

    test('wait for a deque that nobody has written to yet', async () => {
      const { deque, other } = await opened();
      const wait = settled(deque.take());
      await other.push(7);
      expect(await wait).toEqual({ status: 'fulfilled', value: 7 });
    });

    test('are served in the order in which they came, across stores', async () => {
      const { store, deque, other, raw } = await opened();
      const calls = Array.from({ length: 12 }, (_, i) => () => (i % 3 ? deque : other).take());
      const waits = await inLine(raw, calls);
      for (let i = 0; i < 12; i++) {
        await (i % 2 ? deque : other).push(i);
        expect(await waits[i]).toEqual({ status: 'fulfilled', value: i });
        expect(await waiting(raw)).toBe(11 - i);
      }
      await noTrace(raw, store);
    });

    test('when many items come at once each waiter gets its own, whoever wakes first', async () => {
      const { store, deque, other, raw } = await opened();
      const calls = [
        () => deque.take(),
        () => other.takeLast(),
        () => deque.take(),
        () => other.take(),
        () => deque.takeLast(),
      ];
      const waits = await inLine(raw, calls);
      await other.push(1, 2, 3, 4, 5, 6);
      expect(await values(waits)).toEqual([1, 6, 2, 3, 5]);
      expect(await deque.toArray()).toEqual([4]);
      await noTrace(raw, store);
    });

    test('with fewer items than waiters the first in line are served, of both kinds', async () => {
      const { store, deque, other, raw } = await opened();
      const waits = await inLine(raw, [() => deque.takeLast(), () => other.take(), () => deque.takeLast()]);
      await other.push(1, 2);
      expect(await values(waits.slice(0, 2))).toEqual([2, 1]);
      await pause(20);
      expect(await waiting(raw)).toBe(1);
      await deque.unshift(3);
      expect(await values(waits)).toEqual([2, 1, 3]);
      await noTrace(raw, store);
    });

    test('nobody who comes later goes ahead of who waits', async () => {
      const { deque, other, raw } = await opened();
      const [first] = await inLine(raw, [() => deque.take()]);
      const later = settled(
        (async () => {
          await other.push(1);
          return other.take({ timeout: 0 });
        })(),
      );
      expect(await first).toEqual({ status: 'fulfilled', value: 1 });
      expect(await later).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TIMEOUT' } });
    });

    test('reject with ERR_TIMEOUT when the time is over, 0 at once, and leave no trace', async () => {
      const { store, deque, raw } = await opened();
      for (const timeout of [0, '0s', 1, 30, '50ms'] as const) {
        const begun = performance.now();
        const outcome = await settled(deque.take({ timeout }));
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TIMEOUT' } });
        if (timeout === '50ms') expect(performance.now() - begun).toBeGreaterThan(45);
      }
      await noTrace(raw, store);
      await deque.push(1);
      expect(await deque.size).toBe(1);
    });

    test('reject with the reason of their signal, before and while they wait, and leave no trace', async () => {
      const { store, deque, raw } = await opened();
      const reason = new Error('enough');
      await deque.push(1);
      await expect(deque.take({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(await deque.shift()).toBe(1);
      const abort = new AbortController();
      const waits = await inLine(raw, [
        () => deque.take({ signal: abort.signal }),
        () => deque.takeLast({ signal: abort.signal, timeout: '1h' }),
      ]);
      abort.abort(reason);
      expect(await values(waits)).toEqual([reason, reason]);
      await noTrace(raw, store);
      const undefinedReason = AbortSignal.abort();
      await expect(deque.take({ signal: undefinedReason })).rejects.toBe(undefinedReason.reason);
    });

    test('an abort right after the call, and at every moment of it, leaves no trace and loses nothing', async () => {
      const { store, deque, other, raw } = await opened();
      let taken = 0;
      for (let round = 0; round < 25; round++) {
        const abort = new AbortController();
        const wait = settled(deque.take({ signal: abort.signal }));
        const pushed = (async () => other.push(round))();
        for (let tick = 0; tick < round % 7; tick++) await Promise.resolve();
        if (round % 3 === 0) await pause(round / 10);
        abort.abort();
        const outcome = await wait;
        await pushed;
        if (outcome.status === 'fulfilled') taken++;
        await until(async () => (await waiting(raw)) === 0, 'a waiter was left behind');
      }
      expect((await deque.size) + taken).toBe(25);
      await noTrace(raw, store);
    });

    test('leaving the line lets the next one be served', async () => {
      const { store, deque, other, raw } = await opened();
      const abort = new AbortController();
      const [first, second, third] = await inLine(raw, [
        () => deque.take({ signal: abort.signal }),
        () => other.takeLast({ timeout: '1h' }),
        () => deque.take(),
      ]);
      // In one turn: who is at the head leaves while its item comes.
      const pushed = (async () => other.push(1))();
      abort.abort();
      await pushed;
      const outcome = await first;
      if (outcome?.status === 'fulfilled') await other.push(2);
      expect((await second)?.status).toBe('fulfilled');
      await other.push(3);
      expect(await third).toEqual({ status: 'fulfilled', value: 3 });
      await noTrace(raw, store);
    });

    test('reject with ERR_CLOSED when their store closes; those of other stores wait on, and go ahead', async () => {
      const { store, deque, otherStore, other, raw } = await opened();
      const [first, second, third] = await inLine(raw, [
        () => deque.take(),
        () => other.take(),
        () => deque.takeLast(),
      ]);
      await store.close();
      const closed = { status: 'rejected', reason: { code: 'ERR_CLOSED' } };
      expect([await first, await third]).toMatchObject([closed, closed]);
      expect(await waiting(raw)).toBe(1);
      await other.push(1);
      expect(await second).toEqual({ status: 'fulfilled', value: 1 });
      await noTrace(raw, otherStore);
    });

    test('an item reserved for a store that closes goes to the next one', async () => {
      const { store, deque, otherStore, other, raw } = await opened();
      const [first, second] = await inLine(raw, [() => deque.take(), () => other.take()]);
      const pushed = (async () => other.push(1))();
      await store.close();
      await pushed;
      const outcome = await first;
      if (outcome?.status === 'fulfilled') await other.push(2);
      expect((await second)?.status).toBe('fulfilled');
      expect(await other.size).toBe(0);
      await noTrace(raw, otherStore);
    });

    test('a store that closes while its calls are only beginning ends them all', async () => {
      const { store, deque, otherStore, raw } = await opened();
      const waits = Array.from({ length: 5 }, () => settled(deque.take(), 10_000));
      await store.close();
      for (const outcome of await Promise.all(waits)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
      }
      await noTrace(raw, otherStore);
    });

    test('a push that is rolled back wakes nobody wrongly', async () => {
      const { store, deque, other, otherStore, raw } = await opened();
      const [wait] = await inLine(raw, [() => deque.take()]);
      await rolledBack(otherStore, function* () {
        yield other.push(1);
        yield other.unshift(0, 2);
      });
      await transact(otherStore, function* () {
        try {
          yield transact(otherStore, function* () {
            yield other.push(3);
            throw new Error('undo');
          });
        } catch {
          // As meant.
        }
      });
      await transact(otherStore, function* () {
        yield other.push(4);
        expect(yield other.shift()).toBe(4);
      });
      await pause(20);
      expect(await waiting(raw)).toBe(1);
      await transact(otherStore, function* () {
        yield other.push(5);
        yield other.pop();
        yield other.push(6);
      });
      expect(await wait).toEqual({ status: 'fulfilled', value: 6 });
      await noTrace(raw, store);
    });

    test('an item that shift takes away first is waited for again', async () => {
      const { store, deque, other, raw } = await opened();
      const [wait] = await inLine(raw, [() => deque.take()]);
      for (let i = 0; i < 20; i++) {
        await other.push(i);
        if ((await other.shift()) === undefined) break;
      }
      await other.push(100);
      const outcome = await wait;
      expect(outcome?.status).toBe('fulfilled');
      expect(await other.size).toBe(outcome?.status === 'fulfilled' && outcome.value === 100 ? 0 : 1);
      await noTrace(raw, store);
    });

    test('with maxLength, what is dropped goes to nobody, and who waits is served', async () => {
      const { store, deque, raw } = await opened();
      const bounded = new Deque<number>(store, 'things', { maxLength: 2 });
      const waits = await inLine(raw, [() => deque.take(), () => deque.take(), () => deque.take()]);
      await bounded.push(1, 2, 3, 4);
      expect(await values(waits.slice(0, 2))).toEqual([3, 4]);
      await bounded.push(5);
      expect(await values(waits)).toEqual([3, 4, 5]);
      await noTrace(raw, store);
    });

    test('many wait at once in one store, without a warning', async () => {
      const { store, deque, other, raw } = await opened();
      const warnings: Error[] = [];
      const onWarning = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', onWarning);
      const waits = Array.from({ length: 30 }, () => settled(deque.take()));
      await until(async () => (await waiting(raw)) === 30);
      await other.push(...Array.from({ length: 30 }, (_, i) => i));
      expect((await values(waits)).toSorted((a, b) => Number(a) - Number(b))).toEqual(waits.map((_, i) => i));
      await pause(1);
      process.off('warning', onWarning);
      expect(warnings).toEqual([]);
      await noTrace(raw, store);
    });

    test('random pushes, takes, aborts and rollbacks lose nothing and give nothing twice', async () => {
      const { store, deque, otherStore, other, raw } = await opened();
      const random = randomFrom(seed);
      const below = (n: number): number => Math.floor(random() * n);
      let pushed = 0;
      const waits: Promise<PromiseSettledResult<number>>[] = [];
      const taken: number[] = [];
      for (let step = 0; step < (engine.name === 'embedded' ? 300 : 120); step++) {
        const [at, its] = below(2) ? [deque, store] : [other, otherStore];
        switch (below(7)) {
          case 0:
          case 1:
            await at[below(2) ? 'push' : 'unshift'](...Array.from({ length: 1 + below(3) }, () => pushed++));
            break;
          case 2:
            await rolledBack(its, function* () {
              yield at.push(-1, -2);
            });
            break;
          case 3: {
            const abort = new AbortController();
            waits.push(settled(at.take({ signal: abort.signal })));
            if (below(2)) await pause(below(3));
            abort.abort();
            break;
          }
          case 4: {
            const item = await at[below(2) ? 'shift' : 'pop']();
            if (item !== undefined) taken.push(item);
            break;
          }
          default:
            waits.push(
              settled(at[below(2) ? 'take' : 'takeLast']({ timeout: below(2) ? 1 + below(10) : 30_000 })),
            );
        }
      }
      // What still waits is served now.
      let open = waits.length;
      for (const wait of waits) void wait.then(() => open--);
      await until(async () => {
        if (open > 0 && (await other.size) === 0) await other.push(pushed++);
        return open === 0;
      }, `SEED=${seed}: ${open} still wait`);
      for (const outcome of await Promise.all(waits))
        if (outcome.status === 'fulfilled') taken.push(outcome.value);
      const all = [...taken, ...(await deque.toArray())].toSorted((a, b) => a - b);
      expect(all, `SEED=${seed}`).toEqual(Array.from({ length: pushed }, (_, i) => i));
      await noTrace(raw, store);
    });
  });
});
