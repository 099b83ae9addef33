import type { WaitOptions } from '../../core/options.js';
import type { Kind, Result } from '../../core/store.js';
import type { JobInfo } from './looking.js';

/** What a handle asks its queue. */
export interface Answers<S extends Kind, Data, R> {
  get(id: number): Result<S, JobInfo<Data, R> | undefined>;
  cancel(id: number): Result<S, boolean>;
  result(id: number, options: WaitOptions | undefined): Promise<R>;
}

/** What {@link Handle} and {@link AsyncHandle} have in common. */
class HandleOf<S extends Kind, Data, R> {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'Handle' });
  }

  readonly #queue: Answers<S, Data, R>;

  /** Its number, which no other job of the store ever has: with it any process has the same handle from `queue.handle(id)`. */
  readonly id: number;

  constructor(queue: Answers<S, Data, R>, id: number) {
    this.#queue = queue;
    this.id = id;
  }

  /** What is known of it; `undefined` when it is not there any more. */
  get(): Result<S, JobInfo<Data, R> | undefined> {
    return this.#queue.get(this.id);
  }

  /** Cancels it: see {@link Queue.cancel}. */
  cancel(): Result<S, boolean> {
    return this.#queue.cancel(this.id);
  }

  /**
   * What its handler returned, in whichever process; also when it has ended before. How long that can be asked is a matter of `keep` of the queue.
   *
   * @throws What the last attempt failed with, as an `Error` with its name, message, stack, code and cause: without a handler's fault
   * {@link HoldfastError} `ERR_TIMEOUT` when its own `timeout` had passed, `ERR_JOB_DEATHS`, `ERR_CHILD_FAILED`, `ERR_THREAD`; `ERR_CANCELLED` when
   * it was cancelled or has expired (then with `ERR_EXPIRED` as its `cause`), `ERR_NOT_FOUND` when it is not there (any more), `ERR_TIMEOUT` when the
   * time ran out, `ERR_CLOSED` when the store was closed, `ERR_IN_TRANSACTION` inside a transaction; the signal's reason when it aborts.
   */
  result(options?: WaitOptions): Promise<R> {
    return this.#queue.result(this.id, options);
  }
}

/** A job of an embedded store, as whoever added it sees it. */
export interface Handle<Data, R = void> extends HandleOf<'embedded', Data, R> {}

/** A job of a server store, as whoever added it sees it. */
export interface AsyncHandle<Data, R = void> extends HandleOf<'server', Data, R> {}

/** The handle of a job, by the kind of its store. */
export type HandleFor<S extends Kind, Data, R> = {
  embedded: Handle<Data, R>;
  server: AsyncHandle<Data, R>;
}[S];

/** Makes handles. */
export const handleFor: {
  readonly [S in Kind]: <Data, R>(queue: Answers<S, Data, R>, id: number) => HandleFor<S, Data, R>;
} = {
  embedded: (queue, id) => new HandleOf(queue, id),
  server: (queue, id) => new HandleOf(queue, id),
};
