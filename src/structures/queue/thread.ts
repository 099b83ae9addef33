import type { MessagePort } from 'node:worker_threads';
import { encodeValue } from '../../core/codec.js';
import { HoldfastError, type ErrorCode } from '../../core/errors.js';
import type { Duration } from '../../core/options.js';
import { storedError, type StoredError } from '../../core/failure.js';
import { logLine, resolveFail, snoozeTime, type FailOptions } from './telling.js';

/** What is known of a job when it starts. */
export interface JobFacts<Data> {
  /** Its number, which no other job of the store ever has. */
  readonly id: number;
  /** What it was added with. */
  readonly name: string | undefined;
  /** What it was added with. */
  readonly group: string | undefined;
  /** What it was added with. */
  readonly data: Data;
  /** Which attempt this is: 1 for the first. A run whose process died, or that was snoozed, does not count. */
  readonly attempt: number;
  /** When it was added. */
  readonly addedAt: Date;
  /** The tick of its schedule, if it is of one. */
  readonly scheduledFor: Date | undefined;
}

/**
 * A job, as a handler sees it that runs in a thread: the module that `queue.work(url)` is given exports it as `default`. What needs the worker's store is
 * missing; a `Job` is one, too, so that such a handler can be given to `queue.work` as a function as well.
 *
 * @example
 * // handler.ts
 * export default async (job: ThreadJob<Picture>): Promise<Uint8Array> => render(job.data);
 */
export interface ThreadJob<Data = unknown> extends JobFacts<Data> {
  /**
   * Aborted, with a {@link HoldfastError} as its reason, when this run is not to go on: `ERR_TIMEOUT` when its time is over, `ERR_CANCELLED` when somebody
   * cancelled it, `ERR_CLOSED` when its worker or store stops, `ERR_NOT_OWNER` when it has lost the job. The thread of a handler that has not
   * ended a second later is terminated.
   */
  readonly signal: AbortSignal;
  /** Stores how far it is, for others to see: any value that can be stored. @throws `TypeError` when it can't, naming the path to what is wrong. */
  progress(value: unknown): void;
  /** Adds a line to what is stored of it. */
  log(line: string): void;
  /** To be tried again after a time, without costing an attempt. Takes effect when the handler has ended; whatever that returns is left aside. */
  snooze(time: Duration): void;
  /** The attempt has failed, as if the handler had thrown `error`; with `retry: false` for good. Takes effect when the handler has ended. */
  fail(error: unknown, options?: FailOptions): void;
}

/** What the thread is given to run. */
export interface Task<Data> {
  readonly module: string;
  readonly port: MessagePort;
  readonly job: JobFacts<Data>;
  /** Whether nobody wants it to be run any more. */
  dropped: boolean;
}

/** How a run has ended. `'unloaded'`: it has not begun. */
export type Ending<R> =
  | { readonly kind: 'unloaded'; readonly error: StoredError }
  | { readonly kind: 'returned'; readonly result: R }
  | { readonly kind: 'threw'; readonly error: StoredError }
  | { readonly kind: 'snoozed'; readonly time: number }
  | { readonly kind: 'failed'; readonly error: StoredError; readonly retry: boolean };

/** What the thread tells: an ending is the last of it. */
export type FromThread<R> =
  | { readonly kind: 'started' }
  | { readonly kind: 'progress'; readonly value: unknown }
  | { readonly kind: 'log'; readonly line: string }
  | Ending<R>;

/** Why the run is not to go on: the only thing that the thread is told. */
export interface Abortion {
  readonly code: ErrorCode;
  readonly message: string;
}

type ThreadHandler = (job: ThreadJob) => unknown;

/** Loads the handler's module. Gives back why it can't be. */
export async function prepare(module: string): Promise<StoredError | undefined> {
  try {
    await handlerOf(module);
    return undefined;
  } catch (error) {
    return storedError(error);
  }
}

