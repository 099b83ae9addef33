/** What a process wrote down, or what was done to it. `at` is in nanoseconds by the machine's monotonic clock, from the beginning of the run. */
export interface Entry {
  readonly process: number;
  readonly at: number;
  readonly kind: ProcessKind | NemesisKind;
  /** Which of the process's attempts to acquire; 0 where it is about the process itself. */
  readonly op: number;
  readonly weight?: number;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Whether it asks without waiting. */
  readonly tries?: boolean;
  /** Whether it may pass those who wait: a reader reads again, or exchanges what it holds. */
  readonly overtakes?: boolean;
  /** The attempt whose grant it is to replace. */
  readonly exchanges?: number;
  /** Which of several locks, latches or keys. */
  readonly part?: number;
  /** The first of the attempts that are made as one. */
  readonly set?: number;
  /** Who holds each of several locks: the process and the first of its attempts. */
  readonly seen?: readonly (readonly string[])[];
  readonly fence?: string;
  readonly value?: number;
  readonly held?: boolean;
  readonly code?: string;
}

/**
 * What a process writes down. What must not be believed too early is written after it: `inLine`, `holding`, `wrote`, `released`, `ended`,
 * `seen`, `through`, `reset`, `counted`, `granted`; what must not be believed too long is written before: `asking`, `givingUp`, `writing`, `releasing`, `resetting`,
 * `counting`.
 */
export type ProcessKind =
  | 'asking'
  | 'inLine'
  | 'givingUp'
  | 'ended'
  | 'holding'
  | 'again'
  | 'read'
  | 'writing'
  | 'wrote'
  | 'lost'
  | 'releasing'
  | 'released'
  | 'seen'
  | 'through'
  | 'resetting'
  | 'reset'
  | 'counting'
  | 'counted'
  | 'granted';

/**
 * What was done to a process: `stopping` and `killing` are written before the signal is sent, `continued` after it, and `dead` when the
 * process is gone. `leftOver` is a process that did not come to its end when all was calm.
 */
export type NemesisKind = 'stopping' | 'continued' | 'killing' | 'dead' | 'leftOver';

/** The records of one process. A last line that was cut off is left aside: what it was to tell had not been acted on. */
export function parseLog(text: string, process: number): Entry[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => ({ ...(JSON.parse(line) as Entry), process }));
}
