/* eslint-disable @typescript-eslint/only-throw-error -- whatever a transaction's work throws has to come through. */
import { expect, onTestFinished, test } from 'vitest';
import { Deque, HoldfastError, Index, type Store } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { failure, mountDisk, openStore, raw } from './support.js';

const setUp = (directory?: string): { store: Store; pairs: Index<string, number>; items: Deque<unknown> } => {
  const store = openStore(directory);
  return { store, pairs: new Index<string, number>(store, 'pairs'), items: new Deque(store, 'items') };
};

test.each([undefined, null, 0, '', 'text', { then: 1 }, [1]])(
  'transaction returns %j when its work does',
  (value) => {
    expect(setUp().store.transaction(() => value)).toBe(value);
  },
);

test('transaction keeps the changes of all structures', () => {
  const { store, pairs, items } = setUp();
  store.transaction(() => {
    pairs.set('a', 1);
    items.push('a');
  });
  const other = openStore(store.directory);
  expect(new Index(other, 'pairs').get('a')).toBe(1);
  expect(new Deque(other, 'items').toArray()).toEqual(['a']);
});

test('what is done in a transaction is seen inside, and by nobody else before its end', () => {
  const { store, pairs } = setUp();
  pairs.set('a', 1);
  const other = new Index(openStore(store.directory), 'pairs');
  store.transaction(() => {
    pairs.set('a', 2);
    expect(pairs.get('a')).toBe(2);
    expect(other.get('a')).toBe(1);
  });
  expect(other.get('a')).toBe(2);
});

