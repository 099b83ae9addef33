import { HoldfastError } from '../../core/errors.js';
import { all, get, run, type Script } from '../../core/script.js';
import { sql } from './statements.js';

/** How many entries a transaction removes at most: a few milliseconds of the write lock. */
export const removedAtOnce = 500;

/** How much more there is to be, and which entry stays. */
export interface Needed {
  readonly id: number | undefined;
  readonly bytes: number;
  readonly entries: number;
}

/**
 * Makes room, with the structure locked: removes no more than it must, first what has expired. Tells whether there is room now; where not, so many
 * were removed as a transaction is to.
 *
 * @param size - Bytes of the entry that is to have room.
 * @throws {@link HoldfastError} `ERR_TOO_LARGE` when it is larger than the whole cache may be, `ERR_FULL` when nothing can be removed.
 */
export function* evict(structure: number, needed: Needed, size: number): Script<boolean> {
  const fill = yield* get(sql.fill, structure);
  if (fill === undefined) return true;
  const [eviction, mostBytes, mostEntries, bytes, entries] = fill;
  if (size > mostBytes) throw tooLarge(`${size}`, mostBytes);
  const excess = new Excess(bytes + needed.bytes - mostBytes, entries + needed.entries - mostEntries);
  if (excess.isGone()) return true;
  yield* removeExpired(structure, (rows) => excess.choose(rows, needed.id));
  if (!excess.isGone() && excess.removed < removedAtOnce && eviction === 'none')
    throw new HoldfastError('ERR_FULL', `the cache is full, and its eviction is 'none'`);
  if (!excess.isGone() && eviction !== 'none') yield* removeFirst(structure, needed.id, excess);
  return excess.isGone();
}

/** @param size - How many bytes there are. */
export const tooLarge = (size: string, mostBytes: number): HoldfastError =>
  new HoldfastError(
    'ERR_TOO_LARGE',
    `the key and its value take ${size} bytes, and the whole cache, or a shard of it, may take ${mostBytes} (maxBytes)`,
  );

/** What there is too much of. */
export class Excess {
  #bytes: number;
  #entries: number;
  removed = 0;

  constructor(bytes: number, entries: number) {
    this.#bytes = bytes;
    this.#entries = entries;
  }

  isGone(): boolean {
    return this.#bytes <= 0 && this.#entries <= 0;
  }

  /** The first of some entries, as many as have to go, but for the one that is `kept`. */
  choose<R extends readonly [id: number, bytes: number, ...rest: unknown[]]>(
    rows: readonly R[],
    kept: number | undefined,
  ): R[] {
    const chosen: R[] = [];
    for (const row of rows) {
      if (this.isGone() || this.removed >= removedAtOnce) break;
      if (row[0] === kept) continue;
      this.#bytes -= row[1];
      this.#entries--;
      this.removed++;
      chosen.push(row);
    }
    return chosen;
  }
}

type Sized = readonly [id: number, bytes: number];

/** Removes what has expired, as far as it is chosen; tells how many entries that were. */
export function* removeExpired(
  structure: number,
  choose: (rows: readonly Sized[]) => readonly Sized[],
): Script<number> {
  const removed = yield* removeRows(choose(yield* all(sql.expired, structure, removedAtOnce)));
  if (removed > 0) yield* run(sql.countExpired, removed, structure);
  return removed;
}

export function* removeFirst(structure: number, kept: number | undefined, excess: Excess): Script<void> {
  let aged = 0;
  let evictions = 0;
  // Mostly one is enough.
  for (let most = 2; !excess.isGone() && excess.removed < removedAtOnce; most = removedAtOnce) {
    const chosen = excess.choose(yield* all(sql.victims, structure, most), kept);
    if (chosen.length === 0) break;
    evictions += yield* removeRows(chosen);
    aged = chosen.at(-1)?.[2] ?? 0;
  }
  if (evictions > 0) yield* run(sql.countEvicted, aged, evictions, structure);
}

export function* removeRows(rows: readonly (readonly [id: number, ...rest: unknown[]])[]): Script<number> {
  const [first] = rows;
  if (first === undefined) return 0;
  if (rows.length === 1) return yield* run(sql.remove, first[0]);
  return yield* run(sql.removeMany, JSON.stringify(rows.map(([id]) => id)));
}
