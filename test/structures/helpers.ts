import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Client } from 'pg';
import { expect, onTestFinished } from 'vitest';
import type { AsyncStore } from '../../src/index.js';
import type { Engine } from '../support/stores.js';

/** A place in a row number takes this many values. */
const places = 2 ** 42;

/** A step of a transaction: what it yields is awaited on a server, and taken as it is on an embedded store. */

export type Steps<T> = Generator<unknown, T>;

export const isEmbedded = (store: AsyncStore): boolean => (store.kind as string) === 'embedded';

/**
 * A transaction written once for both engines: `yield` stands for `await`, since the embedded engine's must not be async.
 * One inside another is written `yield transact(store, function* () { … })`.
 */
export function transact<T>(store: AsyncStore, body: () => Steps<T>): Promise<T> {
  if (!isEmbedded(store)) return store.transaction(() => awaited(body()));
  return store.transaction(() => driven(body()));
}

async function awaited<T>(steps: Steps<T>): Promise<T> {
  let turn = steps.next();
  while (turn.done !== true) {
    let answer: unknown;
    try {
      answer = await turn.value;
    } catch (error) {
      turn = steps.throw(error);
      continue;
    }
    turn = steps.next(answer);
  }
  return turn.value;
}

function driven<T>(steps: Steps<T>): T {
  let turn = steps.next();
  while (turn.done !== true) turn = steps.next(turn.value);
  return turn.value;
}

/** Rolls a transaction back, and nothing else. */
export class Rollback extends Error {}

/** Runs `body` in a transaction that is rolled back. */
export async function rolledBack(store: AsyncStore, body: () => Steps<unknown>): Promise<void> {
  await expect(async () =>
    transact(store, function* () {
      yield* body();
      throw new Rollback();
    }),
  ).rejects.toThrow(Rollback);
}

/** Runs `body` in a savepoint that is rolled back, inside a transaction that is not. */
export async function rolledBackWithin(store: AsyncStore, body: () => Steps<unknown>): Promise<void> {
  await transact(store, function* () {
    try {
      yield transact(store, function* () {
        yield* body();
        throw new Rollback();
      });
    } catch (error) {
      if (!(error instanceof Rollback)) throw error;
    }
  });
}

/** All of a sequence: at once on an embedded store, also inside a transaction; a promise on a server. */
export function collect<T>(sequence: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  if (Symbol.iterator in sequence) return [...sequence] as unknown as Promise<T[]>;
  return (async () => {
    const items: T[] = [];
    for await (const item of sequence) items.push(item);
    return items;
  })();
}

/** Expects a call to be refused: thrown on an embedded store; a rejection, and never a throw, on a server. */
export async function refused(store: AsyncStore, call: () => unknown, error: unknown): Promise<void> {
  if (isEmbedded(store)) {
    await expect(async () => call()).rejects.toThrow(error);
    return;
  }
  await expect(call()).rejects.toThrow(error);
}

/** An error with this code, for `toThrow`. */
export const withCode = (code: string): unknown => expect.objectContaining({ name: 'HoldfastError', code });

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until `condition` holds; the limit is only for a test that fails. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'what was expected did not come',
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(what);
    await pause(2);
  }
}

/** Settled within a time that only a hang exceeds. */
export async function settled<T>(promise: Promise<T>, within = 30_000): Promise<PromiseSettledResult<T>> {
  const hang = new AbortController();
  const timer = setTimeout(() => hang.abort(), within);
  const hung = new Promise<never>((_, reject) => {
    hang.signal.addEventListener('abort', () => reject(new Error(`still pending after ${within} ms`)));
  });
  try {
    const [result] = await Promise.allSettled([Promise.race([promise, hung])]);
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks or changes the tables of a store behind the library's back. */
export type Raw = (sql: string) => Promise<Record<string, number | string | null>[]>;

/** A connection of its own to the tables of a store. */
export async function rawConnection(engine: Engine, store: AsyncStore): Promise<Raw> {
  const place = JSON.parse(engine.location(store)) as { directory: string; url: string; schema: string };
  if (isEmbedded(store)) return rawDatabase(place.directory);
  const client = new Client({ connectionString: place.url, options: `-c search_path=${place.schema}` });
  await client.connect();
  onTestFinished(() => client.end());
  return async (sql) => {
    const { rows, fields } = await client.query<Record<string, number | string | null>>(sql);
    const bigints = new Set(
      fields.filter(({ dataTypeID }) => [20, 1700].includes(dataTypeID)).map((f) => f.name),
    );
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          bigints.has(name) && value !== null ? Number(value) : value,
        ]),
      ),
    );
  };
}

