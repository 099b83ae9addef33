import { HoldfastError } from './errors.js';
import { heard, refuseAborted, unheard } from './signals.js';

export const timedOut = (what: string): HoldfastError =>
  new HoldfastError('ERR_TIMEOUT', `${what}: nothing came in the time given`);

/** For how long a call waits, and for whom it does. */
export interface Patience {
  /** By `performance.now()`; `-Infinity` for a call that tries once. */
  readonly deadline: number;
  readonly signals: readonly AbortSignal[];
  /** What the call is named in errors. */
  readonly what: string;
  /** Throws when nobody waits any more. */
  readonly wanted: () => void;
}

/** A gate that waits for a bell, and closes again behind who passes. */
export class Gate {
  #open = false;
  #polled = false;
  #pass: (() => void) | undefined;

  readonly knock = (rung: boolean): void => {
    this.#open = true;
    if (!rung) this.#polled = true;
    this.#pass?.();
  };

  /**
   * Resolves at the next knock, or after `within` milliseconds; tells whether it was the poll that knocked, or nobody. Rejects when one of the
   * signals aborts, or at the deadline.
   */
  async pass({ deadline, signals, what }: Patience, within = Infinity): Promise<boolean> {
    refuseAborted(signals);
    if (!this.#open) await this.#wait(deadline, signals, what, within);
    const polled = this.#polled;
    this.#open = false;
    this.#polled = false;
    return polled;
  }

  #wait(deadline: number, signals: readonly AbortSignal[], what: string, within: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      // A timer can't hold more.
      const time = Math.min(deadline - performance.now(), within, 2 ** 31 - 1);
      const timer =
        deadline < Infinity || within < Infinity
          ? setTimeout(
              () => {
                if (performance.now() < deadline) this.knock(false);
                else end(() => reject(timedOut(what)));
              },
              Math.max(0, time),
            )
          : undefined;
      const aborted = (event: Event): void => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is the caller's own.
        end(() => reject((event.target as AbortSignal).reason));
      };
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#pass = undefined;
        for (const signal of signals) unheard(signal, aborted);
        settle();
      };
      this.#pass = () => end(resolve);
      for (const signal of signals) heard(signal, aborted);
    });
  }
}

/** What a promise gives, as long as the patience lasts. */
export async function settledWithin<T>(promise: Promise<T>, patience: Patience): Promise<T> {
  const gate = new Gate();
  const state = { settled: false };
  const settle = (): void => {
    state.settled = true;
    gate.knock(true);
  };
  promise.then(settle, settle);
  while (!state.settled) await gate.pass(patience);
  return promise;
}
