import { describe, expect, test } from 'vitest';
import { BoundedSemaphore, Lock, type AsyncStore } from '../../src/index.js';
import { pause, until } from '../structures/helpers.js';
import { engines, forEachEngine } from '../support/stores.js';
import { twoStores } from './helpers.js';

forEachEngine((engine) => {
  const rolledBack = async (store: AsyncStore, work: () => Promise<unknown>): Promise<void> => {
    const error = new Error('rolled back');
    const failing = async () =>
      engine.name === 'server'
        ? store.transaction(async () => {
            await work();
            throw error;
          })
        : (store as unknown as { transaction(work: () => unknown): unknown }).transaction(() => {
            void work();
            throw error;
          });
    await expect(failing()).rejects.toThrow();
  };

  describe('await using', () => {
    test('a grant that is disposed of in a transaction that is rolled back does not stay held for ever', async () => {
      const { store, other } = await twoStores(engine);
      const locks = [new Lock(store, 'a'), new Lock(store, 'b')];
      const single = await locks[0]!.acquire();
      await rolledBack(store, async () => single[Symbol.asyncDispose]().catch(() => undefined));
      await pause(50);
      await single.release();
      expect(await new Lock(other, 'a').holders()).toEqual([]);
      const set = await Lock.all(locks).acquire();
      await rolledBack(store, async () => set[Symbol.asyncDispose]().catch(() => undefined));
      await pause(50);
      await set.release();
      expect(await new Lock(other, 'a').holders()).toEqual([]);
      const permit = await new BoundedSemaphore(store, 's').acquire();
      await rolledBack(store, async () => permit[Symbol.asyncDispose]().catch(() => undefined));
      await pause(50);
      await Promise.resolve()
        .then(() => permit.release())
        .catch(() => undefined);
      expect(await new BoundedSemaphore(other, 's').holders()).toEqual([]);
    });

    test('structures() of a store with many that have no rows', async () => {
      const { store, raw } = await twoStores(engine);
      await (await new Lock(store, 'a').acquire()).release();
      await raw("INSERT INTO structures (id, kind, name) VALUES (-3000000, 'lock', 'far')");
      expect(await store.structures()).toHaveLength(2);
    });
  });
});

describe('server', () => {
  test('a timeout, and a signal, end a wait while another is stopped in the middle of taking', async () => {
    const { store, raw } = await twoStores(engines[1]);
    const lock = new Lock(store, 'it');
    await (await lock.acquire()).release();
    await raw('BEGIN');
    await raw('SELECT id FROM structures FOR UPDATE');
    const outcomes = await Promise.race([
      Promise.allSettled([
        lock.acquire({ timeout: 200 }),
        lock.acquire({ signal: AbortSignal.timeout(200) }),
      ]),
      pause(4000).then(() => 'stuck'),
    ]);
    await raw('ROLLBACK');
    expect(outcomes).not.toBe('stuck');
    await until(async () => (await lock.waiters()).length === 0);
  });
});
