import {
  abortSignal,
  boolean,
  byteSize,
  finiteNumber,
  iterable,
  knownKeys,
  longest,
  milliseconds,
  nameString,
  oneOf,
  resolveReverse,
  wholeNumber,
  type Duration,
  type IterationOptions,
  type Size,
  type WaitOptions,
} from '../../core/options.js';
import { resolveCoding, type Coding, type CodingOptions } from '../../core/coding.js';
import type { Key } from '../../core/key.js';
import type { Eviction } from './statements.js';

export type { Eviction } from './statements.js';

/** How full a cache may be, and what goes first then. They are stored with it, for all processes; what is not given stays as it is stored. */
export interface CacheLimits {
  /** The most bytes that its keys and values take together: 1 or more, or `Infinity`. See {@link Cache.bytes}. @defaultValue `'1GiB'` */
  readonly maxBytes?: Size | undefined;
  /** The most entries, 1 or more. @defaultValue `Infinity` */
  readonly maxEntries?: number | undefined;
  /**
   * Which entries go first when it is full: those that were stored longest ago; those that were not read for longest; or those that are read least
   * often, where what was read long ago counts for less and less (LFU-DA; Arlitt et al., "Evaluating content management techniques for Web proxy
   * caches", 2000). What has expired goes before all others. With `'none'` nothing that has not expired goes: storing more than there is room for
   * throws `ERR_FULL`.
   *
   * Another one than is stored has all entries ranked anew, in one transaction, at the first call: some 6 seconds for a million, in which nobody else
   * writes.
   *
   * That an entry was read is written a second later, with others: of at most 1 000 entries a second for each object. Of more, chance decides; what
   * is read often is among them sooner or later.
   * @defaultValue `'least-recently-stored'`
   */
  readonly eviction?: Eviction | undefined;
}

/** Options of {@link Cache}; `V` are its values. */
export interface CacheOptions<V = never> extends CacheLimits, CodingOptions<V> {
  /** How long entries are kept that are stored without a `ttl` of their own: up to 100 years. It belongs to this object, not to the data. @defaultValue `Infinity` */
  readonly ttl?: Duration | undefined;
  /**
   * Over how many databases the entries are spread, each a file of its own, so that so many processes can write at once: 1 to 64. It is stored with
   * the cache, and given at first use; later it may be left out, and another number is refused: see {@link Cache.reshard}. Each holds its part of
   * `maxBytes` and `maxEntries`, so that an entry may be as large as such a part at most, and others may go before all of the cache is full. With
   * more than one shard nothing can be written inside a transaction of the store. On a server it is accepted and ignored: there, processes can always
   * write at once.
   * @defaultValue what is stored; 1 for a new cache
   */
  readonly shards?: number | undefined;
  /** Whether hits and misses are counted, for {@link Cache.stats}, by this object. @defaultValue `false` */
  readonly statistics?: boolean | undefined;
  /**
   * How many bytes a value has at most that lies in the database, as it is stored: encoded and compressed. A larger one is a file beside it. It
   * belongs to this object: whatever is stored can be read by all. `0` has all of them in files, `Infinity` none but streams of more than 16 MiB. On
   * a server only what {@link Cache.write} stores is kept apart when it is larger, in chunks. @defaultValue `'64KiB'`
   */
  readonly fileThreshold?: Size | undefined;
}

/** How an entry is stored. */
export interface SetOptions {
  /** How long it is kept: 0 to 100 years, or `Infinity`. By a clock that nobody sets, and that goes on over a reboot. @defaultValue `ttl` of the cache */
  readonly ttl?: Duration | undefined;
  /** Names under which it can be found and removed together with others: strings of 1 to 512 characters. @defaultValue none */
  readonly tags?: Iterable<string> | undefined;
}

/** Options of {@link Cache.write}. */
export interface WriteOptions extends SetOptions {
  /** Ends it: the call rejects with the signal's reason, and nothing is stored. */
  readonly signal?: AbortSignal | undefined;
}

/** @param ttl - What holds where none is given; `closing` ends it, too. */
export function resolveWrite(
  given: WriteOptions = {},
  ttl: number | null,
  closing: AbortSignal,
): { readonly keeping: Keeping; readonly signals: readonly AbortSignal[] } {
  const { signal } = given;
  const keeping = resolveSet(given, ttl, ['signal']);
  abortSignal('signal', signal);
  return { keeping, signals: signal === undefined ? [closing] : [closing, signal] };
}

