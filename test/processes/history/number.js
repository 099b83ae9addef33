// @ts-check
import { constants, openSync, readSync, writeSync } from 'node:fs';

/** A number in a plain file, which nothing protects but what is tested. */
export class PlainNumber {
  #file;
  #bytes = Buffer.alloc(8);

  /** @param {string} path */
  constructor(path) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT);
  }

  read() {
    const length = readSync(this.#file, this.#bytes, 0, 8, 0);
    return length === 0 ? 0 : this.#bytes.readDoubleLE();
  }

  /** @param {number} value */
  write(value) {
    this.#bytes.writeDoubleLE(value);
    writeSync(this.#file, this.#bytes, 0, 8, 0);
  }
}
