// @ts-check
// Stores values of all sizes in a cache, streams some, deletes some, and notes in a file what is done.
import { openSync, writeSync } from 'node:fs';
import { Cache } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, acknowledgements = '', from = ''] = args;
const cache = /** @type {import('holdfast').AsyncCache<Uint8Array, number>} */ (
  new Cache(await openStore(location), 'values', { fileThreshold: '16KiB' })
);
const file = openSync(acknowledgements, 'a');

/** As the test makes them. @param {number} i */
const valueOf = (i) =>
  Buffer.alloc(i % 3 === 0 ? 20_000 + ((i * 7919) % 400_000) : (i * 37) % 3_000, `${i}:`);

/** @param {Uint8Array} bytes */
function* piecesOf(bytes) {
  for (let at = 0; at < bytes.byteLength; at += 50_000) yield bytes.subarray(at, at + 50_000);
}

for (let i = Number(from); ; i++) {
  const key = i % 20;
  if (i % 7 === 6) await cache.delete(key);
  else if (i % 2 === 0) await cache.set(key, valueOf(i));
  else await cache.write(key, piecesOf(valueOf(i)));
  writeSync(file, `${i}\n`);
  if (i === Number(from)) send('writing');
  // Lets the channel tell when the test ends.
  await new Promise(setImmediate);
}
