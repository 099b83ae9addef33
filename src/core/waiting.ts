import { setTimeout as sleep } from 'node:timers/promises';
import { catalog } from './catalog.js';
import { HoldfastError } from './errors.js';
import { Gate, timedOut, type Patience } from './gate.js';
import type { Listener, Listening } from './listeners.js';
import { resolveWaitOptions, type WaitOptions } from './options.js';
import { alive, all, get, lock, owner, ring, run, type Script } from './script.js';
import { refuseAborted } from './signals.js';
import { Statement, type Value } from './statement.js';
import type { Interest, OwnerRow, Quiet, Turn, WaitState } from './store.js';

const sql = {
  join: new Statement<
    [structure: number, owner: number, mode: number, low: Value, high: Value, label: string | null]
  >(
    'INSERT INTO waiters (structure, owner, mode, low, high, since, label) VALUES (?, ?, ?, ?, ?, monotonic(), ?)',
  ),
  joined: new Statement<[owner: number, structure: number], [waiter: number]>(
    'SELECT max(id) FROM waiters WHERE owner = ? AND structure = ?',
  ),
  present: new Statement<[waiter: number], [waiter: number]>('SELECT id FROM waiters WHERE id = ?'),
  leave: new Statement<[waiter: number]>('DELETE FROM waiters WHERE id = ?'),
  ahead: new Statement<[structure: number, waiter: number], [owner: number, token: string]>(
    `SELECT o.id, o.token FROM waiters w JOIN owners o ON o.id = w.owner
     WHERE w.structure = ? AND w.id < ? AND w.mode >= 0 ORDER BY w.id DESC LIMIT 1`,
  ),
  first: new Statement<[structure: number], [owner: number, token: string]>(
    `SELECT o.id, o.token FROM waiters w JOIN owners o ON o.id = w.owner
     WHERE w.structure = ? AND w.mode >= 0 ORDER BY w.id LIMIT 1`,
  ),
};

/** The place of who is not in line yet: behind everybody. A number that both databases compare with their own. */
export const endOfLine: number = Number.MAX_SAFE_INTEGER;

/** When to try again to leave a line, in milliseconds, after it failed: the database was busy, or the connection was lost. */
const leaveAgain = 500;

/** How long whoever gives up waits for its place in the line to go, in milliseconds. */
const leaveWithin = 1000;

/** How long whoever gives up tries to find out what it has come to, where others go by that, in milliseconds. */
const decideWithin = 5000;

/** What an engine offers to those who wait. */
export interface Waitable {
  /** A transaction that writes, begun without blocking the event loop; with `wanted`, which throws when nobody waits for that any more, however long it takes. */
  soon<T>(script: (structure: number) => Script<T>, wanted?: () => void): Promise<T>;
  /** A transaction that reads. */
  look<T>(script: (structure: number) => Script<T>): T | Promise<T>;
  /** Calls back when this store is rung (`true`), or at a slow poll (`false`); ready to hear once the promise resolves. */
  listen(line: object, listener: Listener): Promise<Listening>;
  /** Stands for the line of the structure. */
  readonly line: object;
  /** Whether one line listens and no other: then it is the one that a ring means. */
  readonly alone: boolean;
  /** How often whoever is first in line asks whether those who hold live, in milliseconds. */
  readonly probing: number;
  /** Stays the same while nobody writes to the store; on a server, which can't tell, while what this gives back does. */
  version(state: WaitState, waiter: number): string | Promise<string>;
  /** Gives up all places in lines, since it is unknown which there are: an answer was lost. Those who wait join again. */
  renew(): void;
  /** Aborted, with `ERR_CLOSED`, when the store closes. */
  readonly closing: AbortSignal;
  /** Whether nothing can be written, a place in a line neither. */
  readonly readonly: boolean;
}

/** Joins the line of a structure; gives back the place. */
export function* join(structure: number, { mode, low, high, label = '' }: Interest): Script<number> {
  const own = yield* owner();
  // Else a change could be committed between an observer's joining and its first look, by who has not seen it yet.
  yield* lock(structure);
  yield* run(sql.join, structure, own, mode, low, high, label === '' ? null : label);
  const row = yield* get(sql.joined, own, structure);
  return row?.[0] ?? 0;
}

