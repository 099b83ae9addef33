import { structureNumber } from '../../core/catalog.js';
import type { Script } from '../../core/script.js';
import { insertOne } from './adding.js';
import type { Change } from './change.js';
import type { Rules } from './children.js';
import { revivedError } from '../../core/failure.js';
import { storedJobs, type Reading } from './looking.js';
import { resolveAdd } from './options.js';

/** The data of a job in the queue that `onFailed` names: what has failed. */
export interface FailedJob<Data> {
  /** The number of the job that has failed. */
  readonly id: number;
  /** The name of its queue. */
  readonly queue: string;
  readonly name: string | undefined;
  readonly group: string | undefined;
  /** `undefined` where it can't be read: `error` says so then. */
  readonly data: Data;
  readonly failures: number;
  readonly deaths: number;
  /** What the last attempt failed with. */
  readonly error: Error | undefined;
}

/** Adds a job to another queue for each that has failed here. */
export function* forward(
  [structure, queue, to]: readonly [structure: number, queue: string, to: string],
  ids: readonly number[],
  { limits, columns }: Rules & { readonly columns: Reading },
  change: Change,
): Script<void> {
  const other = yield* structureNumber('queue', to);
  const limited = (yield* limits.settings(other)).limits.groups !== undefined;
  for (const { row, notes } of yield* storedJobs(structure, ids)) {
    const [id, , , , , failures, deaths, , , , name, group, stored] = row;
    const last = notes.findLast(([, , kind]) => kind === 'error')?.[3];
    const failed = {
      ...{ id, queue, name: name ?? undefined, group: group ?? undefined, failures, deaths },
      data: readable(() => columns.values.decodeValue(stored)),
      error: last === undefined ? undefined : readable(() => revivedError(columns.errors.decodeValue(last))),
    };
    const { column, size } = columns.values.encodeValue(failed satisfies FailedJob<unknown>, 'data');
    yield* insertOne(other, { ...resolveAdd(undefined), column, size }, limited, change.elsewhere(other));
  }
}

/** What can't be read must not keep from being written that the job has failed, most likely for that reason. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
