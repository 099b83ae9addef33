import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Where the embedded engine takes the time from. Tests put their own in its place. */
export interface Clock {
  /** Milliseconds since 1970. It may jump, both ways, when somebody sets it. */
  wall(): number;
  /** Milliseconds since some moment of this boot, the same for all processes of the machine. It never jumps, and ends with the boot. */
  monotonic(): number;
  /** Names this boot of the machine: two readings of {@link Clock.monotonic} compare only under the same name. */
  boot(): string;
}

let boot: string | undefined;

/** The machine's own clocks. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  // CLOCK_MONOTONIC on Linux, mach_absolute_time on macOS, QueryPerformanceCounter on Windows: each counts from the boot, for all.
  monotonic: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
  boot: () => (boot ??= bootName()),
};

function bootName(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Elsewhere the moment of the boot stands for it, to the minute: a step of the wall clock then looks like a new boot,
    // which is the safe side, since what is deadline-bound falls back to the wall clock.
    return `since ${Math.round((Date.now() / 1_000 - uptime()) / 60)}`;
  }
}
