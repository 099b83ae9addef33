import { all, get, lock, run, type Script } from '../../core/script.js';
import { cancelSome, cancelTagged } from './cancelling.js';
import { Excess, removeExpired, removeFirst, removeRows, removedAtOnce } from './evicting.js';
import { sql } from './statements.js';

/** How far a removal has come; `newest` is the place of the newest entry when all that was being worked out was cancelled. */
export interface Removal {
  readonly newest: number | undefined;
  readonly count: number;
}

/** Removes some of what has expired; tells how many that were. */
export function* expireSome(structure: number): Script<number> {
  yield* lock(structure);
  return yield* removeExpired(structure, (rows) => rows);
}

/** Removes some of what there is too much of, or has expired. */
export function* cullSome(structure: number): Script<number> {
  const expired = yield* expireSome(structure);
  if (expired > 0) return expired;
  const fill = yield* get(sql.fill, structure);
  if (fill === undefined || fill[0] === 'none') return 0;
  const [, mostBytes, mostEntries, bytes, entries] = fill;
  const excess = new Excess(bytes - mostBytes, entries - mostEntries);
  yield* removeFirst(structure, undefined, excess);
  return excess.removed;
}

/** Those that have one of some tags. What gets one after the beginning may stay, or there would be no end while others add. */
export function* invalidateSome(
  structure: number,
  before: Removal | undefined,
  tags: readonly string[],
): Script<Removal | undefined> {
  yield* lock(structure);
  // What begins to be worked out later is of what is there later.
  if (before === undefined) yield* cancelTagged(structure, tags);
  const newest = yield* newestOf(structure, before);
  const ids = new Set<number>();
  for (const tag of tags)
    if (ids.size < removedAtOnce)
      for (const [id] of yield* all(sql.tagging, structure, tag, structure, newest, removedAtOnce))
        ids.add(id);
  return next(newest, before, yield* removeRows([...ids].map((id) => [id])));
}

export function* clearSome(structure: number, before: Removal | undefined): Script<Removal | undefined> {
  yield* lock(structure);
  // An entry that is stored before its flight could be cancelled is to go, too.
  if (before?.newest === undefined && (yield* cancelSome(structure))) return { newest: undefined, count: 0 };
  const newest = yield* newestOf(structure, before);
  return next(newest, before, yield* run(sql.clear, structure, structure, newest, removedAtOnce));
}

function next(newest: number, before: Removal | undefined, removed: number): Removal | undefined {
  return removed === 0 ? undefined : { newest, count: (before?.count ?? 0) + removed };
}

function* newestOf(structure: number, before: Removal | undefined): Script<number> {
  return before?.newest ?? (yield* get(sql.newest, structure, structure))?.[0] ?? 0;
}
