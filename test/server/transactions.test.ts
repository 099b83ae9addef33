import { describe, expect, test } from 'vitest';
import { Deque, Index, type AsyncIndex, type AsyncStore } from '../../src/index.js';
import {
  connected,
  connectedMany,
  outcome,
  rawClient,
  schemaName,
  sleep,
  two,
  untilWaiting,
} from './support.js';

describe('conflicts', () => {
  test('8 that read, then write one key at once, add up exactly: a transaction that conflicted is run again', async () => {
    const stores = await connectedMany(8);
    let runs = 0;
    await Promise.all(
      stores.map(async (store) => {
        const index = new Index<string, number>(store, 'i');
        for (let i = 0; i < 5; i++) {
          await store.transaction(async () => {
            runs++;
            const value = (await index.get('n')) ?? 0;
            await index.set('n', value + 1);
          });
        }
      }),
    );
    expect(await new Index(stores[0]!, 'i').get('n')).toBe(40);
    expect(runs).toBeGreaterThan(40);
  });

  test('two transactions that each read what the other writes do not both miss it', async () => {
    const { store, mine, others } = await two();
    await mine.set('b', 0);
    // Each sets its own key to the other's plus one: one after the other, in either order, gives 1 and 2.
    const done = await Promise.all(
      (
        [
          ['a', 'b'],
          ['b', 'a'],
        ] as const
      ).map(([own, other]) =>
        outcome(
          store.transaction(async () => {
            const value = await mine.get(other);
            await sleep(50);
            await mine.set(own, (value ?? 0) + 1);
          }),
        ),
      ),
    );
    expect(done).toEqual([{ value: undefined }, { value: undefined }]);
    expect((await others.getMany(['a', 'b'])).map(Number).sort()).toEqual([1, 2]);
  });

  test('a transaction that conflicts each time rejects with ERR_CONFLICT after many tries, and changes nothing', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    const done = outcome(
      store.transaction(async () => {
        runs++;
        await mine.get('a');
        await others.set('a', runs);
        await mine.set('a', -1);
      }),
      50_000,
    );
    expect(await done).toEqual({ error: 'ERR_CONFLICT' });
    expect(runs).toBeGreaterThan(5);
    expect(await mine.get('a')).toBe(runs);
    // The store goes on.
    await store.transaction(() => mine.set('a', -2));
    expect(await others.get('a')).toBe(-2);
  });

  test('a long transaction is committed, though short ones that change what it reads never pause', async () => {
    const stores = await connectedMany(4);
    const [index, ...others] = stores.map((store) => new Index<string, number>(store, 'i'));
    await index!.set('n', 0);
    const ended = new AbortController();
    const increments = others.map(async (other, i) => {
      let done = 0;
      for (; !ended.signal.aborted; done++)
        await stores[i + 1]!.transaction(async () => other.set('n', (await other.get('n'))! + 1));
      return done;
    });
    await stores[0]!
      .transaction(async () => {
        const n = (await index!.get('n'))!;
        await sleep(150);
        await index!.set('n', n + 1);
      })
      .finally(() => {
        ended.abort();
      });
    const counts = await Promise.all(increments);
    expect(await index!.get('n')).toBe(1 + counts.reduce((sum, count) => sum + count, 0));
  });

  test('a transaction is committed, though others join and leave the line that it is to wake all the time', async () => {
    const [store, ...others] = await connectedMany(4);
    const mine = new Deque<number>(store!, 'd');
    const ended = new AbortController();
    const joining = others.map(async (other) => {
      const deque = new Deque<number>(other, 'd');
      const taken: number[] = [];
      while (!ended.signal.aborted)
        await deque.take({ timeout: 10 }).then(
          (item) => taken.push(item),
          () => undefined,
        );
      return taken;
    });
    let runs = 0;
    await store!
      .transaction(async () => {
        runs++;
        await mine.size;
        await sleep(100);
        await mine.push(7);
      })
      .finally(() => {
        ended.abort();
      });
    const taken = (await Promise.all(joining)).flat();
    expect([...taken, ...(await mine.toArray())]).toEqual([7]);
    expect(runs).toBeGreaterThan(1);
  });

  test('a transaction that has its turn may wait for another that begins', async () => {
    const { store, schema, mine, others } = await two();
    const [other] = await connectedMany(1, schema);
    let runs = 0;
    await store.transaction(async () => {
      await mine.get('a');
      // Conflicts until it has a turn.
      if (++runs < 5) await others.set('a', runs);
      else await other!.transaction(() => new Index<string, number>(other!, 'other').set('b', runs));
      await mine.set('a', -1);
    });
    expect([runs, await mine.get('a')]).toEqual([5, -1]);
    // Nobody is kept from anything by it any more.
    await store.transaction(() => mine.set('a', -2));
  });

  test('a conflict that is caught inside has the whole run again all the same', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    const value = await store.transaction(async () => {
      const run = ++runs;
      const read = (await mine.get('a')) ?? 0;
      if (run === 1) await others.set('a', 10);
      try {
        await mine.set('a', read + 1);
      } catch {
        return 'swallowed';
      }
      return 'set';
    });
    expect([value, runs, await mine.get('a')]).toEqual(['set', 2, 11]);
  });

  test('a conflict in a nested transaction that is caught outside of it has the whole run again', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    await store.transaction(async () => {
      const run = ++runs;
      const read = (await mine.get('a')) ?? 0;
      if (run === 1) await others.set('a', 10);
      await store.transaction(() => mine.set('a', read + 1)).catch(() => undefined);
      await mine.set('b', run).catch(() => undefined);
    });
    expect([runs, await mine.getMany(['a', 'b'])]).toEqual([2, [11, 2]]);
  });

  test('an error of the user’s own rolls back, and is thrown on; the work is not run again', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    const failing = store.transaction(async () => {
      runs++;
      await mine.set('a', 5);
      throw new Error('enough');
    });
    expect(await outcome(failing)).toEqual({ error: 'enough' });
    expect([runs, await others.get('a')]).toEqual([1, 0]);
  });

  test('a transaction that inserts a key which another has just inserted is run again', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    await store.transaction(async () => {
      const found = await mine.get('new');
      if (++runs === 1) await others.set('new', 1);
      await mine.set('new', (found ?? 0) + 10);
    });
    expect([runs, await mine.get('new'), await mine.size]).toEqual([2, 11, 2]);
  });
});

