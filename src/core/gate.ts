import { HoldfastError } from './errors.js';
import { heard, refuseAborted, unheard } from './signals.js';

export const timedOut = (what: string): HoldfastError =>
  new HoldfastError('ERR_TIMEOUT', `${what}: nothing came in the time given`);

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

  /** Resolves at the next knock; tells whether the poll knocked. Rejects when one of the signals aborts, or at the deadline. */
  async pass(deadline: number, signals: readonly AbortSignal[], what: string): Promise<boolean> {
    refuseAborted(signals);
    if (!this.#open) await this.#wait(deadline, signals, what);
    const polled = this.#polled;
    this.#open = false;
    this.#polled = false;
    return polled;
  }

  #wait(deadline: number, signals: readonly AbortSignal[], what: string): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      // Longer waits than a timer can hold are cut; the poll opens the gate long before.
      const left = Math.max(0, Math.min(deadline - performance.now(), 2 ** 31 - 1));
      const timer = Number.isFinite(deadline)
        ? setTimeout(() => {
            end(() => {
              reject(timedOut(what));
            });
          }, left)
        : undefined;
      const aborted = (event: Event): void => {
        end(() => {
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is the caller's own.
          reject((event.target as AbortSignal).reason);
        });
      };
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#pass = undefined;
        for (const signal of signals) unheard(signal, aborted);
        settle();
      };
      this.#pass = () => {
        end(resolve);
      };
      for (const signal of signals) heard(signal, aborted);
    });
  }
}