/** Options of {@link Cache.getOrSet}. */
export interface GetOrSetOptions extends SetOptions, WaitOptions {
  /**
   * For how long the value that is stored may still be served at once when its `ttl` is over (stale-while-revalidate), while one caller works it out
   * anew, and should that fail. It is kept with the value: it holds for later calls whatever they give, and not for what {@link Cache.set} has
   * stored. `get` and `has` don't show what is stale; `size` counts it. Up to 100 years. @defaultValue 0
   */
  readonly staleFor?: Duration | undefined;
  /**
   * Has a value worked out anew before it expires, by chance, so that nobody waits: the longer that takes, the earlier. `true` is 1, a greater number
   * begins earlier, 0 is `false` (β of XFetch; Vattani et al., "Optimal probabilistic cache stampede prevention", 2015). @defaultValue `false`
   */
  readonly refreshAhead?: boolean | number | undefined;
  /**
   * For how long an error is kept for whoever asks; where a stale value is served, for how long it is not tried again. Without it, only those who are
   * waiting get it. Up to 100 years. @defaultValue 0
   */
  readonly errorTtl?: Duration | undefined;
}

/** {@link GetOrSetOptions}, checked. Milliseconds. */
export interface Producing {
  readonly keeping: Keeping;
  readonly staleFor: number;
  /** 0 for not at all. */
  readonly refreshAhead: number;
  readonly errorTtl: number;
  readonly waiting: WaitOptions;
}

const producingKeys = ['staleFor', 'refreshAhead', 'errorTtl', 'timeout', 'signal'];

/** @param ttl - What holds where none is given. */
export function resolveProducing(given: GetOrSetOptions = {}, ttl: number | null): Producing {
  const keeping = resolveSet(given, ttl, producingKeys);
  const { staleFor = 0, refreshAhead = false, errorTtl = 0, timeout, signal } = given;
  if (typeof refreshAhead !== 'boolean') finiteNumber('refreshAhead, where it is no boolean,', refreshAhead);
  if (Number(refreshAhead) < 0) throw new RangeError(`refreshAhead must be 0 or more, not ${refreshAhead}`);
  return {
    keeping,
    staleFor: milliseconds('staleFor', staleFor, longest),
    refreshAhead: Number(refreshAhead),
    errorTtl: milliseconds('errorTtl', errorTtl, longest),
    waiting: { timeout, signal },
  };
}

/** Options of {@link Cache.increment}. */
export interface IncrementOptions extends SetOptions {
  /** What an entry that is not there starts from. @defaultValue 0 */
  readonly initial?: number | undefined;
}

/** What {@link Cache.stats} gives. Counted by all processes; hits and misses by those caches that were made with `statistics: true`, and written a second later. */
export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
  /** How many entries have gone because there was no room for them. */
  readonly evictions: number;
  /** How many entries have gone since their time was over. */
  readonly expirations: number;
}

/** Which keys are iterated over. */
export interface CacheKeysOptions extends IterationOptions {
  /** Only those that have it. */
  readonly tag?: string | undefined;
  /** Only those that begin with it, in the order of keys: strings, bytes, or tuples whose first elements are these. */
  readonly prefix?: string | Uint8Array | readonly Key[] | undefined;
}

/** How values are stored. */
export interface Storing {
  /** How many bytes a value has at most that lies in its row. */
  readonly fileThreshold: number;
  readonly coding: Coding | undefined;
}

/** {@link SetOptions}, checked: milliseconds, or null for ever. */
export interface Keeping {
  readonly ttl: number | null;
  readonly tags: readonly string[];
}

/** What is stored with a cache, as far as it is given. */
export interface StoredLimits {
  readonly eviction: Eviction | undefined;
  readonly mostBytes: number | undefined;
  readonly mostEntries: number | undefined;
}

const evictions = ['least-recently-stored', 'least-recently-used', 'least-frequently-used', 'none'] as const;

/** Unlimited, as it is stored. */
export const unlimited = Number.MAX_SAFE_INTEGER;

/** What holds where nothing was stored yet. */
export const defaultLimits = {
  eviction: 'least-recently-stored',
  mostBytes: 2 ** 30,
  mostEntries: unlimited,
} as const;

const cacheKeys = [
  'maxBytes',
  'maxEntries',
  'eviction',
  'ttl',
  'statistics',
  'fileThreshold',
  'shards',
  'codec',
  'compress',
];

