import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Lock, RLock, type Store } from '../../src/index.js';
import { pause, settled } from '../structures/helpers.js';
import { engines } from '../support/stores.js';
import type { Giver } from './helpers.js';

const [engine] = engines;

/** Runs `work` at the next ticks of one timer, which does not wait for it. */
function atTicks<T>(count: number, work: () => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  const begun: Promise<PromiseSettledResult<T>>[] = [];
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      begun.push(settled(work()));
      if (begun.length < count) return;
      clearInterval(timer);
      resolve(Promise.all(begun));
    }, 1);
  });
}

/** Runs `work` at each of some messages of one connection, and waits for none. */
async function atMessages<T>(count: number, work: () => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  const begun: Promise<PromiseSettledResult<T>>[] = [];
  let all = (): void => {};
  const came = new Promise<void>((resolve) => (all = resolve));
  const server = createServer((socket) => {
    socket.on('data', () => {
      begun.push(settled(work()));
      if (begun.length === count) all();
      else socket.write('next');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  client.on('data', () => client.write('more'));
  client.write('first');
  await came;
  return Promise.all(begun);
}

const sources = { 'the ticks of a timer': atTicks, 'the messages of a connection': atMessages };

describe.each(Object.entries(sources))('%s', (_, source) => {
  test.each([
    ['Lock', (store: Store, name: string): Giver => new Lock(store, name) as unknown as Giver],
    ['RLock', (store: Store, name: string): Giver => new RLock(store, name) as unknown as Giver],
  ])('are requests of their own, which exclude each other: %s', async (_kind, make) => {
    const store = (await engine.open()) as never;
    const [giver, further] = [make(store, 'it'), make(store, 'that')];
    let inside = 0;
    let most = 0;
    const outcomes = await source(5, async () => {
      const grants = await Promise.all([giver.acquire(), further.acquire()]);
      most = Math.max(most, ++inside);
      await pause(20);
      inside--;
      for (const grant of grants) await grant.release();
    });
    expect(outcomes.map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'));
    expect(most).toBe(1);
  });
});