/** Whether a place is still there: somebody may have taken its owner for dead. */
export function* isPresent(waiter: number): Script<boolean> {
  return (yield* get(sql.present, waiter)) !== undefined;
}

/** Removes an owner that is dead, or leaves: its places in lines go with it, and what it held is void. Wakes those who have waited for that. */
export function* bury(dead: number): Script<void> {
  const heirs = yield* all(catalog.heirs, dead, dead, dead, dead);
  yield* run(catalog.freedNow, dead);
  yield* run(catalog.removeOwner, dead);
  yield* ringAll(heirs);
}

/** Those of some owners that are dead. */
export function* theDead(owners: readonly OwnerRow[]): Script<number[]> {
  const dead: number[] = [];
  for (const [id, token] of owners) {
    if (!(yield* alive(id, token))) dead.push(id);
  }
  return dead;
}

/** The dead among those who keep others from taking at once: who holds it, and who is first in line. */
export function* deadInTheWay<T>(turn: Turn<T>, structure: number): Script<number[]> {
  if (turn.hold === undefined) return [];
  const holders = yield* turn.hold.holders(structure);
  const first = yield* all(sql.first, structure);
  return yield* theDead([...holders, ...first]);
}

/** Whether {@link takeNow} might succeed; only reads. */
export function* mayTakeNow<T>(turn: Turn<T>, structure: number): Script<boolean> {
  if (yield* turn.ready(structure, endOfLine)) return true;
  return (yield* deadInTheWay(turn, structure)).length > 0;
}

/** Takes a turn without waiting for it. */
export function* takeNow<T>(turn: Turn<T>, structure: number): Script<{ readonly value: T } | undefined> {
  for (;;) {
    const taken = yield* turn.take(structure, endOfLine);
    if (taken !== undefined) return taken;
    // Behind a dead one that was first in line there may be another.
    const dead = yield* deadInTheWay(turn, structure);
    if (dead.length === 0) return undefined;
    for (const one of dead) yield* bury(one);
  }
}

const waits = 'it waits for what others commit, or takes what outlives the transaction';

/** @throws {@link HoldfastError} `ERR_IN_TRANSACTION` when the caller is inside one. */
export function refuseInTransaction(open: boolean, what: string, why = waits): void {
  if (!open) return;
  throw new HoldfastError('ERR_IN_TRANSACTION', `${what} can’t be called inside a transaction: ${why}`);
}

/** @throws `TypeError` when the caller is not inside one. */
export function requireTransaction(open: boolean, what: string): void {
  if (!open)
    throw new TypeError(`${what} must be called inside store.transaction, of the store that it belongs to`);
}

/** The options of a call that waits, checked, as what they come to. */
export function resolvePatience(
  closing: AbortSignal,
  what: string,
  options: WaitOptions | undefined,
): Patience {
  const { timeout, signal } = resolveWaitOptions(`options of ${what}`, options);
  const deadline = timeout === 0 ? -Infinity : performance.now() + timeout;
  const signals = signal === undefined ? [closing] : [closing, signal];
  refuseAborted(signals);
  const wanted = (): void => {
    refuseAborted(signals);
    if (performance.now() >= deadline) throw timedOut(what);
  };
  return { deadline, signals, what, wanted };
}

/** Waits in line until `turn.take` has something, the time is over, a signal aborts, or the store closes. */
export async function waitForTurn<T>(engine: Waitable, turn: Turn<T>, patience: Patience): Promise<T> {
  const { deadline, what, wanted } = patience;
  const triesOnce = deadline === -Infinity;
  try {
    // What is held is mostly not free, and joining the line tries, too.
    if (triesOnce || turn.hold === undefined) {
      const script = (structure: number) => takeNow(turn, structure);
      const atOnce = await engine.soon(script, triesOnce ? undefined : wanted);
      if (atOnce !== undefined) return atOnce.value;
      if (triesOnce) throw timedOut(what);
    }
    return await new Line(engine, turn).wait(patience);
  } catch (error) {
    // Whatever a connection says that is being closed.
    engine.closing.throwIfAborted();
    throw error;
  }
}

/** What whoever is first in line has found when it looked by itself. */
interface Seen {
  readonly quiet: Quiet;
  readonly version: string;
  /** Whom it looks after. */
  readonly others: readonly OwnerRow[];
  /** By `performance.now()`. */
  readonly until: number;
}

