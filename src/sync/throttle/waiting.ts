import { HoldfastError } from '../../core/errors.js';
import { Gate, timedOut } from '../../core/gate.js';
import { refuseAborted } from '../../core/signals.js';
import type { Kind, Scope } from '../../core/store.js';
import type { Requests } from './options.js';
import type { Reservation, ThrottleScripts } from './scripts.js';

const what = 'wait()';

/** How long whoever gives up tries to give its place back, in milliseconds, while others keep the database busy. */
const leaveWithin = 1000;

/** Takes a place at once, or answers `undefined`. */
export type Attempt = (request: ReturnType<Requests['wait']>) => Promise<Reservation | undefined>;

/** Those who wait for their turn. */
export class Waiting<K extends Kind> {
  readonly #scope: Scope<K>;
  readonly #scripts: ThrottleScripts;
  readonly #attempt: Attempt;
  /** What is to be given back, in the order in which it was reserved, and when that is done. */
  #given: Reservation[] = [];
  #giving: Promise<void> | undefined;

  constructor(scope: Scope<K>, scripts: ThrottleScripts, attempt: Attempt) {
    this.#scope = scope;
    this.#scripts = scripts;
    this.#attempt = attempt;
  }

  async wait(request: ReturnType<Requests['wait']>): Promise<void> {
    const { signal } = request;
    const signals = signal === undefined ? [this.#scope.closing] : [this.#scope.closing, signal];
    refuseAborted(signals);
    const patience = { deadline: Infinity, signals, what, wanted: () => refuseAborted(signals) };
    const reserving = this.#reserve(request, patience.wanted);
    const gate = new Gate();
    const knock = (): void => gate.knock(true);
    reserving.then(knock, knock);
    try {
      await gate.pass(patience);
    } catch (error) {
      // Who gives up does not wait for a database that is busy, either.
      reserving.then((reservation) => this.#giveBack(reservation)).catch(() => undefined);
      throw error;
    }
    await this.#sleep(await reserving, gate, patience);
  }

  async #reserve(request: ReturnType<Requests['wait']>, wanted: () => void): Promise<Reservation> {
    const start = performance.now();
    const { timeout } = request;
    const atOnce = await this.#attempt(request);
    if (atOnce !== undefined) return atOnce;
    const left = (): number => Math.max(0, timeout - (performance.now() - start));
    const stillWanted = (): void => {
      wanted();
      if (left() === 0 && timeout > 0) throw timedOut(what);
    };
    const reserved = await this.#scope.soon(
      (structure) => this.#scripts.reserve(structure, request, left),
      stillWanted,
    );
    if ('delay' in reserved) return reserved;
    const message = `${what}: its turn would come in ${Math.ceil(reserved.late)} ms, and the timeout is ${timeout} ms`;
    throw new HoldfastError('ERR_TIMEOUT', message);
  }

  /** Until the turn has come, by the clock that the place was given by, which runs on whatever becomes of the wall clock. */
  async #sleep(reservation: Reservation, gate: Gate, patience: Parameters<Gate['pass']>[0]): Promise<void> {
    if (reservation.delay === 0) return;
    const end = performance.now() + reservation.delay;
    const forget = this.#scope.onClose((structure) => this.#scripts.giveBack(structure, [reservation]));
    try {
      // Timers fire up to a millisecond early.
      for (let left = reservation.delay; left > 0; left = end - performance.now())
        await gate.pass(patience, Math.ceil(left));
    } catch (error) {
      // Where it fails, the place passes unused.
      if (!this.#scope.closing.aborted) await this.#giveBack(reservation).catch(() => undefined);
      throw error;
    } finally {
      forget();
    }
  }

  /** Those who give up together, by one signal say, are seen to together: each but the last has another behind it. */
  #giveBack(reservation: Reservation): Promise<void> {
    this.#given.push(reservation);
    this.#giving ??= new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
      const all = this.#given;
      this.#given = [];
      this.#giving = undefined;
      const deadline = performance.now() + leaveWithin;
      await this.#scope.soon(
        (structure) => this.#scripts.giveBack(structure, all),
        () => {
          if (performance.now() >= deadline) throw timedOut(what);
        },
      );
    });
    return this.#giving;
  }
}
