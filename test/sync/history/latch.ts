// Latches that open when so much was counted down, and let go all who wait.
import { begunBy, callsOf, countsOf, endedBy, type Call } from './calls.js';
import { onlyBroken, type Checked } from './checker.js';
import { ms } from './holding.js';
import type { Entry } from './records.js';

/** What became of one of the latches. */
interface Latch {
  readonly waits: readonly Call[];
  readonly countdowns: readonly Call[];
}

/** Checks a history of `latches` of `test/processes/history/latch.js`, each of which counts down from `count`. @param afterDeath - See {@link callsOf}. */
export function checkLatches(entries: readonly Entry[], count: number, afterDeath = 0): Checked {
  const calls = callsOf(entries, afterDeath);
  const all = latchesOf(calls);
  const waits = begunBy(calls, 'asking');
  const violations = onlyBroken({
    'passed early': all.flatMap((latch) => passedEarly(latch, count)),
    miscounted: all.flatMap((latch) => miscounted(latch, count)),
    refused: all.flatMap((latch) => refused(latch, count)),
    forgotten: waits
      .filter(({ leftOver }) => leftOver)
      .map(
        ({ name, asked, begin }) => `${name} waited from ${ms(asked)} at latch ${begin.part ?? 0}, for ever`,
      ),
  });
  const summary = {
    grants: waits.filter(({ end }) => end?.kind === 'through').length,
    latches: all.length,
    countdowns: calls.length - waits.length,
    ...countsOf(
      calls,
      entries.filter(({ op }) => op === 0),
    ),
  };
  return { violations, summary };
}

function latchesOf(calls: readonly Call[]): Latch[] {
  const parts = new Map<number, Call[]>();
  for (const call of calls) {
    const part = call.begin.part ?? 0;
    const own = parts.get(part);
    if (own === undefined) parts.set(part, [call]);
    else own.push(call);
  }
  return [...parts.values()].map((own) => ({
    waits: begunBy(own, 'asking'),
    countdowns: begunBy(own, 'counting'),
  }));
}

const sum = (countdowns: readonly Call[]): number =>
  countdowns.reduce((total, { begin: { value = NaN } }) => total + value, 0);

/** What has been counted down until then at most. */
const begunUntil = ({ countdowns }: Latch, at: number): number =>
  sum(countdowns.filter(({ asked }) => asked <= at));

/** What has been counted down until then at least. */
const doneUntil = ({ countdowns }: Latch, at: number): number =>
  sum(countdowns.filter(({ end, over }) => end !== undefined && over <= at));

/** Nobody passes before so much was counted down, or was about to be. */
function passedEarly(latch: Latch, count: number): string[] {
  return latch.waits
    .filter(({ end, over }) => end?.kind === 'through' && begunUntil(latch, over) < count)
    .map(({ name, over, begin }) => {
      const until = begunUntil(latch, over);
      return `${name} passed latch ${begin.part ?? 0} at ${ms(over)}, when ${until} of ${count} were counted down`;
    });
}

/** What is said to be left is what is left when all that was done before is counted, and maybe some of what was done meanwhile. */
function miscounted(latch: Latch, count: number): string[] {
  return latch.countdowns.flatMap(({ name, asked, over, end, begin: { value: own = NaN } }) => {
    if (end === undefined) return [];
    const least = Math.max(0, count - begunUntil(latch, over));
    const most = Math.max(0, count - doneUntil(latch, asked) - own);
    const { value: left = NaN } = end;
    return left >= least && left <= most
      ? []
      : [`${name} was told at ${ms(over)} that ${left} is left, where it is ${least} to ${most}`];
  });
}

/** Who does not wait, and comes when it is open, passes. */
function refused(latch: Latch, count: number): string[] {
  return endedBy(latch.waits, 'ERR_TIMEOUT')
    .filter(({ begin, asked }) => begin.timeout === 0 && doneUntil(latch, asked) >= count)
    .map(({ name, asked }) => `${name} came at ${ms(asked)}, when it was open, and was refused`);
}