describe('calls that are not awaited', () => {
  test('one that comes after the end rejects with ERR_TRANSACTION_ENDED, and changes nothing', async () => {
    const { store, mine } = await two();
    const deque = new Deque<number>(store, 'd');
    const calls: (() => Promise<unknown>)[] = [
      () => mine.set('late', 1),
      () => mine.get('a'),
      () => deque.push(1),
      () => deque.shift(),
    ];
    for (const call of calls) {
      let late: Promise<unknown> = Promise.resolve();
      await store.transaction(async () => {
        await mine.get('a');
        late = outcome(sleep(50).then(call));
      });
      expect(await late).toEqual({ error: 'ERR_TRANSACTION_ENDED' });
    }
    let late: Promise<unknown> = Promise.resolve();
    await store.transaction(async () => {
      late = outcome(sleep(50).then(() => store.transaction(() => mine.set('late', 1))));
    });
    expect(await late).toEqual({ error: 'ERR_TRANSACTION_ENDED' });
    expect([await mine.get('late'), await deque.size]).toEqual([undefined, 0]);
  });

  test.each<[string, (index: AsyncIndex<string, number>, store: AsyncStore) => Promise<unknown>]>([
    ['set', (index) => index.set('b', 1)],
    ['setMany', (index) => index.setMany([['b', 1]])],
    ['update', (index) => index.update('b', () => 1)],
    ['setDefault', (index) => index.setDefault('b', 1)],
    ['nested', (index, store) => store.transaction(() => index.set('b', 1))],
  ])('one that began before the end is committed with it: %s', async (_, call) => {
    const { store, mine, others } = await two();
    let begun: Promise<unknown> = Promise.resolve();
    await store.transaction(async () => {
      begun = outcome(call(mine, store));
    });
    expect(await others.get('b')).toBe(1);
    expect(await begun).not.toHaveProperty('error');
  });

  test('of two in a chain the second is committed too, or rejects with ERR_TRANSACTION_ENDED', async () => {
    const { store, mine, others } = await two();
    let begun: Promise<unknown> = Promise.resolve();
    await store.transaction(async () => {
      begun = outcome(mine.get('a').then(() => mine.set('b', 1)));
    });
    expect([
      [1, { value: undefined }],
      [undefined, { error: 'ERR_TRANSACTION_ENDED' }],
    ]).toContainEqual([await others.get('b'), await begun]);
  });

  test('one that began before the end, on a structure that nobody has used yet, is committed with it', async () => {
    const { store, schema } = await two();
    let begun: Promise<unknown>[] = [];
    await store.transaction(async () => {
      begun = [
        outcome(new Index<string, number>(store, 'unused').set('b', 1)),
        outcome(new Deque<number>(store, 'unused').push(1)),
      ];
    });
    expect(await Promise.all(begun)).toEqual([{ value: undefined }, { value: undefined }]);
    const other = await connected(schema);
    expect([await new Index(other, 'unused').get('b'), await new Deque(other, 'unused').size]).toEqual([
      1, 1,
    ]);
  });

  test('one that fails is told to nobody but its caller', async () => {
    const { store, mine } = await two();
    let failed: Promise<unknown> = Promise.resolve();
    await store.transaction(async () => {
      failed = outcome(
        mine.update('a', () => {
          throw new Error('in the callback');
        }),
      );
      await mine.set('b', 1);
    });
    expect([await failed, await mine.get('b')]).toEqual([{ error: 'in the callback' }, 1]);
  });
});

