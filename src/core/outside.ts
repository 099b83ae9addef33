import { AsyncLocalStorage } from 'node:async_hooks';

/** Runs what nobody's asynchronous context is to reach: in that of a transaction, say, nothing could be asked once it has ended. */
export const outside: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();
