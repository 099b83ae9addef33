// @ts-check
// Writes a large value as a stream, or reads it, and tells by how many bytes the process has grown at most.
import { Cache } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, what, size = '0'] = args;
const store = await openStore(location);
/** @type {import('holdfast').AsyncCache<Uint8Array>} */
const cache = new Cache(store, 'files', { maxBytes: '8GiB' });
await cache.has('value');

const before = process.memoryUsage.rss();
let bytes = 0;
const piece = Buffer.alloc(65_536, 'as a file is read ');
if (what === 'write') {
  await cache.write(
    'value',
    (function* () {
      for (; bytes < Number(size); bytes += piece.byteLength) yield piece;
    })(),
  );
} else for await (const part of (await cache.read('value')) ?? []) bytes += part.byteLength;
send({ bytes, grown: process.resourceUsage().maxRSS * 1024 - before });
await store.close();
