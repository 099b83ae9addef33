import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Deque, type AsyncStore } from '../../src/index.js';
import { engines } from '../support/stores.js';
import { pause, rawConnection, settled, until, waiting } from './helpers.js';

describe('Deque.take on an embedded store whose write lock another process holds', () => {
  const [engine] = engines;

  /** Somebody else's transaction on the file, begun and ended by hand. */
  const blocker = (store: AsyncStore): Database.Database => {
    const { directory } = JSON.parse(engine.location(store)) as { directory: string };
    const database = new Database(join(directory, 'holdfast.db'), { timeout: 5_000 });
    onTestFinished(() => {
      database.close();
    });
    return database;
  };

  test('ends by its signal while it cannot even begin', async () => {
    const store = await engine.open({ embedded: { busyTimeout: '1m' } });
    const deque = new Deque<number>(store, 'things');
    await deque.size;
    const other = blocker(store);
    other.exec('BEGIN IMMEDIATE');
    const abort = new AbortController();
    const reason = new Error('enough');
    const wait = settled(deque.take({ signal: abort.signal }), 10_000);
    await pause(20);
    abort.abort(reason);
    const outcome = await wait;
    other.exec('ROLLBACK');
    expect(outcome).toEqual({ status: 'rejected', reason });
  });

  test('ends by its timeout while it cannot even begin', async () => {
    const store = await engine.open({ embedded: { busyTimeout: '1m' } });
    const deque = new Deque<number>(store, 'things');
    const other = blocker(store);
    other.exec('BEGIN IMMEDIATE');
    const outcome = await settled(deque.take({ timeout: 50 }), 10_000);
    other.exec('ROLLBACK');
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TIMEOUT' } });
  });

  test('leaves no place in line behind when its time is over', async () => {
    const store = await engine.open({ embedded: { busyTimeout: 50 } });
    const deque = new Deque<number>(store, 'things');
    const raw = await rawConnection(engine, store);
    const wait = settled(deque.take({ timeout: 200 }));
    await until(async () => (await waiting(raw)) === 1);
    const other = blocker(store);
    other.exec('BEGIN IMMEDIATE');
    await pause(500);
    other.exec('ROLLBACK');
    expect(await wait).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TIMEOUT' } });
    await until(async () => (await waiting(raw)) === 0, 'a place in line was left behind');
    // Or nobody would ever get this one.
    await deque.push(1);
    expect(await settled(deque.take({ timeout: 5_000 }))).toEqual({ status: 'fulfilled', value: 1 });
  });

  test('ends by timeout and signal while the write lock is held, also for those who stand in line', async () => {
    const store = await engine.open({ embedded: { busyTimeout: '1m' } });
    const deque = new Deque<number>(store, 'things');
    const raw = await rawConnection(engine, store);
    const abort = new AbortController();
    const reason = new Error('enough');
    const waits = [
      settled(deque.take({ timeout: 300 }), 20_000),
      settled(deque.takeLast({ signal: abort.signal }), 20_000),
    ];
    await until(async () => (await waiting(raw)) === 2);
    const other = blocker(store);
    other.exec('BEGIN IMMEDIATE');
    abort.abort(reason);
    const outcomes = await Promise.all(waits);
    other.exec('ROLLBACK');
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_TIMEOUT' } },
      { status: 'rejected', reason },
    ]);
    await until(async () => (await waiting(raw)) === 0, 'a place in line was left behind');
  });

  test('goes on waiting when it was rung in vain, and another then holds the lock for longer than busyTimeout', async () => {
    const store = await engine.open({ embedded: { busyTimeout: 20 } });
    const deque = new Deque<number>(store, 'things');
    const raw = await rawConnection(engine, store);
    const other = blocker(store);
    const wait = settled(deque.take());
    await until(async () => (await waiting(raw)) === 1);
    await deque.push(1);
    await deque.shift();
    other.exec('BEGIN IMMEDIATE');
    await pause(300);
    other.exec('ROLLBACK');
    await deque.push(2);
    expect(await wait).toEqual({ status: 'fulfilled', value: 2 });
  });
});
