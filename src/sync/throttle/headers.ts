import type { ThrottleResult } from './scripts.js';

/** Whole seconds, rounded up: who comes back then is not early. */
const seconds = (milliseconds: number): number => Math.max(0, Math.ceil(milliseconds / 1000));

/** A name as a string of RFC 9651 holds it: printable ASCII; of another alphabet there would be nothing left. */
const quoted = (name: string): string =>
  /^[\x20-\x7e]+$/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : '"default"';

/** The fields of a response. @param per - Milliseconds. */
export function headersOf(name: string, per: number, result: ThrottleResult): Record<string, string> {
  const policy = quoted(name);
  const { allowed, limit, remaining, retryAfter, resetAt } = result;
  const window = Number.isInteger(per / 1000) ? `;w=${per / 1000}` : '';
  const fields = {
    'RateLimit-Policy': `${policy};q=${integer(limit)}${window}`,
    RateLimit: `${policy};r=${integer(remaining)};t=${seconds(resetAt.getTime() - Date.now())}`,
  };
  return allowed ? fields : { ...fields, 'Retry-After': String(seconds(retryAfter)) };
}

/** An integer of RFC 9651 has 15 digits at most. */
const integer = (value: number): number => Math.min(value, 999_999_999_999_999);
