// @ts-check
// Moves a cache to so many shards, and kills itself before the nth step that it takes on the disk; tells how many there are if it survives.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import Database from 'better-sqlite3';

const [directory = '', shards = '', dieAt = ''] = process.argv.slice(2);
let steps = 0;
let counts = false;

/** @param {any} owner @param {string[]} names */
function count(owner, ...names) {
  for (const name of names) {
    const original = owner[name];
    owner[name] = function (/** @type {any[]} */ ...args) {
      if (counts && ++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
      return original.apply(this, args);
    };
  }
}

count(fs, 'mkdirSync', 'openSync', 'closeSync', 'linkSync', 'rmSync', 'fsyncSync');
syncBuiltinESMExports();
const scratch = new Database(':memory:');
count(Database.prototype, 'exec', 'close');
count(Object.getPrototypeOf(scratch.prepare('SELECT 1')), 'run');

const { Cache, open } = await import('holdfast');
const store = open(directory);
const cache = new Cache(store, 'c');
cache.get('a');
counts = true;
await cache.reshard(Number(shards));
counts = false;
store.close();
process.send?.(steps);
process.disconnect?.();
