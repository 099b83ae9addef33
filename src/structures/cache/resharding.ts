import { announce } from '../../core/announcing.js';
import { fileColumn, fileOf } from '../../core/columns.js';
import type { Held, InnerStores } from '../../core/inner.js';
import type { KeyColumn } from '../../core/key.js';
import { functionOf, knownKeys, resolveWaitOptions, wholeNumber } from '../../core/options.js';
import { places } from '../../core/schema.js';
import { all, get, run, type Script } from '../../core/script.js';
import { refuseAborted } from '../../core/signals.js';
import { windClock } from '../../core/steady.js';
import type { FileRef } from '../../core/value-files.js';
import { nextTurn } from '../../core/timer.js';
import type { Kind, ScopeOptions } from '../../core/store.js';
import { mostShards } from './options.js';
import { moving, type MovedRow } from './moving-statements.js';
import { CacheScripts } from './scripts.js';
import { byShard, directoryOf, partOf, pathOf, type Layout } from './sharding.js';
import { emptyFill, sql } from './statements.js';

/** How many entries are moved between two turns of the event loop. */
const movedAtOnce = 100;

/** Options of {@link Cache.reshard}. */
export interface ReshardOptions {
  /** When it aborts, everything stays where it was, and its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Called from time to time with how many entries were copied, of how many. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/** A cache that is to be moved. */
interface Movable<S extends Kind> {
  readonly inner: InnerStores<S> | undefined;
  readonly ref: ScopeOptions;
  readonly closing: AbortSignal;
  refuseInTransaction(): void;
  /** As it is stored now; all shards were opened. */
  layout(): Layout;
}

/** Moves all entries of a cache to so many shards. */
export async function reshard<S extends Kind>(
  cache: Movable<S>,
  shards: number,
  options: ReshardOptions = {},
): Promise<void> {
  wholeNumber('shards', shards, 1, mostShards);
  knownKeys('options of reshard()', options, ['signal', 'onProgress']);
  const { signal, onProgress } = options;
  resolveWaitOptions('reshard()', { signal });
  if (onProgress !== undefined) functionOf('onProgress', onProgress);
  cache.refuseInTransaction();
  signal?.throwIfAborted();
  const { inner } = cache;
  if (inner === undefined) return;
  for (let from = cache.layout(); from.shards !== shards; from = cache.layout()) {
    const move = new Move(cache, inner, from, shards, options);
    try {
      await move.run();
    } finally {
      move.close();
    }
  }
}

/** Where entries come from, and what their times and ranks are relative to there. */
interface Origin {
  readonly ahead: number;
  readonly aged: number;
}

/**
 * One try to move a cache. It keeps all others from writing to it from the first entry that it copies until the main database says where they are
 * now: that is one transaction. Killed before that, it leaves a directory that nobody knows, and behind that the old one.
 */
class Move<S extends Kind> {
  readonly #cache: Movable<S>;
  readonly #inner: InnerStores<S>;
  readonly #from: Layout;
  readonly #to: Layout;
  readonly #options: ReshardOptions;
  readonly #main: Held;
  readonly #sources: readonly Held[];
  readonly #targets: Held[] = [];
  #flipped = false;
  /** Whether directories may have been made. */
  #makes = false;
  #done = 0;
  #total = 0;

