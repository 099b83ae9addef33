import { HoldfastError } from '../../core/errors.js';
import type { Guard, InnerStores } from '../../core/inner.js';
import { compareColumns, type Key, type KeyColumn, type StoredKey } from '../../core/key.js';
import { get, type Script } from '../../core/script.js';
import {
  nothing,
  scopeOf,
  type Kind,
  type Result,
  type Scope,
  type ScopeOptions,
  type Sequence,
  type StoreOf,
} from '../../core/store.js';
import type { Elsewhere } from './parts.js';
import { once, type ResolvedCache, type ResolvedKeys, type SetOptions } from './options.js';
import { reshard, type ReshardOptions } from './resharding.js';
import { CacheScripts, setting } from './scripts.js';
import { Shard, type OpenLayout } from './shard.js';
import {
  byShard,
  checkShards,
  directoryOf,
  isSame,
  layoutOf,
  Moved,
  partOf,
  pathOf,
  sharding,
  shardOf,
  shardOfColumn,
  unstored,
  type Layout,
} from './sharding.js';
import { sql, type FillRow } from './statements.js';
import type { Taken } from './uses.js';

/** The shards of a cache, and which of them a call is about. On a server there is one. */
export class Shards<S extends Kind, V, K extends Key> {
  /** Of the main database, and not guarded: asked how many shards there are. */
  readonly #scope: Scope<S>;
  readonly #name: string;
  readonly #settings: ResolvedCache;
  readonly #main: Shard<S, V, K>;
  readonly #scripts: CacheScripts<Key, V>;
  #layout: OpenLayout<S, V, K> | undefined;
  /** What was read before the entries were moved. */
  readonly #left: Taken[] = [];
  /** Whether it is not to be looked up again. */
  #isKnown = false;
  #isChecked = false;
  /** Whether all shards are to be made, and to be given their part of the limits. */
  #spreads = false;

  constructor(store: StoreOf<S>, name: string, settings: ResolvedCache) {
    this.#name = name;
    this.#settings = settings;
    const scope = scopeOf(store, { kind: 'cache', name, ...this.#setup() });
    this.#scope = scope;
    this.#scripts = new CacheScripts(scope, settings.storing);
    const guard: Guard = { always: false, check: () => this.#check(unstored) };
    const guarded = scope.inner === undefined ? scope : scopeOf(store, { kind: 'cache', name, guard });
    this.#main = new Shard(guarded, settings, this.#elsewhere(unstored));
  }

  /** What the shard of a key answers. */
  at<T>(key: Key, ask: (shard: Shard<S, V, K>) => Result<S, T>): Result<S, T> {
    return this.#following((all) => ask(this.#of(all, key)));
  }

  /** The same of what waits. @param what - Its name in errors. */
  async atSoon<T>(what: string, key: Key, ask: (shard: Shard<S, V, K>) => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await this.#asked(what, key, ask);
      if (answer !== undefined) return answer.value;
    }
  }

  /** The same of what can't be asked again: what it was given has been used up by then. */
  async atOnce<T>(key: Key, ask: (shard: Shard<S, V, K>) => Promise<T>): Promise<T> {
    const answer = await this.#asked('write()', key, ask);
    if (answer === undefined) throw new Moved();
    return answer.value;
  }

  /** What all of them answer. */
  all<T>(ask: (shard: Shard<S, V, K>) => Result<S, T>): Result<S, readonly T[]> {
    return this.#following((all) => this.#each(this.#partsOf(all), ask));
  }

  /** What they answer together. */
  sum(ask: (shard: Shard<S, V, K>) => Result<S, number>): Result<S, number> {
    return this.#scope.after(this.all(ask), (numbers) => numbers.reduce((a, b) => a + b, 0));
  }

  /** How much they have done together: also before they were found to have been moved. */
  count(ask: (shard: Shard<S, V, K>) => Result<S, number>): Result<S, number> {
    let count = 0;
    const counted = this.all((shard) => this.#scope.after(ask(shard), (more) => (count += more)));
    return this.#scope.after(counted, () => count);
  }

  getMany(keys: Iterable<K>): Result<S, (V | undefined)[]> {
    const columns = once(() => this.#scripts.keys(keys));
    return this.#following((all) => {
      if (all.shards === 1) return this.#main.getMany(columns);
      const groups = byShard(columns(), (key) => key, all.shards);
      const values: (V | undefined)[] = columns().map(() => undefined);
      const asked = this.#each([...groups.entries()], ([i, { items, places }]) =>
        this.#scope.after(
          items.length === 0
            ? this.#scope.settled((): (V | undefined)[] => [])
            : this.#part(all, i).getMany(() => items),
          (found) => {
            for (const [j, place] of places.entries()) values[place] = found[j];
          },
        ),
      );
      return this.#scope.after(asked, () => values);
    });
  }

  setMany(given: Iterable<readonly [K, V]>, options: SetOptions | undefined): Result<S, void> {
    const entries = once(() => this.#main.encodedEntries(given, options));
    const stored = this.#many(
      entries,
      (entry) => entry.key,
      (shard, some) => this.#scope.after(shard.setMany(some), () => 0),
    );
    return this.#scope.after(stored, nothing);
  }

