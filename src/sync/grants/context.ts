import { AsyncLocalStorage } from 'node:async_hooks';

/** What is taken: the same lock of the same store, through whichever object. */
export interface Subject {
  readonly store: object;
  readonly kind: string;
  readonly name: string;
}

/** That something is held, or about to be, in an asynchronous context and in all that it starts. */
export class Frame {
  readonly parent: Frame | undefined = nearestHeld();
  readonly #subjects: readonly Subject[];
  #held: readonly object[] | undefined;
  #ended = false;

  constructor(...subjects: readonly Subject[]) {
    this.#subjects = subjects;
  }

  /** Whether it is held by now. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** What is held of a subject here. */
  of({ store, kind, name }: Subject): object | undefined {
    const index = this.#subjects.findIndex((s) => s.store === store && s.kind === kind && s.name === name);
    return this.#held?.[index];
  }

  /** @param held - What is held of each subject. */
  hold(...held: readonly object[]): void {
    if (!this.#ended) this.#held = held;
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
  while (frame !== undefined && !frame.isHeld) frame = frame.parent;
  return frame;
}

/** What is held of `subject` in this context, as it was told to {@link Frame.hold}. */
export function heldHere(subject: Subject): object | undefined {
  let frame = nearestHeld();
  while (frame !== undefined && frame.of(subject) === undefined) frame = frame.parent;
  return frame?.of(subject);
}

/**
 * Makes the frame that of the rest of this asynchronous context. A function that is called, and not awaited, shares it with its caller from
 * then on: that is how `AsyncLocalStorage.enterWith` works. {@link runIn} does not leak.
 */
export function enter(frame: Frame): void {
  current.enterWith(frame);
}

/** Runs `work` in a context of its own. */
export function runIn<R>(frame: Frame, work: () => R): R {
  return current.run(frame, work);
}
