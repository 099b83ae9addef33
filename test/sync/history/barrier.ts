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
  const next = byNumber.map(() => 0);
  let used = 0;
  for (const first of inOrder) {
    if (met.has(first)) continue;
    met.add(first);
    const { name, over } = first.call;
    for (const [number, candidates] of byNumber.entries()) {
      if (number === first.number) continue;
      while (next[number]! < candidates.length && met.has(candidates[next[number]!]!)) next[number]!++;
      const other = firstAsked(candidates, next[number]!, over, met);
      if (other !== undefined) met.add(other);
      else if (used < unknown.length && unknown[used]!.asked <= over) used++;
      else
        violations.push(`${name} passed as number ${first.number} at ${ms(over)}, without number ${number}`);
    }
  }
  return violations;
}

/** The first from a place on that had come by then, and belongs to no round yet. */
function firstAsked(
  candidates: readonly Passed[],
  from: number,
  by: number,
  met: ReadonlySet<Passed>,
): Passed | undefined {
  for (let i = from; i < candidates.length; i++) {
    const one = candidates[i]!;
    if (!met.has(one) && one.call.asked <= by) return one;
  }
  return undefined;
}

/** While each waited, there was a moment at which one of every other number did, too. Whoever was killed may have had any number. */
function alone(passed: readonly Passed[], unknown: readonly Call[], parties: number): string[] {
  const numbers = new Map(passed.map(({ call, number }) => [call, number]));
  const together = meanwhile([...numbers.keys(), ...unknown]);
  return passed
    .filter(({ call, number }) => {
      const others = together.get(call) ?? [];
      // Whoever is there at some moment is there when the last of them comes.
      const moments = [call, ...others].map(({ asked }) => asked).filter((moment) => moment >= call.asked);
      return !moments.some((moment) => {
        const present = others.filter(({ asked, over }) => asked <= moment && over >= moment);
        const known = new Set(present.map((other) => numbers.get(other)));
        const killed = present.filter((other) => !numbers.has(other));
        known.delete(undefined);
        known.delete(number);
        return known.size + killed.length >= parties - 1;
      });
    })
    .map(({ call: { name, asked, over }, number }) => {
      const when = `from ${ms(asked)} to ${ms(over)}`;
      return `${name} was there ${when}, and passed as number ${number}, but never were the others there together`;
    });
}

/** For each call those that were under way at some moment of it. */
function meanwhile(calls: readonly Call[]): Map<Call, Call[]> {
  const together = new Map<Call, Call[]>(calls.map((call) => [call, []]));
  let current: Call[] = [];
  for (const call of calls.toSorted((a, b) => a.asked - b.asked)) {
    current = current.filter(({ over }) => over >= call.asked);
    for (const other of current) {
      together.get(call)?.push(other);
      together.get(other)?.push(call);
    }
    current.push(call);
  }
  return together;
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
