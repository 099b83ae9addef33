// Who held what, and which fence it was given.
import type { Attempt, Hold } from './attempts.js';

/** In milliseconds, for people. */
export const ms = (nanoseconds: number): string => `${(nanoseconds / 1e6).toFixed(3)} ms`;

/**
 * Never is more held than there is: no two hold a lock, nobody reads while another writes, no permit is given twice.
 *
 * What is logged as held lies inside of what was held: it begins after `acquire` has answered, and ends before `release` is called. So each
 * overlap is a real one; one that is shorter than it takes to write a record is not seen.
 */
export function overlaps(attempts: readonly Attempt[], capacity: number): string[] {
  const holds = attempts.flatMap((attempt) => attempt.holds).sort((a, b) => a.from - b.from);
  const violations: string[] = [];
  let current: Hold[] = [];
  for (const hold of holds) {
    current = current.filter((other) => other.to > hold.from);
    // One that has no length overlaps with nothing.
    if (hold.to > hold.from) current.push(hold);
    const used = sum(current);
    if (used > capacity)
      violations.push(`${used} of ${capacity} were held, by ${current.map(shown).join(', ')}`);
  }
  return violations;
}

const sum = (holds: readonly Hold[]): number => holds.reduce((total, { weight }) => total + weight, 0);

const shown = ({ attempt, from, to, weight }: Hold): string =>
  `${attempt.name} (${weight}, ${ms(from)} to ${ms(to)}, fence ${attempt.granted?.fence ?? '?'})`;

/**
 * No fence is given twice, and each is greater than those of the grants before it.
 *
 * One grant came before another for certain if it was there before the other was asked for; or if both can't be held at a time, and it
 * was held earlier.
 */
export function fenceViolations(attempts: readonly Attempt[], capacity: number): string[] {
  const granted = attempts.filter(isGranted).sort((a, b) => a.granted.at - b.granted.at);
  return [
    ...repeated(granted),
    ...notGrown(granted),
    ...notGrownAmongExclusive(granted, capacity),
    ...grownAgain(granted),
  ];
}

type Granted = Attempt & { readonly granted: NonNullable<Attempt['granted']> };
const isGranted = (attempt: Attempt): attempt is Granted => attempt.granted !== undefined;

function repeated(granted: readonly Granted[]): string[] {
  const given = new Map<bigint, Granted>();
  const violations: string[] = [];
  for (const attempt of granted) {
    const { fence } = attempt.granted;
    const other = given.get(fence);
    if (other !== undefined)
      violations.push(`${other.name} and ${attempt.name} got the same fence, ${fence}`);
    given.set(fence, attempt);
  }
  return violations;
}

function notGrown(granted: readonly Granted[]): string[] {
  const violations: string[] = [];
  let next = 0;
  let highest: Granted | undefined;
  for (const attempt of granted.toSorted((a, b) => a.asked - b.asked)) {
    for (; granted[next] && granted[next]!.granted.at < attempt.asked; next++)
      highest = higher(highest, granted[next]!);
    if (highest && highest.granted.fence >= attempt.granted.fence)
      violations.push(notGreater(attempt, highest));
  }
  return violations;
}

function notGrownAmongExclusive(granted: readonly Granted[], capacity: number): string[] {
  const violations: string[] = [];
  const highest = new Map<number, Granted>();
  for (const attempt of granted) {
    for (const [weight, other] of highest) {
      if (weight + attempt.weight > capacity && other.granted.fence >= attempt.granted.fence)
        violations.push(notGreater(attempt, other));
    }
    highest.set(attempt.weight, higher(highest.get(attempt.weight), attempt));
  }
  return violations;
}

/** To acquire again is no new grant. */
function grownAgain(granted: readonly Granted[]): string[] {
  return granted.flatMap(({ name, again, granted: { fence } }) =>
    again
      .filter((other) => other !== fence)
      .map((other) => `${name} holds fence ${fence}, and got ${other} when it acquired again`),
  );
}

const higher = (a: Granted | undefined, b: Granted): Granted =>
  a !== undefined && a.granted.fence > b.granted.fence ? a : b;

const notGreater = (later: Granted, earlier: Granted): string =>
  `${later.name} got fence ${later.granted.fence}, after ${earlier.name} had got ${earlier.granted.fence}`;

/**
 * No update of the number in the file is lost. By their fences, each reads what the one before it has left. Whoever was killed while it
 * wrote may have written or not; the next to read tells which.
 */
export function lostUpdates(attempts: readonly Attempt[]): string[] {
  const granted = attempts.filter(isGranted).sort((a, b) => (a.granted.fence < b.granted.fence ? -1 : 1));
  const violations: string[] = [];
  let low = 0;
  let high = 0;
  for (const { name, values } of granted) {
    for (const { kind, value = NaN } of values) {
      if (kind !== 'wrote' && !(value >= low && value <= high)) {
        const expected = low === high ? low : `${low} or ${high}`;
        violations.push(`${name} read ${value}, where ${expected} had been written`);
      }
      low = value;
      high = kind === 'writing' ? value + 1 : value;
    }
  }
  return violations;
}
