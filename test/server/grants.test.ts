import { describe, expect, onTestFinished, test } from 'vitest';
import { Index, Lock, ReadWriteLock } from '../../src/index.js';
import {
  connected,
  namedUrl,
  newRole,
  once,
  outcome,
  rawClient,
  rows,
  schemaName,
  sleep,
  terminate,
  unique,
  until,
} from './support.js';

describe('a grant whose store loses its connections', () => {
  test('is lost, with ERR_CONNECTION as the signal’s reason, and free at once for others', async () => {
    const schema = schemaName();
    const name = unique();
    const store = await connected(schema, { url: namedUrl(name) });
    const other = await connected(schema);
    const grant = await new Lock(store, 'it', { lease: '10m' }).acquire();
    const { signal } = grant;
    expect(await terminate(await rawClient(), name)).toBeGreaterThan(0);
    await until(() => signal.aborted);
    expect(signal.reason).toMatchObject({ name: 'HoldfastError', code: 'ERR_CONNECTION' });
    const next = await new Lock(other, 'it').acquire();
    expect(next.fence).toBe(2n);
    expect(await grant.release()).toBe(false);
    await expect(
      store.transaction(async () => {
        await grant.guard();
      }),
    ).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
    expect(await next.release()).toBe(true);
  });

  test('is free for those who waited for it, and its context may acquire it again', async () => {
    const schema = schemaName();
    const name = unique();
    const store = await connected(schema, { url: namedUrl(name) });
    const other = await connected(schema);
    const lock = new Lock(store, 'it', { lease: '10m' });
    const grant = await lock.acquire();
    const waits = new Lock(other, 'it').acquire();
    await terminate(await rawClient(), name);
    const next = await waits;
    expect(next.fence).toBe(2n);
    await next.release();
    const again = await lock.acquire();
    expect(again.fence).toBe(3n);
    expect(await grant.release()).toBe(false);
    expect(await again.release()).toBe(true);
  });

  test('is released later where it could not be released at first, though it has a long lease', async () => {
    const schema = schemaName();
    const { role, url } = await newRole();
    const owner = await connected(schema);
    await once(`GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`);
    const store = await connected(schema, { url });
    const lock = new Lock(store, 'it', { lease: '10m' });
    const raw = await rawClient();
    const failed = await outcome(
      lock.use(async () => {
        await once(`ALTER ROLE ${role} NOLOGIN`);
        // All but the one that listens, by which its store is known to live.
        const pids = await rows(
          raw,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE usename = $1
           AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')`,
          role,
        );
        expect(pids.length).toBeGreaterThan(0);
      }),
    );
    expect(failed).toHaveProperty('error');
    expect(await new Lock(owner, 'it').tryAcquire()).toBe(undefined);
    await once(`ALTER ROLE ${role} LOGIN`);
    expect((await new Lock(owner, 'it').acquire({ timeout: 20_000 })).fence).toBe(2n);
  });
});

describe('the guard of a grant', () => {
  test('lets nobody rob or take it until its transaction is committed', async () => {
    const schema = schemaName();
    const [store, other] = [await connected(schema), await connected(schema)];
    for (const make of [
      (one: typeof store) => new Lock(one, 'it'),
      (one: typeof store) => new ReadWriteLock(one, 'that').write(),
    ]) {
      const index = new Index<string, string>(store, 'state');
      const grant = await make(store).acquire();
      const events: string[] = [];
      let robbery: Promise<unknown> | undefined;
      await store.transaction(async () => {
        await grant.guard();
        robbery ??= make(other)
          .forceRelease()
          .then(() => events.push('robbed'));
        await sleep(300);
        await index.set('by', 'the holder');
        events.push('written');
      });
      await robbery;
      expect(events.at(-1)).toBe('robbed');
      await expect(
        store.transaction(async () => {
          await index.set('by', 'the robbed');
          await grant.guard();
        }),
      ).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
      expect(await index.get('by')).toBe('the holder');
    }
  });

  test('that comes after the robbery, in a transaction that began before it, throws', async () => {
    const schema = schemaName();
    const [store, other] = [await connected(schema), await connected(schema)];
    const index = new Index<string, string>(store, 'state');
    const grant = await new Lock(store, 'it').acquire();
    let runs = 0;
    await expect(
      store.transaction(async () => {
        await index.set('by', 'the robbed');
        if (++runs === 1) await new Lock(other, 'it').forceRelease();
        await grant.guard();
      }),
    ).rejects.toMatchObject({ code: 'ERR_NOT_OWNER' });
    expect(await index.get('by')).toBe(undefined);
  });

  test('makes nobody wait who only tries, nor past a timeout', async () => {
    const schema = schemaName();
    const [store, other] = [await connected(schema), await connected(schema)];
    const grant = await new Lock(store, 'it').acquire();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    onTestFinished(() => end());
    let guarded = (): void => {};
    const ready = new Promise<void>((resolve) => (guarded = resolve));
    const transaction = store.transaction(async () => {
      await grant.guard();
      guarded();
      await ended;
    });
    await ready;
    const outcomes = await Promise.all([
      outcome(new Lock(other, 'it').tryAcquire(), 10_000),
      outcome(new Lock(other, 'it').acquire({ timeout: 0 }), 10_000),
      outcome(new Lock(other, 'it').acquire({ timeout: 300 }), 10_000),
      outcome(new Lock(other, 'it').acquire({ signal: AbortSignal.timeout(300) }), 10_000),
    ]);
    end();
    await transaction;
    expect(outcomes).toEqual([
      { value: undefined },
      { error: 'ERR_TIMEOUT' },
      { error: 'ERR_TIMEOUT' },
      { error: 23 },
    ]);
    expect(await grant.release()).toBe(true);
  });
});
