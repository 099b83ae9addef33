// Rounds in which so many meet: nobody passes before all have come, and who leaves before that breaks the round for the rest.
import { begunBy, callsOf, countsOf, endedBy, type Call } from './calls.js';
import { onlyBroken, type Checked } from './checker.js';
import { ms } from './holding.js';
import type { Entry } from './records.js';

/** A call that passed, with its arrival number. */
interface Passed {
  readonly call: Call;
  readonly number: number;
}

/** Checks a history of `meeting` of `test/processes/history/barrier.js`. @param afterDeath - See {@link callsOf}. */
export function checkBarrier(entries: readonly Entry[], parties: number, afterDeath = 0): Checked {
  const calls = callsOf(entries, afterDeath);
  const waits = begunBy(calls, 'asking');
  const resets = begunBy(calls, 'resetting');
  const passed = waits.flatMap((call) =>
    call.end?.kind === 'through' ? [{ call, number: call.end.value ?? NaN }] : [],
  );
  const unknown = waits.filter(({ end }) => end === undefined);
  const violations = onlyBroken({
    numbers: passed.flatMap((one) => wrongNumber(one, parties)),
    'passed early': [...incomplete(passed, unknown, parties), ...alone(passed, unknown, parties)],
    'passed though broken': passedThoughBroken(passed, endedBy(waits, 'ERR_BROKEN'), resets),
    'broken for nothing': brokenForNothing(waits, resets),
    forgotten: waits
      .filter(({ leftOver }) => leftOver)
      .map(({ name, asked }) => `${name} came at ${ms(asked)}, and its wait did not end`),
  });
  const summary = {
    grants: passed.length,
    broken: endedBy(waits, 'ERR_BROKEN').length,
    resets: resets.length,
    ...countsOf(
      waits,
      entries.filter(({ op }) => op === 0),
    ),
  };
  return { violations, summary };
}

const wrongNumber = ({ call, number }: Passed, parties: number): string[] =>
  Number.isInteger(number) && number >= 0 && number < parties
    ? []
    : [`${call.name} passed as number ${number} of ${parties}`];

/**
 * Those who passed can be put together to rounds in which each number occurs once, and all have come when the first of them goes.
 *
 * Rounds are put together in the order in which those who passed were seen to have, each as late as that allows: the others of a round are
 * then those who must go first of all that have come. If this does not succeed, no other way does. Where nobody is known it may have been one
 * who was killed: it may have had any number, and at any time, which is more than is possible; so nothing is found that is none.
 */
function incomplete(passed: readonly Passed[], unknown: readonly Call[], parties: number): string[] {
  const violations: string[] = [];
  const inOrder = passed.toSorted((a, b) => a.call.over - b.call.over);
  const byNumber = Array.from({ length: parties }, (_, n) => inOrder.filter(({ number }) => number === n));
  const met = new Set<Passed>();
  let used = 0;
  for (const first of inOrder) {
    if (met.has(first)) continue;
    met.add(first);
    const { name, over } = first.call;
    for (const [number, candidates] of byNumber.entries()) {
      if (number === first.number) continue;
      const other = candidates.find((one) => !met.has(one) && one.call.asked <= over);
      if (other !== undefined) met.add(other);
      else if (used < unknown.length && unknown[used]!.asked <= over) used++;
      else
        violations.push(`${name} passed as number ${first.number} at ${ms(over)}, without number ${number}`);
    }
  }
  return violations;
}

/** While each waited, there was a moment at which one of every other number did, too. Whoever was killed may have had any number. */
function alone(passed: readonly Passed[], unknown: readonly Call[], parties: number): string[] {
  return passed
    .filter((one) => {
      const { asked, over } = one.call;
      const here = ({ asked: came, over: went }: Call): boolean => came <= over && went >= asked;
      const others = passed.filter(({ call, number }) => number !== one.number && here(call));
      const killed = unknown.filter(here);
      const moments = [asked, ...[...others.map(({ call }) => call), ...killed].map((call) => call.asked)];
      return !moments.some((moment) => {
        const present = (call: Call): boolean => call.asked <= moment && call.over >= moment;
        const numbers = new Set(others.filter(({ call }) => present(call)).map(({ number }) => number));
        return moment >= asked && numbers.size + killed.filter(present).length >= parties - 1;
      });
    })
    .map(({ call: { name, asked, over }, number }) => {
      const when = `from ${ms(asked)} to ${ms(over)}`;
      return `${name} was there ${when}, and passed as number ${number}, but never were the others there together`;
    });
}

/** Once somebody was told that it is broken, nobody passes who comes later, unless it was mended meanwhile. */
function passedThoughBroken(
  passed: readonly Passed[],
  broken: readonly Call[],
  resets: readonly Call[],
): string[] {
  return passed.flatMap(({ call: { name, asked, over } }) => {
    const told = broken.filter((one) => one.over < asked);
    const since = told.reduce((latest, one) => Math.max(latest, one.asked), -Infinity);
    const mended = resets.some((reset) => reset.asked <= over && reset.over >= since);
    return told.length === 0 || mended
      ? []
      : [`${name} came at ${ms(asked)} and passed, though it was broken since ${ms(since)} or later`];
  });
}

/** It is broken only where somebody left, or died, or it was reset: from then on until the next reset. */
function brokenForNothing(waits: readonly Call[], resets: readonly Call[]): string[] {
  const left = [
    ...endedBy(waits, 'ERR_TIMEOUT', 'given up'),
    ...waits.filter(({ end }) => end === undefined),
  ];
  const causes = left.map(({ asked, over }) => {
    const mended = resets.find((reset) => reset.asked >= over && reset.end !== undefined);
    return { from: asked, to: mended?.over ?? Infinity };
  });
  causes.push(...resets.map(({ asked, over }) => ({ from: asked, to: over })));
  return endedBy(waits, 'ERR_BROKEN')
    .filter(({ asked, over }) => !causes.some(({ from, to }) => from <= over && to >= asked))
    .map(({ name, over }) => `${name} was told at ${ms(over)} that it is broken, and nobody had left`);
}
