// @ts-check
import { openSync, writeSync } from 'node:fs';

/**
 * What one process tells of what it held when, in a file of its own. A record is in the file when `write` returns: what was written
 * outlives the process, however that dies. The time is CLOCK_MONOTONIC, which all processes of a machine share.
 */
export class Log {
  #file;
  #epoch;
  #last = 0;

  /**
   * @param {string} path
   * @param {string} epoch Nanoseconds: the moment that times are counted from.
   */
  constructor(path, epoch) {
    this.#file = openSync(path, 'ax');
    this.#epoch = BigInt(epoch);
  }

  /** The number of another attempt to acquire. */
  nextOp() {
    return ++this.#last;
  }

  /**
   * @param {string} kind
   * @param {number} op
   * @param {object} [more]
   */
  write(kind, op, more) {
    const at = Number(process.hrtime.bigint() - this.#epoch);
    writeSync(this.#file, `${JSON.stringify({ at, kind, op, ...more })}\n`);
  }
}
