import { keyBounds, type Key, type KeyColumn } from '../../core/key.js';
import { places } from '../../core/schema.js';
import { all, type Script } from '../../core/script.js';
import type { Kind, Page } from '../../core/store.js';
import { lists, type ListedRow } from './statements.js';

/** Makes a page of a sequence: what comes behind `cursor`. */
export type Paging<C> = (
  structure: number,
  cursor: C | undefined,
  limit: number,
) => Script<Page<C, ListedRow>>;

const direction = (reverse: boolean): 'forward' | 'reverse' => (reverse ? 'reverse' : 'forward');
const byPlace = (rows: readonly ListedRow[]): Page<number, ListedRow> =>
  rows.map((row) => [Number(row[0]), row] as const);

/** In the order of insertion. */
export function insertionPages(columns: 'entries' | 'keys', reverse: boolean): Paging<number> {
  const statement = lists[columns][direction(reverse)];
  const start = reverse ? places : 0;
  return function* (structure, cursor = start, limit) {
    return byPlace(yield* all(statement, structure, cursor, structure, limit));
  };
}

/** Keys that have a tag, in the order of insertion. */
export function tagPages(tag: string, reverse: boolean): Paging<number> {
  const statement = lists.tag[direction(reverse)];
  const start = reverse ? places : 0;
  return function* (structure, cursor = start, limit) {
    return byPlace(yield* all(statement, structure, tag, structure, cursor, limit));
  };
}

/** Keys that begin so, in their order. */
export function prefixPages(
  prefix: string | Uint8Array | readonly Key[],
  reverse: boolean,
  kind: Kind,
): Paging<KeyColumn> {
  const { low, high } = keyBounds({ prefix }, kind);
  return function* (structure, cursor, limit) {
    const statement = lists.prefix[cursor === undefined ? 'first' : 'next'][direction(reverse)];
    const least = reverse ? low : (cursor ?? low);
    const most = reverse ? (cursor ?? high) : high;
    const rows = yield* all(statement, structure, least ?? '', most ?? '', limit);
    return rows.map((row) => [row[1], row] as const);
  };
}
