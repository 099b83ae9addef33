import { functionOf } from '../../core/options.js';
import { nothing } from '../../core/store.js';
import { enter, Frame, runIn, type Subject } from './context.js';
import type { AcquireOptions } from './options.js';

/** The calls that acquire and wait, by way of one that does. */
export abstract class Acquiring<G extends AsyncDisposable, O extends AcquireOptions> {
  readonly #subjects: readonly Subject[];

  constructor(...subjects: readonly Subject[]) {
    this.#subjects = subjects;
  }

  /**
   * Acquires it; waits until it is free. Nothing is polled: whoever releases it wakes the first who waits.
   *
   * What is acquired belongs to the caller's asynchronous context (as `AsyncLocalStorage.enterWith` has it): also to what is started from
   * then on, and to a caller that doesn't await. {@link use} is exact.
   *
   * @throws {@link HoldfastError} `ERR_TIMEOUT` when the time ran out, `ERR_DEADLOCK` when it would wait for its own asynchronous
   * context, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the signal's reason when it aborts;
   * `TypeError` or `RangeError` for options that don't exist.
   */
  acquire(options?: O): Promise<G> {
    const frame = new Frame(...this.#subjects);
    const taking = this.take('acquire()', options, frame);
    enter(frame);
    return taking;
  }

  /**
   * Acquires it, runs `work`, and releases it, also when `work` throws. The grant's `signal` tells `work` when it was lost.
   *
   * @returns What `work` returns.
   * @throws What {@link acquire} and `work` throw.
   */
  async use<T>(work: (grant: G) => T | PromiseLike<T>, options?: O): Promise<T> {
    functionOf('work', work);
    const frame = new Frame(...this.#subjects);
    const grant = await this.take('use()', options, frame);
    let result: T;
    try {
      result = await runIn(frame, () => work(grant));
    } catch (error) {
      // What the work threw says more than why it could not be released.
      await Promise.resolve(grant[Symbol.asyncDispose]()).catch(nothing);
      throw error;
    }
    await grant[Symbol.asyncDispose]();
    return result;
  }

  /** A function that runs `fn` as {@link use} does, each time it is called. */
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

  /** Acquires; tells the frame what is held, and when no more. */
  protected abstract take(what: string, options: O | undefined, frame: Frame): Promise<G>;

  /** @throws `TypeError` or `RangeError` for options that don't exist. */
  protected abstract check(what: string, options: O | undefined): void;
}
