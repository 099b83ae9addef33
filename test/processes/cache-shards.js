// @ts-check
// Writes to a cache and reads it, or moves it to other shards again and again, until it is killed or told to stop.
import { openSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Cache, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = '', work = '', file = ''] = args;
const store = open(directory, { busyTimeout: '60s' });
/** @type {Cache<any>} */
const cache = new Cache(store, 'c');

let stopped = false;
process.once('message', () => (stopped = true));

/** Notes each value that was acknowledged, and that what was acknowledged before can be read. */
async function write() {
  const acknowledged = openSync(file, 'a');
  send('begun');
  for (let i = 0; !stopped; i++) {
    const key = `${process.pid}:${i}`;
    if (i % 3 === 0) cache.set(key, `${key}=`.padEnd(i % 500, 'x'), { tags: [`t${i % 5}`] });
    else if (i % 3 === 1) cache.setMany([[key, `${key}=`]]);
    else if (!cache.add(key, `${key}=`)) throw new Error(`${key} is there already`);
    writeSync(acknowledged, `${key}\n`);
    const before = `${process.pid}:${Math.floor(Math.random() * (i + 1))}`;
    if (cache.get(before)?.startsWith(`${before}=`) !== true) throw new Error(`${before} is not there`);
    if (i % 20 === 0) await nextTurn();
  }
}

async function reshard() {
  // Each time to another number, but for the first, which may be what it is already.
  for (let i = Math.floor(Math.random() * 4); ; i += 1 + Math.floor(Math.random() * 3)) {
    send('begun');
    await cache.reshard(1 + (i % 4));
  }
}

await (work === 'write' ? write() : reshard());
store.close();
