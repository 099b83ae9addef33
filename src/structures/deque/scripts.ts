import { Columns, type ValueColumn } from '../../core/columns.js';
import { iterable, wholeNumber } from '../../core/options.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import type { Kind, Turn } from '../../core/store.js';
import { ringAll } from '../../core/waiting.js';
import { sql, type Push } from './statements.js';

/** An item in its column. */
export interface EncodedItem {
  readonly column: ValueColumn;
  readonly size: number;
}

/** Which end of a deque. */
export type End = 'first' | 'last';

/** How many items a transaction removes at most when all are removed: a few milliseconds of the write lock. */
const batch = 500;

/** The ends of a deque that has items. */
interface Ends {
  readonly first: number;
  readonly last: number;
  readonly size: number;
  /** Of all items, as they were pushed. */
  readonly bytes: number;
  readonly upto: number;
}

/**
 * What a deque does in several statements, and how its rows are read.
 *
 * The places of its items are consecutive, always: the item at an index is found by addition, and the size by subtraction.
 */
export class DequeScripts<T> {
  readonly #kind: Kind;
  readonly #columns: Columns<never, T>;
  /** Whether a scalar was removed last: then one will be next, most likely. */
  scalars = true;

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#columns = new Columns(kind);
  }

  value(column: unknown): T {
    return this.#columns.decodeValue(column);
  }

  encoded(item: T, what = 'value'): EncodedItem {
    return this.#columns.encodeValue(item, what);
  }

  /** Items that were given to be iterated. */
  encodedItems(items: Iterable<T>): EncodedItem[] {
    return Array.from(iterable('items', items), (item, i) => this.encoded(item, `items[${i}]`));
  }

  row(structure: number, { column, size }: EncodedItem): Push {
    return [structure, structure, structure, column, size, structure, structure, size, size, structure];
  }

  /** Stores the most items there may be, and removes what is beyond. */
  *bound(structure: number, maxLength: number): Script<void> {
    const capacity = maxLength === Infinity ? null : maxLength;
    const row = yield* get(sql.capacity, structure);
    if (row?.[0] === capacity) return;
    yield* lock(structure);
    yield* run(sql.setCapacity, capacity, structure);
    if (capacity !== null) yield* this.#trim(structure, capacity, 'first');
  }

  /** Adds items at an end, in order. */
  *add(structure: number, end: End, items: readonly EncodedItem[]): Script<void> {
    yield* lock(structure);
    const before = (yield* this.#ends(structure))?.size ?? 0;
    const [statement, inOrder] = end === 'last' ? [sql.push, items] : [sql.unshift, items.toReversed()];
    for (const item of inOrder) yield* run(statement, ...this.row(structure, item));
    const [capacity, waiting] = (yield* get(sql.capacity, structure)) ?? [null, 0];
    if (capacity !== null) yield* this.#trim(structure, capacity, end === 'last' ? 'first' : 'last');
    if (waiting > 0) yield* this.#wake(structure, before);
  }

  *removeEnd(structure: number, end: End): Script<T | undefined> {
    const row = yield* get(end === 'first' ? sql.shift : sql.pop, structure, structure);
    if (row === undefined) return undefined;
    this.scalars = this.#kind === 'server' || typeof row[0] !== 'object';
    return this.value(row[0]);
  }

  *removeMany(structure: number, end: End, count: number): Script<T[]> {
    wholeNumber('count', count, 1);
    yield* lock(structure);
    const ends = yield* this.#ends(structure);
    if (ends === undefined) return [];
    const low = end === 'first' ? ends.first : Math.max(ends.first, ends.last - count + 1);
    const high = end === 'first' ? Math.min(ends.last, ends.first + count - 1) : ends.last;
    const rows = yield* all(sql.between, structure, low, structure, high);
    yield* run(sql.removeBetween, structure, low, structure, high);
    const items = rows.map(([, value]) => this.value(value));
    return end === 'first' ? items : items.reverse();
  }

  *set(structure: number, index: number, { column, size }: EncodedItem): Script<void> {
    yield* lock(structure);
    const place = yield* this.#placeOf(structure, index);
    if (place === undefined) throw new RangeError(`there is no item at index ${index}`);
    yield* run(sql.set, column, size, structure, place);
  }

  *includes(structure: number, item: EncodedItem): Script<boolean> {
    return (yield* this.#find(structure, item)) !== undefined;
  }

  *indexOf(structure: number, item: EncodedItem): Script<number> {
    const place = yield* this.#find(structure, item);
    const ends = yield* this.#ends(structure);
    return place === undefined || ends === undefined ? -1 : place - ends.first;
  }

  *count(structure: number, { column }: EncodedItem): Script<number> {
    const row = yield* get(sql.count, structure, structure, column);
    return row?.[0] ?? 0;
  }

  *remove(structure: number, item: EncodedItem): Script<boolean> {
    yield* lock(structure);
    const place = yield* this.#find(structure, item);
    const ends = yield* this.#ends(structure);
    if (place === undefined || ends === undefined) return false;
    yield* this.#removeAt(structure, place, ends);
    return true;
  }

  *rotate(structure: number, steps: number): Script<void> {
    wholeNumber('steps', steps, Number.MIN_SAFE_INTEGER);
    yield* lock(structure);
    const ends = yield* this.#ends(structure);
    if (ends === undefined) return;
    const { first, last, size, bytes } = ends;
    const right = ((steps % size) + size) % size;
    if (right === 0) return;
    if (right <= size / 2) yield* run(sql.move, -size, -bytes, structure, last - right + 1, structure, last);
    else yield* run(sql.move, size, bytes, structure, first, structure, last - right);
  }

  *reverse(structure: number): Script<void> {
    yield* lock(structure);
    const ends = yield* this.#ends(structure);
    if (ends === undefined) return;
    yield* run(sql.mirror, structure, ends.last, ends.upto, structure, structure, ends.last);
  }

  *clear(
    structure: number,
    state: readonly [last: number, count: number] | undefined,
  ): Script<readonly [number, number] | undefined> {
    yield* lock(structure);
    const ends = yield* this.#ends(structure);
    if (ends === undefined) return undefined;
    const last = Math.min(ends.last, state?.[0] ?? ends.last, ends.first + batch - 1);
    const removed = yield* run(sql.removeBetween, structure, ends.first, structure, last);
    return removed === 0 ? undefined : [state?.[0] ?? ends.last, (state?.[1] ?? 0) + removed];
  }

  /** Waiting for an item: each waiter has a right to one as long as fewer are ahead of it than there are items. */
  turn(end: End): Turn<T> {
    return {
      mode: end === 'last' ? 1 : 0,
      ready: (structure, waiter) => this.#isReady(structure, waiter),
      take: (structure, waiter) => this.#take(structure, waiter, end),
      passOn: (structure) => this.#wake(structure, 0),
    };
  }

  *#isReady(structure: number, waiter: number): Script<boolean> {
    const ends = yield* this.#ends(structure);
    const [ahead] = (yield* get(sql.ahead, structure, waiter)) ?? [0];
    return ends !== undefined && ahead < ends.size;
  }

  *#take(structure: number, waiter: number, end: End): Script<{ value: T } | undefined> {
    yield* lock(structure);
    const ends = yield* this.#ends(structure);
    const [ahead, aheadLast] = (yield* get(sql.ahead, structure, waiter)) ?? [0, 0];
    if (ends === undefined || ahead >= ends.size) return undefined;
    // The items next to the end belong to those ahead who wait for the same end.
    const place = end === 'first' ? ends.first + ahead - aheadLast : ends.last - aheadLast;
    const row = yield* this.#extract(structure, place, ends);
    return row && { value: this.value(row[0]) };
  }

  /** Removes one item, and gives it back. */
  *#extract(structure: number, place: number, ends: Ends): Script<readonly [value: unknown] | undefined> {
    if (place === ends.first) return yield* get(sql.shift, structure, structure);
    if (place === ends.last) return yield* get(sql.pop, structure, structure);
    const row = yield* get(sql.at, structure, place);
    yield* this.#removeAt(structure, place, ends);
    return row;
  }

  /** Wakes those who have a right to an item, but for the first `served`, who know. */
  *#wake(structure: number, served: number): Script<void> {
    const ends = yield* this.#ends(structure);
    if (ends !== undefined && ends.size > served) {
      yield* ringAll(yield* all(sql.next, structure, ends.size - served, served));
    }
  }

  /** Removes what is beyond `capacity`, from one end. */
  *#trim(structure: number, capacity: number, from: End): Script<void> {
    const ends = yield* this.#ends(structure);
    if (ends === undefined || ends.size <= capacity) return;
    const low = from === 'first' ? ends.first : ends.first + capacity;
    const high = from === 'first' ? ends.last - capacity : ends.last;
    yield* run(sql.removeBetween, structure, low, structure, high);
  }

  /** Removes one item and closes the gap: the items on its shorter side move, by way of places that are free. */
  *#removeAt(structure: number, place: number, { first, last }: Ends): Script<void> {
    const [span] = (yield* get(sql.span, structure, place)) ?? [0];
    yield* run(sql.removeBetween, structure, place, structure, place);
    const left = place - first;
    const right = last - place;
    if (left === 0 || right === 0) return;
    if (right < left) yield* this.#shiftItems(structure, place + 1, last, -1, -span, right);
    else yield* this.#shiftItems(structure, first, place - 1, 1, span, -left);
  }

  /** Moves items by one place. Straight away each would collide with its neighbour, in an order that no database promises. */
  *#shiftItems(
    structure: number,
    low: number,
    high: number,
    by: number,
    bytes: number,
    away: number,
  ): Script<void> {
    yield* run(sql.move, away, bytes, structure, low, structure, high);
    yield* run(sql.move, by - away, 0, structure, low + away, structure, high + away);
  }

  *#ends(structure: number): Script<Ends | undefined> {
    const row = yield* get(sql.ends, structure, structure, structure, structure);
    if (row === undefined) return undefined;
    const [first, last, before, upto] = row;
    return { first, last, size: last - first + 1, bytes: upto - before, upto };
  }

  *#placeOf(structure: number, index: number): Script<number | undefined> {
    wholeNumber('index', index, Number.MIN_SAFE_INTEGER);
    const ends = yield* this.#ends(structure);
    if (ends === undefined) return undefined;
    const place = index < 0 ? ends.last + 1 + index : ends.first + index;
    return place >= ends.first && place <= ends.last ? place : undefined;
  }

  *#find(structure: number, { column }: EncodedItem): Script<number | undefined> {
    return (yield* get(sql.find, structure, structure, column))?.[0];
  }
}
