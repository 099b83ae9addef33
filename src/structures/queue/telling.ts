import { boolean, knownKeys, longest, milliseconds } from '../../core/options.js';

/** For how long a job is put off, in milliseconds. */
export function snoozeTime(given: unknown): number {
  return milliseconds('time', given, longest);
}

/** Refuses what is no line for a job's log. */
export function logLine(given: unknown): string {
  if (typeof given !== 'string') throw new TypeError(`line must be a string, not ${typeof given}`);
  return given;
}

/** Options of a call that fails an attempt. */
export interface FailOptions {
  /** Whether it is tried again, if attempts are left. @defaultValue `true` */
  readonly retry?: boolean | undefined;
}

export function resolveFail(options: FailOptions = {}): boolean {
  knownKeys('options of fail()', options, ['retry']);
  const { retry = true } = options;
  boolean('retry', retry);
  return retry;
}
