import { AsyncLocalStorage } from 'node:async_hooks';

/** Runs what nobody's asynchronous context is to reach: in that of a transaction, say, nothing could be asked once it has ended. */
export const outside: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();

/** What is under way in the asynchronous context of now, each inside of those before it. */
export class UnderWay<T> {
  readonly #all = new AsyncLocalStorage<readonly T[]>();

  get now(): readonly T[] {
    return this.#all.getStore() ?? [];
  }

  /** `work` as `one` of them: it runs in the context of now, whoever calls it. */
  bound<A extends unknown[], R>(one: T, work: (...args: A) => R): (...args: A) => R {
    const all = [...this.now, one];
    return AsyncLocalStorage.bind((...args: A) => this.#all.run(all, () => work(...args)));
  }
}
