import {
  knownKeys,
  longest,
  milliseconds,
  nameString,
  oneOf,
  shown,
  wholeNumber,
  type Duration,
} from '../../core/options.js';
import { noChildren, resolveAfter, type ChildLink, type Dependency, type JobRef } from './child-options.js';
import type { LimitOptions } from './limits.js';

/** How long to wait before the next attempt. */
export interface BackoffOptions {
  /** `'fixed'`: `delay` each time. `'exponential'`: `delay`, twice that, four times … */
  readonly type: 'fixed' | 'exponential';
  /** Before the second attempt: up to 100 years. */
  readonly delay: Duration;
  /** At most so long, also where `delay` is longer. @defaultValue `'1h'` */
  readonly max?: Duration | undefined;
  /** The share of it by which chance may shorten it, from 0 to 1, so that what failed together isn't tried again together. @defaultValue `0.2` */
  readonly jitter?: number | undefined;
}

/**
 * Fixed, exponential, or as a function says: given which attempt failed, 1 for the first, and with what. Where that throws, or returns no duration, the default holds, and
 * the error of the attempt says so, with what the attempt failed with as its `cause`.
 */
export type Backoff = BackoffOptions | ((attempt: number, error: unknown) => Duration);

/** What is kept of jobs that have ended: the newest `count`, and none that ended longer than `age` ago; each for a second at least, but completed ones with a `count` of 0. */
export interface Keep {
  /** 0 keeps none; then completed ones are gone in the transaction in which they end. @defaultValue `Infinity`, once a `Keep` is given */
  readonly count?: number | undefined;
  /** @defaultValue `Infinity`, once a `Keep` is given */
  readonly age?: Duration | undefined;
}

/** What is kept of jobs that have ended, by their end. */
export interface KeepOptions {
  /** @defaultValue `{ count: 1_000, age: '1h' }` */
  readonly completed?: Keep | undefined;
  /** The dead letters. @defaultValue `{ count: 10_000, age: '14d' }` */
  readonly failed?: Keep | undefined;
  /** @defaultValue `{ count: 1_000, age: '1h' }` */
  readonly cancelled?: Keep | undefined;
}

/** What holds for a job unless it was added with something else. */
export interface JobDefaults {
  /** How often it is tried before it has failed: 1 or more, also `Infinity`. @defaultValue `3` */
  readonly attempts?: number | undefined;
  /** @defaultValue `{ type: 'exponential', delay: '1s' }` */
  readonly backoff?: Backoff | undefined;
  /**
   * How long one attempt may take: 1 ms or more. Then its `signal` aborts, and where the handler has not ended a second later, the attempt has failed
   * with `ERR_TIMEOUT`. @defaultValue `Infinity`
   */
  readonly timeout?: Duration | undefined;
}

/** Options of {@link Queue}. They belong to this object, not to the data: workers go by those of their own process. */
export interface QueueOptions extends JobDefaults, LimitOptions {
  /** What is kept of jobs that have ended, for `get()`, `jobs()` and `result()`. */
  readonly keep?: KeepOptions | undefined;
  /** How often a job may be running when its process dies, before it is set aside as failed: 1 or more, also `Infinity`. @defaultValue `3` */
  readonly maxDeaths?: number | undefined;
  /**
   * The name of another queue of the store: for each job that fails for good, it gets one that has a {@link FailedJob} as its data, in the same transaction.
   * @defaultValue none
   */
  readonly onFailed?: string | undefined;
}

/** Options of a job that is added. */
export interface AddOptions extends JobDefaults {
  /** What kind of job it is, for handlers and people: 1 to 512 characters. */
  readonly name?: string | undefined;
  /** What it is about: with `unique`, not two such jobs. 1 to 512 characters. */
  readonly key?: string | undefined;
  /**
   * For how long its key is taken: `'waiting'`, until it is started first; `'unfinished'`, until it has ended; `{ window }`, for so long from when it was added, also
   * when it has ended.
   * @defaultValue `'unfinished'` where there is a `key`
   */
  readonly unique?: 'waiting' | 'unfinished' | { readonly window: Duration } | undefined;
  /**
   * What is done where the key is taken; the handle is then that of the job that has it.
   *
   * - `'ignore'`: nothing is added.
   * - `'replace'`: the job that waits gets the data, options and priority of this one, and keeps its time.
   * - `'debounce'`: the same, and its delay begins anew.
   * - `'again'`: the same as `'replace'`.
   * - `'error'`: the call throws `ERR_DUPLICATE`.
   *
   * With `'replace'`, `'debounce'` and `'again'` a job that runs is let be, and when it has ended runs once more, with the newest data.
   * @defaultValue `'ignore'`
   */
  readonly onDuplicate?: OnDuplicate | undefined;
  /** Of whose limits it is, beside those of the queue: see {@link GroupLimits}. 1 to 512 characters. */
  readonly group?: string | undefined;
  /** It is not started before that time has passed, of 100 years at most, which goes on while no process runs, whatever is done to the wall clock. */
  readonly delay?: Duration | undefined;
  /** It is not started before that moment of the wall clock. Not together with `delay`. */
  readonly runAt?: Date | undefined;
  /** Higher ones start first, from -1 000 000 to 1 000 000; of one priority, what could start first. @defaultValue `0` */
  readonly priority?: number | undefined;
  /**
   * Jobs, of any queue of the store, that have to end first: handles, jobs, or numbers as `{ id }`. Until then it is `'blocked'`, which costs the others
   * nothing. It fails with `ERR_CHILD_FAILED` when one of them fails or is cancelled, unless that is given as `{ job, onFailure: 'ignore' }`.
   */
  readonly after?: Iterable<JobRef | Dependency> | undefined;
  /** It is not started after that moment, but cancelled: `result()` rejects with `ERR_CANCELLED`, whose cause is `ERR_EXPIRED`. */
  readonly expires?: Date | undefined;
  /** A backoff that is stored with the job: no function. @defaultValue that of the queue */
  readonly backoff?: BackoffOptions | undefined;
}