  constructor(
    cache: Movable<S>,
    inner: InnerStores<S>,
    from: Layout,
    shards: number,
    options: ReshardOptions,
  ) {
    this.#cache = cache;
    this.#inner = inner;
    this.#from = from;
    this.#to = { structure: from.structure, shards, generation: from.generation + 1 };
    this.#options = options;
    this.#main = inner.hold(cache.ref);
    this.#sources =
      from.shards === 1
        ? [this.#main]
        : indexes(from.shards).map((i) => inner.hold(cache.ref, pathOf(from, i)));
  }

  /** Does nothing where another was faster. */
  async run(): Promise<void> {
    for (const source of this.#sources) await source.begin(() => this.#wanted());
    const { shards, generation } = this.#cache.layout();
    if (shards !== this.#from.shards || generation !== this.#from.generation) return;
    this.#removeOthers();
    await this.#openTargets();
    this.#total = this.#sources.map((source) => source.drive(sizeOf)).reduce((a, b) => a + b, 0);
    for (const source of this.#sources) await this.#copy(source);
    await this.#flip();
  }

  close(): void {
    const [old, unused, used] = this.#flipped
      ? [this.#from, this.#sources, this.#targets]
      : [this.#to, this.#targets, this.#sources];
    for (const held of unused) held.close();
    // As soon as can be, or others take it for left over.
    if (old.shards > 1 && this.#makes) this.#inner.remove(directoryOf(old));
    for (const held of new Set([...used, this.#main])) held.close();
  }

  #wanted(): void {
    refuseAborted([
      this.#cache.closing,
      ...(this.#options.signal === undefined ? [] : [this.#options.signal]),
    ]);
  }

  /** What is left of those that were killed. Nobody else moves this cache now. */
  #removeOthers(): void {
    for (const name of this.#inner.list('shards')) {
      const path = `shards/${name}`;
      if (name.startsWith(`${this.#from.structure}-`) && path !== directoryOf(this.#from))
        this.#inner.remove(path);
    }
  }

  async #openTargets(): Promise<void> {
    const { shards } = this.#to;
    this.#makes = true;
    if (shards === 1) this.#targets.push(this.#main);
    else
      for (const i of indexes(shards))
        this.#targets.push(this.#inner.hold(this.#cache.ref, pathOf(this.#to, i)));
    for (const target of this.#targets) await target.begin(() => this.#wanted());
    if (shards === 1) return;
    const fill = this.#main.drive((structure) => fillOf(structure));
    const scripts = new CacheScripts(
      { kind: 'embedded', files: undefined },
      { fileThreshold: Infinity, coding: undefined },
    );
    for (const target of this.#targets)
      target.drive((structure) => scripts.setUp(structure, partOf(fill, shards), filling));
  }

  async #copy(source: Held): Promise<void> {
    const origin = source.drive(originOf);
    for (let place = 0; ;) {
      const rows = source.drive((structure) => pageOf(structure, place));
      const last = rows.at(-1);
      if (last === undefined) break;
      for (const [i, { items }] of byShard(rows, ({ row }) => row[1], this.#to.shards).entries()) {
        const target = this.#targets[i];
        if (target === undefined) continue;
        const adopted = items.map((item) => ({
          ...item,
          ref: item.ref && target.files.adopt(item.ref, source.files),
        }));
        target.drive((structure) => put(structure, adopted, origin));
      }
      place = last.place;
      this.#done += rows.length;
      this.#options.onProgress?.({ done: this.#done, total: this.#total });
      await nextTurn();
      this.#wanted();
    }
    const counts = source.drive(countsOf);
    this.#targets[0]?.drive((structure) => addCounts(structure, counts));
  }

  /** From here on the entries are where they were copied to. */
  async #flip(): Promise<void> {
    const isMain = (held: Held): boolean => held === this.#main;
    for (const target of this.#targets.filter((held) => !isMain(held))) {
      target.drive((structure) => filled(structure));
      target.end(true);
      target.settle();
    }
    if (![...this.#sources, ...this.#targets].some(isMain)) await this.#main.begin(() => this.#wanted());
    this.#main.drive((structure) => flip(structure, this.#from, this.#to));
    this.#main.end(true);
    this.#flipped = true;
    // Or, should the power fail, the old directories might be gone, and this not be known.
    this.#main.settle();
    for (const source of this.#sources.filter((held) => !isMain(held))) {
      source.drive(wakeAll);
      source.end(true);
    }
  }
}

/** What a shard has for its number of shards while it is filled: as those of a cache whose entries are elsewhere, it evicts nothing. */
const filling = 2;

function* filled(structure: number): Script<void> {
  yield* run(moving.filled, structure);
}

const indexes = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** An entry that is moved. */
interface Moving {
  readonly place: number;
  readonly row: MovedRow;
  readonly tags: readonly string[];
  /** Where its value lies, if not in the row. */
  readonly ref: FileRef | undefined;
}

function* fillOf(structure: number): Script<typeof emptyFill> {
  return (yield* get(sql.fill, structure)) ?? emptyFill;
}

function* sizeOf(structure: number): Script<number> {
  return (yield* fillOf(structure))[4];
}

function* originOf(structure: number): Script<Origin> {
  yield* windClock();
  const [ahead, aged] = (yield* get(moving.origin, structure)) ?? [0, 0];
  return { ahead, aged };
}

/** Entries behind a place, in the order of insertion. */
function* pageOf(structure: number, place: number): Script<Moving[]> {
  const page: Moving[] = [];
  for (const row of yield* all(moving.page, structure, place, structure, movedAtOnce)) {
    const [id, , value, , , , , , , tagged] = row;
    const tags = tagged === null ? [] : yield* all(moving.tags, id);
    page.push({
      place: Number(id % BigInt(places)),
      row,
      tags: tags.map(([tag]) => tag),
      ref: fileOf(value),
    });
  }
  return page;
}

/** Each database has a clock of its own, and counts of its own by which it forgets what was used often. */
function* put(structure: number, entries: readonly Moving[], from: Origin): Script<void> {
  const { ahead, aged } = yield* originOf(structure);
  const [eviction] = yield* fillOf(structure);
  const shift = ahead - from.ahead;
  const rankShift = eviction === 'least-frequently-used' ? aged - from.aged : shift;
  for (const { row, tags, ref } of entries) {
    const [, key, value, bytes, stored, expires, rank, used, hits, tagged, fresh, took] = row;
    const times = [expires, shift, fresh, shift, rank, rankShift] as const;
    yield* run(
      moving.put,
      structure,
      structure,
      key,
      ref === undefined ? value : fileColumn(ref),
      bytes,
      stored,
      ...times,
      used,
      hits,
      tagged,
      took,
      ref?.name ?? null,
    );
    for (const tag of tags) yield* run(moving.tag, structure, tag, structure, key);
  }
}

type Counts = [hits: number, misses: number, evictions: number, expirations: number];

function* countsOf(structure: number): Script<Counts> {
  return (yield* get(sql.counts, structure)) ?? [0, 0, 0, 0];
}

function* addCounts(structure: number, counts: Counts): Script<void> {
  yield* run(moving.addCounts, ...counts, structure);
}

function* flip(structure: number, from: Layout, to: Layout): Script<void> {
  if (from.shards === 1) {
    yield* wakeAll(structure);
    yield* run(moving.removeAll, structure);
    yield* run(moving.removeFlights, structure);
    yield* run(sql.resetCounts, structure);
  }
  yield* run(moving.flip, to.shards, to.generation, structure);
}

/** Those who wait for a value that is worked out: it will be elsewhere. */
function* wakeAll(structure: number): Script<void> {
  const keys: KeyColumn[] = (yield* all(moving.flights, structure)).map(([key]) => key);
  yield* announce(structure, keys);
}
