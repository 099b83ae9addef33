// Rate limits: a take, and the same statement by hand; peers; and whether the rate is held while processes wait for their turns.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openDatabase } from '../candidates/sqlite.js';
import { keyOf, someOf } from '../lib/data.js';
import { clock, sideBySide } from '../lib/measure.js';
import { nextMessage, removeDirectory, startScript, temporaryDirectory } from '../lib/temporary.js';

const keys = 1000;
const limit = 100;
/** More than is taken: keys stay in use, and all is allowed. */
const most = 1_000_000_000;
const processes = 8;
const rate = 500;
/** What may be made up for when all processes are held up at once. It is there at the start, too. */
const burst = 50;

const elapsed =
  'CASE WHEN t.boot = excluded.boot THEN max(0, excluded.mono - t.mono) ELSE max(0, excluded.wall - t.wall) END';
const debt = `max(0, t.debt - (${elapsed}) * ?) + excluded.debt`;

/** The statement that Throttle runs, on a table of its own. */
function byHand(directory) {
  const db = openDatabase(directory);
  db.function('mono', () => Number(process.hrtime.bigint() / 1_000n) / 1_000);
  db.function('wall', () => Date.now());
  db.function('boot', () => '6ba7b810-9dad-11d1-80b4-00c04fd430c8');
  db.exec(
    'CREATE TABLE bucket (k TEXT PRIMARY KEY, debt REAL, mono REAL, wall REAL, boot TEXT) STRICT, WITHOUT ROWID',
  );
  const take = db
    .prepare(
      `INSERT INTO bucket AS t (k, debt, mono, wall, boot) VALUES (?, ?, mono(), wall(), boot())
       ON CONFLICT (k) DO UPDATE SET debt = ${debt}, mono = excluded.mono, wall = excluded.wall, boot = excluded.boot
       WHERE ${debt} <= ? RETURNING debt`,
    )
    .pluck();
  const read = db.prepare('SELECT debt FROM bucket WHERE k = ?').pluck();
  const perMs = limit / 60_000;
  return {
    name: 'by hand',
    take: (key) => take.all(key, 1, perMs, perMs, most)[0] ?? read.get(key),
    refused: (key) => take.all(key, 1, 1e-9, 1e-9, 0)[0] ?? read.get(key),
    close: () => db.close(),
  };
}

async function ofHoldfast(build, directory) {
  const { open, Throttle } = await import(build);
  const store = open(directory);
  const throttle = new Throttle(store, 'api', { limit, per: '1m', burst: most });
  const full = new Throttle(store, 'full', { limit: 1, per: '7d' });
  for (let i = 0; i < keys; i++) full.take({ key: keyOf(i) });
  return {
    name: 'Holdfast',
    take: (key) => throttle.take({ key }),
    refused: (key) => full.take({ key }),
    close: () => store.close(),
  };
}

async function flexible(report, directory) {
  const { RateLimiterSQLite } = await import('rate-limiter-flexible').catch(() => ({}));
  if (RateLimiterSQLite === undefined)
    return void report.missing.push('the npm package rate-limiter-flexible');
  const db = new Database(join(directory, 'flexible.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  const options = { storeClient: db, storeType: 'better-sqlite3', tableName: 'limits' };
  const made = (points, keyPrefix) =>
    new Promise((resolve, reject) => {
      const limiter = new RateLimiterSQLite({ ...options, points, duration: 60, keyPrefix }, (error) =>
        error ? reject(error) : resolve(limiter),
      );
    });
  const [limiter, full] = [await made(most, 'a'), await made(0, 'b')];
  return {
    name: 'rate-limiter-flexible',
    take: (key) => limiter.consume(key),
    refused: (key) => full.consume(key).catch(() => {}),
    close: () => db.close(),
  };
}

/** By one script, as its users do: GCRA in Lua, on the server's clock. */
const script = `local t = redis.call('TIME') local now = t[1] * 1000 + t[2] / 1000
local tat = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now)) + tonumber(ARGV[1])
if tat - now > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], tostring(tat), 'PX', math.ceil(tat - now)) return 1`;

async function ofRedis(peer) {
  if (peer === undefined) return undefined;
  const { client, close } = await peer.connect();
  const take = (key, cost, most) =>
    client.eval(script, { keys: [key], arguments: [String(cost), String(most)] });
  return {
    name: 'Redis',
    take: (key) => take(key, 60_000 / limit, (most * 60_000) / limit),
    refused: (key) => take(key, 1, 0),
    close,
  };
}

function runner(candidate, operation, perRound) {
  return {
    name: candidate.name,
    async run(round) {
      const inputs = someOf(perRound, keys, round).map(keyOf);
      const stop = clock();
      if (candidate.name === 'by hand' || candidate.name === 'Holdfast')
        for (const key of inputs) candidate[operation](key);
      else for (const key of inputs) await candidate[operation](key);
      return [stop()];
    },
  };
}

async function heldRate(build, seconds) {
  const directory = temporaryDirectory();
  try {
    const children = Array.from({ length: processes }, () =>
      startScript('taker.js', [build, directory, String(rate), String(burst)]),
    );
    await Promise.all(children.map(nextMessage));
    const start = Date.now() + 300;
    const results = Promise.all(children.map(nextMessage));
    for (const child of children) child.send({ start, end: start + seconds * 1000 });
    const counts = (await results).map(({ count }) => count);
    const total = counts.reduce((sum, count) => sum + count, 0);
    return {
      ...{ processes, seconds, wanted: rate },
      rate: (total - burst) / seconds,
      unfairness: Math.max(...counts) / Math.min(...counts),
    };
  } finally {
    removeDirectory(directory);
  }
}

/** @param {{ build: string, quick: boolean, peers: boolean, redis?: any, progress(what: string): void }} options */
export async function measureThrottle({ build, quick, peers, redis, progress }) {
  const directory = temporaryDirectory();
  const report = { missing: [] };
  const candidates = [byHand(directory), await ofHoldfast(build, temporaryDirectory())];
  if (peers) candidates.push(await flexible(report, directory), await ofRedis(redis));
  const present = candidates.filter((candidate) => candidate !== undefined);
  for (const missing of report.missing) console.error(`Not measured against, since absent: ${missing}\n`);
  const rows = [];
  const perRound = 40;
  for (const [operation, name, target] of [
    ['take', 'Throttle.take, allowed', 1.3],
    ['refused', 'Throttle.take, refused'],
  ]) {
    progress(name);
    const runners = present.map((candidate) => runner(candidate, operation, perRound));
    const [figures] = await sideBySide(runners, { rounds: quick ? 20 : 200, perRound: [perRound] });
    rows.push({ name, target, figures });
  }
  for (const candidate of present) await candidate.close();
  progress('rate held');
  return { peers: present.map(({ name }) => name), rows, held: await heldRate(build, quick ? 2 : 10) };
}
