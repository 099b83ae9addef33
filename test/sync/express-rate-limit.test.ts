import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { rateLimit, type Options, type Store as MiddlewareStore } from 'express-rate-limit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HoldfastStore } from '../../src/express-rate-limit.js';
import type { AsyncStore } from '../../src/index.js';
import { withCode } from '../structures/helpers.js';
import { startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';

/** A server whose requests are limited, until the test has finished. */
async function served(options: Partial<Options>): Promise<string> {
  const app = express();
  app.set('trust proxy', 1);
  app.use(rateLimit({ windowMs: 3_600_000, limit: 3, standardHeaders: 'draft-8', ...options }));
  app.get('/', (_, response) => void response.send('served'));
  app.get('/broken', (_, response) => void response.status(500).end());
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const statusOf = async (url: string, address?: string): Promise<number> => {
  const headers = address === undefined ? {} : { 'X-Forwarded-For': address };
  return (await fetch(url, { headers })).status;
};

forEachEngine((engine) => {
  describe('A store for express-rate-limit', () => {
    const opened = async () => {
      const store = await engine.open();
      return { store, counts: new HoldfastStore(store, { prefix: 'web' }) };
    };

    test('is one by its types', async () => {
      const { counts } = await opened();
      const middlewareStore: MiddlewareStore = counts;
      expect([middlewareStore.localKeys, middlewareStore.prefix]).toEqual([false, 'web']);
    });

    test('lets as many requests pass as the middleware’s limit, by address', async () => {
      const { counts } = await opened();
      const url = await served({ store: counts });
      const statuses = [];
      for (let i = 0; i < 5; i++) statuses.push(await statusOf(url));
      expect(statuses).toEqual([200, 200, 200, 429, 429]);
      expect(await statusOf(url, '10.0.0.7')).toBe(200);
      const { headers } = await fetch(url, { headers: { 'X-Forwarded-For': '10.0.0.7' } });
      expect(headers.get('ratelimit')).toMatch(/r=1; t=(3600|3599)/);
    });

    test('is shared by middleware elsewhere, and has counts of its own for another prefix', async () => {
      const { store, counts } = await opened();
      const other = await engine.reopen(store);
      const urls = [
        await served({ store: counts }),
        await served({ store: new HoldfastStore(other, { prefix: 'web' }) }),
      ];
      for (const i of [0, 1, 0]) expect(await statusOf(urls[i]!)).toBe(200);
      for (const i of [1, 0]) expect(await statusOf(urls[i]!)).toBe(429);
      const apart = await served({ store: new HoldfastStore(store, { prefix: 'apart' }) });
      expect(await statusOf(apart)).toBe(200);
    });

    test('takes back what the middleware does not want to have counted', async () => {
      const { counts } = await opened();
      const url = await served({ store: counts, skipFailedRequests: true });
      for (let i = 0; i < 6; i++) {
        expect(await statusOf(`${url}/broken`)).toBe(500);
        // It is taken back after the response was sent.
        while ((await counts.get('127.0.0.1')) !== undefined)
          await new Promise((resolve) => setTimeout(resolve, 2));
      }
      expect(await statusOf(url)).toBe(200);
    });

    test('counts, tells, and forgets', async () => {
      const { counts } = await opened();
      counts.init({ windowMs: 60_000 });
      expect(await counts.get('a')).toBeUndefined();
      for (const totalHits of [1, 2, 3]) expect((await counts.increment('a')).totalHits).toBe(totalHits);
      const { totalHits, resetTime } = (await counts.get('a'))!;
      expect(totalHits).toBe(3);
      expect(Math.abs(resetTime.getTime() - Date.now() - 60_000)).toBeLessThan(30_000);
      await counts.increment('b');
      await counts.decrement('a');
      expect((await counts.get('a'))?.totalHits).toBe(2);
      await counts.resetKey('a');
      expect(await counts.get('a')).toBeUndefined();
      expect((await counts.get('b'))?.totalHits).toBe(1);
      await counts.resetAll();
      expect(await counts.get('b')).toBeUndefined();
      counts.shutdown();
      expect((await counts.increment('b')).totalHits).toBe(1);
    });

    test('begins a new window when one has ended', async () => {
      const { counts } = await opened();
      counts.init({ windowMs: 40 });
      await counts.increment('a');
      const { resetTime } = await counts.increment('a');
      while (Date.now() <= resetTime.getTime() + 1) await new Promise((resolve) => setTimeout(resolve, 5));
      expect((await counts.increment('a')).totalHits).toBe(1);
    });

    test('refuses what is no store or option, and calls before the middleware’s', async () => {
      const { store } = await opened();
      expect(() => new HoldfastStore({} as AsyncStore)).toThrow(TypeError);
      expect(() => new HoldfastStore(store, { prefix: '' })).toThrow(RangeError);
      expect(() => new HoldfastStore(store, { prefx: 'a' } as never)).toThrow(/no option "prefx"/);
      expect(() => {
        new HoldfastStore(store).init({ windowMs: 0 });
      }).toThrow(RangeError);
      await expect(new HoldfastStore(store).increment('a')).rejects.toThrow(/init\(\) must be called first/);
    });

    test('fails as its store does, and the middleware lets requests pass where it is told to', async () => {
      const { store, counts } = await opened();
      const url = await served({ store: counts, passOnStoreError: true });
      await store.close();
      await expect(counts.increment('a')).rejects.toThrow(withCode('ERR_CLOSED'));
      expect(await statusOf(url)).toBe(200);
    });

    test('is one limit for two processes, also after one was killed and another took its place', async () => {
      const { store } = await opened();
      const start = async () => {
        const process = startProcess('sync-server.js', engine.location(store), 3_600_000);
        return { process, url: `http://127.0.0.1:${await process.nextMessage<number>()}` };
      };
      const [one, two] = await Promise.all([start(), start()]);
      for (const { url } of [one, two, one]) expect(await statusOf(url)).toBe(200);
      await one.process.kill9();
      const three = await start();
      for (const { url } of [three, two]) expect(await statusOf(url)).toBe(200);
      for (const { url } of [three, two]) expect(await statusOf(url)).toBe(429);
      for (const { process } of [two, three]) {
        await process.send('stop');
        await process.result();
      }
    });
  });
});
