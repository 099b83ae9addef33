// @ts-check
// Opens a store and writes to it, and kills itself before the nth step it takes on the disk.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import Database from 'better-sqlite3';

const [directory = '', dieAt = ''] = process.argv.slice(2);
let steps = 0;

/** @param {any} owner @param {string[]} names */
function count(owner, ...names) {
  for (const name of names) {
    const original = owner[name];
    owner[name] = function (/** @type {any[]} */ ...args) {
      if (++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
      return original.apply(this, args);
    };
  }
}

count(fs, 'mkdirSync', 'openSync', 'closeSync', 'linkSync', 'rmSync');
syncBuiltinESMExports();
const scratch = new Database(':memory:');
count(Database.prototype, 'exec', 'close');
// What only reads changes nothing that a death could leave half done.
count(Object.getPrototypeOf(scratch.prepare('SELECT 1')), 'run');

const { Deque, Index, open } = await import('holdfast');
const store = open(directory);
store.transaction(() => {
  new Index(store, 'pairs').set('key', 'value');
  new Deque(store, 'items').push('value');
});
// Registers an owner, and waits in line.
await new Deque(store, 'empty').take({ timeout: 1 }).catch(() => {});
store.close();