describe('nested transactions', () => {
  test('one that fails, and is caught, leaves nothing; what is around it is kept', async () => {
    const { store, mine, others } = await two();
    await store.transaction(async () => {
      await mine.set('before', 1);
      const inner = store.transaction(async () => {
        await mine.set('inner', 1);
        await mine.set('before', 2);
        await store.transaction(() => mine.set('innermost', 1));
        throw new Error('undone');
      });
      expect(await outcome(inner)).toEqual({ error: 'undone' });
      expect(await mine.getMany(['before', 'inner', 'innermost'])).toEqual([1, undefined, undefined]);
      await mine.set('after', 1);
    });
    expect(await others.toMap()).toEqual(
      new Map([
        ['a', 0],
        ['before', 1],
        ['after', 1],
      ]),
    );
    expect(await others.size).toBe(3);
  });

  test('those in one Promise.all do not mix: each that fails undoes its own changes alone', async () => {
    const { store, mine, others } = await two();
    await store.transaction(async () => {
      const inner = Array.from({ length: 10 }, (_, i) =>
        outcome(
          store.transaction(async () => {
            await mine.set(`first ${i}`, i);
            await sleep(i % 3);
            await mine.set(`second ${i}`, i);
            if (i % 2 === 1) throw new Error('odd');
          }),
        ),
      );
      await Promise.all([...inner, mine.set('beside', 1)]);
    });
    const keys = [0, 2, 4, 6, 8].flatMap((i) => [`first ${i}`, `second ${i}`]);
    expect(new Set((await others.toMap()).keys())).toEqual(new Set(['a', 'beside', ...keys]));
    expect(await others.size).toBe(12);
  });

  test('a transaction that fails undoes nested ones that had succeeded', async () => {
    const { store, mine, others } = await two();
    const done = store.transaction(async () => {
      await store.transaction(() => mine.set('inner', 1));
      throw new Error('undone');
    });
    expect(await outcome(done)).toEqual({ error: 'undone' });
    expect(await others.has('inner')).toBe(false);
  });

  test('an error of the server inside one that is caught does not spoil what is around it', async () => {
    const { store, mine, others } = await two();
    const deque = new Deque<number>(store, 'd');
    await store.transaction(async () => {
      await mine.set('before', 1);
      expect(await outcome(store.transaction(() => deque.set(5, 1)))).toMatchObject({
        error: expect.any(String),
      });
      await mine.set('after', 1);
    });
    expect(await others.getMany(['before', 'after'])).toEqual([1, 1]);
  });
});

