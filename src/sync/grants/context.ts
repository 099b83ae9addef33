import { AsyncLocalStorage } from 'node:async_hooks';

/** What is taken: the same lock of the same store, through whichever object. */
export interface Subject {
  readonly store: object;
  readonly kind: string;
  readonly name: string;
}

/** What is held in an asynchronous context, and in all that it starts, until it ends. */
interface Frame {
  readonly parent: Frame | undefined;
  readonly subjects: readonly Subject[];
  /** What is held of each. */
  readonly held: readonly object[];
  ended: boolean;
}

const current = new AsyncLocalStorage<Frame>();

/** What is held of `subject` in this context. */
export function heldHere({ store, kind, name }: Subject): object | undefined {
  for (let frame = current.getStore(); frame !== undefined; frame = frame.parent) {
    if (frame.ended) continue;
    const index = frame.subjects.findIndex((s) => s.store === store && s.kind === kind && s.name === name);
    if (index >= 0) return frame.held[index];
  }
  return undefined;
}

/**
 * Runs `work` in a context in which something is held.
 *
 * Only a function can be given a context of its own. `AsyncLocalStorage.enterWith` would change that of the caller, and of its caller where that
 * doesn't await: of two tasks that are started side by side, the second would be taken for a part of the first.
 */
export async function runHolding<T>(
  subjects: readonly Subject[],
  held: readonly object[],
  work: () => T | PromiseLike<T>,
): Promise<T> {
  const frame: Frame = { parent: current.getStore(), subjects, held, ended: false };
  try {
    return await current.run(frame, work);
  } finally {
    // What it has started and goes on does not hold it any more.
    frame.ended = true;
  }
}