  deleteMany(keys: Iterable<K>): Result<S, number> {
    const columns = once(() => this.#scripts.keys(keys));
    return this.#many(
      columns,
      (key) => key,
      (shard, some) => shard.deleteMany(some),
    );
  }

  /** @param options - Checked, since they are used later. */
  keys(options: ResolvedKeys): Sequence<S, StoredKey<K>> {
    const sign = options.reverse ? -1 : 1;
    const compare = (a: StoredKey<K>, b: StoredKey<K>): number =>
      sign * compareColumns(this.#scripts.key(a), this.#scripts.key(b), 'embedded');
    return this.sequence((shard) => shard.keys(options), options.prefix === undefined ? undefined : compare);
  }

  sequence<T>(
    ask: (shard: Shard<S, V, K>) => Sequence<S, T>,
    compare?: (a: T, b: T) => number,
  ): Sequence<S, T> {
    const { inner } = this.#scope;
    if (inner === undefined) return ask(this.#main);
    return inner.joined(() => {
      this.#isKnown = false;
      return this.#partsOf(this.#now(this.#known())).map(ask);
    }, compare);
  }

  async reshard(shards: number, options: ReshardOptions | undefined): Promise<void> {
    try {
      await reshard(
        {
          inner: this.#scope.inner,
          ref: { kind: 'cache', name: this.#name },
          closing: this.#scope.closing,
          refuseInTransaction: () => this.#scope.refuseInTransaction('reshard()'),
          // Those that are open here are told that they are held.
          layout: () => {
            this.#isKnown = false;
            const all = this.#now(this.#known());
            this.#partsOf(all);
            this.#takeUses(all);
            return all;
          },
        },
        shards,
        options,
      );
    } finally {
      // Also where nothing was moved: what was read is to be given back.
      this.#isKnown = false;
    }
    if (this.#scope.inner !== undefined) this.#now(this.#known());
  }

  /** What the shard of a key answers; `undefined` where it was moved meanwhile. */
  async #asked<T>(
    what: string,
    key: Key,
    ask: (shard: Shard<S, V, K>) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    if (this.#scope.inner === undefined) return { value: await ask(this.#main) };
    this.#scope.refuseInTransaction(what);
    const all = this.#now(this.#known());
    try {
      return { value: await ask(this.#of(all, key)) };
    } catch (error) {
      if (this.#hasMoved(all, error)) return undefined;
      throw error;
    }
  }

  #of(all: OpenLayout<S, V, K>, key: Key): Shard<S, V, K> {
    return all.shards === 1 ? this.#main : this.#part(all, shardOf(key, all.shards));
  }

  /** Does something with each shard's part of what is given; with all of it again where it was moved meanwhile. */
  #many<T>(
    items: () => readonly T[],
    keyOf: (item: T) => KeyColumn,
    ask: (shard: Shard<S, V, K>, items: () => readonly T[]) => Result<S, number>,
  ): Result<S, number> {
    let count = 0;
    const asked = this.#following((all): Result<S, unknown> => {
      const add = (shard: Shard<S, V, K>, some: () => readonly T[]): Result<S, unknown> =>
        this.#scope.after(ask(shard, some), (more) => (count += more));
      if (all.shards === 1) return add(this.#main, items);
      const groups = [...byShard(items(), keyOf, all.shards).entries()].filter(
        ([, group]) => group.items.length > 0,
      );
      return this.#each(groups, ([i, group]) => add(this.#part(all, i), () => group.items));
    });
    return this.#scope.after(asked, () => count);
  }

  /** Asks about each, one after the other. */
  #each<I, T>(
    items: readonly I[],
    ask: (item: I) => Result<S, T>,
    answers: readonly T[] = [],
  ): Result<S, readonly T[]> {
    const [first, ...others] = items;
    if (first === undefined) return this.#scope.settled(() => answers);
    return this.#scope.chain(ask(first), (answer) => this.#each(others, ask, [...answers, answer]));
  }

  /** Works on the shards as they are, and again should they turn out to have been moved. */
  #following<T>(work: (all: OpenLayout<S, V, K>) => Result<S, T>): Result<S, T> {
    if (this.#scope.inner === undefined) return work({ ...unstored, parts: [this.#main], absent: undefined });
    return this.#scope.chain(this.#known(), (all) => {
      try {
        return work(all);
      } catch (error) {
        if (!this.#hasMoved(all, error)) throw error;
        return this.#following(work);
      }
    });
  }

  #known(): Result<S, OpenLayout<S, V, K>> {
    const known = this.#layout;
    if (known !== undefined && this.#isKnown && !this.#spreads) return this.#scope.settled(() => known);
    return this.#scope.after(this.#stored(), (stored) => {
      if (!this.#isChecked && stored.structure !== 0) checkShards(this.#settings.shards, stored.shards);
      this.#isChecked = true;
      const none = stored.shards === 1 ? [this.#main] : [];
      // Those that are known remember what was read, and what is being worked out.
      const parts = known !== undefined && isSame(known, stored) ? known.parts : none;
      if (known !== undefined && parts !== known.parts) this.#takeUses(known);
      const all: OpenLayout<S, V, K> = { ...stored, parts, absent: undefined };
      if (this.#spreads) for (const shard of this.#partsOf(all)) shard.prepare();
      this.#spreads = false;
      this.#layout = all;
      this.#giveUses(all);
      this.#isKnown = true;
      return all;
    });
  }

  /** What was read, and not written yet, goes where the entries are then. */
  #takeUses(all: OpenLayout<S, V, K>): void {
    // Not for of: there are holes where a shard was not used.
    all.parts.forEach(({ uses }) => this.#left.push(uses.take()));
  }

  #giveUses(all: OpenLayout<S, V, K>): void {
    for (const { uses, ...counts } of this.#left.splice(0)) {
      this.#part(all, 0).uses.giveBack({ ...counts, uses: [] });
      for (const [i, { items }] of byShard(uses, ({ key }) => key, all.shards).entries())
        if (items.length > 0) this.#part(all, i).uses.giveBack({ hits: 0, misses: 0, uses: items });
    }
  }

  #stored(): Result<S, Layout> {
    return this.#scope.one(sharding, nothing, (structure) => [structure], layoutOf);
  }

  /** What belongs to the data of the whole cache. */
  #setup(): Pick<ScopeOptions, 'setup' | 'ready'> {
    return setting(
      () => this.#scripts,
      (eviction) => {
        this.#main.eviction = eviction;
        this.#spreads = this.#scope.inner !== undefined && this.#settings.isForAll;
      },
      () => [this.#settings.limits, this.#scope.inner === undefined ? undefined : this.#settings.shards],
    );
  }

  #partsOf(all: OpenLayout<S, V, K>): readonly Shard<S, V, K>[] {
    return Array.from({ length: all.shards }, (_, i) => this.#part(all, i));
  }

  #part(all: OpenLayout<S, V, K>, i: number): Shard<S, V, K> {
    const { inner } = this.#scope;
    const known = all.parts[i];
    if (known !== undefined || inner === undefined) return known ?? this.#main;
    const guard = this.#guardOf(all);
    // Asked each time: whoever writes to it makes it.
    if (!inner.has(pathOf(all, i)))
      return (all.absent ??= this.#shardIn(inner.absent({ kind: 'cache', name: this.#name, guard }), all));
    return (all.parts[i] = this.#open(inner, all, i, guard));
  }

  #guardOf(all: Layout): Guard {
    return {
      always: true,
      check: (writes) => {
        if (writes)
          this.#scope.refuseInTransaction(
            'a call that writes to a cache with shards',
            'each is a database of its own, and takes no part in it',
          );
        this.#check(all);
      },
    };
  }

