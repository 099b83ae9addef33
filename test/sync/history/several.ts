// Several locks that are taken as one: each is a lock, and nobody holds but a part of what it asked for.
import { attemptsOf } from './attempts.js';
import { check, type Checked, type Rule, type Summary } from './checker.js';
import { ms } from './holding.js';
import type { Entry } from './records.js';
import { bargingAllowed, longestQuiet } from './waiting.js';

/** For how long nobody may hold anything that somebody waits for, while no process is stopped. */
const quietAtMost = 10_000e6;

/** Checks a history of `several` of `test/processes/history/several.js`. */
export function checkSeveral(entries: readonly Entry[]): Checked {
  const nemesis = entries.filter(({ op }) => op === 0);
  const parts = partsOf(entries);
  const found: { [rule in Rule]?: readonly string[] } = {};
  const add = (rule: Rule, texts: readonly string[]): void => {
    if (texts.length > 0) found[rule] = [...(found[rule] ?? []), ...texts];
  };
  const summaries: Summary[] = [];
  for (const [part, own] of parts.entries()) {
    // Who waits for two locks may wait while one of them is free.
    const model = { capacity: 1, order: bargingAllowed, longestQuiet: Infinity };
    const { violations, summary } = check([...nemesis, ...own], model);
    for (const [rule, texts] of Object.entries(violations))
      add(
        rule as Rule,
        texts.map((text) => `lock ${part}: ${text}`),
      );
    summaries.push(summary);
  }
  add('all or nothing', halfHeld(entries));
  add('forgotten', allQuiet([...parts.values()], nemesis));
  return { violations: found, summary: total(summaries) };
}

/** What was told of each lock. */
function partsOf(entries: readonly Entry[]): Map<number, Entry[]> {
  const partOf = new Map<string, number>();
  const parts = new Map<number, Entry[]>();
  for (const entry of entries) {
    const attempt = `${entry.process} ${entry.op}`;
    if (entry.kind === 'asking') partOf.set(attempt, entry.part ?? 0);
    const part = partOf.get(attempt);
    if (part === undefined) continue;
    const own = parts.get(part);
    if (own === undefined) parts.set(part, [entry]);
    else own.push(entry);
  }
  return parts;
}

/**
 * At each moment at which somebody looked at all locks, whoever held one of those it wants as one held all of them. Of a process that was
 * killed by then, nothing is said: it is left out as soon as it is dead, and may die between two looks at the same moment's state.
 */
function halfHeld(entries: readonly Entry[]): string[] {
  const wanted = new Map<string, number[]>();
  const killed = new Map<number, number>();
  for (const { kind, process, set, part = 0, at } of entries) {
    if (kind === 'killing') killed.set(process, Math.min(at, killed.get(process) ?? Infinity));
    if (kind !== 'asking') continue;
    const label = `${process} ${set ?? 0}`;
    wanted.set(label, [...(wanted.get(label) ?? []), part].sort());
  }
  const violations: string[] = [];
  for (const { at, seen = [] } of entries) {
    for (const label of new Set(seen.flat())) {
      if ((killed.get(Number(label.split(' ')[0])) ?? Infinity) <= at) continue;
      const held = [...seen.keys()].filter((part) => seen[part]?.includes(label)).join(', ');
      const all = wanted.get(label)?.join(', ') ?? 'nothing';
      if (held !== all)
        violations.push(`process and attempt ${label} held ${held} of ${all} before ${ms(at)}`);
    }
  }
  return violations;
}

function allQuiet(parts: readonly (readonly Entry[])[], nemesis: readonly Entry[]): string[] {
  const attempts = parts.flatMap((own) => attemptsOf([...nemesis, ...own]));
  const quiet = longestQuiet(attempts, nemesis);
  if (quiet === undefined || quiet.length <= quietAtMost) return [];
  return [`for ${ms(quiet.length)}, from ${ms(quiet.from)}, nobody held anything (${quiet.waiting} waited)`];
}

/** What the locks have seen in all; the longest of what was long, and once what was done to all. */
function total(summaries: readonly Summary[]): Checked['summary'] {
  const all: Record<string, number> = {};
  for (const summary of summaries) {
    for (const [what, count] of Object.entries(summary)) {
      const once = what.startsWith('longest') || what === 'kills' || what === 'stops';
      all[what] = once ? Math.max(all[what] ?? 0, count) : (all[what] ?? 0) + count;
    }
  }
  return { grants: 0, ...all };
}
