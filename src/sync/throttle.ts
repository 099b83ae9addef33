import type { KeyColumn } from '../core/key.js';
import { functionOf } from '../core/options.js';
import { slack, unused } from '../core/rate/rules.js';
import { usages } from '../core/rate/usage.js';
import {
  scopeOf,
  type AsyncStore,
  type Kind,
  type Result,
  type Scope,
  type Store,
  type StoreOf,
} from '../core/store.js';
import { headersOf } from './throttle/headers.js';
import {
  Requests,
  resolveLimits,
  type PenalizeOptions,
  type RefundOptions,
  type Request,
  type ResetOptions,
  type TakeOptions,
  type ThrottleOptions,
  type ThrottleWaitOptions,
} from './throttle/options.js';
import { ThrottleScripts, type Reservation, type ThrottleResult } from './throttle/scripts.js';
import { sql } from './throttle/statements.js';
import { Waiting } from './throttle/waiting.js';

export type {
  PenalizeOptions,
  RefundOptions,
  ResetOptions,
  TakeOptions,
  ThrottleOptions,
  ThrottleWaitOptions,
} from './throttle/options.js';
export type { ThrottleResult } from './throttle/scripts.js';

/** What {@link Throttle} and {@link AsyncThrottle} have in common. */
class ThrottleOf<S extends Kind> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Throttle' });
  }

  readonly #scope: Scope<S>;
  readonly #requests: Requests;
  readonly #scripts: ThrottleScripts;
  readonly #waiting: Waiting<S>;
  /** Whether what is used up is a debt, which one statement adds to. */
  readonly #isDebt: boolean;
  readonly #per: number;
  readonly #rate: number;
  readonly #burst: number;

  /** The name it was constructed with. */
  readonly name: string;

  constructor(store: StoreOf<S>, name: string, options: ThrottleOptions) {
    const limits = resolveLimits(options);
    const { limit, per, burst, algorithm } = limits;
    this.#scope = scopeOf(store, { kind: 'throttle', name, places: false });
    this.#requests = new Requests(this.#scope.kind, burst);
    this.#scripts = new ThrottleScripts(this.#scope.kind, limits);
    this.#waiting = new Waiting(this.#scope, this.#scripts, (request, enter) =>
      this.#reserve(request, enter),
    );
    this.#isDebt = algorithm === 'gcra';
    this.#per = per;
    this.#rate = limit / per;
    this.#burst = burst;
    this.name = name;
  }

  /**
   * Takes `cost` of the limit of `key`, if that much is left; never waits for it. What is refused changes nothing. Inside `store.transaction` it
   * is undone when that is.
   *
   * @throws `RangeError` when `cost` is not a whole number from 1 to `burst` (it could never be allowed); `TypeError`, `RangeError` when
   * `key` is no key.
   */
  take(options?: TakeOptions): Result<S, ThrottleResult> {
    if (this.#scripts.due) this.#scope.aside((structure) => this.#scripts.sweep(structure));
    const prepare = (): Request => this.#requests.take('take()', options);
    if (!this.#isDebt)
      return this.#scope.write(prepare, (structure, request) => this.#scripts.take(structure, request));
    return this.#scope.change(
      sql.add,
      prepare,
      (structure, request) => this.#addition(structure, request, 0),
      ([used], { key, cost }) => {
        if (used === cost) this.#scripts.noteFresh(key);
        return this.#scripts.result({ ...unused, used });
      },
      (structure, request) => this.#scripts.refused(structure, request),
    );
  }

  /** What {@link take} would answer, without taking anything: only reads. */
  peek(options?: TakeOptions): Result<S, ThrottleResult> {
    let cost = 1;
    return this.#scope.one(
      usages.look,
      () => {
        const request = this.#requests.take('peek()', options);
        ({ cost } = request);
        return request;
      },
      (structure, { key }) => [structure, key],
      (row) => this.#scripts.peeked(row, cost),
    );
  }

  /**
   * Waits until `cost` of the limit of `key` can be taken, and takes it. Whoever calls first is first, across processes: the call reserves
   * the next place in one statement, and sleeps until its time has come, never less; `take` is refused meanwhile. The wait keeps the process alive.
   *
   * A wait that can't end within `timeout` fails at once and reserves nothing. Who gives up gives its place back if nobody has queued behind
   * it; those behind keep theirs, and a place that was not given back (its process was killed, say) passes unused.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT`, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the
   * signal's reason when it aborts. `RangeError`, `TypeError` as {@link take}.
   */
  async wait(options?: ThrottleWaitOptions): Promise<void> {
    return this.#wait(this.#requests.wait(options), 'wait()');
  }

  /** A function that waits, as {@link wait} does with `options`, and then calls `work`. @throws What {@link wait} throws, of wrong options at once. */
  wrap<A extends unknown[], T>(
    work: (...args: A) => T | PromiseLike<T>,
    options?: ThrottleWaitOptions,
  ): (...args: A) => Promise<T> {
    functionOf('work', work);
    const request = this.#requests.wait(options);
    const wait = (): Promise<unknown> => this.#wait(request, 'a function of wrap()');
    return async function wrapped(this: unknown, ...args: A) {
      await wait();
      return work.apply(this, args);
    };
  }

  /**
   * Gives `cost` back, for what was taken and not used; never beyond the whole limit. What comes free is for who comes next: those
   * who wait keep their places.
   *
   * @returns What {@link peek} would answer now.
   * @throws `RangeError` when `cost` is not a whole number of 1 or more.
   */
  refund(options?: RefundOptions): Result<S, ThrottleResult> {
    return this.#scope.write(
      () => this.#requests.refund(options),
      (structure, request) => this.#scripts.refund(structure, request),
    );
  }

  /**
   * Takes `cost` away even where less is left, so that it must be made up for first; or with `for`, leaves nothing to take for that
   * long, for who was caught at something. In windows what is left of a `cost` is forgiven when the window ends.
   *
   * @returns What {@link peek} would answer now.
   * @throws `RangeError` when `cost` is not a whole number of 1 or more, or `for` not a duration of 1 ms or more.
   */
  penalize(options?: PenalizeOptions): Result<S, ThrottleResult> {
    return this.#scope.write(
      () => this.#requests.penalize(options),
      (structure, request) => this.#scripts.penalize(structure, request),
    );
  }

  /** Forgets what was used of the limit of `key`, penalties too. Those who wait go on waiting, but who comes now need not queue behind them. */
  reset(options?: ResetOptions): Result<S, void> {
    return this.#scope.write(
      () => this.#requests.reset(options),
      (structure, key) => this.#scripts.remove(structure, key),
    );
  }

  /** {@link reset} for all keys: in batches, each a transaction of its own, so that others can go on; inside `store.transaction` all at once. */
  resetAll(): Result<S, void> {
    return this.#scope.repeat(
      () => undefined,
      (structure, from: KeyColumn | undefined) => this.#scripts.removeSome(structure, from),
      () => undefined,
    );
  }

  /**
   * The fields that tell a client of its limit: `RateLimit` and `RateLimit-Policy` as in
   * [draft-ietf-httpapi-ratelimit-headers-10](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), and where it was refused `Retry-After`
   * ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)) in whole seconds. The policy has the throttle's name, or
   * `"default"` where that is not ASCII, and the `limit` and `per` it was constructed with (the draft has no word for `burst`, and no window that
   * is not in whole seconds: it is left out then). What can be given to `new Headers()`, `response.writeHead()` or Express's `response.set()`.
   *
   * @example
   * const result = throttle.take({ key: request.ip });
   * response.set(throttle.headers(result));
   * if (!result.allowed) return response.status(429).end();
   */
  headers(result: ThrottleResult): Record<string, string> {
    return headersOf(this.name, this.#per, result);
  }

  async #wait(request: ReturnType<Requests['wait']>, what: string): Promise<void> {
    this.#scope.refuseInTransaction(what);
    return this.#waiting.wait(request);
  }

  /** One statement takes a place, unless another process is writing at this moment. */
  async #reserve(
    request: Request & { readonly timeout: number },
    enter: (reservation: Reservation) => Reservation,
  ): Promise<Reservation | undefined> {
    if (!this.#isDebt) return undefined;
    const { key, cost, timeout } = request;
    return this.#scope.attempt(
      sql.reserve,
      (structure) => this.#addition(structure, request, timeout),
      ([used, monotonic, boot]) =>
        enter({
          ...{ key, cost, at: { monotonic, boot } },
          delay: used <= this.#burst + slack ? 0 : (used - this.#burst) / this.#rate,
          before: { ...unused, used: used - cost },
          usage: { ...unused, used },
        }),
    );
  }

  /** @param patience - How many milliseconds later it may come to be paid off. */
  #addition(
    structure: number,
    { key, cost }: Request,
    patience: number,
  ): [number, KeyColumn, number, number, number, number] {
    const rate = this.#rate;
    return [structure, key, cost, rate, rate, this.#burst + slack + patience * rate];
  }
}