/** {@link CacheOptions}, checked. */
export interface ResolvedCache {
  readonly limits: StoredLimits;
  /** Milliseconds, or null for ever. */
  readonly ttl: number | null;
  readonly statistics: boolean;
  readonly storing: Storing;
  readonly shards: number | undefined;
  /** Whether something of this is to be stored with the cache. */
  readonly isForAll: boolean;
}

/** More files than that, and more processes that write at once, no machine is made for. */
export const mostShards = 64;

export function resolveCache(given: CacheOptions<unknown>): ResolvedCache {
  knownKeys('options of Cache', given, cacheKeys);
  const {
    maxBytes,
    maxEntries,
    eviction,
    ttl = Infinity,
    statistics = false,
    fileThreshold = '64KiB',
    shards,
  } = given;
  if (shards !== undefined) wholeNumber('shards', shards, 1, mostShards);
  if (eviction !== undefined) oneOf('eviction', eviction, evictions);
  boolean('statistics', statistics);
  if (maxEntries !== undefined && maxEntries !== Infinity) wholeNumber('maxEntries', maxEntries, 1);
  const limits = {
    eviction,
    mostBytes:
      maxBytes === undefined ? undefined : limitOf(maxBytes, (size) => byteSize('maxBytes', size, 1)),
    mostEntries: maxEntries === undefined ? undefined : limitOf(maxEntries, (entries) => entries),
  };
  return {
    limits,
    ttl: resolveTtl(ttl),
    statistics,
    storing: {
      fileThreshold: limitOf(fileThreshold, (size) => byteSize('fileThreshold', size, 0)),
      coding: resolveCoding(given),
    },
    shards,
    isForAll: [shards, ...Object.values(limits)].some((one) => one !== undefined),
  };
}

function limitOf<T>(given: T, read: (given: T) => number): number {
  return given === Infinity ? unlimited : read(given);
}

function resolveTtl(ttl: Duration): number | null {
  return ttl === Infinity ? null : milliseconds('ttl', ttl, longest);
}

/** @param ttl - What holds where none is given. */
export function resolveSet(
  given: SetOptions | undefined,
  ttl: number | null,
  others: readonly string[] = [],
): Keeping {
  if (given === undefined) return { ttl, tags: [] };
  knownKeys('options', given, ['ttl', 'tags', ...others]);
  return {
    ttl: given.ttl === undefined ? ttl : resolveTtl(given.ttl),
    tags: given.tags === undefined ? [] : resolveTags(given.tags),
  };
}

export function resolveTags(given: Iterable<string>): readonly string[] {
  const tags = [...new Set(iterable('tags', given))];
  for (const tag of tags) nameString('a tag', tag);
  return tags;
}

/** {@link CacheKeysOptions}, checked. */
export interface ResolvedKeys {
  readonly reverse: boolean;
  readonly tag: string | undefined;
  readonly prefix: CacheKeysOptions['prefix'];
}

export function resolveKeys(given: CacheKeysOptions = {}): ResolvedKeys {
  knownKeys('options of keys()', given, ['reverse', 'tag', 'prefix']);
  const { tag, prefix, reverse } = given;
  if (tag !== undefined) nameString('tag', tag);
  if (tag !== undefined && prefix !== undefined)
    throw new TypeError('keys() takes a tag or a prefix, not both');
  return { reverse: resolveReverse({ reverse }), tag, prefix };
}

export function resolveStats(given: { readonly reset?: boolean | undefined }): boolean {
  knownKeys('options of stats()', given, ['reset']);
  const { reset = false } = given;
  boolean('reset', reset);
  return reset;
}

/** What several shards have counted, together. */
export function summed(all: readonly CacheStats[]): CacheStats {
  const total = (name: keyof CacheStats): number => all.reduce((sum, one) => sum + one[name], 0);
  return {
    hits: total('hits'),
    misses: total('misses'),
    evictions: total('evictions'),
    expirations: total('expirations'),
  };
}

/** What makes something of what can be read once only. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * The same options, whose tags can be read again, also where they can be read once only: a call may be made again, where a cache was moved to other
 * shards meanwhile, or for other arguments.
 */
export function lasting<O extends SetOptions>(given: O | undefined): O | undefined {
  const tags: unknown = given?.tags;
  if (given === undefined || typeof tags !== 'object' || tags === null || Array.isArray(tags)) return given;
  // What it is, and that it throws, is found when it is read.
  const read = once(() => resolveTags(given.tags ?? []));
  return { ...given, tags: { [Symbol.iterator]: () => read()[Symbol.iterator]() } };
}
