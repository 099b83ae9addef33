import { getMaxListeners, setMaxListeners } from 'node:events';

/** Listens to a signal. One signal may end many waits: that is no leak for Node to warn of. */
export function heard(signal: AbortSignal, listener: (event: Event) => void): void {
  const most = getMaxListeners(signal);
  // 0 is no limit.
  if (most > 0) setMaxListeners(most + 1, signal);
  signal.addEventListener('abort', listener);
}

/** Listens no more. */
export function unheard(signal: AbortSignal, listener: (event: Event) => void): void {
  signal.removeEventListener('abort', listener);
  const most = getMaxListeners(signal);
  if (most > 1) setMaxListeners(most - 1, signal);
}

/** Throws the reason of the first that is aborted. */
export function refuseAborted(signals: readonly AbortSignal[]): void {
  for (const signal of signals) signal.throwIfAborted();
}
