import { knownKeys } from './core/options.js';
import type { AsyncStore, Store } from './core/store.js';
import { Throttle, type AsyncThrottle, type ThrottleResult } from './sync/throttle.js';

/** What the middleware tells a store of its options: the part that is used here. */
export interface MiddlewareOptions {
  /** Milliseconds. */
  readonly windowMs: number;
}

/** What a store tells the middleware of a key. */
export interface ClientInfo {
  /** How often it was counted in its window. */
  totalHits: number;
  /** When its window ends. */
  resetTime: Date;
}

/** Options of {@link HoldfastStore}. */
export interface HoldfastStoreOptions {
  /**
   * The name under which hits are counted: limiters with the same one, in any process that opened the store, count together, so it must be
   * another for each limit of an application. `store.structures()` lists it as the name of a throttle.
   * @defaultValue `'express-rate-limit'`
   */
  readonly prefix?: string | undefined;
}

/** The middleware compares with a limit of its own, which may differ by request. Here everything is counted. */
const limit = Number.MAX_SAFE_INTEGER;

/**
 * Keeps the counts of [express-rate-limit](https://www.npmjs.com/package/express-rate-limit) in a store, embedded or on a server: all processes that
 * opened it share them, and they survive restarts. Windows are fixed, and begin with the first hit of a key. The store is
 * not closed with the middleware.
 *
 * Each method rejects with the `HoldfastError` of the store: `ERR_CLOSED`, `ERR_BUSY`, `ERR_FULL`, `ERR_READONLY`, `ERR_IO`, `ERR_CORRUPT`;
 * on a server `ERR_CONNECTION`, `ERR_CONFLICT`. The middleware answers with an error then, or lets the request pass where its
 * `passOnStoreError` is set.
 *
 * @example
 * import { rateLimit } from 'express-rate-limit';
 * import { HoldfastStore } from 'holdfast/express-rate-limit';
 *
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, store: new HoldfastStore(store, { prefix: 'api' }) }));
 */
export class HoldfastStore {
  readonly #store: Store | AsyncStore;
  #throttle: Throttle | AsyncThrottle | undefined;

  /** Tells the middleware that counts are shared. */
  readonly localKeys = false;
  /** See {@link HoldfastStoreOptions.prefix}. */
  readonly prefix: string;

  /** @throws `TypeError`, `RangeError` when `store` is none, or `prefix` not a string of 1 to 512 characters. */
  constructor(store: Store | AsyncStore, options: HoldfastStoreOptions = {}) {
    knownKeys('options of HoldfastStore', options, ['prefix']);
    const { prefix = 'express-rate-limit' } = options;
    this.#store = store;
    this.prefix = prefix;
    // So that what is wrong is refused here, not at the first request.
    throttleOf(store, prefix, 1);
  }

  /** Called by the middleware, with its options. @throws `RangeError` when `windowMs` is not at least a millisecond. */
  init(options: MiddlewareOptions): void {
    this.#throttle = throttleOf(this.#store, this.prefix, options.windowMs);
  }

  /** How often `key` was counted in its window; `undefined` when it was not. */
  async get(key: string): Promise<ClientInfo | undefined> {
    const info = infoOf(await this.#initialized.peek({ key }));
    return info.totalHits === 0 ? undefined : info;
  }

  /** Counts a hit. */
  async increment(key: string): Promise<ClientInfo> {
    return infoOf(await this.#initialized.take({ key }));
  }

  /** Takes a hit back. */
  async decrement(key: string): Promise<void> {
    await this.#initialized.refund({ key });
  }

  /** Forgets the hits of a key. */
  async resetKey(key: string): Promise<void> {
    await this.#initialized.reset({ key });
  }

  /** Forgets the hits of all keys. */
  async resetAll(): Promise<void> {
    await this.#initialized.resetAll();
  }

  /** Does nothing: whoever opened the store closes it. */
  shutdown(): void {}

  get #initialized(): Throttle | AsyncThrottle {
    if (this.#throttle === undefined)
      throw new TypeError(
        'init() must be called first, as the middleware does: give the store to rateLimit()',
      );
    return this.#throttle;
  }
}

function throttleOf(store: Store | AsyncStore, name: string, per: number): Throttle | AsyncThrottle {
  const options = { limit, per, algorithm: 'fixed-window' } as const;
  return store.kind === 'embedded' ? new Throttle(store, name, options) : new Throttle(store, name, options);
}

const infoOf = ({ remaining, resetAt }: ThrottleResult): ClientInfo => ({
  totalHits: limit - remaining,
  resetTime: resetAt,
});
