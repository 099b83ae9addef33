// The floor: what a queue has to write at the least, by hand on better-sqlite3. No results, events, history, limits or uniqueness; nobody is woken.
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { jobOf, jobsFrom } from '../../lib/jobs.js';

const claimedAtOnce = 64;

function openDatabase(directory, durability) {
  const db = new Database(join(directory, 'by-hand.db'), { timeout: 10_000 });
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  db.pragma('wal_autocheckpoint = 4000');
  db.exec(`
    CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, state INTEGER NOT NULL,
      priority INTEGER NOT NULL, claim INTEGER NOT NULL, worker INTEGER, data TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS job_ready ON job (queue, priority, id) WHERE state = 0;`);
  return db;
}

function statementsOf(db) {
  const add = db.prepare('INSERT INTO job (queue, state, priority, claim, data) VALUES (1, 0, 0, 0, ?)');
  const claim = db.prepare(
    `UPDATE job SET state = 1, claim = claim + 1, worker = ? WHERE id IN
       (SELECT id FROM job WHERE queue = 1 AND state = 0 ORDER BY priority, id LIMIT ?) RETURNING id, claim, data`,
  );
  const finish = db.prepare('DELETE FROM job WHERE id = ? AND claim = ? AND state = 1');
  const exchange = db.transaction((done, want) => {
    for (const { id, claim: number } of done) finish.run(id, number);
    return claim.all(process.pid, want);
  });
  return { add, exchange: exchange.immediate };
}

/** 64 jobs are claimed in the transaction that finishes those before; `concurrency` run at once. */
async function inBatches(exchange, run, concurrency, isStopped) {
  let jobs = [];
  while (!isStopped()) {
    jobs = exchange(jobs, claimedAtOnce);
    for (let i = 0; i < jobs.length; i += concurrency)
      await Promise.all(jobs.slice(i, i + concurrency).map(run));
    await (jobs.length > 0 ? turn() : sleep(1));
  }
}

/** Each job is finished in a transaction of its own, which claims the next one. */
async function oneByOne(exchange, run, isStopped) {
  let done = [];
  while (!isStopped()) {
    const jobs = exchange(done, 1);
    for (const job of jobs) await run(job);
    await (jobs.length > 0 ? turn() : sleep(1));
    done = jobs;
  }
}

export async function openQueue({ directory, durability }) {
  const db = openDatabase(directory, durability);
  const { add, exchange } = statementsOf(db);
  const left = db.prepare('SELECT count(*) FROM job').pluck();
  const addMany = db.transaction((jobs) => {
    for (const job of jobs) add.run(JSON.stringify(job));
  });
  return {
    add: (n) => add.run(JSON.stringify(jobOf(n))),
    addMany: (from, count) => addMany.immediate(jobsFrom(from, count)),
    work(handler, { concurrency, gathered }) {
      let stopped = false;
      const run = async ({ data }) => handler(JSON.parse(data).n);
      const isStopped = () => stopped;
      const ends = gathered
        ? [inBatches(exchange, run, concurrency, isStopped)]
        : Array.from({ length: concurrency }, () => oneByOne(exchange, run, isStopped));
      return {
        async stop() {
          stopped = true;
          await Promise.all(ends);
        },
      };
    },
    left: () => left.get(),
    close: () => db.close(),
  };
}
