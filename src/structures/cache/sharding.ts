import { HoldfastError } from '../../core/errors.js';
import { innerDirectory } from '../../core/inner.js';
import { decodeKey, hashOfKey, type Key, type KeyColumn } from '../../core/key.js';
import { Statement } from '../../core/statement.js';
import { unlimited, type StoredLimits } from './options.js';
import type { FillRow, Found } from './statements.js';

/** Where the entries of a cache are: in the main database where there is one shard, else in as many directories. */
export interface Layout {
  readonly structure: number;
  readonly shards: number;
  /** Grows whenever the entries are moved: directories of another generation are left over. */
  readonly generation: number;
}

/** Of a cache that nothing is stored of. */
export const unstored: Layout = { structure: 0, shards: 1, generation: 0 };

type LayoutRow = [structure: number, shards: number, generation: number];

export const sharding: Statement<[structure: number], LayoutRow> = new Statement(
  'SELECT structure, shards, generation FROM caches WHERE structure = ?',
);

export function layoutOf(row: LayoutRow | undefined): Layout {
  if (row === undefined) return unstored;
  const [structure, shards, generation] = row;
  return { structure, shards, generation };
}

/** The data were moved; whoever knows where to begins again there. */
export class Moved extends HoldfastError {
  constructor() {
    super('ERR_SHARDS', 'the cache got another number of shards meanwhile: begin anew');
  }
}

/** What a statement has found; it may have found that the entries are in shards elsewhere. */
export function columnOf<T>(row: Found<T> | undefined): T | undefined {
  const column = row?.[0] ?? undefined;
  if (column instanceof Uint8Array && column.byteLength === 0) throw new Moved();
  return column;
}

/** @throws {@link HoldfastError} `ERR_SHARDS` when another number was given than is stored. */
export function checkShards(given: number | undefined, stored: number): void {
  if (given !== undefined && given !== stored)
    throw new HoldfastError(
      'ERR_SHARDS',
      `the cache has ${stored === 1 ? '1 shard' : `${stored} shards`}, not ${given}: open it with that number or without one, or move it with reshard()`,
    );
}

/** What is in the main database stays valid there, whatever it was in between. The number is another where the cache was first used in a transaction that was rolled back. */
export const isSame = (a: Layout, b: Layout): boolean =>
  a.shards === b.shards && (a.shards === 1 || (a.structure === b.structure && a.generation === b.generation));

/** The directory of all shards of a cache, in that of the store. */
export const directoryOf = ({ structure, generation }: Layout): string =>
  innerDirectory(structure, generation);
export const pathOf = (layout: Layout, shard: number): string => `${directoryOf(layout)}/${shard}`;

/** Which shard a key is in: the same in each process and version. */
export function shardOf(key: Key, shards: number): number {
  return hashOfKey(key) % shards;
}

export function shardOfColumn(column: KeyColumn, shards: number): number {
  return shards === 1 ? 0 : shardOf(decodeKey(column, 'embedded'), shards);
}

/** What each of them may hold. */
export function partOf([eviction, mostBytes, mostEntries]: FillRow, shards: number): StoredLimits {
  const part = (limit: number): number => (limit === unlimited ? unlimited : Math.ceil(limit / shards));
  return { eviction, mostBytes: part(mostBytes), mostEntries: part(mostEntries) };
}

/** What is given, by the shard of its key, with its place among the others. */
export function byShard<T>(
  items: readonly T[],
  keyOf: (item: T) => KeyColumn,
  shards: number,
): { readonly items: T[]; readonly places: number[] }[] {
  const groups = Array.from({ length: shards }, () => ({ items: [] as T[], places: [] as number[] }));
  for (const [place, item] of items.entries()) {
    const group = groups[shardOfColumn(keyOf(item), shards)];
    group?.items.push(item);
    group?.places.push(place);
  }
  return groups;
}