test.each([new Error('mine'), 'text', undefined, null, 0, { code: 'SQLITE_FULL' }])(
  'transaction undoes everything when its work throws %j, and throws the same',
  (thrown) => {
    const { store, pairs, items } = setUp();
    pairs.set('a', 1);
    items.push(1);
    let caught: unknown = 'nothing was thrown';
    try {
      store.transaction(() => {
        pairs.set('a', 2);
        items.push(2);
        new Index(store, 'new').set('b', 1);
        throw thrown;
      });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBe(thrown);
    expect(pairs.get('a')).toBe(1);
    expect(items.toArray()).toEqual([1]);
    expect(store.structures().map(({ name }) => name)).toEqual(['items', 'pairs']);
  },
);

test('an inner transaction that fails leaves nothing, and the outer one goes on', () => {
  const { store, pairs, items } = setUp();
  store.transaction(() => {
    pairs.set('outer', 1);
    expect(() =>
      store.transaction(() => {
        pairs.set('inner', 2);
        items.push(1);
        throw new Error('inner');
      }),
    ).toThrow('inner');
    expect(pairs.has('inner')).toBe(false);
    expect(items.size).toBe(0);
    pairs.set('after', 3);
  });
  expect([...pairs.keys()]).toEqual(['outer', 'after']);
  expect(items.size).toBe(0);
});

test('transactions nest three deep, and each level undoes its own alone', () => {
  const { store, pairs } = setUp();
  const attempt = (work: () => void): void => {
    try {
      store.transaction(work);
    } catch (error) {
      if (error !== 'undo') throw error;
    }
  };
  store.transaction(() => {
    pairs.set('1', 1);
    attempt(() => {
      pairs.set('2', 1);
      attempt(() => {
        pairs.set('3 undone', 1);
        throw 'undo';
      });
      attempt(() => pairs.set('3', 1));
    });
    attempt(() => {
      attempt(() => pairs.set('3 kept, 2 undone', 1));
      throw 'undo';
    });
    pairs.set('end', 1);
  });
  expect([...pairs.keys()]).toEqual(['1', '2', '3', 'end']);
});

test('what an inner transaction kept is undone with the outer one', () => {
  const { store, pairs } = setUp();
  expect(() =>
    store.transaction(() => {
      store.transaction(() => pairs.set('inner', 1));
      throw new Error('outer');
    }),
  ).toThrow('outer');
  expect(pairs.size).toBe(0);
});

test('an async function is refused before it is called', () => {
  const { store } = setUp();
  let called = false;
  const work = async (): Promise<void> => {
    called = true;
  };
  // @ts-expect-error -- a transaction of an embedded store runs at once.
  expect(failure(() => store.transaction(work)).code).toBe('ERR_ASYNC_TRANSACTION');
  expect(failure(() => store.transaction(async function* () {})).code).toBe('ERR_ASYNC_TRANSACTION');
  expect(called).toBe(false);
});

test.each([
  ['a promise', () => Promise.resolve(1)],
  ['a thenable', () => ({ then: () => undefined })],
])('a function that returns %s is refused, and nothing of it is left', (_, promise) => {
  const { store, pairs } = setUp();
  const work = (): unknown => {
    pairs.set('a', 1);
    return promise();
  };
  expect(failure(() => store.transaction(work)).code).toBe('ERR_ASYNC_TRANSACTION');
  expect(pairs.size).toBe(0);
  store.transaction(() => pairs.set('b', 1));
  expect([...pairs.keys()]).toEqual(['b']);
});

test('an inner function that returns a promise is refused, and the outer transaction goes on', () => {
  const { store, pairs } = setUp();
  store.transaction(() => {
    pairs.set('outer', 1);
    expect(
      failure(() =>
        // @ts-expect-error -- the type knows, too.
        store.transaction(() => {
          pairs.set('inner', 1);
          return Promise.resolve();
        }),
      ).code,
    ).toBe('ERR_ASYNC_TRANSACTION');
  });
  expect([...pairs.keys()]).toEqual(['outer']);
});

test.each([undefined, null, 'text', {}, function* generator() {}])('transaction refuses %s', (work) => {
  expect(() => setUp().store.transaction(work as never)).toThrow(TypeError);
});

test('close inside a transaction throws ERR_IN_TRANSACTION, and the transaction goes on', () => {
  const { store, pairs } = setUp();
  store.transaction(() => {
    pairs.set('a', 1);
    expect(failure(() => store.close()).code).toBe('ERR_IN_TRANSACTION');
    store.transaction(() => expect(failure(() => store.close()).code).toBe('ERR_IN_TRANSACTION'));
    pairs.set('b', 2);
  });
  expect(pairs.size).toBe(2);
});

test('waiting inside a transaction rejects with ERR_IN_TRANSACTION', async () => {
  const { store, items } = setUp();
  const wait = store.transaction(() => [items.take()]);
  await expect(wait[0]).rejects.toMatchObject({ code: 'ERR_IN_TRANSACTION' });
});

test('a structure first used inside a transaction that is rolled back works afterwards', () => {
  const { store } = setUp();
  const index = new Index<string, number>(store, 'new');
  const deque = new Deque<number>(store, 'new', { maxLength: 2 });
  for (let round = 0; round < 3; round++) {
    expect(() =>
      store.transaction(() => {
        index.set('a', 1);
        deque.push(1, 2, 3);
        // Takes the number that the new index had.
        new Index(store, `other ${round}`).set('b', 1);
        throw new Error('undo');
      }),
    ).toThrow('undo');
    expect(index.get('a')).toBe(undefined);
    expect(index.size).toBe(0);
  }
  new Index(store, 'in its place').set('c', 1);
  index.set('a', 2);
  deque.push(1, 2, 3);
  expect(index.toMap()).toEqual(new Map([['a', 2]]));
  expect(deque.toArray()).toEqual([2, 3]);
  expect(new Deque(openStore(store.directory), 'new').toArray()).toEqual([2, 3]);
});

test('the same holds for a structure first used in an inner transaction', () => {
  const { store } = setUp();
  const index = new Index<string, number>(store, 'new');
  const deque = new Deque<number>(store, 'new', { maxLength: 2 });
  store.transaction(() => {
    expect(() =>
      store.transaction(() => {
        index.set('a', 1);
        deque.push(1, 2, 3);
        throw new Error('undo');
      }),
    ).toThrow('undo');
    new Index(store, 'in its place').set('c', 1);
    index.set('a', 2);
    deque.push(1, 2, 3);
  });
  expect(index.toMap()).toEqual(new Map([['a', 2]]));
  expect(deque.toArray()).toEqual([2, 3]);
  expect(new Index(store, 'in its place').toMap()).toEqual(new Map([['c', 1]]));
});

/** Ends the transaction under the store's feet, as SQLite does after some failures. */
function failsInside(store: Store): () => void {
  const db = raw(store.directory);
  // Whoever inserts this item has the whole transaction rolled back by SQLite itself.
  db.exec(
    `CREATE TRIGGER disaster BEFORE INSERT ON items WHEN NEW.bytes > 5000 BEGIN SELECT RAISE(ROLLBACK, 'disaster'); END`,
  );
  return () => {
    db.exec('DROP TRIGGER disaster');
  };
}

test.each<[string, (store: Store) => unknown]>([
  ['set', (store) => new Index(store, 'pairs').set('late', 1)],
  ['get', (store) => new Index(store, 'pairs').get('early')],
  ['update', (store) => new Index(store, 'pairs').update('late', () => 1)],
  ['push of many', (store) => new Deque(store, 'items').push(1, 2)],
  ['transaction', (store) => store.transaction(() => new Index(store, 'pairs').set('late', 1))],
  ['first use of a new structure', (store) => new Deque(store, 'bounded', { maxLength: 3 }).size],
  ['structures', (store) => store.structures()],
])('after SQLite itself has rolled back a transaction, %s throws and commits nothing', (_, use) => {
  const { store, pairs, items } = setUp();
  pairs.set('before', 1);
  items.push('small');
  const mend = failsInside(store);
  let outcome: unknown;
  let later: unknown;
  try {
    store.transaction(() => {
      pairs.set('early', 1);
      expect(failure(() => items.push('x'.repeat(10_000))).code).toBe('ERR_IO');
      try {
        use(store);
      } catch (error) {
        later = error;
      }
    });
  } catch (error) {
    outcome = error;
  }
  expect(later).toBeInstanceOf(HoldfastError);
  expect(outcome).toBeInstanceOf(HoldfastError);
  expect((outcome as HoldfastError).message).toContain('rolled back');
  const other = openStore(store.directory);
  expect([...new Index(other, 'pairs').keys()]).toEqual(['before']);
  expect(other.structures().map(({ name }) => name)).toEqual(['items', 'pairs']);
  mend();
  store.transaction(() => items.push('x'.repeat(10_000)));
  expect(items.size).toBe(2);
});

test('after SQLite itself has rolled back an inner transaction, the outer one can do nothing more', () => {
  const { store, pairs, items } = setUp();
  items.push('small');
  failsInside(store);
  expect(() =>
    store.transaction(() => {
      pairs.set('outer', 1);
      expect(() => store.transaction(() => items.push('x'.repeat(10_000), 2))).toThrow(HoldfastError);
      expect(() => pairs.set('late', 1)).toThrow(HoldfastError);
      expect(() => store.transaction(() => 1)).toThrow(HoldfastError);
    }),
  ).toThrow(HoldfastError);
  expect(pairs.size).toBe(0);
  store.transaction(() => pairs.set('next', 1));
  expect(pairs.size).toBe(1);
});

test('a full disk inside a transaction undoes all of it, even if the work catches the error', () => {
  const disk = mountDisk(1_500_000);
  const { store, pairs, items } = setUp(disk?.directory ?? temporaryDirectory());
  pairs.set('before', 1);
  if (disk === undefined) {
    const db = raw(store.directory);
    const pages = db.pragma('page_count', { simple: true }) as number;
    db.close();
    // Where no disk may be mounted there is nothing to fill: the limit of SQLite's own is each connection's.
    expect(pages).toBeGreaterThan(0);
    return;
  }
  let code: string | undefined;
  const attempt = (): void => {
    store.transaction(() => {
      pairs.set('early', 1);
      try {
        for (;;) items.push('x'.repeat(100_000));
      } catch (error) {
        code = (error as HoldfastError).code;
      }
      pairs.set('late', 1);
    });
  };
  let outcome: unknown = 'committed';
  try {
    attempt();
  } catch (error) {
    outcome = error;
  }
  expect(code).toBe('ERR_FULL');
  expect(outcome).toBeInstanceOf(HoldfastError);
  expect([...pairs.keys()]).toEqual(['before']);
  expect(items.size).toBe(0);
});

test('the reading of a range inside a call that reads gives the present state', () => {
  const { pairs } = setUp();
  pairs.set('a', 1);
  pairs.set('b', 2);
  expect(pairs.getMany(pairs.keys())).toEqual([1, 2]);
});

test('what is written by an iterable that a call reads from is kept or refused, never dropped', () => {
  const { store, pairs } = setUp();
  pairs.set('a', 1);
  const ways: ((key: string) => unknown)[] = [
    (key) => pairs.set(key, 1),
    (key) => pairs.update(key, () => 1),
    (key) => store.transaction(() => pairs.set(key, 1)),
  ];
  for (const [i, way] of ways.entries()) {
    let refused: unknown;
    const keys = function* (): Generator<string> {
      try {
        way(`written ${i}`);
      } catch (error) {
        refused = error;
      }
      yield 'a';
    };
    expect(pairs.getMany(keys())).toEqual([1]);
    if (refused === undefined) expect(pairs.has(`written ${i}`)).toBe(true);
    else expect(refused).toMatchObject({ code: 'ERR_IN_TRANSACTION' });
  }
});

test('a transaction holds on in spite of a listener that failed before it', () => {
  const { store, pairs } = setUp();
  onTestFinished(() => {
    expect(pairs.size).toBe(1);
  });
  expect(() =>
    pairs.update('a', () => {
      throw new Error('mine');
    }),
  ).toThrow('mine');
  store.transaction(() => pairs.set('a', 1));
});
