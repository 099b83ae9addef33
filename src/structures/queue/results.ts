import { Columns, type ValueColumn } from '../../core/columns.js';
import { HoldfastError } from '../../core/errors.js';
import { resolveWaitOptions, type WaitOptions } from '../../core/options.js';
import { each, type Script } from '../../core/script.js';
import { heard, refuseAborted, unheard } from '../../core/signals.js';
import { nothing, type Interest, type Kind, type Scope } from '../../core/store.js';
import { pause, startTimer } from '../../core/timer.js';
import { revivedError } from '../../core/failure.js';
import type { Reading } from './looking.js';
import { sql, type EndRow } from './statements.js';

/** Up to how many results are waited for without a pause, and how much longer it is for each beyond, in milliseconds. */
const fewWanted = 50;
const pausePerJob = 0.01;

/** To hear whenever a job of the queue has ended. */
export const anyEnd: Interest = { mode: -1, low: null, high: null };

/** How a job ended: what its {@link Handle.result} comes to. */
export type End = { readonly result: never } | { readonly error: Error };

/** An observer: `ready` once it stands in the store. */
interface Watch {
  readonly ready: Promise<unknown>;
  readonly ended: AbortController;
}

/** Waits for results of one queue: however many are waited for, one observer stands in the store for them. */
export class Results<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #columns: Reading;
  /** `undefined`, as a column: the result of most jobs, stored as none. */
  readonly #nothing: ValueColumn;
  readonly #wanted = new Map<number, Set<(end: End) => void>>();
  #watch: Watch | undefined;

  constructor(scope: Scope<S>, columns: Reading) {
    this.#scope = scope;
    this.#columns = columns;
    this.#nothing = new Columns<never, undefined>(scope.kind).encodeValue(undefined, 'result').column;
  }

  async wait(id: number, options: WaitOptions | undefined): Promise<never> {
    this.#scope.refuseInTransaction('result()');
    const { timeout, signal } = resolveWaitOptions('options of result()', options);
    const signals = signal === undefined ? [this.#scope.closing] : [this.#scope.closing, signal];
    refuseAborted(signals);
    return new Promise<never>((resolve, reject) => {
      const settle = (end: End): void => {
        stop();
        if ('result' in end) resolve(end.result);
        else reject(end.error);
      };
      const aborted = (event: Event): void => {
        stop();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is the caller's own.
        reject((event.target as AbortSignal).reason);
      };
      const timer = startTimer(timeout, () => settle({ error: late(id) }));
      const stop = (): void => {
        clearTimeout(timer);
        for (const one of signals) unheard(one, aborted);
        this.#forget(id, settle);
      };
      for (const one of signals) heard(one, aborted);
      this.#want(id, settle).catch((error: unknown) => {
        stop();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what the store threw.
        reject(error);
      });
    });
  }

  async #want(id: number, settle: (end: End) => void): Promise<void> {
    const wanted = this.#wanted.get(id) ?? new Set();
    this.#wanted.set(id, wanted.add(settle));
    const watch = (this.#watch ??= this.#start());
    await watch.ready;
    // It may have ended before anybody looked.
    this.#tell(await this.#scope.read(nothing, (structure) => ends(structure, [id])));
  }

  #forget(id: number, settle: (end: End) => void): void {
    const wanted = this.#wanted.get(id);
    wanted?.delete(settle);
    if (wanted?.size === 0) this.#wanted.delete(id);
    if (this.#wanted.size > 0) return;
    this.#watch?.ended.abort();
    this.#watch = undefined;
  }

  #start(): Watch {
    const ended = new AbortController();
    const changes = this.#scope.watch(
      {
        interest: () => anyEnd,
        read: (structure) => ends(structure, [...this.#wanted.keys()]),
        same: () => false,
        show: (state) => state,
      },
      ended.signal,
    );
    const ready = changes.next();
    this.#follow(changes).catch((error: unknown) => {
      if (!ended.signal.aborted) this.#fail(error as Error);
    });
    return { ready, ended };
  }

  async #follow(changes: AsyncIterable<Ends>): Promise<void> {
    for await (const change of changes) {
      this.#tell(change);
      // To ask for all of many each time that one has ended would take longer than the jobs.
      const { size } = this.#wanted;
      if (size > fewWanted) await pause(size * pausePerJob);
    }
  }

  /** Nobody could be told any more. */
  #fail(error: Error): void {
    this.#watch = undefined;
    for (const wanted of [...this.#wanted.values()]) for (const settle of [...wanted]) settle({ error });
  }

  #tell(change: Ends): void {
    for (const [id, row] of change) {
      const wanted = this.#wanted.get(id);
      if (wanted === undefined) continue;
      const end = row === undefined ? { error: notKept(id) } : this.#end(row);
      for (const settle of [...wanted]) settle(end);
    }
  }

  #end([id, stage, , outcome]: EndRow): End {
    try {
      if (stage === 'completed')
        return { result: this.#columns.results.decodeValue(outcome ?? this.#nothing) };
      const cause = outcome === null ? undefined : revivedError(this.#columns.errors.decodeValue(outcome));
      if (stage === 'failed') return { error: cause ?? new Error(`job ${id} has failed`) };
      return { error: new HoldfastError('ERR_CANCELLED', `job ${id} was cancelled`, { cause }) };
    } catch (error) {
      return { error: error as Error };
    }
  }
}

/** Those of some jobs that have ended, and those that are not there, as `undefined`. */
type Ends = ReadonlyMap<number, EndRow | undefined>;

function* ends(structure: number, ids: readonly number[]): Script<Ends> {
  const rows = yield* each(
    sql.end,
    ids.map((id) => [structure, id]),
  );
  const found = new Map(rows.map((row) => [row[0], row]));
  return new Map(ids.map((id) => [id, found.get(id)] as const).filter(([, row]) => row?.[2] !== null));
}

const late = (id: number): HoldfastError =>
  new HoldfastError('ERR_TIMEOUT', `result() of job ${id}: it did not end in the time given`);

const notKept = (id: number): HoldfastError =>
  new HoldfastError(
    'ERR_NOT_FOUND',
    `job ${id} is not there: it was removed, or has ended and is not kept any more`,
  );