/** A job to be added by {@link Queue.addMany}: its data, and the options of `add`. */
export interface JobToAdd<Data> extends AddOptions {
  readonly data: Data;
}

/** What is stored of a job's options, as JSON. Durations are milliseconds. */
export interface StoredOptions {
  readonly attempts?: number;
  readonly backoff?: StoredBackoff;
  readonly timeout?: number;
  readonly expires?: number;
  /** The tick that has added it. */
  readonly scheduledFor?: number;
}

export interface StoredBackoff {
  readonly type: 'fixed' | 'exponential';
  readonly delay: number;
  readonly max: number;
  readonly jitter: number;
}

export type OnDuplicate = 'ignore' | 'replace' | 'debounce' | 'again' | 'error';

/** A job to be added, but for its data. `at` is by the wall clock. */
export interface Plan {
  readonly name: string | null;
  readonly group: string | null;
  readonly key: string | null;
  /** 1: it holds its key while it waits, 2: until it has ended. */
  readonly keyed: number | null;
  /** For how long its key is taken, in milliseconds. */
  readonly window: number | null;
  readonly onDuplicate: OnDuplicate;
  readonly rank: number;
  readonly delay: number;
  readonly at: number | null;
  readonly options: string | null;
  readonly after: readonly ChildLink[];
}

/** A number and an age, in milliseconds. */
export interface Kept {
  readonly count: number;
  readonly age: number;
}

/** The options of a queue, checked. */
export interface Policy {
  readonly attempts: number;
  readonly backoff: (attempt: number, error: unknown) => number;
  readonly timeout: number;
  readonly maxDeaths: number;
  readonly onFailed: string | undefined;
  readonly keep: { readonly completed: Kept; readonly failed: Kept; readonly cancelled: Kept };
}

const mostPriority = 1_000_000;

const hour = 60 * 60 * 1000;
const recent: Kept = { count: 1_000, age: hour };
const deadLetters: Kept = { count: 10_000, age: 14 * 24 * hour };

const defaultKnown = ['attempts', 'backoff', 'timeout'];
const defaultBackoff: BackoffOptions = { type: 'exponential', delay: 1_000 };
/** What is done where the queue's own can't say. */
export const usualDelay: (attempt: number) => number = delayOf(resolveBackoff(defaultBackoff));

export function resolvePolicy(options: QueueOptions = {}): Policy {
  knownKeys('options of Queue', options, [
    ...defaultKnown,
    'keep',
    'maxDeaths',
    'onFailed',
    'schema',
    'schemas',
    'concurrency',
    'rate',
    'groups',
  ]);
  const {
    attempts = 3,
    backoff = defaultBackoff,
    timeout = Infinity,
    keep = {},
    maxDeaths = 3,
    onFailed,
  } = options;
  if (onFailed !== undefined) nameString('onFailed', onFailed);
  checkCount('attempts', attempts);
  checkCount('maxDeaths', maxDeaths);
  knownKeys('keep', keep, ['completed', 'failed', 'cancelled']);
  return {
    attempts,
    backoff:
      typeof backoff === 'function'
        ? (attempt, error) => milliseconds('what backoff returned', backoff(attempt, error), longest)
        : delayOf(resolveBackoff(backoff)),
    timeout: resolveTimeout(timeout),
    maxDeaths,
    onFailed,
    keep: {
      completed: resolveKeep('keep.completed', keep.completed, recent),
      failed: resolveKeep('keep.failed', keep.failed, deadLetters),
      cancelled: resolveKeep('keep.cancelled', keep.cancelled, recent),
    },
  };
}

function checkCount(what: string, count: number): void {
  if (count !== Infinity) wholeNumber(what, count, 1);
}

function resolveKeep(what: string, given: Keep | undefined, otherwise: Kept): Kept {
  if (given === undefined) return otherwise;
  knownKeys(what, given, ['count', 'age']);
  const { count = Infinity, age = Infinity } = given;
  if (count !== Infinity) wholeNumber(`${what}.count`, count, 0);
  return { count, age: milliseconds(`${what}.age`, age) };
}

