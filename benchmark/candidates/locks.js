// A lock by several means, taken and given back with nobody else about.
import { join } from 'node:path';
import { openDatabase } from './sqlite.js';

/** The same two statements as `Lock` runs, on tables of the same shape. */
export function byHandLock(directory) {
  const db = openDatabase(directory);
  const monotonic = () => Number(process.hrtime.bigint() / 1000n) / 1000;
  db.function('monotonic', monotonic);
  db.exec(`
    CREATE TABLE structures (id INTEGER PRIMARY KEY, waiting INTEGER NOT NULL) STRICT;
    CREATE TABLE holds (structure INTEGER NOT NULL, slot INTEGER NOT NULL, owner INTEGER, fence INTEGER NOT NULL, since REAL NOT NULL,
      PRIMARY KEY (structure, slot)) STRICT, WITHOUT ROWID;
    INSERT INTO structures VALUES (1, 0);`);
  const unwatched = 'NOT EXISTS (SELECT 1 FROM structures s WHERE s.id = holds.structure AND s.waiting > 0)';
  const take = db
    .prepare(
      `INSERT INTO holds VALUES (?, 0, ?, 1, monotonic()) ON CONFLICT (structure, slot) DO UPDATE
       SET owner = excluded.owner, fence = holds.fence + 1, since = excluded.since WHERE holds.owner IS NULL AND ${unwatched} RETURNING fence`,
    )
    .pluck();
  const free = db.prepare(
    `UPDATE holds SET owner = NULL, since = monotonic() WHERE structure = ? AND slot = 0 AND owner = ? AND fence = ? AND ${unwatched}`,
  );
  return {
    cycle() {
      const [fence] = take.all(1, 1);
      free.run(1, 1, fence);
    },
    close: () => db.close(),
  };
}

/** `Lock` itself: `how` it is acquired. */
export async function holdfastLock(build, directory, how) {
  const { open, Lock } = await import(build);
  const store = open(directory);
  const lock = new Lock(store, 'lock');
  const cycles = {
    tryAcquire: () => lock.tryAcquire().release(),
    acquire: async () => (await lock.acquire()).release(),
    use: () => lock.use(() => undefined),
  };
  return { cycle: cycles[how], close: () => store.close() };
}

/** @returns `undefined` where the package is absent. */
export async function properLockfile(directory) {
  const { default: lockfile } = await import('proper-lockfile').catch(() => ({ default: undefined }));
  if (lockfile === undefined) return undefined;
  const file = join(directory, 'lock');
  const options = { realpath: false };
  return { cycle: () => lockfile.lockSync(file, options)(), close: () => {} };
}

/** @returns `undefined` where the packages are absent. @param {number} port - Of a Redis server on the loopback interface. */
export async function redlock(port) {
  const [{ default: Redlock }, { default: Redis }] = await Promise.all(
    ['redlock', 'ioredis'].map((name) => import(name).catch(() => ({ default: undefined }))),
  );
  if (Redlock === undefined || Redis === undefined) return undefined;
  const client = new Redis({ host: '127.0.0.1', port });
  const locks = new Redlock([client]);
  return {
    async cycle() {
      const lock = await locks.acquire(['lock'], 30_000);
      await lock.release();
    },
    close: () => client.disconnect(),
  };
}