  #open(inner: InnerStores<S>, all: Layout, i: number, guard: Guard): Shard<S, V, K> {
    const scope = inner.scope(pathOf(all, i), {
      kind: 'cache',
      name: this.#name,
      ...setting(
        () => this.#scripts,
        (eviction) => (shard.eviction = eviction),
        () => [partOf(this.#now(this.#limits()), all.shards), undefined],
      ),
      guard,
    });
    const shard = this.#shardIn(scope, all);
    return shard;
  }

  #shardIn(scope: Scope<S>, all: Layout): Shard<S, V, K> {
    return new Shard(scope, this.#settings, this.#elsewhere(all));
  }

  /** The limits of the whole cache, as they are stored now. */
  #limits(): Result<S, FillRow> {
    return this.#scope.read(nothing, function* (structure): Script<FillRow> {
      const row = yield* get(sql.fill, structure);
      if (row === undefined) throw new Moved();
      return row;
    });
  }

  #check(layout: Layout): void {
    if (!isSame(this.#now(this.#stored()), layout)) throw new Moved();
  }

  /** Whether it is since the data were moved that something has failed. What is left of where they were then goes. */
  #hasMoved(layout: Layout, error: unknown): boolean {
    // On a server nothing is ever moved, and to ask it takes a while.
    if (this.#scope.inner === undefined) return false;
    if (!(error instanceof HoldfastError) || this.#scope.closing.aborted) return false;
    const stored = this.#now(this.#stored());
    if (isSame(stored, layout)) return false;
    this.#isKnown = false;
    if (this.#layout !== undefined) this.#takeUses(this.#layout);
    if (layout.shards > 1 && stored.generation > layout.generation)
      this.#scope.inner.remove(directoryOf(layout));
    return true;
  }

  #elsewhere(layout: Layout): Elsewhere<V> {
    return {
      closing: this.#scope.closing,
      hasMoved: (error) => this.#hasMoved(layout, error),
      storeProduced: async (column, value, producing, took) =>
        this.#following((all) => {
          const { flights } = this.#part(all, shardOfColumn(column, all.shards));
          return flights.storeProduced(column, value, producing, took);
        }),
    };
  }

  /** What is there at once: only an embedded store has several shards. */
  #now<T>(result: Result<S, T>): T {
    const answers: T[] = [];
    void this.#scope.after(result, (value) => answers.push(value));
    const [answer] = answers;
    if (answer === undefined) throw new TypeError('a server answers later');
    return answer;
  }
}