function resolveBackoff(given: BackoffOptions): StoredBackoff {
  knownKeys('backoff', given, ['type', 'delay', 'max', 'jitter']);
  const { type, delay, max = hour, jitter = 0.2 } = given;
  oneOf('backoff.type', type, ['fixed', 'exponential']);
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1))
    throw new RangeError(`backoff.jitter must be from 0 to 1, not ${shown(jitter)}`);
  return {
    type,
    delay: milliseconds('backoff.delay', delay, longest),
    max: milliseconds('backoff.max', max, longest),
    jitter,
  };
}

/** How long to wait after an attempt has failed, in milliseconds. */
export function delayOf({ type, delay, max, jitter }: StoredBackoff): (attempt: number) => number {
  return (attempt) => {
    const grown = type === 'fixed' ? delay : delay * 2 ** (attempt - 1);
    return Math.min(grown, max) * (1 - jitter * Math.random());
  };
}

function resolveTimeout(given: Duration): number {
  const timeout = milliseconds('timeout', given);
  if (timeout < 1) throw new RangeError(`timeout must be 1 ms or more, not ${shown(given)}`);
  return timeout > longest ? Infinity : timeout;
}

const addKnown = [
  ...defaultKnown,
  'name',
  'group',
  'key',
  'unique',
  'onDuplicate',
  'delay',
  'runAt',
  'priority',
  'expires',
  'after',
];
/** Most jobs have no options. */
const noKey = { key: null, keyed: null, window: null, onDuplicate: 'ignore' } as const;
const plain: Plan = {
  ...{ name: null, group: null, rank: 0, delay: 0, at: null, options: null, after: noChildren },
  ...noKey,
};

export function resolveAdd(options: AddOptions | undefined): Plan {
  if (options === undefined) return plain;
  knownKeys('options of add()', options, addKnown);
  const { name, group, delay = 0, runAt, priority = 0 } = options;
  if (name !== undefined) nameString('name', name);
  if (group !== undefined) nameString('group', group);
  wholeNumber('priority', priority, -mostPriority, mostPriority);
  const at = runAt && moment('runAt', runAt);
  if (at !== undefined && options.delay !== undefined)
    throw new TypeError('options of add() must have delay or runAt, not both');
  return {
    name: name ?? null,
    group: group ?? null,
    ...resolveKey(options),
    rank: -priority + 0,
    delay: milliseconds('delay', delay, longest),
    at: at ?? null,
    options: optionsToStore(options),
    after: resolveAfter(options),
  };
}

/** A job of {@link Queue.addMany}: its data, and its options if it has any. */
export function splitJob<Data>(job: JobToAdd<Data>): readonly [Data, AddOptions | undefined] {
  const given: unknown = job;
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`each of the jobs must be an object with data, not ${shown(given)}`);
  const { data, ...options } = job;
  for (const _ in options) return [data, options];
  return [data, undefined];
}

function resolveKey({ key, ...given }: AddOptions): Pick<Plan, keyof typeof noKey> {
  if (key === undefined) {
    if (given.unique !== undefined || given.onDuplicate !== undefined)
      throw new TypeError('unique and onDuplicate say what a key is good for: give a key, too');
    return noKey;
  }
  const { unique = 'unfinished', onDuplicate = 'ignore' } = given;
  nameString('key', key);
  oneOf('onDuplicate', onDuplicate, ['ignore', 'replace', 'debounce', 'again', 'error']);
  if (typeof unique === 'object') {
    knownKeys('unique', unique, ['window']);
    return { key, keyed: null, window: milliseconds('unique.window', unique.window, longest), onDuplicate };
  }
  oneOf('unique', unique, ['waiting', 'unfinished']);
  return { key, keyed: unique === 'waiting' ? 1 : 2, window: null, onDuplicate };
}

function optionsToStore({ attempts, backoff, timeout, expires }: AddOptions): string | null {
  if (attempts !== undefined) checkCount('attempts', attempts);
  if (typeof backoff === 'function')
    throw new TypeError('backoff of a job is stored, and can’t be a function: give that to the queue');
  const stored = {
    attempts: attempts && Math.min(attempts, Number.MAX_SAFE_INTEGER),
    backoff: backoff && resolveBackoff(backoff),
    // Stored, so that a worker whose queue has another does not go by that.
    timeout: timeout === undefined ? undefined : Math.min(resolveTimeout(timeout), longest),
    expires: expires && moment('expires', expires),
  };
  return Object.values(stored).every((value) => value === undefined) ? null : JSON.stringify(stored);
}

const noOptions: StoredOptions = {};

/** What was stored. */
export function storedOptions(text: string | null): StoredOptions {
  return text === null ? noOptions : (JSON.parse(text) as StoredOptions);
}

function moment(what: string, given: unknown): number {
  if (!(given instanceof Date)) throw new TypeError(`${what} must be a Date, not ${shown(given)}`);
  const time = given.getTime();
  if (Number.isNaN(time)) throw new RangeError(`${what} is an invalid Date`);
  return time;
}
