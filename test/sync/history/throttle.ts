// Rate limits: what was let through in a time, and what should have been.
import { callsOf, countsOf, endedBy, type Call } from './calls.js';
import { onlyBroken, type Checked } from './checker.js';
import { ms } from './holding.js';
import type { Entry } from './records.js';

/** In any span of W milliseconds at most `burst + W · rate` is let through. */
export interface Limits {
  readonly burst: number;
  /** By the millisecond. */
  readonly rate: number;
  /** Whether exactly that is let through, so that nobody is refused while there is as much left. */
  readonly exact: boolean;
}

/** How much two clocks, the server's and the machine's, may differ in what passes. */
const drift = 0.01;
/** How much what is let through may differ from what was counted, for what clocks and numbers are rounded to. */
const rounding = 0.05;
/** Whoever gives up tells so after that time at the latest, even if its place was not yet given back. Milliseconds. */
const givingBackAtMost = 900;

/** Checks a history of `throttled` of `test/processes/history/throttle.js`. @param afterDeath - See {@link callsOf}. */
export function checkThrottle(entries: readonly Entry[], limits: Limits, afterDeath = 0): Checked {
  const calls = callsOf(entries, afterDeath);
  const keys = [...new Set(calls.map(({ begin }) => begin.part))];
  const byKey = keys.map((key) => calls.filter(({ begin }) => begin.part === key));
  const violations = onlyBroken({
    'too much': byKey.flatMap((own) => tooMuch(own, limits)),
    refused: limits.exact ? byKey.flatMap((own) => refused(own, limits)) : [],
    forgotten: calls
      .filter(({ leftOver }) => leftOver)
      .map(
        ({ name, asked, begin }) => `${name} waited from ${ms(asked)} for key ${begin.part ?? 0}, for ever`,
      ),
  });
  const summary = {
    grants: calls.filter(isGranted).length,
    refused: endedBy(calls, 'refused').length,
    ...countsOf(
      calls,
      entries.filter(({ op }) => op === 0),
    ),
  };
  return { violations, summary };
}

const isGranted = ({ end }: Call): boolean => end?.kind === 'granted';
const costOf = ({ begin: { weight = NaN } }: Call): number => weight;

/**
 * Of what was asked for and granted within a span all was let through within it, whenever that was: who waits may go on late. For each span
 * that begins when somebody asked, and ends when somebody was granted something, this must not be too much.
 */
function tooMuch(calls: readonly Call[], { burst, rate }: Limits): string[] {
  const granted = calls.filter(isGranted).sort((a, b) => a.over - b.over);
  return granted.flatMap(({ name, asked }) => {
    let total = 0;
    for (const call of granted) {
      if (call.asked < asked) continue;
      total += costOf(call);
      const most = burst + ((call.over - asked) / 1e6) * rate * (1 + drift) + rounding;
      if (total > most)
        return [`from ${ms(asked)} (${name}) to ${ms(call.over)} ${total} were let through, not ${most}`];
    }
    return [];
  });
}

/** Nobody was refused while there was as much left, whatever it is that others have taken, and however late. */
function refused(calls: readonly Call[], { burst, rate }: Limits): string[] {
  const taking = calls
    .filter(({ end }) => end?.code !== 'refused' && end?.code !== 'ERR_TIMEOUT')
    .map((call) => ({ call, by: takenBy(call) }))
    .sort((a, b) => a.by - b.by);
  return endedBy(calls, 'refused').flatMap((one) => {
    const used = usedUp(taking, one, rate);
    return used + costOf(one) > burst - 2 * rounding
      ? []
      : [
          `${one.name} asked for ${costOf(one)} at ${ms(one.asked)} and was refused, where ${used} were used up`,
        ];
  });
}

/** By when it had taken, if it did. */
function takenBy({ end, over, gaveUp }: Call): number {
  const unsure = end?.code === 'given up' && over - (gaveUp ?? -Infinity) > givingBackAtMost * 1e6;
  return unsure ? Infinity : over;
}

/** How much may have been used up when `one` was refused, at the most. What may have been taken meanwhile counts as taken just before. */
function usedUp(
  taking: readonly { readonly call: Call; readonly by: number }[],
  { asked, over }: Call,
  rate: number,
): number {
  let used = 0;
  let at = -Infinity;
  let meanwhile = 0;
  const pass = (to: number): void => {
    if (to > at) used = Math.max(0, used - ((to - at) / 1e6) * rate * (1 - drift));
    at = to;
  };
  for (const { call, by } of taking) {
    if (by > asked) meanwhile += call.asked <= over ? costOf(call) : 0;
    else {
      pass(by);
      used += costOf(call);
    }
  }
  pass(asked);
  return used + meanwhile;
}
