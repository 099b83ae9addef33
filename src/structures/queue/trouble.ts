import { driverCode } from '../../core/errors.js';

/** What of the options of a worker is about its failures. */
export interface TroubleOptions {
  /**
   * Called with what the worker itself could not do, each time: it could not write or claim, say, since the disk is full or the connection lost, and tries again
   * every half second; a thread ended that had no job; or (`ERR_NO_HANDLER`) the module of its handler could not be loaded, and it has stopped. What
   * handlers throw is stored with their jobs instead. Without it there is a warning of the process, one for each row of failures.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Tells of what a worker could not do. */
export class Trouble {
  readonly #onError: ((error: unknown) => void) | undefined;
  #warned = false;

  constructor(onError: ((error: unknown) => void) | undefined) {
    this.#onError = onError;
  }

  report(error: unknown): void {
    if (this.#onError !== undefined) tell(this.#onError, error);
    else if (!this.#warned) {
      this.#warned = true;
      warn(error);
    }
  }

  /** It could: what fails next is told again. */
  over(): void {
    this.#warned = false;
  }
}

/** What the function throws is no business of the worker's, and not lost either. */
function tell(onError: (error: unknown) => void, error: unknown): void {
  try {
    onError(error);
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}

function warn(error: unknown): void {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const code = driverCode(error);
  process.emitWarning(`A worker of a queue: ${message}`, {
    type: 'HoldfastWarning',
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { detail: stack }),
  });
}
