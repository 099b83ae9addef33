import { attemptsOf, type Attempt } from './attempts.js';
import { fenceViolations, lostUpdates, ms, overlaps } from './holding.js';
import type { Entry } from './records.js';
import { forgotten, longestQuiet, overtakings, type Order } from './waiting.js';

/** What a history is to be like. */
export interface Model {
  /** How much there is to be held: 1 for a lock. */
  readonly capacity: number;
  readonly order: Order;
  /** For how long nobody may hold what somebody waits for, while no process is stopped: milliseconds. @defaultValue `10_000` */
  readonly longestQuiet?: number;
}

/** What there is to see in a history, whether it is right or not. */
export type Summary = {
  readonly grants: number;
  readonly refused: number;
  readonly timedOut: number;
  readonly gaveUp: number;
  /** Of how many it is known that they stood in line. */
  readonly inLine: number;
  readonly kills: number;
  /** Of those killed, how many held something. */
  readonly killedHolders: number;
  readonly stops: number;
  /** Milliseconds. */
  readonly longestWait: number;
  readonly longestQuiet: number;
};

/** What is wrong with a history, by the rule that was broken. */
export type Violations = Partial<Record<Rule, readonly string[]>>;
export type Rule =
  | 'held together'
  | 'fences'
  | 'lost updates'
  | 'order'
  | 'forgotten'
  | 'told wrong'
  /** Of several locks. */
  | 'all or nothing'
  /** Of meeting points. */
  | 'numbers'
  | 'passed early'
  | 'passed though broken'
  | 'broken for nothing'
  | 'miscounted'
  | 'refused'
  /** Of rate limits. */
  | 'too much';

/** What came of checking a history, of whatever kind. */
export interface Checked {
  readonly violations: Violations;
  readonly summary: { readonly grants: number } & { readonly [what: string]: number | undefined };
}

/** Checks a history. Everything follows from `entries`: no clock, no chance. */
export function check(entries: readonly Entry[], model: Model): { violations: Violations; summary: Summary } {
  const attempts = attemptsOf(entries);
  const nemesis = entries.filter(({ op }) => op === 0);
  const found: Violations = {
    'held together': overlaps(attempts, model.capacity),
    fences: fenceViolations(attempts, model.capacity),
    'lost updates': lostUpdates(attempts),
    order: overtakings(attempts, model.capacity, model.order),
    forgotten: [...forgotten(attempts), ...tooQuiet(attempts, nemesis, model.longestQuiet)],
    'told wrong': attempts.flatMap(({ name, complaints }) => complaints.map((text) => `${name} ${text}`)),
  };
  return { violations: onlyBroken(found), summary: summaryOf(entries, attempts) };
}

/** The rules of which a violation was found. */
export const onlyBroken = (found: Violations): Violations =>
  Object.fromEntries(Object.entries(found).filter(([, texts]) => texts.length > 0));

function tooQuiet(attempts: readonly Attempt[], nemesis: readonly Entry[], most = 10_000): string[] {
  const quiet = longestQuiet(attempts, nemesis);
  if (quiet === undefined || quiet.length <= most * 1e6) return [];
  return [
    `for ${ms(quiet.length)}, from ${ms(quiet.from)}, nobody held it, though others waited (${quiet.waiting})`,
  ];
}

function summaryOf(entries: readonly Entry[], attempts: readonly Attempt[]): Summary {
  const count = (matches: (entry: Entry) => boolean): number => entries.filter(matches).length;
  const waits = attempts.map(({ asked, granted }) => (granted?.at ?? asked) - asked);
  const nemesis = entries.filter(({ op }) => op === 0);
  return {
    grants: count(({ kind }) => kind === 'holding'),
    refused: count(({ code }) => code === 'refused'),
    timedOut: count(({ code }) => code === 'ERR_TIMEOUT'),
    gaveUp: count(({ code }) => code === 'given up'),
    inLine: count(({ kind }) => kind === 'inLine'),
    kills: count(({ kind }) => kind === 'killing'),
    killedHolders: attempts.filter(({ granted, releasing }) => granted && releasing === undefined).length,
    stops: count(({ kind }) => kind === 'stopping'),
    longestWait: Math.round(waits.reduce((a, b) => Math.max(a, b), 0) / 1e6),
    longestQuiet: Math.round((longestQuiet(attempts, nemesis)?.length ?? 0) / 1e6),
  };
}
