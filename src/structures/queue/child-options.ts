import { iterable, knownKeys, oneOf, shown, wholeNumber } from '../../core/options.js';
import type { ChildPolicy } from './child-statements.js';
import type { AddOptions } from './options.js';

/** A job, by its number: a {@link Handle}, for one. */
export interface JobRef {
  readonly id: number;
}

/** A job to run after, and what its failure does. */
export interface Dependency<J = JobRef> {
  readonly job: J;
  /** When it fails or is cancelled: `'fail'`, the job that was to run after it fails, too; `'ignore'`, it runs all the same. @defaultValue `'fail'` */
  readonly onFailure?: 'fail' | 'ignore' | undefined;
}

/** A job that another is to run after: its number, or, where it is `added` in the same call, its place there. */
export interface ChildLink {
  readonly id: number;
  readonly added: boolean;
  readonly label: string | null;
  readonly policy: ChildPolicy;
}

export const noChildren: readonly ChildLink[] = [];

/** What a job is to run after. */
export function resolveAfter({
  after,
  key,
  onDuplicate = 'ignore',
}: Pick<AddOptions, 'after' | 'key' | 'onDuplicate'>): readonly ChildLink[] {
  if (after === undefined) return noChildren;
  if (key !== undefined && onDuplicate !== 'ignore' && onDuplicate !== 'error')
    throw new TypeError(`a job that is to run after others can’t have onDuplicate: ${shown(onDuplicate)}`);
  return Array.from(iterable('after', after), (one) => {
    refuseNoJob(one);
    const { job, policy } = 'job' in one ? resolveDependency(one) : { job: one, policy: 'fail' as const };
    wholeNumber('the id of a job in after', job.id, 1);
    return { id: job.id, added: false, label: null, policy };
  });
}

/** A number is not taken for a job: it is written as `{ id }`. */
export function refuseNoJob(given: unknown): void {
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`after takes handles, jobs, or numbers as { id }, not ${shown(given)}`);
}

/** A job, and what its failure does. */
export function resolveDependency<J>(given: {
  readonly job: J;
  readonly onFailure?: ChildPolicy | undefined;
}): {
  readonly job: J;
  readonly policy: ChildPolicy;
} {
  knownKeys('after', given, ['job', 'onFailure']);
  const { job, onFailure = 'fail' } = given;
  oneOf('onFailure', onFailure, ['fail', 'ignore']);
  return { job, policy: onFailure };
}
