import { encodeKey, type Key, type KeyColumn } from '../../core/key.js';
import {
  knownKeys,
  longest,
  milliseconds,
  oneOf,
  resolveWaitOptions,
  wholeNumber,
  type Duration,
  type WaitOptions,
} from '../../core/options.js';
import { algorithms, type Limits } from '../../core/rate/rules.js';
import type { Kind } from '../../core/store.js';

/** Options of {@link Throttle}. They belong to this object, not to the data: see there what follows when they differ. */
export interface ThrottleOptions {
  /** How much may be taken in each time of `per`: a whole number, 1 or more. */
  readonly limit: number;
  /** The time that `limit` is for: from a millisecond to 100 years. */
  readonly per: Duration;
  /**
   * How much may be taken at once after a pause: a whole number, 1 or more. `1` spaces out what is taken evenly. Only for `'gcra'`: a window
   * has no other burst than its limit.
   * @defaultValue `limit`
   */
  readonly burst?: number | undefined;
  /**
   * How it is counted.
   *
   * - `'gcra'`: the [Generic Cell Rate Algorithm](https://www.itu.int/rec/T-REC-I.371), also known as a leaky bucket as a meter, which answers like a
   *   token bucket of `burst` tokens, filled steadily ([why, by Brandur Leach](https://brandur.org/rate-limiting)). In any span of time W, wherever
   *   it begins, at most `burst + W · limit / per` is taken. Each take is one statement, the cheapest of the three.
   * - `'sliding-window'`: `limit` in any `per`, as two windows estimate it, which is how [Cloudflare
   *   counts](https://blog.cloudflare.com/counting-things-a-lot-of-different-things/): what was taken in the window before counts for the share of it
   *   that is still in sight, as if it had come evenly. It may be off where it has not.
   * - `'fixed-window'`: `limit` in each window. Across the border of two windows twice of it may come at once.
   *
   * A window begins with the first take after the one before it has ended, by key: not at the full minute, when all keys would be free at once.
   * @defaultValue `'gcra'`
   */
  readonly algorithm?: (typeof algorithms)[number] | undefined;
}

/** What is taken from a {@link Throttle}. */
export interface TakeOptions {
  /** Whose limit: a customer's, an address's. Each key has the whole limit of its own. @defaultValue one that all share who give none */
  readonly key?: Key | undefined;
  /** How much of the limit: a whole number from 1 to `burst` (windows: to `limit`). @defaultValue `1` */
  readonly cost?: number | undefined;
}

/** What `refund` gives back. */
export interface RefundOptions {
  /** As in {@link TakeOptions}. */
  readonly key?: Key | undefined;
  /** How much: a whole number, 1 or more. @defaultValue `1` */
  readonly cost?: number | undefined;
}

/** What `penalize` takes away. */
export interface PenalizeOptions extends RefundOptions {
  /** Nothing can be taken for that long. Not together with `cost`. */
  readonly for?: Duration | undefined;
}

/** What `wait` takes, and how long it waits. */
export interface ThrottleWaitOptions extends TakeOptions, WaitOptions {}

/** Whose limit `reset` resets. */
export interface ResetOptions {
  /** As in {@link TakeOptions}. */
  readonly key?: Key | undefined;
}

/** What is asked for, in the terms of the statements. */
export interface Request {
  readonly key: KeyColumn;
  readonly cost: number;
}

export function resolveLimits(options: ThrottleOptions): Limits {
  knownKeys('options of Throttle', options, ['limit', 'per', 'burst', 'algorithm']);
  const { limit, algorithm = 'gcra', burst = limit } = options;
  wholeNumber('limit', limit, 1);
  const per = duration('per', options.per);
  oneOf('algorithm', algorithm, algorithms);
  wholeNumber('burst', burst, 1);
  if (algorithm !== 'gcra' && burst !== limit)
    throw new RangeError(`burst is for the algorithm 'gcra': with '${algorithm}' it is the limit, ${limit}`);
  return { limit, per, burst, algorithm };
}

/** A duration of a millisecond or more. */
function duration(what: string, given: unknown): number {
  const time = milliseconds(what, given, longest);
  if (time < 1) throw new RangeError(`${what} must be from 1 to ${longest} milliseconds, not ${time}`);
  return time;
}

/** The one bucket of all who give no key. Every key's encoding has a byte at least, but for the empty string's, which is no blob on SQLite. */
const shared = new Uint8Array(0);

/** Checks and encodes what the user asks for. */
export class Requests {
  readonly #kind: Kind;
  readonly #burst: number;

  constructor(kind: Kind, burst: number) {
    this.#kind = kind;
    this.#burst = burst;
  }

  key(key: Key | undefined): KeyColumn {
    return key === undefined ? shared : encodeKey(key, this.#kind);
  }

  /** What can be taken at once, at some time. */
  take(what: string, options: TakeOptions = {}): Request {
    return this.#request(what, options, ['key', 'cost'], this.#burst);
  }

  refund(options: RefundOptions = {}): Request {
    return this.#request('refund()', options, ['key', 'cost'], Number.MAX_SAFE_INTEGER);
  }

  penalize(options: PenalizeOptions = {}): Request & { readonly time: number | undefined } {
    const request = this.#request('penalize()', options, ['key', 'cost', 'for'], Number.MAX_SAFE_INTEGER);
    if (options.for !== undefined && options.cost !== undefined)
      throw new TypeError('options of penalize() must have cost or for, not both');
    return { ...request, time: options.for === undefined ? undefined : duration('for', options.for) };
  }

  wait(options: ThrottleWaitOptions = {}): Request & ReturnType<typeof resolveWaitOptions> {
    const { timeout, signal, ...rest } = options;
    const known = ['key', 'cost', 'timeout', 'signal'];
    knownKeys('options of wait()', options, known);
    return { ...this.take('wait()', rest), ...resolveWaitOptions('options of wait()', { timeout, signal }) };
  }

  reset(options: ResetOptions = {}): KeyColumn {
    knownKeys('options of reset()', options, ['key']);
    return this.key(options.key);
  }

  #request(what: string, options: TakeOptions, known: readonly string[], most: number): Request {
    knownKeys(`options of ${what}`, options, known);
    const { key, cost = 1 } = options;
    wholeNumber('cost', cost, 1, most);
    return { key: this.key(key), cost };
  }
}
