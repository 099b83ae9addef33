import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Barrier, Deque, type AsyncBarrier, type AsyncStore } from '../../src/index.js';
import { inProcesses, startProcess } from '../support/processes.js';
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
  withCode,
  type Raw,
} from '../structures/helpers.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

type Outcome = PromiseSettledResult<number>;

/** What a party logs of a round it has passed, by the clock that all processes of the machine share. */
interface Entry {
  readonly came: bigint;
  readonly number: number;
  readonly went: bigint;
}

/** Nobody has gone on before the last came, and each has a number of its own. */
function checkRound(entries: readonly Entry[], message: string): void {
  const lastCame = entries.reduce((last, { came }) => (came > last ? came : last), 0n);
  for (const { went } of entries) expect(went, message).toBeGreaterThan(lastCame);
  expect(
    entries.map(({ number }) => number).toSorted((a, b) => a - b),
    message,
  ).toEqual(entries.map((_, i) => i));
}

const passed = (value: number) => ({ status: 'fulfilled', value });
const failed = (reason: object) => ({ status: 'rejected', reason: expect.objectContaining(reason) });
const broken = failed({ code: 'ERR_BROKEN' });

forEachEngine((engine) => {
  const again = async (store: AsyncStore, parties: number) => {
    const other = await engine.reopen(store);
    return { store: other, barrier: new Barrier(other, 'meeting', { parties }) };
  };

  /** Stores on one place, each with the barrier, and a way to arrive: to wait until the place in the line is there. */
  const opened = async (parties: number, stores = 2) => {
    const store = await engine.open();
    const barriers: [AsyncBarrier, ...AsyncBarrier[]] = [new Barrier(store, 'meeting', { parties })];
    while (barriers.length < stores) barriers.push((await again(store, parties)).barrier);
    const raw = await rawConnection(engine, store);
    return {
      store,
      raw,
      barriers,
      barrier: barriers[0],
      arrive: (...all: AsyncBarrier[]) => arrive(all),
    };
  };

  const arrive = async (barriers: readonly AsyncBarrier[], options?: object): Promise<Promise<Outcome>[]> => {
    const waits: Promise<Outcome>[] = [];
    for (const barrier of barriers) {
      const before = await barrier.waiting;
      waits.push(settled(barrier.wait(options)));
      await until(async () => (await barrier.waiting) > before, 'nobody arrived');
    }
    return waits;
  };

  /** The lock by which the server knows the youngest owner to live: it goes with the connection. */
  const lockOfYoungest = (store: AsyncStore): string => {
    const { schema } = JSON.parse(engine.location(store)) as { schema: string };
    return `FROM pg_locks WHERE locktype = 'advisory' AND objid = (SELECT max(id) FROM owners)
      AND classid::bigint = (hashtext('${schema}')::bigint & 4294967295)`;
  };

  const noTrace = async (raw: Raw, store: AsyncStore) => {
    expect(await waiting(raw)).toBe(0);
    await checkTables(raw, store);
  };

  describe('Barrier', () => {
    test('lets all pass when the last arrives, with their numbers, round after round', async () => {
      const { store, raw, barriers, arrive } = await opened(3);
      const [one, two = one] = barriers;
      for (const order of [
        [one, two, one],
        [two, two, one],
        [one, one, two],
      ] as const) {
        expect([await one.waiting, await two.broken]).toEqual([0, false]);
        const waits = await arrive(order[0], order[1]);
        expect([await one.waiting, await two.waiting, await one.broken]).toEqual([2, 2, false]);
        expect(await order[2].wait()).toBe(2);
        expect(await Promise.all(waits)).toEqual([passed(0), passed(1)]);
      }
      await noTrace(raw, store);
    });

    test('lets nobody pass before the last arrives', async () => {
      const { raw, barriers, arrive } = await opened(4);
      let done = 0;
      const waits = await arrive(...barriers, barriers[0]);
      for (const wait of waits) void wait.then(() => done++);
      await pause(250);
      expect([done, await waiting(raw)]).toEqual([0, 3]);
      expect(await barriers[0].wait()).toBe(3);
      await Promise.all(waits);
    });

    test('of one party stops nobody', async () => {
      const { raw, store, barrier } = await opened(1);
      expect([await barrier.wait(), await barrier.wait({ timeout: 0 })]).toEqual([0, 0]);
      expect([barrier.parties, await barrier.waiting]).toEqual([1, 0]);
      await noTrace(raw, store);
    });

    test('of a hundred in one process lets all pass', async () => {
      const { raw, store, barrier } = await opened(100);
      for (let round = 0; round < 2; round++) {
        const numbers = await Promise.all(Array.from({ length: 100 }, () => barrier.wait()));
        expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
      }
      await noTrace(raw, store);
    });

    test('with timeout 0 lets pass the last; who is not has not arrived, and breaks nothing', async () => {
      const { barriers, barrier, arrive } = await opened(2);
      await expect(barrier.wait({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await expect(barrier.wait({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
      expect([await barrier.waiting, await barrier.broken]).toEqual([0, false]);
      const waits = await arrive(barriers.at(-1) ?? barrier);
      expect(await barrier.wait({ timeout: 0 })).toBe(1);
      expect(await Promise.all(waits)).toEqual([passed(0)]);
    });

    test.each([
      ['times out', { options: { timeout: 500 }, reason: { code: 'ERR_TIMEOUT' } }],
      ['aborts', { options: { signal: AbortSignal.timeout(0) }, reason: { name: 'TimeoutError' } }],
    ])('is broken for the rest when one %s, until it is reset', async (what, { options, reason }) => {
      const { store, raw, barriers, barrier, arrive } = await opened(4);
      const waits = await arrive(...barriers);
      const controller = new AbortController();
      const given = what === 'aborts' ? { signal: controller.signal } : options;
      const quitter = settled(barrier.wait(given));
      if (what === 'aborts') {
        await until(async () => (await waiting(raw)) === 3);
        controller.abort(Object.assign(new Error('enough'), reason));
      }
      expect(await quitter).toEqual(failed(reason));
      expect(await Promise.all(waits)).toEqual([broken, broken]);
      for (const one of barriers) {
        expect([await one.broken, await one.waiting]).toEqual([true, 0]);
        await expect(one.wait()).rejects.toThrow(withCode('ERR_BROKEN'));
        await expect(one.wait({ timeout: 0 })).rejects.toThrow(withCode('ERR_BROKEN'));
      }
      await noTrace(raw, store);
      await barriers.at(-1)?.reset();
      expect(await barrier.broken).toBe(false);
      const mended = await arrive(...barriers, barrier);
      expect(await barrier.wait()).toBe(3);
      expect(await Promise.all(mended)).toEqual([passed(0), passed(1), passed(2)]);
      await noTrace(raw, store);
    });

    test('is broken for the rest when the store of one is closed', async () => {
      const { store, raw, barriers, arrive } = await opened(4, 3);
      const other = await again(store, 4);
      const [closed] = await arrive(other.barrier);
      const waits = await arrive(...barriers.slice(0, 2));
      await other.store.close();
      expect(await closed).toEqual(failed({ code: 'ERR_CLOSED' }));
      expect(await Promise.all(waits)).toEqual([broken, broken]);
      await noTrace(raw, store);
    });

    test('that is reset breaks the round of those who wait, and begins another', async () => {
      const { store, raw, barriers, barrier, arrive } = await opened(3);
      await barrier.reset();
      expect(await barrier.broken).toBe(false);
      const waits = await arrive(...barriers);
      await barrier.reset();
      expect([await barrier.broken, await barrier.waiting]).toEqual([false, 0]);
      const next = await arrive(...barriers);
      expect(await Promise.all(waits)).toEqual([broken, broken]);
      expect(await barrier.wait()).toBe(2);
      expect(await Promise.all(next)).toEqual([passed(0), passed(1)]);
      await noTrace(raw, store);
    });

    test('is reset by a transaction when that is committed, and not when it is rolled back', async () => {
      const { store, raw, barriers, barrier, arrive } = await opened(3);
      const waits = await arrive(...barriers);
      await rolledBack(store, function* () {
        yield barrier.reset();
        expect(yield barrier.waiting).toBe(0);
      });
      expect([await barrier.waiting, await waiting(raw)]).toEqual([2, 2]);
      await transact(store, function* () {
        yield barrier.reset();
        yield new Deque<number>(store, 'log').push(1);
      });
      expect(await Promise.all(waits)).toEqual([broken, broken]);
      const next = await arrive(...barriers);
      expect(await barrier.wait()).toBe(2);
      expect(await Promise.all(next)).toEqual([passed(0), passed(1)]);
      await noTrace(raw, store);
    });

    test('refuses who comes with another number of parties while somebody waits, and takes it after', async () => {
      const { store, raw, barrier, arrive } = await opened(2);
      const { barrier: other } = await again(store, 3);
      const waits = await arrive(barrier);
      await expect(other.wait()).rejects.toThrow(RangeError);
      await expect(other.wait({ timeout: 0 })).rejects.toThrow(/3 here.*have 2/);
      expect(await barrier.waiting).toBe(1);
      expect(await barrier.wait()).toBe(1);
      expect(await Promise.all(waits)).toEqual([passed(0)]);
      const larger = await arrive(other, other);
      await expect(barrier.wait()).rejects.toThrow(RangeError);
      expect(await other.wait()).toBe(2);
      expect(await Promise.all(larger)).toEqual([passed(0), passed(1)]);
      await noTrace(raw, store);
    });

    test('lets who gives up when the last has arrived pass with the others', async () => {
      const { raw, store, barriers, barrier } = await opened(2);
      const last = barriers.at(-1) ?? barrier;
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        const [first] = await arrive([barrier], { signal: controller.signal });
        // In the same turn of the event loop: no bell can have been heard.
        expect(await last.wait().finally(() => controller.abort())).toBe(1);
        expect(await first).toEqual(passed(0));
      }
      await noTrace(raw, store);
    });

    test('lets all pass or none, when one gives up about when the last arrives', async () => {
      const { raw, store, barriers, barrier } = await opened(3, 3);
      const [a, b = barrier, c = barrier] = barriers;
      const random = randomFrom(seed);
      const seen = { passed: 0, broken: 0 };
      for (let i = 0; i < 60; i++) {
        const [first] = await arrive([a]);
        const most = engine.name === 'embedded' ? 4 : 12;
        const quitter = settled(b.wait({ timeout: 1 + random() * most }));
        await pause(random() * most);
        const end = new AbortController();
        const third = settled(c.wait({ signal: end.signal }));
        const second = await quitter;
        // Who timed out before it had arrived has broken nothing.
        if (second.status === 'rejected') await a.reset();
        if (second.status === 'rejected') end.abort();
        const outcomes = [await first, second, await third];
        const all = outcomes.map((one) => (one?.status === 'fulfilled' ? one.value : 'failed'));
        const message = `SEED=${seed}, ${i}: ${JSON.stringify(outcomes)}`;
        if (second.status === 'fulfilled') expect(all.toSorted(), message).toEqual([0, 1, 2]);
        else expect(all, message).toEqual(['failed', 'failed', 'failed']);
        seen[second.status === 'fulfilled' ? 'passed' : 'broken']++;
        await barrier.reset();
      }
      expect(seen.passed * seen.broken, JSON.stringify(seen)).toBeGreaterThan(0);
      await noTrace(raw, store);
    });

    test('is passed, broken and reset by bells alone, without the poll behind them', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const { barriers, barrier } = await opened(4, 3);
      const last = await arrive(barriers);
      expect(await barrier.wait()).toBe(3);
      expect(await Promise.all(last)).toEqual([passed(0), passed(1), passed(2)]);
      const left = await arrive(barriers.slice(0, 2));
      const controller = new AbortController();
      const [quitter] = await arrive(barriers.slice(2), { signal: controller.signal });
      controller.abort(new Error('enough'));
      expect(await quitter).toEqual(failed({ message: 'enough' }));
      expect(await Promise.all(left)).toEqual([broken, broken]);
      await barrier.reset();
      const ended = await arrive(barriers);
      await barrier.reset();
      expect(await Promise.all(ended)).toEqual([broken, broken, broken]);
    });

    test('ends for who gives up while nothing can be written, and is broken as soon as it can', async () => {
      const { raw, barriers, barrier } = await opened(3);
      const [first] = await arrive(barriers.slice(1));
      const controller = new AbortController();
      const [quitter] = await arrive([barrier], { signal: controller.signal });
      await raw(engine.name === 'embedded' ? 'BEGIN IMMEDIATE' : 'BEGIN');
      if (engine.name === 'server') await raw('SELECT id FROM structures FOR UPDATE');
      controller.abort(new Error('enough'));
      expect(await quitter).toEqual(failed({ message: 'enough' }));
      await raw('ROLLBACK');
      expect(await first).toEqual(broken);
    });

    test('refuses to wait inside a transaction', async () => {
      const { store, barrier } = await opened(1);
      let outcome: Promise<unknown> | undefined;
      await transact(store, function* () {
        outcome = settled(barrier.wait());
        yield barrier.waiting;
      });
      expect(await outcome).toEqual(failed({ code: 'ERR_IN_TRANSACTION' }));
    });

    test('refuses what is no number of parties', async () => {
      const { store, barrier } = await opened(1);
      for (const parties of [0, -1, 1.5, NaN, Infinity])
        expect(() => new Barrier(store, 'meeting', { parties })).toThrow(RangeError);
      for (const options of [undefined, {}, { parties: '2' }, { parties: 2, count: 1 }] as never[])
        expect(() => new Barrier(store, 'meeting', options)).toThrow(TypeError);
      await expect(barrier.wait({ timeot: 1 } as never)).rejects.toThrow(/"timeot"/);
      await expect(barrier.wait({ timeout: -1 })).rejects.toThrow(RangeError);
      expect(() => new Barrier(store, '', { parties: 1 })).toThrow(RangeError);
    });
  });

  describe('Barrier across processes', () => {
    const party = async (store: AsyncStore, parties: number) => {
      const process = startProcess('sync-party.js', engine.location(store), parties);
      expect(await process.nextMessage()).toBe('ready');
      return process;
    };
    const arrived = async (store: AsyncStore, parties: number, many: number) => {
      const barrier = new Barrier(store, 'meeting', { parties });
      const processes = [];
      for (let i = 0; i < many; i++) {
        const process = await party(store, parties);
        await process.send('arrive');
        await until(async () => (await barrier.waiting) > i, 'a process did not arrive');
        processes.push(process);
      }
      return processes;
    };

    test('no party of eight is let through early, and their numbers are those of a round', async () => {
      const { raw, store } = await opened(8, 1);
      const rounds = engine.name === 'embedded' ? 300 : 60;
      const logs = await inProcesses<Entry[]>(8, 'sync-rounds.js', engine.location(store), 8, rounds);
      for (let round = 0; round < rounds; round++) {
        checkRound(logs.map((log) => log[round]!), `round ${round}`); // prettier-ignore
      }
      await until(async () => (await waiting(raw)) === 0);
      await noTrace(raw, store);
    });

    test('all of a round pass or none, while some give up, are paused, or reset it at random', async () => {
      const { raw, store } = await opened(5, 1);
      const rounds = engine.name === 'embedded' ? 400 : 100;
      const random = randomFrom(seed);
      const processes = Array.from({ length: 5 }, (_, i) =>
        startProcess('sync-random-rounds.js', engine.location(store), 5, rounds, seed + i),
      );
      const results = Promise.all(
        processes.map((process) => process.result<{ log: Entry[]; failures: number }>()),
      );
      results.catch(() => undefined);
      while (processes.every(({ child }) => child.exitCode === null)) {
        const process = processes[Math.floor(random() * processes.length)];
        process?.pause();
        await pause(random() * 20);
        process?.resume();
        await pause(random() * 60);
      }
      const all = await results;
      const message = `SEED=${seed}`;
      // Each takes part in every round that is passed, so its n-th is the n-th of all.
      for (let round = 0; round < rounds; round++)
        checkRound(all.map(({ log }) => log[round]!), `${message}, round ${round}`); // prettier-ignore
      expect(
        all.reduce((sum, { failures }) => sum + failures, 0),
        message,
      ).toBeGreaterThan(0);
      await until(async () => (await waiting(raw)) === 0);
      await noTrace(raw, store);
    });

    test.each([0, 1, 2])(
      'is broken for the rest when one is killed, whatever its place: %i',
      async (victim) => {
        const { store, barrier } = await opened(4, 1);
        const processes = await arrived(store, 4, 3);
        await processes[victim]?.kill9();
        for (const [i, process] of processes.entries()) {
          if (i !== victim) expect(await process.nextMessage()).toEqual({ code: 'ERR_BROKEN' });
        }
        expect(await barrier.broken).toBe(true);
        await expect(barrier.wait()).rejects.toThrow(withCode('ERR_BROKEN'));
        await barrier.reset();
        expect([await barrier.broken, await barrier.waiting]).toEqual([false, 0]);
        await expect(barrier.wait({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      },
    );

    test('is broken for the rest when one is killed, though all but one of the others are paused', async () => {
      const { store } = await opened(5, 1);
      const processes = await arrived(store, 5, 4);
      const [first, second, third, fourth] = processes;
      first?.pause();
      third?.pause();
      await fourth?.kill9();
      expect(await second?.nextMessage()).toEqual({ code: 'ERR_BROKEN' });
      for (const process of [first, third]) {
        process?.resume();
        expect(await process?.nextMessage()).toEqual({ code: 'ERR_BROKEN' });
      }
    });

    const locked = async (raw: Raw, store: AsyncStore): Promise<number> =>
      Number((await raw(`SELECT count(*) AS n ${lockOfYoungest(store)}`))[0]?.['n']);

    test('lets the last not pass where one is dead by then', async () => {
      const { raw, store, barrier } = await opened(2, 1);
      for (let i = 0; i < 5; i++) {
        const [process] = await arrived(store, 2, 1);
        if (engine.name === 'server') expect(await locked(raw, store)).toBe(1);
        await process?.kill9();
        if (engine.name === 'server') await until(async () => (await locked(raw, store)) === 0);
        await expect(barrier.wait()).rejects.toThrow(withCode('ERR_BROKEN'));
        await barrier.reset();
      }
    });

    test('one killed about when the last arrives lets all others pass, or none', async () => {
      const { store, barriers } = await opened(3);
      const [a, b = a] = barriers;
      const random = randomFrom(seed);
      for (let i = 0; i < 8; i++) {
        const [victim] = await arrived(store, 3, 1);
        const [first] = await arrive([a]);
        const killed = pause(random() * 3).then(() => victim?.kill9());
        await pause(random() * 3);
        const outcomes = await Promise.all([first, settled(b.wait())]);
        await killed;
        expect(
          [
            [passed(1), passed(2)],
            [broken, broken],
          ],
          `SEED=${seed}`,
        ).toContainEqual(outcomes);
        await a.reset();
      }
    });

    test('the last killed while it arrives has let all others pass, or none', async () => {
      const { store, barriers, barrier } = await opened(3, 2);
      const random = randomFrom(seed);
      for (let i = 0; i < 8; i++) {
        const last = await party(store, 3);
        const waits = await arrive(barriers);
        await last.send('arrive');
        await pause(random() * 6);
        await last.kill9();
        // Either it had not arrived, and another does instead, or all have passed, and the other is the first of the next round.
        const other = settled(barrier.wait({ timeout: 300 }));
        const outcomes = await Promise.all(waits);
        expect(outcomes, `SEED=${seed}`).toEqual([passed(0), passed(1)]);
        expect([passed(2), failed({ code: 'ERR_TIMEOUT' })]).toContainEqual(await other);
        await barrier.reset();
      }
    });

    test('one that is paused while others pass learns its own outcome, however many rounds later', async () => {
      const { raw, store, barrier } = await opened(2, 1);
      const [paused] = await arrived(store, 2, 1);
      paused?.pause();
      expect(await barrier.wait()).toBe(1);
      for (let round = 0; round < 3; round++)
        expect(await Promise.all([barrier.wait(), barrier.wait()])).toEqual(expect.arrayContaining([0, 1]));
      await expect(barrier.wait({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await barrier.reset();
      expect(await Promise.all([barrier.wait(), barrier.wait()])).toEqual(expect.arrayContaining([0, 1]));
      paused?.resume();
      expect(await paused?.nextMessage()).toEqual({ value: 0 });
      await noTrace(raw, store);
    });

    test('one that is paused while its round breaks learns that, however many rounds later', async () => {
      const { raw, store, barrier } = await opened(3, 1);
      const [paused] = await arrived(store, 3, 1);
      paused?.pause();
      await expect(barrier.wait({ timeout: 20 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      await barrier.reset();
      const round = [barrier.wait(), barrier.wait(), barrier.wait()];
      expect(await Promise.all(round)).toEqual(expect.arrayContaining([0, 1, 2]));
      paused?.resume();
      expect(await paused?.nextMessage()).toEqual({ code: 'ERR_BROKEN' });
      await noTrace(raw, store);
    });
  });

  describe.runIf(engine.name === 'server')('Barrier whose connection to the server is cut', () => {
    test('is broken for all, if that is while they wait', async () => {
      const { raw, store, barriers } = await opened(3);
      const waits = await arrive(barriers);
      await raw(`SELECT pg_terminate_backend(pid) ${lockOfYoungest(store)}`);
      expect(await Promise.all(waits)).toEqual([broken, broken]);
      await barriers[0].reset();
      const next = await arrive(barriers);
      expect(await barriers[0].wait()).toBe(2);
      expect(await Promise.all(next)).toEqual([passed(0), passed(1)]);
      await noTrace(raw, store);
    });

    test('has passed for who gets to know only later, without its place in the line', async () => {
      const { raw, store, barrier } = await opened(2, 1);
      const process = startProcess('sync-party.js', engine.location(store), 2);
      expect(await process.nextMessage()).toBe('ready');
      await process.send('arrive');
      await until(async () => (await barrier.waiting) === 1);
      process.pause();
      expect(await barrier.wait()).toBe(1);
      await raw(`SELECT pg_terminate_backend(pid) ${lockOfYoungest(store)}`);
      // Somebody who buries the dead.
      await raw('DELETE FROM owners');
      process.resume();
      expect(await process.nextMessage()).toEqual({ value: 0 });
      await noTrace(raw, store);
    });
  });
});
