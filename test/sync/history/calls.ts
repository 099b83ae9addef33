import type { Entry } from './records.js';

/** A call, as far as it is certain what became of it. What happened in it did so between `asked` and the end. */
export interface Call {
  /** For people. */
  readonly name: string;
  readonly process: number;
  /** Its first record. */
  readonly begin: Entry;
  readonly asked: number;
  /** When it was about to be aborted. */
  gaveUp: number | undefined;
  /** Its last record. `undefined` if its process was killed before it, or it never ended: then nobody knows what came of it. */
  end: Entry | undefined;
  /** From then on nothing more can have happened in it. `Infinity` if it never ended. */
  over: number;
  /** It did not end when all was calm. */
  leftOver: boolean;
}

/**
 * What all processes called, in the order in which they did.
 *
 * @param afterDeath - For how long what a process had sent to a server may still be done when it is dead. Milliseconds.
 */
export function callsOf(entries: readonly Entry[], afterDeath = 0): Call[] {
  const calls = new Map<string, Call>();
  const ends = new Map<number, { dead?: number; leftOver?: boolean }>();
  for (const entry of entries) {
    const { process, op, kind, at } = entry;
    if (op === 0) {
      const end = ends.get(process) ?? {};
      if (kind === 'dead') ends.set(process, { ...end, dead: at });
      if (kind === 'leftOver') ends.set(process, { ...end, leftOver: true });
      continue;
    }
    const id = `${op} of process ${process}`;
    const call = calls.get(id);
    if (call === undefined) calls.set(id, newCall(id, entry));
    else if (kind === 'givingUp') call.gaveUp = at;
    else {
      call.end = entry;
      call.over = at;
    }
  }
  for (const call of calls.values()) {
    const { dead, leftOver = false } = ends.get(call.process) ?? {};
    if (call.end !== undefined) continue;
    call.over = dead === undefined ? Infinity : dead + afterDeath * 1e6;
    call.leftOver = leftOver;
  }
  return [...calls.values()].sort((a, b) => a.asked - b.asked);
}

const newCall = (name: string, begin: Entry): Call => ({
  name,
  process: begin.process,
  begin,
  asked: begin.at,
  gaveUp: undefined,
  end: undefined,
  over: Infinity,
  leftOver: false,
});

/** Those that began so. */
export const begunBy = (calls: readonly Call[], kind: Entry['kind']): Call[] =>
  calls.filter(({ begin }) => begin.kind === kind);

/** Those that failed so: with a code, or `given up`. */
export const endedBy = (calls: readonly Call[], ...codes: readonly string[]): Call[] =>
  calls.filter(({ end }) => end?.code !== undefined && codes.includes(end.code));

/** What there is to see in all histories. */
export function countsOf(calls: readonly Call[], nemesis: readonly Entry[]): Record<string, number> {
  const done = (kind: Entry['kind']): number => nemesis.filter((entry) => entry.kind === kind).length;
  return {
    timedOut: endedBy(calls, 'ERR_TIMEOUT').length,
    gaveUp: endedBy(calls, 'given up').length,
    unknown: calls.filter(({ end }) => end === undefined).length,
    kills: done('killing'),
    stops: done('stopping'),
  };
}
