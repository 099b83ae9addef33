import { HoldfastError } from '../../core/errors.js';
import { abortSignal, knownKeys, wholeNumber } from '../../core/options.js';
import { all, get, lock, run, type Script } from '../../core/script.js';
import { nothing, type Interest, type Kind, type Scope } from '../../core/store.js';
import { sql, type EventRow } from './event-statements.js';
import { revivedError } from '../../core/failure.js';
import type { Reading } from './looking.js';

/** What has happened to a job, and when. */
export type EventFacts = {
  readonly at: Date;
  /** The number of the job. */
  readonly job: number;
} & (
  | {
      /** `'stalled'`: its process died, and it runs again elsewhere. */
      readonly type: 'added' | 'completed' | 'stalled' | 'cancelled';
    }
  | { readonly type: 'started'; readonly attempt: number }
  | { readonly type: 'progress'; readonly progress: unknown }
  | {
      /** `'retrying'`: an attempt has failed, and there will be another, or somebody wanted it to be retried. */
      readonly type: 'failed' | 'retrying';
      readonly error: Error | undefined;
    }
);

/** An event of {@link Queue.events}. */
export type JobEvent = EventFacts & {
  /** Grows with each event: for `after`. */
  readonly id: number;
};

/** Options of {@link Queue.events}. */
export interface EventOptions {
  /** Goes on behind the event with that number. @defaultValue what happens from now on */
  readonly after?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** To hear of each event: who listens for the end of jobs hears of those only. */
export const anyEvent: Interest = { mode: -2, low: null, high: null };

/** For how long events are recorded after somebody has said that it listens, and how often that is said again, in milliseconds. */
const recordedFor = 60_000;
const saidEvery = 20_000;
const readAtOnce = 256;

/** An event, as it is shown. */
export function eventOf(
  [id, at, kind, job, attempt, detail]: EventRow,
  { errors, values }: Reading,
): JobEvent {
  const event = { id, at: new Date(at), job };
  if (kind === 'started') return { ...event, type: kind, attempt: attempt ?? 1 };
  if (kind === 'progress') return { ...event, type: kind, progress: values.decodeValue(detail) };
  if (kind === 'failed' || kind === 'retrying') {
    const error = detail === null ? undefined : revivedError(errors.decodeValue(detail));
    return { ...event, type: kind, error };
  }
  return { ...event, type: kind };
}

export function resolveEvents(options: EventOptions = {}): EventOptions {
  knownKeys('options of events()', options, ['after', 'signal']);
  if (options.after !== undefined) wholeNumber('after', options.after, 0);
  abortSignal('signal', options.signal);
  return options;
}

/** Yields what happens, in any process. `return()` ends it at once, also while `next()` waits. */
export function eventsOf<S extends Kind>(
  scope: Scope<S>,
  columns: Reading,
  { after, signal }: EventOptions,
): AsyncIterableIterator<JobEvent> {
  const ended = new AbortController();
  const signals = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  const events = follow(scope, columns, after, signals);
  return {
    next: () =>
      events.next().catch((error: unknown) => {
        if (ended.signal.aborted) return { done: true, value: undefined };
        throw error;
      }),
    return: async () => {
      ended.abort();
      await events.return().catch(nothing);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* follow<S extends Kind>(
  scope: Scope<S>,
  columns: Reading,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, void, undefined> {
  signal.throwIfAborted();
  scope.refuseInTransaction('events()');
  let last = await scope.soon((structure) => listen(structure, after));
  const renewing = setInterval(() => {
    scope.soon(goOn).catch(nothing);
  }, saidEvery).unref();
  const changes = scope.watch(
    { interest: () => anyEvent, read: lastOf, same: (a, b) => a === b, show: (id) => id },
    signal,
  );
  try {
    for await (const newest of changes)
      while (last < newest) {
        const rows = await scope.read(nothing, (structure) => behind(structure, last));
        for (const row of rows) {
          last = row[0];
          // eslint-disable-next-line no-restricted-syntax -- not a script.
          yield eventOf(row, columns);
        }
      }
  } finally {
    clearInterval(renewing);
  }
}

/** From now on events are recorded; gives back the number of the event behind which it begins. */
function* listen(structure: number, after: number | undefined): Script<number> {
  yield* lock(structure);
  const [recording = null, removed = null] = (yield* get(sql.state, structure)) ?? [];
  yield* run(sql.record, structure, recordedFor);
  if (after === undefined) return yield* lastOf(structure);
  if (recording === null || after < (removed ?? 0)) throw missed(after);
  return after;
}

function* goOn(structure: number): Script<void> {
  yield* run(sql.record, structure, recordedFor);
}

function* lastOf(structure: number): Script<number> {
  return (yield* get(sql.last, structure))?.[0] ?? 0;
}

function* behind(structure: number, after: number): Script<EventRow[]> {
  const removed = (yield* get(sql.state, structure))?.[1] ?? 0;
  if (after < removed) throw missed(after);
  return yield* all(sql.behind, structure, after, readAtOnce);
}

const missed = (after: number): HoldfastError =>
  new HoldfastError(
    'ERR_EVENTS_MISSED',
    `events behind ${after} are not there any more: nobody listened for a minute, or too many have come since`,
  );