/** A rate limit in an embedded store. */
export interface Throttle extends ThrottleOf<'embedded'> {}

/** A rate limit in a server store. */
export interface AsyncThrottle extends ThrottleOf<'server'> {}

/**
 * The rate limit `name`, shared by every process that opened the store: a {@link Throttle} in an embedded store, an {@link AsyncThrottle} in
 * a server store. It has any number of keys, each with the whole limit; those that are as good as new are swept away, a few with each
 * so many that are taken from.
 *
 * What was used is kept as it was counted (in units of `cost`), through restarts and whatever options it is constructed with: other options hold for
 * this object from its first call, for the time since the key was last taken from, too; nothing is filled up by a change. Processes should
 * give the same options.
 *
 * Time is the machine's monotonic clock, so that setting the wall clock changes nothing; over a reboot it is the wall clock, which may
 * have been set meanwhile: backwards counts as no time, forwards at most fills a key up. While the machine sleeps, time may stand still. On a server it
 * is the server's clock; should that be set back, time goes on from there.
 *
 * Besides what its methods say, each may throw (on a server: reject with) a {@link HoldfastError}: `ERR_CLOSED`; `ERR_CORRUPT` where what is
 * stored can't be read; `ERR_IO`; on an embedded store `ERR_BUSY` when another process held the write lock for longer than `busyTimeout`,
 * `ERR_FULL`, `ERR_READONLY`; on a server `ERR_CONNECTION`, `ERR_CONFLICT`. Nothing was changed then; after
 * `ERR_CONNECTION` it may have been.
 *
 * @example
 * const api = new Throttle(store, 'api', { limit: 100, per: '1m' });
 * const { allowed, retryAfter } = api.take({ key: customer });
 * await api.wait({ key: 'upstream', timeout: '30s' });
 */
export const Throttle: {
  new (store: Store, name: string, options: ThrottleOptions): Throttle;
  new (store: AsyncStore, name: string, options: ThrottleOptions): AsyncThrottle;
} = ThrottleOf;
