import { abortSignal, functionOf, knownKeys, oneOf, wholeNumber, type Duration } from '../../core/options.js';
import { resolveStopOn, type ResolvedStopOn, type StopOnOptions } from './stop-on.js';
import type { TroubleOptions } from './trouble.js';

/** Options of {@link Queue.work}. */
export interface WorkOptions extends StopOnOptions, TroubleOptions {
  /** How many jobs run at once in this worker: from 1 to 100 000. @defaultValue `1` */
  readonly concurrency?: number | undefined;
  /**
   * How many jobs it claims beyond those that run, to start the next without a transaction. They go back when it stops, but others can't
   * have them meanwhile: for jobs of milliseconds. From 0 to 100 000. @defaultValue `0`
   */
  readonly prefetch?: number | undefined;
  /**
   * `'gathered'`: what ends in the same turn of the event loop is written in one transaction, with the next claim. `'each'`: each in a transaction of
   * its own. A process that is killed before runs the job again elsewhere.
   * @defaultValue `'gathered'`
   */
  readonly ack?: 'gathered' | 'each' | undefined;
  /** Stops the worker, as `stop()` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedWorkOptions {
  readonly concurrency: number;
  readonly prefetch: number;
  readonly gathered: boolean;
  readonly signal: AbortSignal | undefined;
  readonly stopOn: ResolvedStopOn;
  readonly onError: ((error: unknown) => void) | undefined;
}

export const workKnown = [
  'concurrency',
  'prefetch',
  'ack',
  'signal',
  'stopOn',
  'stopTimeout',
  'onError',
] as const;

export function resolveWork(options: WorkOptions = {}): ResolvedWorkOptions {
  knownKeys('options of work()', options, workKnown);
  const { concurrency = 1, prefetch = 0, ack = 'gathered', signal, onError } = options;
  wholeNumber('concurrency', concurrency, 1, 100_000);
  wholeNumber('prefetch', prefetch, 0, 100_000);
  oneOf('ack', ack, ['gathered', 'each']);
  abortSignal('signal', signal);
  if (onError !== undefined) functionOf('onError', onError);
  return {
    concurrency,
    prefetch,
    gathered: ack === 'gathered',
    signal,
    stopOn: resolveStopOn(options),
    onError,
  };
}

/** Options of {@link Worker.stop}. */
export interface StopOptions {
  /** How long handlers may go on; then the signals of their jobs abort. @defaultValue `Infinity` */
  readonly timeout?: Duration | undefined;
}