/** The same, for the database in a directory of an embedded store: also that of a shard. */
export function rawDatabase(directory: string): Raw {
  const database = new Database(join(directory, 'holdfast.db'), { timeout: 5_000 });
  onTestFinished(() => {
    database.close();
  });
  return async (sql) => {
    const statement = database.prepare<[], Record<string, number | string | null>>(sql);
    if (statement.reader) return statement.all();
    statement.run();
    return [];
  };
}

/** How many wait, or watch, in the whole store. */
export async function waiting(raw: Raw): Promise<number> {
  return Number((await raw('SELECT count(*) AS n FROM waiters'))[0]?.['n']);
}

/** Rows of caches that belong to nothing, or contradict others: there must be none. */
const cacheMisfits: Readonly<Record<string, string>> = {
  'an entry of no cache': `SELECT e.id FROM cached_entries e WHERE NOT EXISTS
    (SELECT 1 FROM caches c JOIN structures s ON s.id = c.structure AND s.kind = 'cache' WHERE c.structure = e.structure)`,
  'an entry whose place is another cache’s': `SELECT id FROM cached_entries WHERE id / ${places} <> structure`,
  'a tag of no entry': `SELECT t.entry AS id FROM cache_tags t WHERE NOT EXISTS
    (SELECT 1 FROM cached_entries e WHERE e.id = t.entry AND e.structure = t.structure)`,
  'it has tags and does not say so, or the other way round': `SELECT e.id FROM cached_entries e WHERE (e.tagged IS NOT NULL) <>
    EXISTS (SELECT 1 FROM cache_tags t WHERE t.entry = e.id)`,
  'it has a rank where nothing is evicted, or none elsewhere': `SELECT e.id FROM cached_entries e JOIN caches c ON c.structure = e.structure
    WHERE (e.rank IS NULL) <> (c.eviction = 'none')`,
  'it is fresh for longer than it is there': `SELECT id FROM cached_entries WHERE fresh IS NOT NULL AND (expires IS NULL OR expires < fresh)`,
  'a flight that is over without an error, or goes on with one': `SELECT id FROM cache_flights
    WHERE (owner IS NULL) <> (error IS NOT NULL) OR (owner IS NULL) <> (until IS NOT NULL)`,
  'a flight of no cache': `SELECT f.id FROM cache_flights f WHERE NOT EXISTS (SELECT 1 FROM caches c WHERE c.structure = f.structure)`,
};

/** What must hold of the rows of caches at any time, also in a database of a shard. */
export async function checkCaches(raw: Raw, message = ''): Promise<void> {
  for (const [what, sql] of Object.entries(cacheMisfits))
    expect(await raw(sql), `${what} ${message}`).toEqual([]);
}

/**
 * What must hold of the tables at any time: sizes and bytes as listed are those of the rows; the places of a deque are
 * consecutive, and its running totals add up; waiters are counted; what belongs to a cache fits together.
 */
