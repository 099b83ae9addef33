import type { Key, KeyColumn } from '../../core/key.js';
import type { Kind, Scope } from '../../core/store.js';
import type { Producing } from './options.js';
import type { CacheScripts } from './scripts.js';
import type { Uses } from './uses.js';

/** What works out the value of a key. `signal` is aborted when the store closes. */
export type Produce<V> = (context: { readonly signal: AbortSignal }) => V | PromiseLike<V>;

/** What stores a value that was worked out while the cache was moved to other shards. */
export interface Elsewhere<V> {
  /** Aborted when the whole store closes: the database of a shard is closed when it was moved, and who works something out then, or waits for that, goes on. */
  readonly closing: AbortSignal;
  /** Whether it is for that that something has failed. */
  hasMoved(error: unknown): boolean;
  storeProduced(column: KeyColumn, value: V, producing: Producing, took: number): Promise<unknown>;
}

/** What a cache works with. */
export interface CacheParts<S extends Kind, V, K extends Key> {
  readonly scope: Scope<S>;
  readonly scripts: CacheScripts<K, V>;
  readonly uses: Uses<S>;
  readonly elsewhere: Elsewhere<V>;
}
