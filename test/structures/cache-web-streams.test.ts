import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { Cache, type ByteSource } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, settled, until, withCode } from './helpers.js';

forEachEngine((engine) => {
  test('a piece of a stream of the web that is null is refused, and does not end it', async () => {
    const cache = new Cache<Uint8Array>(await engine.open(), 'c');
    const source = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.of(1));
        controller.enqueue(null);
        controller.enqueue(Buffer.of(2));
        controller.close();
      },
    });
    await expect(async () => cache.write('k', source as never)).rejects.toThrow(TypeError);
    expect(await cache.has('k')).toBe(false);
  });

  test.each([0, 1])(
    'a stream of the web that fails within %d ms ends write(), and not the process',
    async (after) => {
      for (const compress of [undefined, 'gzip'] as const) {
        const cache = new Cache<Uint8Array>(await engine.open(), 'c', { compress });
        const reason = new RangeError('source');
        const source = new ReadableStream<Uint8Array>({
          start(controller) {
            if (after === 0) controller.error(reason);
            else setTimeout(() => controller.error(reason), after);
          },
        });
        expect(await settled(cache.write('k', source), 3_000)).toEqual({ status: 'rejected', reason });
        await pause(20);
      }
    },
  );

  test('a stream of the web is not read far ahead of what is written', async () => {
    const cache = new Cache<Uint8Array>(await engine.open(), 'c', { maxBytes: '4MiB' });
    await cache.set('other', 1 as never);
    let pulled = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (++pulled > 100) controller.close();
          else controller.enqueue(new Uint8Array(1024 * 1024));
        },
      },
      { highWaterMark: 0 },
    );
    await expect(cache.write('k', source)).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    expect(pulled).toBeLessThan(10);
  });

  test('whatever a write is refused for, its source is closed', async () => {
    const store = await engine.open();
    const cache = new Cache<Uint8Array>(store, 'c', { maxBytes: '1MiB' });
    const closed = await engine.open();
    const late = new Cache<Uint8Array>(closed, 'c');
    await closed.close();
    const writes: ((source: ByteSource) => Promise<void>)[] = [
      (source) => cache.write('k', source, { signal: AbortSignal.abort() }),
      (source) => cache.write(Number.NaN, source),
      (source) => cache.write('k', source, { ttl: 'soon' as never }),
      (source) => cache.write('k', source),
      (source) => late.write('k', source),
      async (source) => store.transaction(() => cache.write('k', source) as never),
    ];
    for (const [i, write] of writes.entries()) {
      const piece = new Uint8Array(2 * 1024 * 1024);
      const readable = new Readable({ read: () => readable.push(piece) });
      await expect(write(readable), String(i)).rejects.toThrow();
      expect(readable.destroyed, String(i)).toBe(true);
      let isCancelled = false;
      const web = new ReadableStream({
        pull: (controller) => controller.enqueue(piece),
        cancel: () => void (isCancelled = true),
      });
      await expect(write(web), String(i)).rejects.toThrow();
      await until(() => isCancelled);
    }
  });
});
