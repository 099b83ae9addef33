// @ts-check
// Fires the ticks of a queue, and kills itself before the nth statement from the first on that changes a schedule.
import Database from 'better-sqlite3';
import pg from 'pg';
import { args, openStore } from './child.js';

const [location, dieAt] = args;
let steps = 0;

/** @param {string} text */
function count(text) {
  if (steps === 0 && !/^\s*UPDATE \S*schedules\b/.test(text)) return;
  // What only reads changes nothing that a death could leave half done.
  if (!/^\s*SELECT/.test(text) && ++steps === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
}

const prepared = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1'));
for (const name of ['run', 'all', 'get']) {
  const original = prepared[name];
  prepared[name] = function (/** @type {any[]} */ ...given) {
    count(this.source);
    return original.apply(this, given);
  };
}
const query = /** @type {any} */ (pg.Client.prototype.query);
pg.Client.prototype.query = function (/** @type {any[]} */ ...given) {
  count(given[0].text ?? given[0]);
  return query.apply(this, given);
};

const { Queue } = await import('holdfast');
/** @type {import('holdfast').AsyncQueue<any>} */
const queue = new Queue(await openStore(location), 'jobs');
queue.work(() => {});
