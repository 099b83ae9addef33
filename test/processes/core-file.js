// @ts-check
// Writes the file of a value, and does not come to store its entry: it is killed inside the transaction.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Cache, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = ''] = args;
const store = open(directory);
const cache = new Cache(store, 'cache', { fileThreshold: 100 });
const files = () => readdirSync(join(directory, 'values'), { recursive: true, encoding: 'utf8' });
const before = new Set(files());
const file = await cache.write('streamed', streamed());
send(file);

/** @returns {AsyncGenerator<Uint8Array>} */
async function* streamed() {
  const written = () => files().find((one) => one.includes('-') && !before.has(one));
  while (written() === undefined) yield Buffer.alloc(5000);
  send(join(directory, 'values', written() ?? ''));
  await new Promise((resolve) => setTimeout(resolve, 1e9));
}
