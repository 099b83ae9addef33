// Who waited, for how long, and in which order they were served.
import type { Attempt, Hold } from './attempts.js';
import { ms } from './holding.js';
import type { Entry } from './records.js';

/** What is promised to those who wait. Milliseconds. */
export interface Order {
  /** After how long nobody who comes later is served first. */
  readonly patience: number;
  /** For how long what is free is kept for the first in line. */
  readonly reservation: number;
}

/** First come, first served. */
export const strict: Order = { patience: 0, reservation: Infinity };
/** What the docs say of who waits "for some milliseconds", with something to spare. */
export const bargingAllowed: Order = { patience: 10, reservation: 100 };

/**
 * Nobody is served before those who were ahead of it, unless there is room for all of them.
 *
 * That A stood ahead of B is certain if A was seen in line before B asked; the line does not tell more. That A still stood there when B was
 * served is certain if A was served later (its fence is greater), or if A waited on after B's grant was there. If A was killed, it may
 * have been granted what nobody wrote down: then it held instead of waiting, which leaves B no more room.
 */
export function overtakings(attempts: readonly Attempt[], capacity: number, order: Order): string[] {
  const coming = attempts.filter(({ inLine }) => inLine !== undefined).sort((a, b) => a.inLine! - b.inLine!);
  const holds = attempts.flatMap((attempt) => attempt.holds).sort((a, b) => a.from - b.from);
  const violations: string[] = [];
  let line: Attempt[] = [];
  let held: Hold[] = [];
  let [inLine, inHolds] = [0, 0];
  for (const attempt of attempts.toSorted((a, b) => a.asked - b.asked)) {
    const { asked, granted, overtakes } = attempt;
    while (inLine < coming.length && coming[inLine]!.inLine! < asked - order.patience * 1e6)
      line.push(coming[inLine++]!);
    while (inHolds < holds.length && holds[inHolds]!.from <= asked) held.push(holds[inHolds++]!);
    line = line.filter((other) => (other.granted?.at ?? other.waitedUntil) > asked);
    held = held.filter(({ to }) => to > asked);
    if (granted === undefined || overtakes) continue;
    const ahead = line.filter((other) =>
      other.granted ? other.granted.fence > granted.fence : other.waitedUntil > granted.at,
    );
    // Who holds all the time in which it may have been granted; of a process that was killed in line it is not known which it did.
    const beside = held.filter((hold) => hold.to >= granted.at && !ahead.includes(hold.attempt));
    const taken = [...ahead, ...beside].reduce((total, { weight }) => total + weight, attempt.weight);
    if (ahead.length === 0 || taken <= capacity) continue;
    if (granted.at - lastChange(attempts, attempt) > order.reservation * 1e6) continue;
    violations.push(
      `${attempt.name}, asked for at ${ms(asked)}, was served before ${ahead.map(shown).join(', ')}`,
    );
  }
  return violations;
}

const shown = ({ name, inLine, granted }: Attempt): string =>
  `${name} (in line at ${ms(inLine ?? NaN)}, ${granted ? `served at ${ms(granted.at)}` : 'not served'})`;

/** When the last grant before this one was given, or given back, at the earliest. */
function lastChange(attempts: readonly Attempt[], { asked, granted }: Attempt): number {
  let last = 0;
  for (const other of attempts) {
    if (other.granted && other.granted.fence < granted!.fence) last = Math.max(last, other.asked);
    if (other.releasing !== undefined && other.free !== undefined && other.free <= asked)
      last = Math.max(last, other.releasing);
  }
  return last;
}

/** Everybody who still wanted it when all was calm got it. */
export function forgotten(attempts: readonly Attempt[]): string[] {
  return attempts
    .filter(({ leftOver }) => leftOver)
    .map(({ name, asked, inLine }) => {
      const where = inLine === undefined ? '' : `, was in line at ${ms(inLine)},`;
      return `${name} asked at ${ms(asked)}${where} and was never served`;
    });
}

/** A time in which somebody waited, nobody held anything, and no process was stopped. */
export interface Quiet {
  readonly from: number;
  readonly length: number;
  /** Who waited all the time. */
  readonly waiting: string;
}

/** The longest {@link Quiet}; a waiter that was forgotten for a while shows here. */
export function longestQuiet(attempts: readonly Attempt[], nemesis: readonly Entry[]): Quiet | undefined {
  const steps = [...attempts.flatMap(waitingOrHolding), ...nemesis.flatMap(stopped)].sort(
    (a, b) => a.at - b.at,
  );
  let [waiting, busy] = [0, 0];
  let longest: Quiet | undefined;
  for (const [i, step] of steps.entries()) {
    waiting += step.waiting;
    busy += step.busy;
    const length = (steps[i + 1]?.at ?? step.at) - step.at;
    if (waiting > 0 && busy === 0 && length > (longest?.length ?? 0))
      longest = { from: step.at, length, waiting: step.name };
  }
  return longest;
}

interface Step {
  readonly at: number;
  readonly waiting: number;
  readonly busy: number;
  readonly name: string;
}

function waitingOrHolding({ name, tries, asked, granted, ended, waitedUntil, free }: Attempt): Step[] {
  const steps: Step[] = [];
  const add = (at: number, waiting: number, busy: number): void =>
    void steps.push({ at, waiting, busy, name });
  if (!tries) {
    add(asked, 1, 0);
    add(granted?.at ?? ended ?? waitedUntil, -1, 0);
  }
  if (granted !== undefined) {
    add(granted.at, 0, 1);
    add(free ?? Infinity, 0, -1);
  }
  return steps;
}

function stopped({ kind, at, process }: Entry): Step[] {
  const step = { at, waiting: 0, name: `process ${process}` };
  if (kind === 'stopping' || kind === 'killing') return [{ ...step, busy: 1 }];
  if (kind === 'continued' || kind === 'dead') return [{ ...step, busy: -1 }];
  return [];
}
