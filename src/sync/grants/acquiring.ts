import { functionOf } from '../../core/options.js';
import { nothing } from '../../core/store.js';
import { runHolding, type Subject } from './context.js';
import type { AcquireOptions } from './options.js';

/** What was acquired: what its user gets, what is held of each subject, and how `use` gives it back, whatever became of the grant. */
export interface Acquired<G> {
  readonly grant: G;
  readonly held: readonly object[];
  readonly release: () => Promise<void>;
}

/** The calls that acquire and wait, by way of one that does. */
export abstract class Acquiring<G, O extends AcquireOptions> {
  readonly #subjects: readonly Subject[];

  constructor(...subjects: readonly Subject[]) {
    this.#subjects = subjects;
  }

  /**
   * Acquires it; waits until it is free. Nothing is polled: whoever releases it wakes the first who waits.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_DEADLOCK` inside of {@link use} of the same lock, which it would wait
   * for; `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the signal's reason when it aborts;
   * `TypeError` or `RangeError` for options that don't exist, or make no sense.
   */
  async acquire(options?: O): Promise<G> {
    return (await this.take('acquire()', options)).grant;
  }

  /**
   * Acquires it, runs `work`, and releases it, also when `work` throws. The grant's `signal` tells `work` when it was lost. In the
   * asynchronous context of `work` it is known to be held: to acquire a lock there again would wait for itself, and throws `ERR_DEADLOCK`; an
   * {@link RLock} counts, and who reads may read again. Of a {@link BoundedSemaphore} it is another permit, and may be waited for in vain.
   *
   * @returns What `work` returns.
   * @throws What {@link acquire} and `work` throw.
   */
  async use<T>(work: (grant: G) => T | PromiseLike<T>, options?: O): Promise<T> {
    functionOf('work', work);
    const { grant, held, release } = await this.take('use()', options);
    let result: T;
    try {
      result = await runHolding(this.#subjects, held, () => work(grant));
    } catch (error) {
      // What the work threw says more than why it could not be released.
      await release().catch(nothing);
      throw error;
    }
    await release();
    return result;
  }

  /** A function that runs `fn` as {@link use} does, each time it is called. @throws `TypeError` or `RangeError`, at once, as {@link use}. */
  wrap<A extends unknown[], T>(
    fn: (...args: A) => T | PromiseLike<T>,
    options?: O,
  ): (...args: A) => Promise<T> {
    functionOf('fn', fn);
    this.check('wrap()', options);
    const use = (work: () => T | PromiseLike<T>): Promise<T> => this.use(work, options);
    return function wrapped(this: unknown, ...args: A) {
      return use(() => fn.apply(this, args));
    };
  }

  protected abstract take(what: string, options: O | undefined): Promise<Acquired<G>>;

  /** @throws `TypeError` or `RangeError` for options that don't exist. */
  protected abstract check(what: string, options: O | undefined): void;
}
