import { describe, expect, test } from 'vitest';
import { ReadWriteLock } from '../../src/index.js';
import { pause, settled, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { outside, twoStores, untilWaiting } from './helpers.js';

/** Begins `work` outside of what the caller holds. */
const begin = <T>(work: () => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => outside(() => void work().then(resolve, reject)));

forEachEngine((engine) => {
  const opened = async () => {
    const stores = await twoStores(engine);
    return {
      ...stores,
      lock: new ReadWriteLock(stores.store, 'it'),
      theirs: new ReadWriteLock(stores.other, 'it'),
    };
  };

  describe('ReadWriteLock', () => {
    test('is held by many readers, or by one writer', async () => {
      const { lock, theirs } = await opened();
      const readers = [];
      for (const one of [lock, theirs, lock]) readers.push(await begin(() => one.read().acquire()));
      expect(await theirs.write().tryAcquire()).toBe(undefined);
      expect(await lock.write().tryAcquire()).toBe(undefined);
      for (const reader of readers) {
        expect(await theirs.write().tryAcquire()).toBe(undefined);
        expect(await reader.release()).toBe(true);
      }
      const writer = await begin(() => theirs.write().acquire());
      expect(await lock.read().tryAcquire()).toBe(undefined);
      expect(await lock.write().tryAcquire()).toBe(undefined);
      expect(await writer.release()).toBe(true);
      expect(await lock.read().tryAcquire()).not.toBe(undefined);
    });

    test('grows one fence for both sides, and for each exchange', async () => {
      const { lock } = await opened();
      const fences: bigint[] = [];
      const reading = await begin(() => lock.read().acquire());
      fences.push(reading.fence);
      const writing = await reading.tryUpgrade();
      fences.push(writing!.fence);
      const again = await writing!.downgrade();
      fences.push(again.fence);
      await again.release();
      fences.push(await lock.write().use(({ fence }) => fence));
      fences.push(await lock.read().use(({ fence }) => fence));
      expect(fences).toEqual([1n, 2n, 3n, 4n, 5n]);
    });

    test('lets all readers go at once when the writer is done', async () => {
      const { lock, theirs, raw } = await opened();
      const writer = await begin(() => lock.write().acquire());
      const readers = [];
      for (let i = 0; i < 6; i++) {
        readers.push(begin(() => (i % 2 === 0 ? lock : theirs).read().acquire()));
        await untilWaiting(raw, i + 1);
      }
      await writer.release();
      // None is released before all are there.
      const grants = await Promise.all(readers);
      expect(await theirs.holders()).toHaveLength(6);
      for (const grant of grants) await grant.release();
    });

    test('lets a writer go as soon as the last reader is done, and the readers after it', async () => {
      const { lock, theirs, raw } = await opened();
      const [first, second] = [
        await begin(() => lock.read().acquire()),
        await begin(() => theirs.read().acquire()),
      ];
      const events: string[] = [];
      const writer = begin(() => theirs.write().acquire());
      await untilWaiting(raw, 1);
      await pause(20);
      const reader = begin(() => lock.read().use(() => void events.push('reader')));
      await untilWaiting(raw, 2);
      await first.release();
      await pause(20);
      events.push('second released');
      await second.release();
      const writing = await writer;
      events.push('writer');
      await pause(20);
      await writing.release();
      await reader;
      expect(events).toEqual(['second released', 'writer', 'reader']);
    });

    test('keeps a writer that waits ahead of new readers, however long nothing changes', async () => {
      const { lock, theirs, raw } = await opened();
      const reading = await begin(() => lock.read().acquire());
      const writer = begin(() => theirs.write().acquire());
      await untilWaiting(raw, 1);
      await pause(200);
      expect(await begin(async () => lock.read().tryAcquire())).toBe(undefined);
      expect(await begin(async () => theirs.read().tryAcquire())).toBe(undefined);
      const reader = begin(() => lock.read().acquire());
      await untilWaiting(raw, 2);
      await pause(200);
      expect(await theirs.waiters()).toMatchObject([{ side: 'write' }, { side: 'read' }]);
      await reading.release();
      const writing = await writer;
      expect(await theirs.holders()).toMatchObject([{ side: 'write' }]);
      await writing.release();
      await reader;
    });

    test('does not let a stream of readers starve a writer, though each reads for long', async () => {
      const { lock, theirs } = await opened();
      let done = false as boolean;
      const readers: Promise<unknown>[] = [];
      const stream = (async () => {
        while (!done && readers.length < 200) {
          readers.push(begin(() => lock.read().use(() => pause(300))));
          await pause(50);
        }
      })();
      await pause(150);
      const writer = await begin(() => theirs.write().acquire());
      const before = readers.length;
      done = true;
      expect(before).toBeLessThan(200);
      await writer.release();
      await stream;
      await Promise.all(readers);
    });

    test('does not let a stream of writers starve a reader', async () => {
      const { lock, theirs, raw } = await opened();
      let done = false as boolean;
      let written = 0;
      const writer = async (): Promise<void> => {
        while (!done && written < 5_000) {
          await lock.write().use(() => pause(1));
          written++;
        }
      };
      const writers = [begin(writer), begin(writer), begin(writer)];
      await untilWaiting(raw, 2);
      await theirs.read().use(() => {
        done = true;
      });
      expect(written).toBeLessThan(5_000);
      await Promise.all(writers);
    });

    test('lets a reader read again while a writer waits for it, and then the writer write', async () => {
      const { lock, theirs, raw } = await opened();
      const events: string[] = [];
      let writer: Promise<unknown> | undefined;
      await lock.read().use(async () => {
        writer = begin(() => theirs.write().use(() => void events.push('written')));
        await untilWaiting(raw, 1);
        await pause(150);
        await lock.read().use(() => void events.push('read again'));
        const tried = await lock.read().tryAcquire();
        expect(tried).not.toBe(undefined);
        await tried?.release();
        events.push('read');
      });
      await writer;
      expect(events).toEqual(['read again', 'read', 'written']);
    });

    test('throws ERR_DEADLOCK where it would wait for itself', async () => {
      const { lock } = await opened();
      const deadlock = withCode('ERR_DEADLOCK');
      await lock.read().use(async () => {
        await expect(lock.write().acquire()).rejects.toThrow(deadlock);
        expect(await lock.write().tryAcquire()).toBe(undefined);
      });
      await lock.write().use(async () => {
        await expect(lock.write().use(() => 1)).rejects.toThrow(deadlock);
        await expect(lock.read().use(() => 1)).rejects.toThrow(deadlock);
        expect(await lock.read().tryAcquire()).toBe(undefined);
      });
      await lock.read().use(async (reading) => {
        const nested = await lock.read().acquire();
        await expect(lock.write().acquire({ timeout: 50 })).rejects.toThrow(deadlock);
        await nested.release();
        await reading.release();
        await (await lock.write().acquire()).release();
      });
    });
  });

  describe('ReadWriteLock.tryUpgrade', () => {
    test('makes the only reader the writer, at once', async () => {
      const { lock, theirs } = await opened();
      const reading = await begin(() => lock.read().acquire({ label: 'it' }));
      const writing = await reading.tryUpgrade();
      expect(await theirs.holders()).toMatchObject([{ side: 'write', weight: 1, label: 'it', fence: 2n }]);
      expect(await theirs.read().tryAcquire()).toBe(undefined);
      expect(await reading.release()).toBe(false);
      await reading[Symbol.asyncDispose]();
      reading[Symbol.dispose]();
      await expect(async () => reading.tryUpgrade()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      expect(await theirs.read().tryAcquire()).toBe(undefined);
      expect(await writing?.release()).toBe(true);
      expect(await theirs.holders()).toEqual([]);
    });

    test('answers undefined where others read, and both go on reading', async () => {
      const { lock, theirs } = await opened();
      const mine = await begin(() => lock.read().acquire());
      const other = await begin(() => theirs.read().acquire());
      expect(await mine.tryUpgrade()).toBe(undefined);
      expect(await other.tryUpgrade()).toBe(undefined);
      expect(await lock.holders()).toHaveLength(2);
      expect(await other.release()).toBe(true);
      const writing = await mine.tryUpgrade();
      expect(writing).not.toBe(undefined);
      expect(await writing?.release()).toBe(true);
    });

    test('passes a writer that waits for the reader to leave', async () => {
      const { lock, theirs, raw } = await opened();
      const reading = await begin(() => lock.read().acquire());
      const writer = begin(() => theirs.write().acquire());
      await untilWaiting(raw, 1);
      const writing = await reading.tryUpgrade();
      expect(await lock.holders()).toHaveLength(1);
      await writing?.release();
      expect((await writer).fence).toBe(3n);
    });

    test('throws ERR_NOT_OWNER after the release, and after a robbery', async () => {
      const { lock, theirs } = await opened();
      const released = await begin(() => lock.read().acquire());
      await released.release();
      await expect(async () => released.tryUpgrade()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      const robbed = await begin(() => lock.read().acquire());
      await theirs.forceRelease();
      await expect(async () => robbed.tryUpgrade()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      const writing = await begin(() => lock.write().acquire());
      await theirs.forceRelease();
      await expect(async () => writing.downgrade()).rejects.toThrow(withCode('ERR_NOT_OWNER'));
      expect(await theirs.holders()).toEqual([]);
    });
  });

  describe('ReadWriteLock.downgrade', () => {
    test('lets readers in that wait, and keeps writers out throughout', async () => {
      const { lock, theirs, raw } = await opened();
      const writing = await begin(() => lock.write().acquire());
      const reader = begin(() => theirs.read().acquire());
      await untilWaiting(raw, 1);
      const writer = settled(begin(() => theirs.write().acquire()));
      await untilWaiting(raw, 2);
      const reading = await writing.downgrade();
      const theirReading = await reader;
      expect(await lock.holders()).toMatchObject([{ side: 'read' }, { side: 'read' }]);
      expect(await writing.release()).toBe(false);
      writing[Symbol.dispose]();
      expect(await lock.holders()).toHaveLength(2);
      expect(await theirs.write().tryAcquire()).toBe(undefined);
      await reading.release();
      expect(await lock.waiters()).toMatchObject([{ side: 'write' }]);
      await theirReading.release();
      expect(await writer).toMatchObject({ status: 'fulfilled' });
    });

    test('is before any writer that waits, in line or anew', async () => {
      const { lock, theirs, raw } = await opened();
      const writing = await begin(() => lock.write().acquire());
      const writer = begin(() => theirs.write().acquire());
      await untilWaiting(raw, 1);
      await pause(150);
      const reading = await writing.downgrade();
      expect(await theirs.holders()).toMatchObject([{ side: 'read', fence: 2n }]);
      const upgraded = await reading.tryUpgrade();
      expect(upgraded?.fence).toBe(3n);
      await upgraded?.release();
      expect((await writer).fence).toBe(4n);
    });

    test('leaves the context a reader: it may read again, and not write', async () => {
      const { lock } = await opened();
      await lock.write().use(async (writing) => {
        const downgraded = await writing.downgrade();
        expect(await lock.read().use(() => 'again')).toBe('again');
        await expect(lock.write().acquire()).rejects.toThrow(withCode('ERR_DEADLOCK'));
        expect(await downgraded.release()).toBe(true);
      });
      expect(await lock.holders()).toEqual([]);
    });
  });

  test('use leaves nothing held, whatever its grant was exchanged for', async () => {
    const { lock } = await opened();
    await lock.read().use((reading) => reading.tryUpgrade());
    expect(await lock.holders()).toEqual([]);
    await lock.write().use(async (writing) => (await writing.downgrade()).fence);
    expect(await lock.holders()).toEqual([]);
    await expect(
      lock.read().use(async (reading) => {
        await reading.tryUpgrade();
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await lock.holders()).toEqual([]);
  });

  test('an exchange is refused inside a transaction', async () => {
    const { store, lock } = await opened();
    const reading = await begin(() => lock.read().acquire());
    const inside = async (call: () => unknown): Promise<unknown> =>
      engine.name === 'server'
        ? store.transaction(async () => call())
        : store.transaction(() => call() as Promise<unknown>);
    await expect(inside(() => reading.tryUpgrade())).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
    const writing = await reading.tryUpgrade();
    await expect(inside(() => writing!.downgrade())).rejects.toThrow(withCode('ERR_IN_TRANSACTION'));
    expect(await lock.holders()).toMatchObject([{ side: 'write' }]);
    expect(await writing?.release()).toBe(true);
  });
});
