// @ts-check
// Not TypeScript, since the scripts of `test/processes/` use it, too.

/**
 * Numbers in [0, 1), the same ones for the same seed (mulberry32).
 *
 * @param {number} state
 * @returns {() => number}
 */
export function randomFrom(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The seed of one of many generators that all come from one seed.
 *
 * @param {number} seed
 * @param {...number} path Which of them.
 */
export function derivedSeed(seed, ...path) {
  let state = seed | 0;
  for (const step of path) state = Math.imul(state ^ (step + 1), 0x9e3779b1) ^ (state >>> 15);
  return state | 0;
}
