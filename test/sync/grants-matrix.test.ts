import { describe, expect, test } from 'vitest';
import {
  BoundedSemaphore,
  Election,
  Lock,
  ReadWriteLock,
  RLock,
  type AsyncGrant,
  type AsyncStore,
} from '../../src/index.js';
import { refused, transact, waiting, withCode } from '../structures/helpers.js';
import { engines, forEachEngine } from '../support/stores.js';
import { apart, givers, twoStores, type Giver } from './helpers.js';

type Calls = Record<string, (store: AsyncStore) => unknown>;

/** The same call of each thing that gives out grants. */
const each = (call: (giver: Giver) => unknown): Calls =>
  Object.fromEntries(
    Object.entries(givers).map(([kind, make]) => [kind, (store: AsyncStore) => call(make(store))]),
  );
const named = (method: string, calls: Calls): Calls =>
  Object.fromEntries(Object.entries(calls).map(([kind, call]) => [`${kind}.${method}`, call]));

/** What takes a grant, or waits for one. */
const takes: Calls = {
  ...named(
    'acquire',
    each((giver) => giver.acquire()),
  ),
  ...named(
    'acquire with timeout 0',
    each((giver) => giver.acquire({ timeout: 0 })),
  ),
  ...named(
    'use',
    each((giver) => giver.use(() => 1)),
  ),
  ...named(
    'wrap',
    each((giver) => giver.wrap(() => 1)()),
  ),
  'Election.campaign': (store) => new Election(store, 'it').campaign(),
  'Election.observe': (store) => {
    const leaders = new Election(store, 'it').observe();
    return leaders.next().finally(() => leaders.return?.());
  },
};
const tries: Calls = named(
  'tryAcquire',
  each((giver) => giver.tryAcquire()),
);
const reads: Calls = {
  ...named(
    'holders',
    each((giver) => giver.holders()),
  ),
  ...named(
    'waiters',
    each((giver) => giver.waiters()),
  ),
  'ReadWriteLock.holders': (store) => new ReadWriteLock(store, 'it').holders(),
  'ReadWriteLock.waiters': (store) => new ReadWriteLock(store, 'it').waiters(),
  'BoundedSemaphore.available': (store) => new BoundedSemaphore(store, 'it').available,
  'Election.leader': (store) => new Election(store, 'it').leader(),
  'Election.candidates': (store) => new Election(store, 'it').candidates(),
};
const forces: Calls = {
  ...named(
    'forceRelease',
    each((giver) => giver.forceRelease()),
  ),
  'ReadWriteLock.forceRelease': (store) => new ReadWriteLock(store, 'it').forceRelease(),
  'Election.depose': (store) => new Election(store, 'it').depose(),
};