test.each([
  ['committed', undefined],
  ['rolled back', new Error('undone')],
])(
  'a structure first used in a transaction that is %s, and outside of it at once, loses nothing',
  async (_, failure) => {
    const schema = schemaName();
    const [store, other] = (await connectedMany(2, schema)) as [AsyncStore, AsyncStore];
    for (let round = 0; round < 8; round++) {
      const inside = new Index<string, number>(store, `i${round}`);
      const deque = new Deque<number>(store, `d${round}`);
      const outside: Promise<unknown>[] = [];
      let enter: () => void = () => undefined;
      let see: () => void = () => undefined;
      const entered = new Promise<void>((resolve) => (enter = resolve));
      const seen = new Promise<void>((resolve) => (see = resolve));
      const done = outcome(
        store.transaction(async () => {
          await inside.set('inside', 1);
          await deque.push(0);
          enter();
          await seen;
          await inside.set('inside', 2);
          if (failure) throw failure;
        }),
      );
      await entered;
      for (const one of [store, other]) {
        const index = new Index<string, number>(one, `i${round}`);
        // What was not committed is not seen, by whichever object.
        expect(await index.get('inside')).toBe(undefined);
        outside.push(
          index.set(one === store ? 'same store' : 'other store', 1),
          new Deque<number>(one, `d${round}`).push(1),
        );
      }
      outside.push(inside.set('same object', 1), deque.push(1));
      see();
      await Promise.all(outside);
      expect(await done).toEqual(failure ? { error: 'undone' } : { value: undefined });
      const keys = ['same object', 'same store', 'other store', ...(failure ? [] : ['inside'])];
      for (const one of [inside, new Index<string, number>(await connected(schema), `i${round}`)]) {
        expect(new Set((await one.toMap()).keys())).toEqual(new Set(keys));
        expect(await one.size).toBe(keys.length);
      }
      expect(await deque.size).toBe(failure ? 3 : 4);
    }
  },
);

test('a structure first used in a nested transaction that fails can be used in the one around it', async () => {
  const schema = schemaName();
  const store = await connected(schema);
  const index = new Index<string, number>(store, 'i');
  const bounded = new Deque<number>(store, 'd', { maxLength: 2 });
  await store.transaction(async () => {
    const inner = store.transaction(async () => {
      await index.set('inner', 1);
      await bounded.push(1, 2, 3);
      throw new Error('undone');
    });
    expect(await outcome(inner)).toEqual({ error: 'undone' });
    await index.set('outer', 1);
    await bounded.push(4, 5, 6);
  });
  const other = await connected(schema);
  expect(await new Index(other, 'i').toMap()).toEqual(new Map([['outer', 1]]));
  expect(await new Deque(other, 'd').toArray()).toEqual([5, 6]);
});

test('a pool of 2 connections serves 20 transactions at once beside a take that waits', async () => {
  const schema = schemaName();
  const store = await connected(schema, { connections: 2 });
  const deque = new Deque<string>(store, 'd');
  const index = new Index<string, number>(store, 'i');
  const taken = deque.take({ timeout: '30s' });
  await untilWaiting(await rawClient(), schema, 1);
  const work = Array.from({ length: 20 }, () =>
    store.transaction(async () => {
      const value = (await index.get('n')) ?? 0;
      await store.transaction(() => index.set('n', value + 1));
    }),
  );
  expect(await outcome(Promise.all(work))).toMatchObject({ value: expect.any(Array) });
  expect(await index.get('n')).toBe(20);
  await store.transaction(() => deque.push('item'));
  expect(await outcome(taken)).toEqual({ value: 'item' });
});

test('20 takes that begin at once on a pool of 2 connections each get an item', async () => {
  const schema = schemaName();
  const deque = new Deque<number>(await connected(schema, { connections: 2 }), 'd');
  const taken = Promise.all(Array.from({ length: 20 }, () => deque.take({ timeout: '20s' })));
  await untilWaiting(await rawClient(), schema, 20);
  await new Deque<number>(await connected(schema), 'd').push(...Array.from({ length: 20 }, (_, i) => i));
  expect(await outcome(taken)).toEqual({ value: expect.any(Array) });
  expect(new Set(await taken).size).toBe(20);
});
