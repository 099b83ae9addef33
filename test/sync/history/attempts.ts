import type { Entry } from './records.js';

/** Something that was held for certain, from one moment to another. */
export interface Hold {
  readonly attempt: Attempt;
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

/** One attempt to acquire, as far as it is certain. */
export interface Attempt {
  /** For people. */
  readonly name: string;
  readonly process: number;
  readonly weight: number;
  readonly tries: boolean;
  readonly overtakes: boolean;
  /** It came not before. */
  readonly asked: number;
  /** It stood in line not later, if it did at all as far as is known. */
  inLine: number | undefined;
  /** If nothing was granted to it: up to then it waited, or held, for certain. */
  waitedUntil: number;
  /** It was granted not later, and not before `asked`. */
  granted: { readonly at: number; readonly fence: bigint } | undefined;
  /** When it went on without: it was refused, timed out, or gave up. */
  ended: number | undefined;
  readonly holds: Hold[];
  /** It began to give it back not before; `undefined` if it never did. */
  releasing: number | undefined;
  /** It held nothing any more not later. */
  free: number | undefined;
  /** What it read and wrote, in order. */
  readonly values: Entry[];
  /** What it was told when it acquired again. */
  readonly again: bigint[];
  /** What the library should never have told it. */
  readonly complaints: string[];
  /** It did not end when all was calm. */
  leftOver: boolean;
}

/** An attempt whose end is not known yet. */
interface Open {
  readonly attempt: Attempt;
  readonly entry: Entry;
  gaveUp: number | undefined;
  since: number | undefined;
  weight: number;
}

/** Puts together what each attempt of a run was, from what all processes and the nemesis wrote down. */
export function attemptsOf(entries: readonly Entry[]): Attempt[] {
  const byProcess = new Map<number, Entry[]>();
  for (const entry of entries) {
    const own = byProcess.get(entry.process);
    if (own === undefined) byProcess.set(entry.process, [entry]);
    else own.push(entry);
  }
  return [...byProcess.values()].flatMap(attemptsOfProcess);
}

function attemptsOfProcess(entries: readonly Entry[]): Attempt[] {
  const opened = new Map<number, Open>();
  const told = entries.filter(({ op }) => op > 0);
  for (const entry of told) {
    if (entry.kind === 'asking') opened.set(entry.op, ask(entry, opened));
    else {
      const open = opened.get(entry.op);
      if (open === undefined) throw new Error(`process ${entry.process} never asked for ${entry.op}`);
      hear(open, entry, opened);
    }
  }
  const find = (kind: Entry['kind']) => entries.find((entry) => entry.kind === kind)?.at;
  // A process that was killed held what it had not begun to give back until it died, and the signal was sent after `killing` was
  // written. One that ended otherwise was there when it wrote its last record; more is not known of it.
  // The first of them: it may have killed itself before it was killed from outside.
  const killings = entries.filter(({ kind }) => kind === 'killing').map(({ at }) => at);
  const last = killings.length > 0 ? Math.min(...killings) : (told.at(-1)?.at ?? 0);
  for (const open of opened.values()) end(open, last, find('dead'), find('leftOver') !== undefined);
  return [...opened.values()].map(({ attempt }) => attempt);
}

function ask(entry: Entry, opened: Map<number, Open>): Open {
  const { process, op, at, weight = 1, tries = false, overtakes = false, exchanges } = entry;
  const attempt: Attempt = {
    name: `${op} of process ${process}`,
    process,
    weight,
    tries,
    overtakes,
    asked: at,
    inLine: undefined,
    waitedUntil: at,
    granted: undefined,
    ended: undefined,
    holds: [],
    releasing: undefined,
    free: undefined,
    values: [],
    again: [],
    complaints: [],
    leftOver: false,
  };
  // What is exchanged is held all the time, before or after: of the two, the less is certain until the answer is there.
  const old = exchanges === undefined ? undefined : opened.get(exchanges);
  if (old !== undefined) reweigh(old, at, Math.min(old.weight, weight));
  return { attempt, entry, gaveUp: undefined, since: undefined, weight };
}

function hear(open: Open, entry: Entry, opened: Map<number, Open>): void {
  const { attempt } = open;
  const { at } = entry;
  const { exchanges } = open.entry;
  const old = exchanges === undefined ? undefined : opened.get(exchanges);
  switch (entry.kind) {
    case 'inLine':
      attempt.inLine = at;
      break;
    case 'givingUp':
      open.gaveUp = at;
      break;
    case 'holding':
      attempt.granted = { at, fence: BigInt(entry.fence ?? -1) };
      open.since = at;
      if (old !== undefined) {
        close(old, at);
        old.attempt.releasing = old.attempt.free = at;
      }
      break;
    case 'ended':
      attempt.ended = attempt.free = at;
      attempt.waitedUntil = waitedUntil(open, entry);
      if (old !== undefined) reweigh(old, at, old.attempt.weight);
      break;
    case 'releasing':
      close(open, at);
      attempt.releasing = at;
      break;
    case 'released':
      attempt.free = at;
      if (entry.held === false) attempt.complaints.push('held nothing any more when it was to be released');
      break;
    case 'again':
      attempt.again.push(BigInt(entry.fence ?? -1));
      break;
    case 'lost':
      attempt.complaints.push('was told that it was lost');
      break;
    default:
      attempt.values.push(entry);
  }
}

/** It waited at least until it gave up, or for as long as it was willing to. */
function waitedUntil({ attempt, entry: { timeout = 0 }, gaveUp }: Open, { code }: Entry): number {
  return code === 'ERR_TIMEOUT' ? attempt.asked + timeout * 1e6 : (gaveUp ?? attempt.asked);
}

function end(open: Open, last: number, dead: number | undefined, leftOver: boolean): void {
  const { attempt } = open;
  close(open, last);
  attempt.free ??= dead;
  if (attempt.granted !== undefined || attempt.ended !== undefined) return;
  // It may have been granted without having written it down. Whoever is killed between the two held from then on, and did not release.
  attempt.waitedUntil = Math.max(last, attempt.asked);
  attempt.leftOver = leftOver;
}

function close(open: Open, to: number): void {
  const { attempt, since: from, weight } = open;
  if (from !== undefined && to >= from) attempt.holds.push({ attempt, from, to, weight });
  open.since = undefined;
}

function reweigh(open: Open, at: number, weight: number): void {
  if (open.since === undefined) return;
  close(open, at);
  open.since = at;
  open.weight = weight;
}
