import type { Script } from './script.js';
import type { EmbeddedEngine } from './sqlite.js';
import { firstPage, largestPage, type Page } from './store.js';
import { missingOf } from './value-files.js';

/** How long what was read ahead is taken for fresh without asking whether others wrote, in milliseconds: asking costs as much as ten items. */
const freshness = 0.02;

/** Iterates over the pages of a structure: see `Scope.pages`. */
export function* pagesOf<C, R, T>(
  engine: EmbeddedEngine,
  structure: () => number,
  next: (structure: number, cursor: C | undefined, limit: number) => Script<Page<C, R>>,
  read: (row: R) => T,
  most: number,
): IterableIterator<T> {
  let cursor: C | undefined;
  let limit = firstPage;
  let missing: unknown;
  for (let left = most; left > 0;) {
    const version = engine.dataVersion();
    const { writes } = engine;
    // A page is one statement, which needs no transaction.
    const page = engine.drive(next(structure(), cursor, Math.min(limit, left)));
    if (page.length === 0) return;
    let checked = performance.now();
    let fresh = true;
    for (const [at, row] of page) {
      // What was deleted meanwhile, here or by another process, must not be yielded any more.
      if (performance.now() - checked > freshness) {
        fresh = engine.dataVersion() === version;
        checked = performance.now();
      }
      if (engine.writes !== writes) fresh = false;
      if (!fresh) break;
      let item: T;
      try {
        item = read(row);
      } catch (error) {
        missing = missingOf(error, missing);
        fresh = false;
        break;
      }
      cursor = at;
      left--;
      yield item;
    }
    limit = fresh ? Math.min(limit * 2, largestPage) : firstPage;
  }
}
