import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache, type AsyncCache, type AsyncStore, type CheckReport } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { forEachEngine } from '../support/stores.js';
import { isEmbedded, rawConnection, until } from './helpers.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** As `cache-writer.js` makes them. */
const valueOf = (i: number): Buffer =>
  Buffer.alloc(i % 3 === 0 ? 20_000 + ((i * 7919) % 400_000) : (i * 37) % 3_000, `${i}:`);

/** What is under a key once `i`, of those that concern it, was done. */
const outcomeOf = (i: number): Buffer | undefined => (i % 7 === 6 ? undefined : valueOf(i));

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;

/** How many files of values there are. */
function countFiles(directory: string): number {
  const values = join(directory, 'values');
  if (!existsSync(values)) return 0;
  return readdirSync(values, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).length;
}

async function mended(store: AsyncStore): Promise<CheckReport> {
  await store.check({ repair: true });
  return store.check();
}

/** The last that a writer has acknowledged. */
const lastOf = (notes: string): number => Number(readFileSync(notes, 'utf8').trimEnd().split('\n').at(-1));

/** Looks for all that a writer has acknowledged up to `last`. The one that it was about when it was killed may be done, too. */
async function expectAll(cache: AsyncCache<Uint8Array, number>, last: number, hint: string): Promise<void> {
  const next = last + 1;
  for (let i = Math.max(0, last - 19); i <= last; i++) {
    const found = await cache.get(i % 20);
    const isRight = same(found, outcomeOf(i)) || (i % 20 === next % 20 && same(found, outcomeOf(next)));
    expect(isRight, `${hint}: key ${i % 20}, ${found?.byteLength ?? 'no'} bytes`).toBe(true);
  }
}

forEachEngine((engine) => {
  const rounds = 50;

  const name = `a writer of small and large values that is killed ${rounds} times loses nothing it acknowledged, and leaves nothing that check can’t mend`;
  test(name, { timeout: 600_000 }, async () => {
    const notes = join(temporaryDirectory(), 'acknowledged');
    const store = await engine.open();
    const cache = new Cache<Uint8Array, number>(store, 'values');
    const raw = await rawConnection(engine, store);
    const random = randomFrom(seed);
    let next = 0;
    for (let round = 1; round <= rounds; round++) {
      const hint = `SEED=${seed} round ${round}`;
      const writer = startProcess('cache-writer.js', engine.location(store), notes, next);
      await writer.nextMessage();
      await new Promise((resolve) => setTimeout(resolve, random() ** 2 * 60));
      await writer.kill9();
      const last = lastOf(notes);
      next = last + 1;
      await expectAll(cache, last, hint);
      expect((await mended(store)).findings, hint).toEqual([]);
    }
    const [{ n } = { n: 0 }] = await raw('SELECT count(*) AS n FROM cached_entries WHERE file IS NOT NULL');
    expect(n).toBeGreaterThan(0);
    if (isEmbedded(store)) {
      const { directory } = JSON.parse(engine.location(store)) as { directory: string };
      await until(() => countFiles(directory) === n, 'a file is left over');
    } else {
      const chunks = 'SELECT count(DISTINCT file) AS n FROM value_chunks';
      await until(async () => (await raw(chunks))[0]?.['n'] === n, 'chunks are left over');
    }
  });

  test('check that repairs, over and over, takes nothing from who stores small and large values meanwhile', async () => {
    const notes = join(temporaryDirectory(), 'acknowledged');
    const store = await engine.open();
    const cache = new Cache<Uint8Array, number>(store, 'values');
    const writer = startProcess('cache-writer.js', engine.location(store), notes, 0);
    await writer.nextMessage();
    for (let times = 0, seen = 0; times < 10 || seen < 100; times++) {
      expect((await store.check({ repair: true })).findings).toEqual([]);
      seen = lastOf(notes);
    }
    await writer.kill9();
    await expectAll(cache, lastOf(notes), 'after repairs');
    expect((await mended(store)).findings).toEqual([]);
  });
});
