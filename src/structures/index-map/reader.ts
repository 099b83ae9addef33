import { keyBounds, type Key, type KeyBounds, type KeyColumn, type KeyRange } from '../../core/key.js';
import { boolean, knownKeys, wholeNumber, type IterationOptions } from '../../core/options.js';
import { places } from '../../core/schema.js';
import { all, type Script } from '../../core/script.js';
import type { Value } from '../../core/statement.js';
import type { Kind, Page } from '../../core/store.js';
import { byKey, byPlace, type EntryRow } from './statements.js';

/** Which columns a page needs. */
export type PageColumns = 'entries' | 'keys';

/** A page of entries in the order of insertion. */
export function insertionPages(columns: PageColumns, reverse: boolean) {
  const statement = byPlace[columns][reverse ? 'reverse' : 'forward'];
  const start = reverse ? places : 0;
  return function* (
    structure: number,
    cursor: number | undefined,
    limit: number,
  ): Script<Page<number, EntryRow>> {
    const rows = yield* all(statement, structure, cursor ?? start, structure, limit);
    return rows.map((row) => [Number(row[0]), row] as const);
  };
}

/** A page of entries in the order of keys. */
export function keyPages(columns: PageColumns, bounds: KeyBounds, reverse: boolean) {
  return function* (
    structure: number,
    cursor: KeyColumn | undefined,
    limit: number,
  ): Script<Page<KeyColumn, EntryRow>> {
    const rest = cursor === undefined ? bounds : behind(bounds, cursor, reverse);
    const rows = yield* all(byKey(columns, rest, reverse), ...parameters(structure, rest), limit);
    return rows.map((row) => [row[1], row] as const);
  };
}

/** What is left of a range once the entry with the key `cursor` was read. */
function behind(bounds: KeyBounds, cursor: KeyColumn, reverse: boolean): KeyBounds {
  return reverse
    ? { ...bounds, high: cursor, highInclusive: false }
    : { ...bounds, low: cursor, lowInclusive: false };
}

/** What a statement of `bounded` keys is given. */
export function parameters(structure: number, { low, high }: KeyBounds): Value[] {
  const values: Value[] = [structure];
  if (low !== null) values.push(low);
  if (high !== null) values.push(high);
  return values;
}

/** All keys. */
export const everything: KeyBounds = { low: null, lowInclusive: true, high: null, highInclusive: true };

/** A range of keys, and how to go through it. */
export interface RangeOptions<K> extends KeyRange<K>, IterationOptions {
  /** The most entries there may be: 1 or more. @defaultValue no limit */
  readonly limit?: number | undefined;
}

/** {@link RangeOptions}, checked. */
export interface ResolvedRange {
  readonly bounds: KeyBounds;
  readonly reverse: boolean;
  readonly limit: number;
}

const rangeKeys = ['gt', 'gte', 'lt', 'lte', 'prefix'] as const;

/** The bounds of what is to be deleted. An undefined one is taken for a mistake: it would delete more than was meant. */
export function resolveBounds<K extends Key>(range: KeyRange<K>, kind: Kind): KeyBounds {
  knownKeys('range', range, rangeKeys);
  const missing = Object.entries(range).find(([, bound]) => bound === undefined);
  if (missing !== undefined)
    throw new TypeError(`range.${missing[0]} is undefined; leave it out if it is meant to be unbounded`);
  return keyBounds(range, kind);
}

export function resolveRange<K extends Key>(options: RangeOptions<K>, kind: Kind): ResolvedRange {
  knownKeys('options of a range', options, [...rangeKeys, 'reverse', 'limit']);
  const { reverse = false, limit = Infinity } = options;
  boolean('reverse', reverse);
  if (limit !== Infinity) wholeNumber('limit', limit, 1);
  return { bounds: keyBounds(options, kind), reverse, limit };
}
