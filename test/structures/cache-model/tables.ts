import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { Cache, type AsyncStore, type CacheStats } from '../../../src/index.js';
import type { Engine } from '../../support/stores.js';
import { checkCaches, checkTables, rawConnection, rawDatabase, type Raw } from '../helpers.js';
import { idOf, type SizeOf } from './model.js';
import { allKeys, fileThreshold, numbers, otherValues } from './steps.js';

type Row = Awaited<ReturnType<Raw>>[number];

const counted = ['hits', 'misses', 'evictions', 'expirations'] as const;

/** The tables of a cache, and its files, behind the library's back: those of each shard. */
export class Tables {
  readonly #main: Raw;
  /** Of the store, where it is embedded. */
  readonly #directory: string | undefined;
  readonly #shards: number;
  #parts: readonly Raw[] | undefined;

  private constructor(main: Raw, directory: string | undefined, shards: number) {
    this.#main = main;
    this.#directory = directory;
    this.#shards = shards;
  }

  static async of(engine: Engine, store: AsyncStore, shards: number): Promise<Tables> {
    const { directory } = JSON.parse(engine.location(store)) as { directory?: string };
    return new Tables(await rawConnection(engine, store), directory, shards);
  }

  async counts(): Promise<CacheStats> {
    const rows = await this.#ask(
      `SELECT ${counted.join()} FROM caches c JOIN structures s ON s.id = c.structure WHERE s.name = 'things'`,
    );
    const total = (name: keyof CacheStats): number => rows.reduce((sum, row) => sum + Number(row[name]), 0);
    const [hits, misses, evictions, expirations] = counted.map(total);
    return { hits: hits!, misses: misses!, evictions: evictions!, expirations: expirations! };
  }

  /** How many errors are to be told, yet. @param monotonic - The time. */
  async keptErrors(monotonic: number): Promise<number> {
    const condition = `error IS NOT NULL AND until > ${monotonic} + (SELECT ahead FROM clocks)`;
    return (await this.#ask(`SELECT id FROM cache_flights WHERE ${condition}`)).length;
  }

  /** How many values are being worked out. */
  async flights(): Promise<number> {
    return (await this.#ask('SELECT id FROM cache_flights WHERE owner IS NOT NULL')).length;
  }

  /** Where the steady clock of each shard was noted. */
  async clocks(): Promise<{ ahead: number; steady: number; wall: number }[]> {
    const rows = await this.#ask('SELECT ahead, steady, wall FROM clocks');
    return rows.map(({ ahead, steady, wall }) => ({
      ahead: Number(ahead),
      steady: Number(steady),
      wall: Number(wall),
    }));
  }

  async check(store: AsyncStore): Promise<void> {
    if (this.#shards === 1) return checkTables(this.#main, store);
    for (const raw of this.#each()) await checkCaches(raw);
    const rows = await this.#ask('SELECT bytes FROM cached_entries');
    const bytes = rows.reduce((sum, row) => sum + Number(row['bytes']), 0);
    await checkTables(this.#main, store, '', [{ name: 'things', entries: rows.length, bytes }]);
  }

  /** There are the files that entries have, and no others: files are removed aside, which takes a moment. @param turn - Lets that go on. */
  async checkFiles(turn: () => Promise<void>): Promise<void> {
    if (this.#directory === undefined) return;
    const rows = await this.#ask('SELECT file FROM cached_entries WHERE file IS NOT NULL');
    const directories = [this.#directory, ...this.#directories()];
    for (let tries = 0; tries < 1_000 && directories.flatMap(filesIn).length > rows.length; tries++)
      await turn();
    expect(directories.flatMap(filesIn).sort(), 'files').toEqual(rows.map(({ file }) => file).sort());
  }

  /** How many bytes keys and values take: each is stored once, beside. */
  async sizes(store: AsyncStore): Promise<SizeOf> {
    const values = [...numbers, ...otherValues];
    const scales = [Infinity, fileThreshold].map(
      (threshold) => new Cache<unknown>(store, 'scale', { fileThreshold: threshold }),
    );
    const weigh = async (scale: (typeof scales)[number], pairs: (readonly [unknown, unknown])[]) => {
      await scale.setMany(pairs as [string, unknown][]);
      const rows = await this.#main('SELECT bytes FROM cached_entries ORDER BY id');
      await scale.clear();
      return rows.map((row) => Number(row['bytes']));
    };
    const [plain, filed] = scales;
    const numbered = values.map((value, i) => [String(i).padStart(4, '0'), value] as const);
    const [plainly, inFiles] = [await weigh(plain!, numbered), await weigh(filed!, numbered)];
    const keyBytes = await weigh(
      plain!,
      allKeys.map((key) => [key, 0]),
    );
    const byKey = new Map(allKeys.map((key, i) => [idOf(key), keyBytes[i]!]));
    // As keys of strings of four characters and the number 0 take them.
    const nothing = plainly[numbers.indexOf(0)]!;
    const byValue = new Map(values.map((value, i) => [value, [plainly[i]!, inFiles[i]!] as const]));
    return (key, value, isFiled) => {
      const size = byValue.get(value)?.[isFiled ? 1 : 0];
      if (size === undefined) throw new Error(`not measured: ${String(value)}`);
      return size - nothing + byKey.get(idOf(key))!;
    };
  }

  /** Asks all shards. */
  async #ask(sql: string): Promise<Row[]> {
    const rows: Row[] = [];
    for (const raw of this.#each()) rows.push(...(await raw(sql)));
    return rows;
  }

  /** There from when the cache was used first. */
  #each(): readonly Raw[] {
    return (this.#parts ??= this.#shards === 1 ? [this.#main] : this.#directories().map(rawDatabase));
  }

  #directories(): string[] {
    if (this.#directory === undefined || this.#shards === 1) return [];
    const shards = join(this.#directory, 'shards');
    const [cache] = readdirSync(shards);
    return Array.from({ length: this.#shards }, (_, i) => join(shards, cache!, String(i)));
  }
}

/** Names of the files of values, as rows refer to them. */
function filesIn(directory: string): string[] {
  const values = join(directory, 'values');
  try {
    return readdirSync(values, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => relative(values, join(one.parentPath, one.name)));
  } catch {
    return [];
  }
}
