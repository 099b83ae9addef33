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
export type Attempt = (
  request: ReturnType<Requests['wait']>,
  enter: (reservation: Reservation) => Reservation,
) => Promise<Reservation | undefined>;

const pause = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time).unref());

/** Those who wait for their turn. */
export class Waiting<K extends Kind> {
  readonly #scope: Scope<K>;
  readonly #scripts: ThrottleScripts;
  readonly #attempt: Attempt;
  readonly #waiting = new Set<Reservation>();
  #forget: (() => void) | undefined;
  /** Reservations that nobody waits for any more, and that are under way. */
  readonly #coming = new Set<Promise<void>>();
  /** What is to be given back, and when that is done. */
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
      const coming = reserving.then((reservation) => this.#handIn(reservation));
      this.#coming.add(coming);
      const given = coming.then(
        () => this.#giving,
        () => undefined,
      );
      void given.finally(() => this.#coming.delete(coming));
      // Who gives up does not wait for long for a database that is busy: what is reserved later is given back later.
      await Promise.race([given, pause(leaveWithin)]);
      throw error;
    }
    await this.#sleep(await reserving, gate, patience);
  }

  async #reserve(request: ReturnType<Requests['wait']>, wanted: () => void): Promise<Reservation> {
    const start = performance.now();
    const { timeout } = request;
    const atOnce = await this.#attempt(request, (reservation) => this.#enter(reservation));
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
    if ('delay' in reserved) return this.#enter(reserved);
    const message = `${what}: its turn would come in ${Math.ceil(reserved.late)} ms, and the timeout is ${timeout} ms`;
    throw new HoldfastError('ERR_TIMEOUT', message);
  }

  /** From here on it is given back when the store closes: at once, since that may be before whoever reserved it comes to go on. */
  #enter(reservation: Reservation): Reservation {
    if (reservation.delay > 0) {
      this.#forget ??= this.#scope.onClose((structure) =>
        this.#scripts.giveBack(structure, [...this.#waiting]),
      );
      this.#waiting.add(reservation);
    }
    return reservation;
  }

  #leave(reservation: Reservation): void {
    this.#waiting.delete(reservation);
    if (this.#waiting.size > 0) return;
    this.#forget?.();
    this.#forget = undefined;
  }

  /** Until the turn has come, by the clock that the place was given by, which runs on whatever becomes of the wall clock. */
  async #sleep(reservation: Reservation, gate: Gate, patience: Parameters<Gate['pass']>[0]): Promise<void> {
    if (reservation.delay === 0) return;
    const end = performance.now() + reservation.delay;
    try {
      // Timers fire up to a millisecond early.
      for (let left = reservation.delay; left > 0; left = end - performance.now())
        await gate.pass(patience, Math.ceil(left));
      this.#leave(reservation);
    } catch (error) {
      this.#handIn(reservation);
      await this.#giving;
      throw error;
    }
  }

  /** To be given back. Those who give up together, by one signal say, are seen to together: each but the last has another behind it. */
  #handIn(reservation: Reservation): void {
    // A store that closes gives back all of them itself.
    if (this.#scope.closing.aborted || reservation.delay === 0) return;
    this.#given.push(reservation);
    this.#giving ??= new Promise((resolve) => setImmediate(resolve)).then(() => this.#giveBack());
  }

  async #giveBack(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#coming), pause(leaveWithin)]);
    const all = this.#given;
    this.#given = [];
    this.#giving = undefined;
    for (const one of all) this.#leave(one);
    const deadline = performance.now() + leaveWithin;
    const wanted = (): void => {
      if (performance.now() >= deadline) throw timedOut(what);
    };
    try {
      await this.#scope.soon((structure) => this.#scripts.giveBack(structure, all), wanted);
    } catch {
      // A full disk, a database that others keep busy: the places pass unused, as they would if the process had been killed.
    }
  }
}
