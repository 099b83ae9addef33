import { iterable, milliseconds, oneOf, shown, type Duration } from '../../core/options.js';
import { nothing } from '../../core/store.js';
import { startTimer } from '../../core/timer.js';

/** A signal that ends a process unless it is listened to. */
export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR2' | 'SIGBREAK';

const stopSignals: readonly StopSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGBREAK'];

/** What of the options of a worker is about signals. */
export interface StopOnOptions {
  /**
   * Signals of the process at which the worker stops, as by `stop({ timeout: stopTimeout })`. When all workers have stopped that listen to it, the signal does
   * what it does by default, it ends the process; unless somebody else listens to it, who is to end the process then. While they stop, it has no effect again.
   * @defaultValue `[]`
   */
  readonly stopOn?: readonly StopSignal[] | undefined;
  /** How long handlers may go on after such a signal; then the signals of their jobs abort. Whatever has not ended 2 s later goes down with the process. @defaultValue `'30s'` */
  readonly stopTimeout?: Duration | undefined;
}

/** {@link StopOnOptions}, checked. */
export interface ResolvedStopOn {
  readonly signals: readonly StopSignal[];
  /** Milliseconds. */
  readonly timeout: number;
}

/** How long handlers have that were aborted, and what they did to be written, in milliseconds. */
const lastChance = 2_000;

export function resolveStopOn({ stopOn = [], stopTimeout = '30s' }: StopOnOptions): ResolvedStopOn {
  if (typeof stopOn === 'string') throw new TypeError(`stopOn must be an array, not ${shown(stopOn)}`);
  const signals = Array.from(iterable('stopOn', stopOn));
  for (const signal of signals) oneOf('stopOn', signal, stopSignals);
  return { signals, timeout: milliseconds('stopTimeout', stopTimeout) };
}

/** Calls `stop` when one of the signals comes, until the function that is returned is called. */
export function stopOn(
  { signals, timeout }: ResolvedStopOn,
  stop: (options: { timeout: number }) => Promise<void>,
): () => void {
  const stopInTime = (): Promise<void> => within(stop({ timeout }), timeout + lastChance);
  const leaves = signals.map((signal) => vigilOf(signal).join(stopInTime));
  return () => {
    for (const leave of leaves) leave();
  };
}

/** What comes of `work`, or nothing after a time. */
async function within(work: Promise<void>, time: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = startTimer(time, resolve)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** Who is to be stopped by a signal, in this process. */
class Vigil {
  readonly #signal: StopSignal;
  readonly #stops = new Set<() => Promise<void>>();
  #stopping = false;

  constructor(signal: StopSignal) {
    this.#signal = signal;
  }

  join(stop: () => Promise<void>): () => void {
    if (this.#stops.size === 0 && !this.#stopping) process.on(this.#signal, this.#heard);
    this.#stops.add(stop);
    return () => {
      if (this.#stops.delete(stop) && this.#stops.size === 0 && !this.#stopping)
        process.off(this.#signal, this.#heard);
    };
  }

  readonly #heard = (): void => {
    if (!this.#stopping) void this.#stopAll();
  };

  async #stopAll(): Promise<void> {
    this.#stopping = true;
    // Whoever joins meanwhile is stopped, too.
    for (let stops = [...this.#stops]; stops.length > 0; stops = [...this.#stops]) {
      await Promise.all(stops.map((stop) => stop().catch(nothing)));
      for (const stop of stops) this.#stops.delete(stop);
    }
    this.#stopping = false;
    process.off(this.#signal, this.#heard);
    if (process.listenerCount(this.#signal) === 0) process.kill(process.pid, this.#signal);
  }
}

const vigils = new Map<StopSignal, Vigil>();

function vigilOf(signal: StopSignal): Vigil {
  const vigil = vigils.get(signal) ?? new Vigil(signal);
  vigils.set(signal, vigil);
  return vigil;
}
