import { HoldfastError } from '../../core/errors.js';
import {
  knownKeys,
  milliseconds,
  resolveWaitOptions,
  shown,
  type Duration,
  type WaitOptions,
} from '../../core/options.js';
import type { Kind } from '../../core/store.js';

/** Options of whatever gives out grants. */
export interface GrantingOptions {
  /**
   * How long a grant holds unless it is renewed, which is done for as long as the process isn't blocked: 100 ms or more. On an embedded
   * store a holder that dies is noticed at once, so a lease is only for holders that may hang; `Infinity` is none. On a server
   * it is the rule, by the server's clock, and must be finite.
   * @defaultValue `Infinity` on an embedded store, `'30s'` on a server
   */
  readonly lease?: Duration | undefined;
  /**
   * First come, first served, always. Otherwise a newcomer may overtake those who wait, until the first of them has waited for some
   * milliseconds: that is faster. Holds for what is acquired through this object: give it in every process.
   * @defaultValue `false`
   */
  readonly fair?: boolean | undefined;
}

/** Options of an attempt to acquire. */
export interface TryAcquireOptions {
  /** Shown by `holders()` and `waiters()`: 1 to 512 characters. */
  readonly label?: string | undefined;
}

/** Options of a call that acquires, and waits for it. */
export interface AcquireOptions extends WaitOptions, TryAcquireOptions {}

/** The options of a call that acquires, for whichever structure. */
export type Options = AcquireOptions & { readonly weight?: number | undefined };

/** The options of a call that waits. */
export const waiting: readonly string[] = ['timeout', 'signal'];

/** What a grant is asked with. */
export interface Request {
  readonly weight: number;
  readonly label: string | undefined;
  /** Whether it may pass all who wait: refusing it would keep what they wait for from coming free. */
  readonly overtakes: boolean;
}

/** The shortest lease, in milliseconds: a shorter one would run out whenever a process is busy for a moment. */
const shortestLease = 100;
const serverLease = 30_000;

/** In milliseconds; `null` without a lease. */
export function resolveLease(
  kind: Kind,
  lease: Duration = kind === 'server' ? serverLease : Infinity,
): number | null {
  const ms = milliseconds('lease', lease);
  if (ms < shortestLease)
    throw new RangeError(`lease must be ${shortestLease} ms or more, not ${shown(lease)}`);
  if (ms < Infinity) return ms;
  if (kind === 'server')
    throw new RangeError('lease must be finite on a server: a connection that is cut is not always noticed');
  return null;
}

/** What the options of an acquiring call come to. */
export interface Asked {
  readonly wait: WaitOptions | undefined;
  readonly label: string | undefined;
  readonly weight: number | undefined;
}

/** Most calls have no options: to check none would take as long as a tenth of the statement. */
const nothingAsked: Asked = { wait: undefined, label: undefined, weight: undefined };

/** The options of an acquiring call, split. `known` are those that it has besides the label. */
export function resolveAcquireOptions(
  what: string,
  given: Options | undefined,
  known: readonly string[] = [],
): Asked {
  if (given === undefined) return nothingAsked;
  knownKeys(`options of ${what}`, given, ['label', ...known]);
  const { timeout, signal, label, weight } = given;
  if (
    label !== undefined &&
    (typeof label !== 'string' || label === '' || label.length > 512 || label.includes('\0'))
  )
    throw new TypeError(`label must be a string of 1 to 512 characters without NUL, not ${shown(label)}`);
  const wait = { timeout, signal };
  resolveWaitOptions(`options of ${what}`, wait);
  return { wait, label, weight };
}

/** For a grant that is no more: it was released, its lease ran out, or it was released by force. */
export const notOwner = (what: string, why: string): HoldfastError =>
  new HoldfastError('ERR_NOT_OWNER', `${what}: ${why}`);

/** For who would wait for itself. */
export const deadlock = (what: string): HoldfastError =>
  new HoldfastError(
    'ERR_DEADLOCK',
    `${what}: this asynchronous context holds it already, and would wait for itself`,
  );
