import { describe, expect, test } from 'vitest';
import { Lock } from '../../src/index.js';
import { pause, rawConnection, until } from '../structures/helpers.js';
import { engines, forEachEngine } from '../support/stores.js';
import { Agent, exclusive, twoStores, untilWaiting } from './helpers.js';

const server = engines[1];

describe('server', () => {
  test.each(Object.keys(exclusive))(
    'who was taken for dead is granted nothing under its old number: %s',
    async (name) => {
      const { store, other, raw } = await twoStores(server);
      const mine = exclusive[name]!(store);
      const theirs = exclusive[name]!(other);
      await (await mine.tryAcquire())?.release();
      // Its connection was cut without a word, and somebody has buried it.
      await raw('DELETE FROM owners');
      const first = await Promise.resolve(mine.tryAcquire()).catch(() => undefined);
      const second = await Promise.resolve(theirs.tryAcquire()).catch(() => undefined);
      expect([first, second].filter((grant) => grant !== undefined).length).toBeLessThan(2);
      await second?.release();
      const third = await mine.acquire({ timeout: 5000 }).catch(() => mine.acquire({ timeout: 5000 }));
      expect(await theirs.tryAcquire()).toBe(undefined);
      expect(await third.release()).toBe(true);
    },
  );

  test('what is being renewed is not taken by who has seen that it has run out', async () => {
    const { store, other, raw } = await twoStores(server);
    const lock = new Lock(store, 'it', { lease: 3000 });
    const theirs = new Lock(other, 'it');
    expect(await theirs.waiters()).toEqual([]);
    // A renewal is slow to commit: say, its process is stopped in between.
    await raw(
      `CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END'`,
    );
    await raw(`CREATE CONSTRAINT TRIGGER dawdles AFTER UPDATE ON holds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      WHEN (OLD.fence = NEW.fence AND OLD.owner = NEW.owner AND OLD.until < NEW.until) EXECUTE FUNCTION dawdle()`);
    const grant = await lock.acquire();
    await pause(3200);
    expect(await theirs.tryAcquire()).toBe(undefined);
    await grant.release();
  });

  test('a signal first asked for inside a transaction aborts', async () => {
    const { store, raw } = await twoStores(server);
    const lock = new Lock(store, 'it', { lease: '10m' });
    const grant = await lock.acquire();
    await store.transaction(async () => {
      await grant.guard();
      expect(grant.signal.aborted).toBe(false);
    });
    await raw('UPDATE holds SET owner = NULL');
    await until(() => grant.signal.aborted, 'it should abort at the poll');
  });
});

forEachEngine((engine) => {
  test('a long lease is not renewed all the time', async () => {
    const { store, raw } = await twoStores(engine);
    const grant = await new Lock(store, 'it', { lease: '90d' }).acquire();
    const before = (await raw('SELECT until FROM holds'))[0]?.['until'];
    await pause(300);
    const after = (await raw('SELECT until FROM holds'))[0]?.['until'];
    await grant.release();
    expect(after).toBe(before);
  });

  test.each(['Lock', 'BoundedSemaphore', 'write'] as const)(
    'a holder that dies frees what it held, though the first in line is stopped: %s',
    async (kind) => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const [holder, first, second] = (await Promise.all(
        [0, 1, 2].map(() => Agent.start(engine, store)),
      )) as [Agent, Agent, Agent];
      const part = { kind, name: 'it', options: { lease: '10m' } };
      await holder.acquire(part).granted;
      first.acquire(part);
      await untilWaiting(raw, 1);
      const call = second.acquire(part);
      await untilWaiting(raw, 2);
      first.process.pause();
      await holder.process.kill9();
      const outcome = await Promise.race([
        call.granted.then(() => 'granted'),
        pause(3000).then(() => 'stuck'),
      ]);
      first.process.resume();
      await first.process.kill9();
      expect(outcome).toBe('granted');
    },
  );
});
