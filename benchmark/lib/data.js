// @ts-check
import { randomFrom } from './measure.js';

/**
 * The key of a number: 16 characters, in no order of the numbers, so that neighbours in time are not neighbours in the tree.
 *
 * @param {number} n
 */
export function keyOf(n) {
  const high = scramble(n);
  const low = scramble(high ^ 0x5bd1e995);
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** A permutation of the 32-bit numbers. @param {number} n */
function scramble(n) {
  let x = n | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

const filler =
  'the quick brown fox jumps over the lazy dog, and the five boxing wizards jump quickly; pack my box with jugs '.repeat(
    2,
  );

/**
 * A text of `length` characters, another one for each `n`.
 *
 * @param {number} n
 * @param {number} [length]
 */
export function textOf(n, length = 100) {
  const from = n % 100;
  const head = `${n}:`;
  return head + filler.slice(from, from + length - head.length);
}

/** A text of 60 to 140 characters, whose length changes with `n`. @param {number} n */
export const varyingTextOf = (n) => textOf(n, 60 + ((n * 37) % 81));

const pages = filler.repeat(5000);

/**
 * A text of about `length` characters, 200 or more, another one for each `n`, and of another length for most. It lies in memory as one, not as parts.
 *
 * @param {number} n
 * @param {number} length
 */
export function pageOf(n, length) {
  const head = `${n}:`;
  const page = head + pages.slice(n % 100, (n % 100) + length - head.length - ((n * 37) % 81));
  return Buffer.from(page, 'latin1').toString('latin1');
}

/** A small object, another one for each `n`. @param {number} n */
export function objectOf(n) {
  return {
    id: n,
    name: `user ${n}`,
    email: `user-${n}@example.org`,
    active: n % 2 === 0,
    score: n / 7,
    tags: ['a', `t${n % 10}`],
  };
}

/**
 * @param {number} count
 * @param {number} below
 * @param {number} seed
 * @returns {number[]} Different numbers from 0 up.
 */
export function someOf(count, below, seed) {
  const random = randomFrom(seed);
  const found = new Set();
  while (found.size < count) found.add(Math.floor(random() * below));
  return [...found];
}
