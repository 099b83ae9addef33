import { AsyncLocalStorage } from 'node:async_hooks';

/** Runs what nobody's asynchronous context is to reach: in that of a transaction, say, nothing could be asked once it has ended. */
export const outside: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();

/** Work, and whether it has ended. */
export interface Mark {
  isOver: boolean;
}

/** What is under way in the asynchronous context of now, each inside of those before it. */
export class UnderWay {
  readonly #all = new AsyncLocalStorage<readonly Mark[]>();

  get now(): readonly Mark[] {
    return (this.#all.getStore() ?? []).filter(({ isOver }) => !isOver);
  }

  /** `work`, known by its mark: it runs in the context of now, whoever calls it. */
  bound<A extends unknown[], R>(
    mark: Mark,
    work: (...args: A) => R | PromiseLike<R>,
  ): (...args: A) => Promise<R> {
    const all = [...this.now, mark];
    return AsyncLocalStorage.bind((...args: A) =>
      this.#all.run(all, async () => {
        try {
          return await work(...args);
        } finally {
          // What it has started, and goes on, is no part of it.
          mark.isOver = true;
        }
      }),
    );
  }
}
