import type { Key } from '../../core/key.js';
import { scopeOf, type Kind, type Result, type StoreOf } from '../../core/store.js';
import type { ResolvedCache } from './options.js';
import { Shard } from './shard.js';

/** The shards of a cache, and which of them a call is about. */
export class Shards<S extends Kind, V, K extends Key> {
  /** The one there is. */
  readonly only: Shard<S, V, K>;

  constructor(store: StoreOf<S>, name: string, resolved: ResolvedCache) {
    this.only = new Shard((setup) => scopeOf(store, { kind: 'cache', name, setup }), resolved);
  }

  /** What the shard of a key answers. */
  at<T>(_key: Key, ask: (shard: Shard<S, V, K>) => Result<S, T>): Result<S, T> {
    return ask(this.only);
  }

  /** The same of what waits. */
  atSoon<T>(_key: Key, ask: (shard: Shard<S, V, K>) => Promise<T>): Promise<T> {
    return ask(this.only);
  }

  /** What all of them answer, together. */
  sum(ask: (shard: Shard<S, V, K>) => Result<S, number>): Result<S, number> {
    return ask(this.only);
  }
}
