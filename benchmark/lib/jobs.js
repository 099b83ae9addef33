// @ts-check

/**
 * The data of a job, of about 110 bytes as JSON, another one for each `n`.
 *
 * @param {number} n
 */
export const jobOf = (n) => ({
  n,
  to: `user-${n}@example.org`,
  subject: 'the quick brown fox jumps over the lazy dog',
  urgent: n % 7 === 0,
});

/** @param {number} from @param {number} count */
export const jobsFrom = (from, count) => Array.from({ length: count }, (_, i) => jobOf(from + i));
