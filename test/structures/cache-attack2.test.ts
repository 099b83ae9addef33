import { join } from 'node:path';
import { existsSync, readdirSync } from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { Cache, Index } from '../../src/index.js';
import { openStore } from '../core/support.js';
import { forEachEngine } from '../support/stores.js';
import { withCode, rolledBack, pause } from './helpers.js';

const filesOf = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /values.[0-9a-f]{2}.[^/\\]+$/.test(name),
  );

test('a memoized function that is not async is cached again after a call that others kept from writing', async () => {
  const store = openStore(undefined, { busyTimeout: 100 });
  const cache = new Cache<number>(store, 'c');
  cache.set('other', 1);
  const other = new Database(join(store.directory, 'holdfast.db'));
  let calls = 0;
  const f = cache.memoize(
    () => {
      if (++calls === 1) other.exec('BEGIN IMMEDIATE');
      return calls;
    },
    { name: 'f' },
  );
  expect(() => f()).toThrow(withCode('ERR_BUSY') as Error);
  other.exec('COMMIT');
  other.close();
  await pause(1_000);
  expect(f()).toBe(2);
  expect(f()).toBe(2);
});

test('shards of a cache whose first use was rolled back are found again', () => {
  const store = openStore();
  const cache = new Cache<number>(store, 'c', { shards: 2 });
  expect(() => {
    store.transaction(() => {
      expect(cache.size).toBe(0);
      throw new Error('rolled back');
    });
  }).toThrow('rolled back');
  new Index<string, number>(store, 'i').set('x', 1);
  for (let i = 0; i < 10; i++) cache.set(`k${i}`, i);
  expect(cache.size).toBe(10);
  expect(store.check({ repair: true }).findings.every(({ mended }) => mended)).toBe(true);
  expect(cache.size).toBe(10);
  const again = openStore(store.directory);
  expect(new Cache<number>(again, 'c').size).toBe(10);
});

test('a large value whose transaction is rolled back leaves no file', async () => {
  const store = openStore();
  const cache = new Cache<string>(store, 'c', { fileThreshold: 10 });
  cache.set('old', 'x'.repeat(100));
  expect(filesOf(store.directory)).toHaveLength(1);
  expect(() => {
    store.transaction(() => {
      cache.set('k', 'x'.repeat(100));
      cache.setMany([['a', 'x'.repeat(100)]]);
      cache.add('b', 'x'.repeat(100));
      cache.update('c', () => 'x'.repeat(100));
      cache.set('old', 'x'.repeat(200));
      throw new Error('rolled back');
    });
  }).toThrow('rolled back');
  await pause(50);
  expect(filesOf(store.directory)).toHaveLength(1);
  expect(cache.get('old')).toHaveLength(100);
});

forEachEngine((engine) => {
  test('arguments that are equal have one key, whether parts of them are one object or two', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    const f = cache.memoize(async (_: unknown) => 1, { name: 'f' });
    const x = { n: 1 };
    expect(f.key({ a: x, b: x })).toEqual(f.key({ a: { n: 1 }, b: { n: 1 } }));
  });

  test('arguments that are equal have one key, in Maps and Sets too', async () => {
    const cache = new Cache<number>(await engine.open(), 'c');
    const f = cache.memoize(async (_: unknown) => 1, { name: 'f' });
    expect(f.key(new Map([['m', { a: 1, b: 2 }]]))).toEqual(f.key(new Map([['m', { b: 2, a: 1 }]])));
  });

  test('a stream whose source gives its pieces in one buffer is stored as they were', async () => {
    const cache = new Cache<Uint8Array>(await engine.open(), 'c');
    const source = async function* (): AsyncGenerator<Uint8Array> {
      const buffer = Buffer.alloc(1000);
      for (let i = 0; i < 100; i++) yield buffer.fill(i);
    };
    await cache.write('k', source());
    const expected = Buffer.concat(Array.from({ length: 100 }, (_, i) => Buffer.alloc(1000, i)));
    expect(expected.equals((await cache.get('k')) ?? new Uint8Array())).toBe(true);
  });

  test('what is set while a value is worked out stays, also within a millisecond', async () => {
    const store = await engine.open();
    const cache = new Cache<string>(store, 'c');
    let lost = 0;
    for (let i = 0; i < 100; i++) {
      await cache.set('k', 'old', { ttl: 0 });
      await cache.getOrSet('k', async () => {
        await cache.set('k', 'set');
        return 'worked out';
      });
      if ((await cache.get('k')) !== 'set') lost++;
    }
    expect(lost).toBe(0);
  });
});
void existsSync;
void rolledBack;
