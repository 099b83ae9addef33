import { AsyncLocalStorage } from 'node:async_hooks';

/** Runs what nobody's asynchronous context is to reach: in that of a transaction, say, nothing could be asked once it has ended. */
export const outside: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();

/** What is under way in the asynchronous context of now, each inside of those before it. */
export class UnderWay<T> {
  readonly #all = new AsyncLocalStorage<readonly { readonly one: T; isOver: boolean }[]>();

  get now(): readonly T[] {
    return this.#now.map(({ one }) => one);
  }

  get #now(): readonly { readonly one: T; isOver: boolean }[] {
    return (this.#all.getStore() ?? []).filter(({ isOver }) => !isOver);
  }

  /** `work` as `one` of them: it runs in the context of now, whoever calls it. */
  bound<A extends unknown[], R>(
    one: T,
    work: (...args: A) => R | PromiseLike<R>,
  ): (...args: A) => Promise<R> {
    const own = { one, isOver: false };
    const all = [...this.#now, own];
    return AsyncLocalStorage.bind((...args: A) =>
      this.#all.run(all, async () => {
        try {
          return await work(...args);
        } finally {
          // What it has started, and goes on, is no part of it.
          own.isOver = true;
        }
      }),
    );
  }
}
