import { parse } from '@lukeed/ms';

/** A length of time: milliseconds, or a number with a unit, such as `'250ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`;

/** A number of bytes, or a number with a unit: `'64KiB'`, `'1GiB'`. */
export type Size = number | `${number}${'B' | 'KiB' | 'MiB' | 'GiB' | 'TiB'}`;

/** What every call that waits takes. */
export interface WaitOptions {
  /** How long to wait; then the call rejects with `ERR_TIMEOUT`. `0` tries once. @defaultValue `Infinity` */
  readonly timeout?: Duration | undefined;
  /** Ends the wait: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a value is shown in an error message: short, and never throwing. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `a function`;
  if (typeof value === 'symbol') return 'a symbol';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return `an object`;
  return String(value);
}

/** Refuses what is no plain object, and keys that are not among `known`, by name. */
export function knownKeys(what: string, given: unknown, known: readonly string[]): void {
  // A Map, a Date or an array has no misspelt keys either.
  if (Object.prototype.toString.call(given) !== '[object Object]') {
    throw new TypeError(`${what} must be an object, not ${shown(given)}`);
  }
  for (const key of Object.keys(Object(given) as object)) {
    if (!known.includes(key))
      throw new TypeError(`${what} has no option ${shown(key)}; it has ${known.join(', ')}`);
  }
}

/** Refuses what is not one of `allowed`. */
export function oneOf<T extends string>(
  what: string,
  value: unknown,
  allowed: readonly T[],
): asserts value is T {
  if (!allowed.some((one) => one === value)) {
    throw new TypeError(`${what} must be one of ${allowed.map(shown).join(', ')}, not ${shown(value)}`);
  }
}

/** Refuses what is no boolean. */
export function boolean(what: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${what} must be true or false, not ${shown(value)}`);
}

/** Refuses what is no non-empty, well-formed string without NUL, of at most 512 characters. */
export function nameString(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string, not ${shown(value)}`);
  if (value === '' || value.length > 512)
    throw new RangeError(`${what} must have 1 to 512 characters, not ${value.length}`);
  if (!value.isWellFormed() || value.includes('\0'))
    throw new RangeError(`${what} must be well-formed Unicode without NUL`);
}

/** Refuses what is no whole number from `least` to `most`. */
export function wholeNumber(
  what: string,
  value: unknown,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== 'number') throw new TypeError(`${what} must be a number, not ${shown(value)}`);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}`);
  }
}

/** Refuses what is no finite number. */
export function finiteNumber(what: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw new TypeError(`${what} must be a number, not ${shown(value)}`);
  if (!Number.isFinite(value)) throw new RangeError(`${what} must be finite, not ${value}`);
}

/** Refuses what is no AbortSignal. */
export function abortSignal(what: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal))
    throw new TypeError(`${what} must be an AbortSignal, not ${shown(value)}`);
}

/** What a time that is stored may be, in milliseconds, a hundred years: no sum with the clock comes near what a double holds exactly. */
export const longest: number = 100 * 365 * 24 * 60 * 60 * 1000;

/** A {@link Duration} in milliseconds: 0 or more; `Infinity` where `most` allows it. */
export function milliseconds(what: string, value: unknown, most = Infinity): number {
  const ms = typeof value === 'string' ? parsed(value) : value;
  if (typeof ms !== 'number') {
    throw new TypeError(
      `${what} must be milliseconds or a string such as '250ms', '30s', '5m', '2h', '7d', not ${shown(value)}`,
    );
  }
  if (!(ms >= 0 && ms <= most))
    throw new RangeError(`${what} must be from 0 to ${most} milliseconds, not ${shown(value)}`);
  return ms;
}

/** The library doesn't tell a zero from nonsense. A bare number in a string is taken for a mistake. */
function parsed(text: string): number | undefined {
  if (!/^\d*\.?\d+ *[a-z]+$/i.test(text)) return undefined;
  return parse(text) ?? (parse(text.replace(/^[0.]+/, '1')) === undefined ? undefined : 0);
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A {@link Size} in bytes: a whole number, `least` or more. */
export function byteSize(what: string, value: unknown, least: number): number {
  const [, number = '', unit = ''] =
    (typeof value === 'string' && /^(\d*\.?\d+) *([KMGT]?i?B)$/.exec(value)) || [];
  const bytes = unit === '' ? value : Math.round(Number(number) * 1024 ** units.indexOf(unit));
  if (typeof bytes !== 'number' || !units.includes(unit || 'B'))
    throw new TypeError(
      `${what} must be bytes or a string such as '64KiB', '10MiB', '1GiB', not ${shown(value)}`,
    );
  wholeNumber(what, bytes, least);
  return bytes;
}

/** The options of a call that waits, checked. */
export function resolveWaitOptions(
  what: string,
  given: WaitOptions = {},
): { timeout: number; signal: AbortSignal | undefined } {
  knownKeys(what, given, ['timeout', 'signal']);
  const { timeout = Infinity, signal } = given;
  abortSignal(`${what}.signal`, signal);
  return { timeout: milliseconds(`${what}.timeout`, timeout), signal };
}

/** Refuses what is no function. */
export function functionOf(what: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function, not ${shown(value)}`);
}

/** Whether a function is written `async`. */
export { isAsyncFunction } from 'node:util/types';

/** What a function returned that is not to be async. @throws What `refusal` gives, for a promise. */
export function atOnce<T>(value: T | PromiseLike<T>, refusal: () => Error): T {
  if (!isThenable(value)) return value;
  // What it is rejected with is nobody's business any more; unhandled it would end the process.
  Promise.resolve(value).catch(() => undefined);
  throw refusal();
}

/** Where the function of an update has returned a promise. */
export const asyncChange = (): Error => new TypeError('change must not be async: it returned a promise');

/** Whether a function has returned a promise. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Refuses what can't be iterated, and strings. */
export function iterable<T>(what: string, given: Iterable<T>): Iterable<T> {
  const value: unknown = given;
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
    throw new TypeError(`${what} must be an array or another iterable, not ${shown(value)}`);
  }
  return given;
}

/** Options of iteration. */
export interface IterationOptions {
  /** From the end to the start. @defaultValue `false` */
  readonly reverse?: boolean | undefined;
}

/** Whether iteration goes in reverse. */
export function resolveReverse(options: IterationOptions = {}): boolean {
  knownKeys('options of iteration', options, ['reverse']);
  const { reverse = false } = options;
  boolean('reverse', reverse);
  return reverse;
}
