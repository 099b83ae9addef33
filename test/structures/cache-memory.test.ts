import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { withCode } from './helpers.js';

interface Streamed {
  readonly bytes: number;
  readonly grown: number;
}

forEachEngine((engine) => {
  test('a stream is written and read by processes that take far less memory than it', async () => {
    const store = await engine.open();
    const size = 256 * 1024 ** 2;
    for (const what of ['write', 'read']) {
      const streamer = startProcess('cache-stream.js', engine.location(store), what, size);
      const { bytes, grown } = await streamer.result<Streamed>();
      expect(bytes, what).toBe(size);
      expect(grown, what).toBeLessThan(size / 2);
    }
    // A server has no more at once.
    if (engine.name !== 'server') return;
    const cache = new Cache<Uint8Array>(store, 'files');
    await expect(cache.get('value')).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    await expect(cache.set('other', Buffer.alloc(size))).rejects.toThrow(withCode('ERR_TOO_LARGE'));
    expect(await cache.has('value')).toBe(true);
  });
});