forEachEngine((engine) => {
  test.each(Object.entries({ ...tries, ...reads, ...forces }))(
    'a store that was closed refuses %s',
    async (_, call) => {
      const store = await engine.open();
      await store.close();
      await refused(store, () => call(store), withCode('ERR_CLOSED'));
    },
  );

  test('what need not wait is answered at once on an embedded store, and with a promise on a server', async () => {
    const store = await engine.open();
    const server = engine.name === 'server';
    for (const [name, call] of Object.entries({ ...reads, ...forces })) {
      const answer = call(store);
      expect(answer instanceof Promise, name).toBe(server);
      await answer;
    }
    for (const [kind, make] of Object.entries(givers)) {
      const tried = make(store, `its own ${kind}`).tryAcquire() as unknown;
      expect(tried instanceof Promise, kind).toBe(server);
      const released = ((await tried) as AsyncGrant).release() as unknown;
      expect(released instanceof Promise, kind).toBe(server);
      expect(await released).toBe(true);
    }
    for (const call of [
      () => new Lock(store, 'that').acquire(),
      () => new Lock(store, 'this').use(() => 1),
    ]) {
      const waits = call() as Promise<unknown>;
      expect(waits).toBeInstanceOf(Promise);
      await waits;
    }
  });

  test.each(Object.entries(takes))(
    'a store that was closed refuses %s, with a rejection',
    async (_, call) => {
      const store = await engine.open();
      await store.close();
      await expect(call(store)).rejects.toThrow(withCode('ERR_CLOSED'));
    },
  );

  test.each(Object.entries({ ...tries, ...takes }).filter(([name]) => name !== 'Election.observe'))(
    'a transaction refuses %s, and may go on',
    async (_, call) => {
      const { store, raw } = await twoStores(engine);
      const inside = new Lock(store, 'another');
      let outcome: Promise<unknown> = Promise.resolve();
      await transact(store, function* () {
        outcome = (async () => call(store))();
        outcome.catch(() => {});
        yield inside.holders();
      });
      await expect(outcome).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
      expect(await waiting(raw)).toBe(0);
      expect(await raw('SELECT fence FROM holds')).toEqual([]);
    },
  );

  test.each(Object.entries({ ...reads, ...forces }))('a transaction allows %s', async (_, call) => {
    const store = await engine.open();
    const found = await transact(store, function* () {
      const answer: unknown = yield call(store);
      return [answer];
    });
    expect(found).toHaveLength(1);
  });

  test('what a transaction releases by force is held still when it is rolled back', async () => {
    const { store, other } = await twoStores(engine);
    for (const [kind, make] of Object.entries(givers)) {
      const grant = await apart(() => make(store, kind).acquire());
      const { signal } = grant;
      await expect(async () =>
        transact(other, function* () {
          expect(yield make(other, kind).forceRelease()).toBe(1);
          throw new Error('rolled back');
        }),
      ).rejects.toThrow('rolled back');
      expect(await make(other, kind).holders(), kind).toHaveLength(1);
      expect(signal.aborted).toBe(false);
      expect(await grant.release()).toBe(true);
    }
  });

  test('names, stores and options that make no sense are refused by the constructor', async () => {
    const store = await engine.open();
    const parts = [Lock, RLock, ReadWriteLock, BoundedSemaphore, Election];
    for (const Part of parts) {
      for (const name of ['', 'x'.repeat(513), 'a\0b', '\ud800'])
        expect(() => new Part(store, name), Part.name).toThrow(RangeError);
      for (const name of [undefined, null, 1, {}])
        expect(() => new Part(store, name as never)).toThrow(TypeError);
      for (const given of [undefined, null, {}, 'store'])
        expect(() => new Part(given as never, 'it')).toThrow(TypeError);
      for (const options of [null, 1, 'fair', [], { fiar: true }, { lease: true }])
        expect(() => new Part(store, 'it', options as never), Part.name).toThrow(TypeError);
      if (Part === Election) continue;
      for (const fair of [1, 'yes', null])
        expect(() => new Part(store, 'it', { fair } as never)).toThrow(TypeError);
      expect(new Part(store, 'it').name).toBe('it');
    }
    expect(await store.structures()).toEqual([]);
  });
});

describe('a store that was opened with readonly', () => {
  const [engine] = engines;

  test.each(Object.entries(reads))('allows %s', async (name, call) => {
    const writer = await engine.open();
    for (const [kind, make] of Object.entries(givers))
      if (name.startsWith(kind)) await make(writer).acquire();
    const store = await engine.reopen(writer, { embedded: { readonly: true } });
    const found = await call(store);
    if (name.endsWith('.holders') && !name.startsWith('ReadWriteLock.h')) expect(found).toHaveLength(1);
  });

  test.each(
    Object.entries({ ...takes, ...tries, ...forces }).filter(([name]) => name !== 'Election.observe'),
  )('refuses %s', async (_, call) => {
    const writer = await engine.open();
    const store = await engine.reopen(writer, { embedded: { readonly: true } });
    await expect(async () => call(store)).rejects.toThrow(withCode('ERR_READONLY'));
    for (const make of Object.values(givers)) expect(await make(writer).holders()).toEqual([]);
  });

  test('observes who leads', async () => {
    const writer = await engine.open();
    const store = await engine.reopen(writer, { embedded: { readonly: true } });
    const leaders = new Election(store, 'it').observe();
    expect((await leaders.next()).value).toBe(undefined);
    const term = await apart(() => new Election(writer, 'it').campaign({ label: 'it' }));
    expect((await leaders.next()).value).toMatchObject({ label: 'it' });
    await term.release();
    expect((await leaders.next()).value).toBe(undefined);
    await leaders.return?.();
  });
});