/** One place in the line of a structure. */
class Line<T> {
  readonly #engine: Waitable;
  readonly #turn: Turn<T>;
  #waiter: number | undefined;
  #seen: Seen | undefined;

  constructor(engine: Waitable, turn: Turn<T>) {
    this.#engine = engine;
    this.#turn = turn;
  }

  async wait(patience: Patience): Promise<T> {
    const gate = new Gate();
    const listening = await this.#engine.listen(this.#engine.line, gate.knock);
    try {
      for (;;) {
        refuseAborted(patience.signals);
        const taken = await this.#engine.soon((structure) => this.#takeOrJoin(structure), patience.wanted);
        if ('value' in taken) return taken.value;
        const joined = this.#waiter !== taken.waiter;
        this.#waiter = taken.waiter;
        listening.place(taken.waiter);
        const looks = joined && this.#turn.hold !== undefined;
        if (looks && (await this.#buryTheDead(taken.waiter, patience.wanted))) continue;
        await this.#untilReady(gate, listening, patience);
      }
    } catch (error) {
      if (this.#waiter === undefined) renewIfLost(this.#engine, error);
      const taken = await this.#leave();
      if (taken === undefined) throw error;
      return taken.value;
    } finally {
      listening.stop();
    }
  }

  /** In one transaction, or what came between a look and the joining would be missed. */
  *#takeOrJoin(structure: number): Script<{ value: T } | { waiter: number }> {
    const waiter = this.#waiter;
    const present = waiter !== undefined && (yield* isPresent(waiter));
    const lost = waiter === undefined || present ? undefined : yield* this.#lost(structure);
    const taken = lost ?? (yield* this.#turn.take(structure, present ? waiter : endOfLine));
    if (taken !== undefined) {
      if (present) yield* run(sql.leave, waiter);
      return taken;
    }
    return { waiter: present ? waiter : yield* this.#join(structure) };
  }

  *#lost(structure: number): Script<{ readonly value: T } | undefined> {
    return this.#turn.lost && (yield* this.#turn.lost(structure));
  }

  *#join(structure: number): Script<number> {
    const { mode, label } = this.#turn;
    const wanted = typeof mode === 'number' ? mode : yield* mode(structure);
    return yield* join(structure, { mode: wanted, low: null, high: null, label });
  }

  async #untilReady(gate: Gate, listening: Listening, patience: Patience): Promise<void> {
    const waiter = this.#waiter ?? endOfLine;
    for (;;) {
      const polled = await gate.pass(patience, listening.first ? this.#within() : Infinity);
      // To take is then as good as to look first, and saves a transaction.
      if (!polled && this.#engine.alone) return;
      const seen = polled ? await this.#stillSeen(waiter) : undefined;
      if (polled && (await this.#buryTheDead(waiter, patience.wanted, seen?.others))) return;
      if (seen !== undefined) continue;
      if (await this.#engine.look((structure) => this.#isReady(structure, waiter))) return;
    }
  }

  /** What was seen last, if there can't be more. */
  async #stillSeen(waiter: number): Promise<Seen | undefined> {
    const seen = this.#seen;
    if (seen === undefined || performance.now() >= seen.until || this.#within() === 0) return undefined;
    return (await this.#engine.version(seen.quiet.state, waiter)) === seen.version ? seen : undefined;
  }

  #within(): number {
    const { within, hold } = this.#turn;
    return within?.() ?? (hold === undefined ? Infinity : this.#engine.probing);
  }

  /** A place that was taken away, by somebody who took this store for dead, is a reason to join again. */
  *#isReady(structure: number, waiter: number): Script<boolean> {
    if (!(yield* isPresent(waiter))) return true;
    return yield* this.#turn.ready(structure, waiter);
  }

  /** Tells whether there were any among those whom this waiter looks after; they may be `known`. */
  async #buryTheDead(waiter: number, wanted: () => void, known?: readonly OwnerRow[]): Promise<boolean> {
    if (known?.length === 0) return false;
    // Before it looks: what changes meanwhile is to be seen the next time.
    const seen = known === undefined ? await this.#begin(waiter) : undefined;
    const [dead, others] = await this.#engine.look((structure) => this.#findDead(structure, waiter, known));
    if (seen !== undefined) this.#seen = { ...seen, others, until: performance.now() + seen.quiet.time };
    if (dead.length === 0) return false;
    await this.#engine.soon((structure) => this.#buryAndPassOn(structure, dead), wanted);
    return true;
  }

  async #begin(waiter: number): Promise<Pick<Seen, 'quiet' | 'version'> | undefined> {
    const { quiet } = this.#turn;
    return quiet && { quiet, version: await this.#engine.version(quiet.state, waiter) };
  }

  /**
   * Each looks after the one ahead of it, so that a dead one anywhere in the line is found; and after those who hold: the first in line, who does
   * so more often, may be stopped.
   */
  *#others(structure: number, waiter: number): Script<readonly OwnerRow[]> {
    const { peers, hold } = this.#turn;
    if (peers !== undefined) return yield* peers(structure, waiter);
    const holders = hold === undefined ? [] : yield* hold.holders(structure);
    return [...(yield* all(sql.ahead, structure, waiter)), ...holders];
  }

  *#findDead(
    structure: number,
    waiter: number,
    known?: readonly OwnerRow[],
  ): Script<[dead: number[], others: readonly OwnerRow[]]> {
    const others = known ?? (yield* this.#others(structure, waiter));
    return [yield* theDead(others), others];
  }

  *#buryAndPassOn(structure: number, dead: readonly number[]): Script<void> {
    for (const one of dead) yield* bury(one);
    yield* this.#turn.passOn(structure);
  }

  /** Gives what was taken in leaving: see {@link Turn.binding}. */
  async #leave(): Promise<{ readonly value: T } | undefined> {
    const waiter = this.#waiter;
    if (waiter === undefined) return undefined;
    if (this.#turn.binding === true && !this.#engine.closing.aborted) {
      try {
        return await this.#engine.soon(
          (structure) => this.#takeOrLeave(structure, waiter),
          within(decideWithin),
        );
      } catch {
        // Nobody can say what it has come to: the place is to go all the same.
      }
    }
    await leave(this.#engine, waiter, (structure) => this.#turn.passOn(structure));
    return undefined;
  }

  *#takeOrLeave(structure: number, waiter: number): Script<{ readonly value: T } | undefined> {
    yield* lock(structure);
    const present = yield* isPresent(waiter);
    const taken = present ? yield* this.#turn.take(structure, waiter) : yield* this.#lost(structure);
    if (present) yield* run(sql.leave, waiter);
    if (present && taken === undefined) yield* this.#turn.passOn(structure);
    return taken;
  }
}

/** Throws once that time is over. */
function within(milliseconds: number): () => void {
  const deadline = performance.now() + milliseconds;
  return () => {
    if (performance.now() > deadline) throw timedOut('leaving');
  };
}

/** Where the answer to the joining was lost, there may be a place that nobody knows of. */
export function renewIfLost(engine: Waitable, error: unknown): void {
  if (error instanceof HoldfastError && error.code === 'ERR_CONNECTION') engine.renew();
}

/** Leaves a line. Whoever gives up does not wait for long for its place to go: while others write, it goes a little later. */
export async function leave(
  engine: Waitable,
  waiter: number,
  passOn?: (structure: number) => Script<void>,
): Promise<void> {
  const left = leaveAtLast(engine, waiter, passOn);
  await Promise.race([left, sleep(leaveWithin, undefined, { ref: false })]);
}

async function leaveAtLast(
  engine: Waitable,
  waiter: number,
  passOn: ((structure: number) => Script<void>) | undefined,
): Promise<void> {
  // A store that closes removes all of its places itself.
  if (engine.closing.aborted) return;
  try {
    await engine.soon((structure) => leaving(structure, waiter, passOn));
  } catch {
    // The place would hold up everybody behind it. What the caller is told is why it left.
    setTimeout(() => void leaveAtLast(engine, waiter, passOn), leaveAgain).unref();
  }
}

function* leaving(
  structure: number,
  waiter: number,
  passOn?: (structure: number) => Script<void>,
): Script<void> {
  yield* lock(structure);
  if ((yield* run(sql.leave, waiter)) > 0 && passOn !== undefined) yield* passOn(structure);
}

/** Rings the owner of each row. */
export function* ringAll(rows: readonly (readonly [owner: number, ...unknown[]])[]): Script<void> {
  for (const [owner] of rows) yield* ring(owner);
}
