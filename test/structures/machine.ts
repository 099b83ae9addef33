import { onTestFinished } from 'vitest';
import { open, type Clock } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';

/** A machine whose clocks are set by the test. */
export class Machine implements Clock {
  now = 1_000_000;
  offset = 1_700_000_000_000;
  boots = 0;
  readonly directory = temporaryDirectory();
  readonly wall = (): number => this.now + this.offset;
  readonly monotonic = (): number => this.now;
  readonly boot = (): string => `boot ${this.boots}`;

  open(): ReturnType<typeof open> {
    const store = open(this.directory, { clock: this });
    onTestFinished(() => {
      store.close();
    });
    return store;
  }

  /** The monotonic clock begins anew, and the wall clock goes on. */
  reboot(off = 0): void {
    this.offset += this.now - 5_000 + off;
    this.now = 5_000;
    this.boots++;
  }
}
