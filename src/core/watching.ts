import { Gate } from './gate.js';
import type { Script } from './script.js';
import { refuseAborted } from './signals.js';
import type { Interest, Observation } from './store.js';
import { isPresent, join, leave, renewIfLost, type Waitable } from './waiting.js';

/**
 * Yields what is read, now and after each change of it, until `signal` aborts or the store closes: both throw. `return()` ends it at
 * once, also while `next()` waits, which a generator alone would not.
 */
export function watchChanges<R, T>(
  engine: Waitable,
  observation: Observation<R, T>,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<T> {
  const ended = new AbortController();
  const changes = changesOf(engine, observation, signal, ended.signal);
  return {
    next: () => changes.next(),
    return: () => {
      ended.abort();
      return changes.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* changesOf<R, T>(
  engine: Waitable,
  observation: Observation<R, T>,
  signal: AbortSignal | undefined,
  ended: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const signals = signal === undefined ? [engine.closing, ended] : [engine.closing, ended, signal];
  const wanted = (): void => refuseAborted(signals);
  wanted();
  const interest = observation.interest();
  const read = (structure: number): Script<R> => observation.read(structure);
  const gate = new Gate();
  // In a line of its own: each that watches is to hear.
  const listening = await engine.listen({}, gate.knock);
  const patience = { deadline: Infinity, signals, what: 'watch()', wanted };
  let waiter: number | undefined;
  try {
    if (!engine.readonly) waiter = await engine.soon((structure) => join(structure, interest), wanted);
    let last = await engine.look(read);
    yield observation.show(last);
    for (;;) {
      const polled = await gate.pass(patience);
      if (polled && waiter !== undefined) waiter = await rejoined(engine, waiter, interest, wanted);
      const now = await engine.look(read);
      if (observation.same(last, now)) continue;
      last = now;
      yield observation.show(now);
    }
  } catch (error) {
    if (ended.aborted) return;
    if (waiter === undefined) renewIfLost(engine, error);
    engine.closing.throwIfAborted();
    throw error;
  } finally {
    listening.stop();
    if (waiter !== undefined) await leave(engine, waiter);
  }
}

/** The place of an observer, joined again if somebody took this store for dead. */
async function rejoined(
  engine: Waitable,
  waiter: number,
  interest: Interest,
  wanted: () => void,
): Promise<number> {
  const present = await engine.look(() => isPresent(waiter));
  return present ? waiter : engine.soon((structure) => join(structure, interest), wanted);
}
