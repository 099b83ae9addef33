import { Columns, type ValueColumn } from '../../core/columns.js';
import { HoldfastError } from '../../core/errors.js';
import type { Kind } from '../../core/store.js';
import { storedError, type StoredError } from './failure.js';
import { delayOf, type Policy, type StoredOptions } from './options.js';
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
}

const nothingSpecial = { failures: 0, deaths: 0, delay: null, outcome: null, size: 0, error: null };

/** Says what becomes of jobs, by the options of the queue and their own. */
export class Outcomes<Result> {
  readonly #results: Columns<never, Result>;
  readonly #errors: Columns<never, StoredError>;
  readonly policy: Policy;

  constructor(kind: Kind, policy: Policy) {
    this.#results = new Columns(kind);
    this.#errors = new Columns(kind);
    this.policy = policy;
  }

  /** @throws `TypeError` when something in the result can't be stored. */
  completed({ id, claim }: Claim, result: Result | undefined): Outcome {
    const stored = result === undefined ? undefined : this.#results.encodeValue(result, 'result');
    return {
      ...{ id, claim, stage: 'completed', ...nothingSpecial },
      outcome: stored?.column ?? null,
      size: stored?.size ?? 0,
    };
  }

  /** It failed: it is tried again, unless that was the last attempt, or it is not to be. */
  failed({ id, claim, failures, options }: Attempt, thrown: unknown, retry = true): Outcome {
    const error = this.#error(thrown);
    const attempt = failures + 1;
    const common = { id, claim, ...nothingSpecial, failures: 1, error: error.column };
    if (retry && attempt < (options.attempts ?? this.policy.attempts))
      return { ...common, stage: 'delayed', delay: this.#backoff(options, attempt, thrown) };
    return { ...common, stage: 'failed', outcome: error.column, size: error.size };
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

  #error(thrown: unknown): { readonly column: ValueColumn; readonly size: number } {
    return this.#errors.encodeValue(storedError(thrown), 'error');
  }

  #backoff({ backoff }: StoredOptions, attempt: number, thrown: unknown): number {
    if (backoff !== undefined) return delayOf(backoff)(attempt);
    return this.policy.backoff(attempt, thrown);
  }
}

export const timeoutError = (): HoldfastError =>
  new HoldfastError('ERR_TIMEOUT', 'the job took longer than its timeout');
