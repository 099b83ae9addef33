/** What a timer can hold, in milliseconds: 24.8 days. */
const longest = 2 ** 31;

/** Calls back after a time, and never where that is longer than a timer can hold: `Infinity` is no time limit. */
export function startTimer(time: number, callback: () => void): NodeJS.Timeout | undefined {
  return time < longest ? setTimeout(callback, time) : undefined;
}

/** Resolves after `milliseconds`. */
export { setTimeout as pause } from 'node:timers/promises';

const blocking = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread for so many milliseconds, also for less than one. */
export function pauseBlocking(milliseconds: number): void {
  Atomics.wait(blocking, 0, 0, milliseconds);
}

/** Resolves when the event loop has seen to everything else once. */
export { setImmediate as nextTurn } from 'node:timers/promises';
