import { AsyncLocalStorage, executionAsyncResource } from 'node:async_hooks';

/** What is taken: the same lock of the same store, through whichever object. */
export interface Subject {
  readonly store: object;
  readonly kind: string;
  readonly name: string;
}

/** That something is held, or about to be, in an asynchronous context and in all that it starts. */
export class Frame {
  readonly subject: Subject;
  readonly parent: Frame | undefined = nearestHeld();
  #held: unknown;
  #ended = false;

  constructor(subject: Subject) {
    this.subject = subject;
  }

  /** What is held; `undefined` while it is not. */
  get held(): unknown {
    return this.#held;
  }

  hold(value: object): void {
    if (!this.#ended) this.#held = value;
  }

  end(): void {
    this.#ended = true;
    this.#held = undefined;
  }
}

const current = new AsyncLocalStorage<Frame>();

/**
 * Only what is held counts, so that chains stay short; and not what is still waited for: two tasks that are started one after the other,
 * each of which begins with `acquire`, are not one inside the other.
 */
function nearestHeld(): Frame | undefined {
  let frame = current.getStore();
  while (frame !== undefined && frame.held === undefined) frame = frame.parent;
  return frame;
}

const sameSubject = (a: Subject, b: Subject): boolean =>
  a.store === b.store && a.kind === b.kind && a.name === b.name;

/** What is held of `subject` in this context, as it was told to {@link Frame.hold}. */
export function heldHere(subject: Subject): unknown {
  for (let frame = nearestHeld(); frame !== undefined; frame = frame.parent) {
    if (frame.held !== undefined && sameSubject(frame.subject, subject)) return frame.held;
  }
  return undefined;
}

/**
 * Makes the frame that of the rest of this asynchronous context. A function that is called, and not awaited, shares it with its caller from
 * then on: that is how `AsyncLocalStorage.enterWith` works. {@link runIn} does not leak.
 */
export function enter(frame: Frame): void {
  const before = current.getStore();
  current.enterWith(frame);
  leaveLater(before);
}

/** Callbacks that have entered a frame, and have not ended. */
const entered = new WeakSet<object>();

/**
 * Until Node 24 `enterWith` writes to what Node calls the resource of the running callback: one and the same for all ticks of a timer, and for all
 * messages of a connection. Each of them would then be inside what an earlier one holds; of an `RLock`, all would hold it at once. What was
 * started in the meantime, and what awaits, has a copy by the time that this takes the frame away. (From Node 24 on there is no such property.)
 */
function leaveLater(before: Frame | undefined): void {
  const { kResourceStore } = current as unknown as { kResourceStore?: symbol };
  if (kResourceStore === undefined) return;
  const resource = executionAsyncResource() as Record<symbol, Frame | undefined>;
  if (entered.has(resource)) return;
  entered.add(resource);
  queueMicrotask(() => {
    entered.delete(resource);
    resource[kResourceStore] = before;
  });
}

/** Runs `work` in a context of its own. */
export function runIn<R>(frame: Frame, work: () => R): R {
  return current.run(frame, work);
}
