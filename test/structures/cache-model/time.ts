import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { onTestFinished, vi } from 'vitest';
import type { EngineOptions } from '../../support/stores.js';
import { Machine } from '../machine.js';

/**
 * All the time that there is in a test, on both engines: the clocks of the machine, the timers and `performance.now()` of the process, and what a
 * server takes the time from. However long a test takes, the same happens in it.
 */
export class SimulatedTime extends Machine {
  /** By how much the clock of the process is ahead of that of the machine, which begins anew with each boot. */
  #ahead = 0;

  constructor(random: () => number) {
    super();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    vi.spyOn(performance, 'now').mockImplementation(() => this.now + this.#ahead);
    vi.spyOn(Math, 'random').mockImplementation(random);
    onTestFinished(() => this.end());
  }

  end(): void {
    vi.useRealTimers();
    vi.restoreAllMocks();
  }

  /** How stores are opened that live in it. */
  get options(): EngineOptions {
    return { embedded: { clock: this }, through: (url) => this.#pool(url) };
  }

  /** Timers do not fire. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
  }

  /** Timers fire. */
  async elapse(milliseconds: number): Promise<void> {
    this.pass(milliseconds);
    await vi.advanceTimersByTimeAsync(milliseconds);
    await this.settle();
  }

  /** What is under way in this process ends. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await turn();
  }

  /** What others do meanwhile, a server or a thread that removes files, gets on. */
  async hear(): Promise<void> {
    await pause(5);
    await this.settle();
  }

  override reboot(off = 0): void {
    const { now } = this;
    super.reboot(off);
    this.#ahead += now - this.now;
  }

  #pool(url: string): pg.Pool {
    const now = (): string => `to_timestamp(${this.wall() / 1_000})`;
    class Client extends pg.Client {}
    const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
    Client.prototype.query = function (this: pg.Client, config: unknown, ...rest: unknown[]): unknown {
      return query.call(this, timed(config, now()), ...rest);
    } as pg.Client['query'];
    return new pg.Pool({ connectionString: url, max: 4, Client });
  }
}

/** A query that is told the time. It has no name then: what is prepared can't be changed. */
function timed(config: unknown, now: string): unknown {
  if (typeof config === 'string') return config.replaceAll('clock_timestamp()', now);
  const { text, name, ...rest } = config as pg.QueryConfig;
  return text.includes('clock_timestamp()')
    ? { ...rest, text: text.replaceAll('clock_timestamp()', now) }
    : { ...rest, text, name };
}