/** Runs a job, and tells by its port what becomes of it. */
export async function run({ module, port, job, dropped }: Task<unknown>): Promise<void> {
  if (dropped) return;
  const ending = await outcomeOf(module, port, job);
  try {
    port.postMessage(ending);
  } catch (error) {
    port.postMessage(threw(error));
  }
  // A module that has failed to load stays so in its thread: the next one may have more luck.
  if (ending.kind === 'unloaded') process.exit();
}

async function outcomeOf(
  module: string,
  port: MessagePort,
  facts: JobFacts<unknown>,
): Promise<Ending<unknown>> {
  let handler: ThreadHandler;
  try {
    handler = await handlerOf(module);
  } catch (error) {
    return { kind: 'unloaded', error: storedError(error) };
  }
  const job = new JobInThread(facts, port);
  try {
    return job.ended(await handler(job));
  } catch (error) {
    return threw(error);
  } finally {
    job.close();
  }
}

const threw = (error: unknown): Ending<never> => ({ kind: 'threw', error: storedError(error) });

async function handlerOf(module: string): Promise<ThreadHandler> {
  const loaded: unknown = await import(module);
  if (typeof loaded === 'object' && loaded !== null && 'default' in loaded && isHandler(loaded.default))
    return loaded.default;
  throw new TypeError('its default export must be a function');
}

function isHandler(value: unknown): value is ThreadHandler {
  return typeof value === 'function';
}

/** Refuses here, where the handler can be told, what could not be stored there. */
function storable<T>(what: string, value: T): T {
  encodeValue(value, 'embedded', what);
  return value;
}

class JobInThread implements ThreadJob {
  static {
    // What a debugger and console.log show.
    Object.defineProperty(this, 'name', { value: 'ThreadJob' });
  }

  readonly id: number;
  readonly name: string | undefined;
  readonly group: string | undefined;
  readonly data: unknown;
  readonly attempt: number;
  readonly addedAt: Date;
  readonly scheduledFor: Date | undefined;
  readonly #port: MessagePort;
  readonly #aborting = new AbortController();
  #decided: Ending<never> | undefined;
  #over = false;

  constructor(
    { id, name, group, data, attempt, addedAt, scheduledFor }: JobFacts<unknown>,
    port: MessagePort,
  ) {
    this.id = id;
    this.name = name;
    this.group = group;
    this.data = data;
    this.attempt = attempt;
    this.addedAt = addedAt;
    this.scheduledFor = scheduledFor;
    this.#port = port;
    port.on('message', ({ code, message }: Abortion) => {
      if (!this.#over) this.#aborting.abort(new HoldfastError(code, message));
    });
    this.#tell({ kind: 'started' });
  }

  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  progress(value: unknown): void {
    this.#tell({ kind: 'progress', value: storable('progress', value) });
  }

  log(line: string): void {
    this.#tell({ kind: 'log', line: logLine(line) });
  }

  snooze(time: Duration): void {
    this.#decide({ kind: 'snoozed', time: snoozeTime(time) });
  }

  fail(error: unknown, options?: FailOptions): void {
    this.#decide({ kind: 'failed', error: storedError(error), retry: resolveFail(options) });
  }

  /** Not for the types: a handler that was written for the main thread finds out. */
  complete(): never {
    throw elsewhere('complete()');
  }

  /** Not for the types, either. */
  children(): never {
    throw elsewhere('children()');
  }

  /** What becomes of it, when its handler has returned. */
  ended(result: unknown): Ending<unknown> {
    return this.#decided ?? { kind: 'returned', result: storable('result', result) };
  }

  close(): void {
    this.#over = true;
    // The other side closes it, when it has read everything.
    this.#port.unref();
  }

  #tell(told: FromThread<never>): void {
    if (!this.#over) this.#port.postMessage(told);
  }

  #decide(ending: Ending<never>): void {
    if (this.#decided !== undefined) throw new TypeError('what becomes of this job was already said');
    this.#decided = ending;
  }
}

const elsewhere = (what: string): TypeError =>
  new TypeError(
    `${what} needs the worker’s store, which is not in this thread: open a store here, or give work() a function instead of a URL`,
  );
