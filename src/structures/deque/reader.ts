import { places } from '../../core/schema.js';
import { all, type Script } from '../../core/script.js';
import type { Page } from '../../core/store.js';
import { sql, type ItemRow } from './statements.js';

/** Pages of items, from the left or the right. */
export function pages(reverse: boolean) {
  const [statement, begin] = reverse ? [sql.before, places] : [sql.after, 0];
  return function* (
    structure: number,
    cursor: number | undefined,
    limit: number,
  ): Script<Page<number, ItemRow>> {
    const rows = yield* all(statement, structure, cursor ?? begin, structure, limit);
    return rows.map((row) => [row[0], row] as const);
  };
}
