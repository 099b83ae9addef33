// Writes a large value to a cache as a stream, or reads it, and tells how much memory the process took at most.
import { existsSync, readFileSync } from 'node:fs';

const [build = '', directory = '', what = '', size = '0'] = process.argv.slice(2);
/** @type {typeof import('holdfast')} */
const { Cache, open } = await import(build);
const store = open(directory);
/** @type {import('holdfast').Cache<Uint8Array>} */
const cache = new Cache(store, 'files', { maxBytes: '8GiB' });

/** What `maxRSS` says begins with what the process had that started this one. */
function mostMemory() {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const [, peak] = /VmHWM:\s+(\d+)/.exec(status) ?? [];
  return Number(peak ?? process.resourceUsage().maxRSS) * 1024;
}

const before = process.memoryUsage.rss();
const start = performance.now();
let bytes = 0;
if (what === 'write') {
  const piece = Buffer.alloc(65_536, 'as a file is read ');
  await cache.write(
    'value',
    (function* () {
      for (; bytes < Number(size); bytes += piece.byteLength) yield piece;
    })(),
  );
} else for await (const piece of cache.read('value') ?? []) bytes += piece.byteLength;
const seconds = (performance.now() - start) / 1000;
store.close();
process.send?.({ bytes, seconds, before, most: mostMemory() });
process.disconnect?.();