export async function checkTables(
  raw: Raw,
  store: AsyncStore,
  message = '',
  elsewhere: readonly { readonly name: string; readonly entries: number; readonly bytes: number }[] = [],
): Promise<void> {
  const ids = await raw('SELECT id, kind, name, waiting, bytes FROM structures');
  const listed = await store.structures();
  const entries = await raw(
    `SELECT structure, count(*) AS n, sum(bytes) AS bytes FROM
     (SELECT structure, bytes FROM entries UNION ALL SELECT structure, bytes FROM cached_entries) AS rows GROUP BY structure`,
  );
  await checkCaches(raw, message);
  const items = await raw(
    `SELECT id / ${places} AS structure, id % ${places} AS place, bytes, span, upto FROM items ORDER BY id`,
  );
  const waiters = await raw('SELECT structure, count(*) AS n FROM waiters GROUP BY structure');
  expect(listed, message).toHaveLength(ids.length);
  for (const { id, kind, name, waiting, bytes } of ids) {
    const own = items.filter((item) => item['structure'] === id);
    const inIndex = entries.find((row) => row['structure'] === id);
    const inShards = elsewhere.find((one) => one.name === name);
    const expected = {
      kind,
      name,
      entries: own.length + Number(inIndex?.['n'] ?? 0) + (inShards?.entries ?? 0),
      bytes:
        own.reduce((sum, item) => sum + Number(item['bytes']), 0) +
        Number(inIndex?.['bytes'] ?? 0) +
        (inShards?.bytes ?? 0),
    };
    expect(
      listed.find((one) => one.kind === kind && one.name === name),
      message,
    ).toEqual(expected);
    expect(waiting, `waiting ${message}`).toBe(waiters.find((row) => row['structure'] === id)?.['n'] ?? 0);
    const difference = own.reduce((sum, item) => sum + Number(item['bytes']) - Number(item['span']), 0);
    if (kind === 'deque') expect(bytes, `bytes kept apart ${message}`).toBe(difference);
    for (const [i, item] of own.entries()) {
      const before = own[i - 1];
      if (before === undefined) continue;
      expect(item['place'], `consecutive ${message}`).toBe(Number(before['place']) + 1);
      expect(item['upto'], `running total ${message}`).toBe(Number(before['upto']) + Number(item['span']));
    }
  }
}

/** Values that a store might get wrong. */
export const strangeValues: readonly (readonly [name: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['NaN', NaN],
  ['-0', -0],
  ['0', 0],
  ['false', false],
  ['2**53', 2 ** 53],
  ['2n**70n', 2n ** 70n],
  ['Infinity', -Infinity],
  ['the empty string', ''],
  ['a string with NUL', 'a\0b'],
  ['a lone surrogate', '\ud800'],
  ['no bytes', new Uint8Array(0)],
  ['bytes', Uint8Array.of(0, 255, 0)],
  ['an empty object', {}],
  ['an empty array', []],
  ['a sparse array', [1, , 3]], // eslint-disable-line no-sparse-arrays
  ['nested', { a: [undefined, null, NaN, -0, new Date(0), new Map([[1, new Set([2])]])] }],
  ['10 MB of text', 'ab'.repeat(5_000_000)],
  ['10 MB of bytes', new Uint8Array(10_000_000).fill(7)],
];

/** `toStrictEqual`, which takes minutes for 10 MB. */
export function expectSame(actual: unknown, expected: unknown): void {
  const long = (value: unknown): value is string | Uint8Array =>
    (typeof value === 'string' || value instanceof Uint8Array) && value.length > 1_000_000;
  if (!long(expected)) {
    expect(actual).toStrictEqual(expected);
    return;
  }
  expect(typeof actual).toBe(typeof expected);
  expect(long(actual) && Buffer.from(actual).equals(Buffer.from(expected))).toBe(true);
}

/** Keys of every type, in their order. */
export const orderedKeys = [
  -Infinity,
  -(2n ** 63n),
  -1.5,
  0,
  5e-324,
  1,
  2 ** 53,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  Infinity,
  '',
  'A',
  'a',
  'a\0',
  'aa',
  'é',
  '\uffff',
  '\u{10ffff}',
  false,
  true,
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  Uint8Array.of(255),
  [],
  [1],
  [1, 'a'],
  ['a'],
  ['a', 1],
  [['a']],
] as const;

/** A promise, and what settles it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
