import type { Columns, ValueColumn } from '../../core/columns.js';
import { HoldfastError } from '../../core/errors.js';
import type { Ended } from './change.js';
import { revivedError, storedError, type StoredError } from '../../core/failure.js';
import type { Reading } from './looking.js';
import { delayOf, usualDelay, type Policy, type StoredOptions } from './options.js';
import type { Stage } from './statements.js';

/** One run of a job: its number, and that of the claim. */
export interface Claim {
  readonly id: number;
  readonly claim: number;
}

/** A run of a job, and what decides of its end. */
export interface Attempt extends Claim {
  /** How many attempts have failed before. */
  readonly failures: number;
  readonly options: StoredOptions;
}

/** What becomes of a job that was running. */
export interface Outcome extends Claim {
  readonly stage: Stage;
  readonly failures: number;
  readonly deaths: number;
  /** In how many milliseconds it is due; null for as it was. */
  readonly delay: number | null;
  /** The result, or the last error. */
  readonly outcome: ValueColumn | null;
  readonly size: number;
  /** The error of this attempt. */
  readonly error: ValueColumn | null;
  /** Its bytes, where it is completed and in no group: most often nothing else has to be done then. */
  readonly simple?: number | undefined;
}

/** What is known of a run that has completed its job. */
export interface Finished extends Claim {
  readonly bytes: number;
  readonly group: string | undefined;
}

const nothingSpecial = { failures: 0, deaths: 0, delay: null, outcome: null, size: 0, error: null };

/** Says what becomes of jobs, by the options of the queue and their own. */
export class Outcomes {
  readonly #results: Columns<never, unknown>;
  readonly #errors: Columns<never, StoredError>;
  readonly policy: Policy;

  constructor({ values, errors }: Reading, policy: Policy) {
    this.#results = values;
    this.#errors = errors;
    this.policy = policy;
  }

  /** @throws `TypeError` when something in the result can't be stored. */
  completed({ id, claim, bytes, group }: Finished, result: unknown): Outcome {
    const stored = result === undefined ? undefined : this.#results.encodeValue(result, 'result');
    // Written out: spreading what is common took a tenth of all that a job takes.
    return {
      id,
      claim,
      stage: 'completed',
      failures: 0,
      deaths: 0,
      delay: null,
      outcome: stored?.column ?? null,
      size: stored?.size ?? 0,
      error: null,
      simple: group === undefined ? bytes : undefined,
    };
  }

  /** It failed: it is tried again, unless that was the last attempt, or it is not to be. */
  failed({ id, claim, failures, options }: Attempt, thrown: unknown, retry = true): Outcome {
    const attempt = failures + 1;
    const common = { id, claim, ...nothingSpecial, failures: 1 };
    if (retry && attempt < (options.attempts ?? this.policy.attempts)) {
      const { delay, error } = this.#backoff(options, attempt, thrown);
      return { ...common, stage: 'delayed', delay, error: this.#error(error).column };
    }
    const error = this.#error(thrown);
    return { ...common, stage: 'failed', outcome: error.column, size: error.size, error: error.column };
  }

  /** Its time is over. */
  timedOut(attempt: Attempt): Outcome {
    return this.failed(attempt, timeoutError());
  }

  /** Its process died. After too many times it is set aside: it may be what kills them. */
  died({ id, claim }: Claim, deaths: number): Outcome {
    const common = { id, claim, ...nothingSpecial, deaths: 1 };
    if (deaths + 1 < this.policy.maxDeaths) return { ...common, stage: 'ready' };
    const error = this.#error(
      new HoldfastError('ERR_JOB_DEATHS', `its process died while it ran, ${deaths + 1} times`),
    );
    return { ...common, stage: 'failed', outcome: error.column, size: error.size, error: error.column };
  }

  /** It goes back, as if it had not been claimed. */
  released({ id, claim }: Claim): Outcome {
    return { id, claim, stage: 'ready', ...nothingSpecial };
  }

  snoozed({ id, claim }: Claim, delay: number): Outcome {
    return { id, claim, stage: 'delayed', ...nothingSpecial, delay };
  }

  /** It was not to be started any more. */
  expired({ id, claim }: Claim): Outcome {
    const error = this.#error(
      new HoldfastError('ERR_EXPIRED', 'it was not to be started any more: it had expired'),
    );
    return { id, claim, stage: 'cancelled', ...nothingSpecial, outcome: error.column, size: error.size };
  }

  /** What a job fails with that was to run after one that has not completed. */
  childFailed({ id, stage, outcome }: Ended): { readonly column: ValueColumn; readonly size: number } {
    const cause = outcome === null ? undefined : revivedError(this.#errors.decodeValue(outcome));
    const end = stage === 'failed' ? 'has failed' : 'was cancelled';
    return this.#error(
      new HoldfastError('ERR_CHILD_FAILED', `job ${id}, after which it was to run, ${end}`, { cause }),
    );
  }

  /** How many bytes an error takes that is stored. */
  sizeOf(outcome: unknown): number {
    return this.#errors.encodeValue(this.#errors.decodeValue(outcome), 'error').size;
  }

  #error(thrown: unknown): { readonly column: ValueColumn; readonly size: number } {
    return this.#errors.encodeValue(storedError(thrown), 'error');
  }

  /** How long to wait, and what the attempt has failed with. What the user's function throws must not keep anything from being written. */
  #backoff(
    { backoff }: StoredOptions,
    attempt: number,
    thrown: unknown,
  ): { readonly delay: number; readonly error: unknown } {
    if (backoff !== undefined) return { delay: delayOf(backoff)(attempt), error: thrown };
    try {
      return { delay: this.policy.backoff(attempt, thrown), error: thrown };
    } catch (error) {
      const { message } = storedError(error);
      return {
        delay: usualDelay(attempt),
        error: new Error(`backoff has failed: ${message}`, { cause: thrown }),
      };
    }
  }
}

export const timeoutError = (): HoldfastError =>
  new HoldfastError('ERR_TIMEOUT', 'the job took longer than its timeout');

export const lostError = (): HoldfastError =>
  new HoldfastError('ERR_NOT_OWNER', 'this run has lost the job: somebody else has it, or has removed it');
