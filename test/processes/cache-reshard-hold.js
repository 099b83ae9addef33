// @ts-check
// Moves a cache to so many shards, and stops on the way, its event loop blocked, from when it has made the file `begun` until there is a file `go`.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cache, open } from 'holdfast';
import { args } from './child.js';

const [directory = '', shards = '', folder = ''] = args;
const sleeping = new Int32Array(new SharedArrayBuffer(4));
const store = open(directory);
await new Cache(store, 'c').reshard(Number(shards), {
  onProgress: () => {
    writeFileSync(join(folder, 'begun'), '');
    while (!existsSync(join(folder, 'go'))) Atomics.wait(sleeping, 0, 0, 2);
  },
});
store.close();
