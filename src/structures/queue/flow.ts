import { iterable, shown } from '../../core/options.js';
import type { EncodedJob } from './adding.js';
import {
  refuseNoJob,
  resolveDependency,
  type ChildLink,
  type Dependency,
  type JobRef,
} from './child-options.js';
import type { AddOptions, JobToAdd } from './options.js';

/** A job of a {@link Queue.flow}: `after` may also have the names of others of it. */
export interface FlowJob<Data, N extends string> extends Omit<JobToAdd<Data>, 'after'> {
  readonly after?: Iterable<N | JobRef | Dependency<N | JobRef>> | undefined;
}

/** What a job is to run after: jobs of the flow, by name, and others. */
interface After {
  readonly within: readonly ReturnType<typeof resolveDependency<string>>[];
  readonly outside: readonly (JobRef | Dependency)[];
}

/** The jobs of a flow, each behind those that it is to run after. */
export function resolveFlow<Data>(
  jobs: Readonly<Record<string, FlowJob<Data, string>>>,
  encoded: (data: Data, options: AddOptions) => EncodedJob,
): readonly (EncodedJob & { readonly label: string })[] {
  if (!isObject(jobs)) throw new TypeError(`flow() takes an object of jobs by name, not ${shown(jobs)}`);
  // Only once: of an iterator nothing would be left.
  const given = new Map(Object.entries(jobs).map(([name, job]) => [name, { job, ...afterOf(name, job) }]));
  const names = inOrder(given);
  const places = new Map(names.map((name, place) => [name, place]));
  return names.flatMap((label) => {
    const one = given.get(label);
    if (one === undefined) return [];
    const { data, ...options } = one.job;
    const job = encoded(data, { ...options, after: one.outside });
    const links = one.within.map(({ job: name, policy }): ChildLink => {
      return { id: places.get(name) ?? 0, added: true, label: name, policy };
    });
    return [{ ...job, label, after: [...links, ...job.after] }];
  });
}

const isObject = (given: unknown): boolean => typeof given === 'object' && given !== null;

function afterOf(name: string, job: FlowJob<unknown, string>): After {
  if (!isObject(job))
    throw new TypeError(`job ${shown(name)} of the flow must be an object with data, not ${shown(job)}`);
  const within: ReturnType<typeof resolveDependency<string>>[] = [];
  const outside: (JobRef | Dependency)[] = [];
  for (const one of iterable('after', job.after ?? [])) {
    if (typeof one !== 'string') refuseNoJob(one);
    const given = typeof one === 'string' || !('job' in one) ? { job: one } : one;
    const { job } = given;
    if (typeof job === 'string') within.push(resolveDependency({ ...given, job }));
    else outside.push({ ...given, job });
  }
  return { within, outside };
}

/** Each behind those that it waits for: Kahn, "Topological sorting of large networks", 1962. */
function inOrder(jobs: ReadonlyMap<string, After>): string[] {
  const waiting = new Map<string, number>();
  const followers = new Map<string, string[]>();
  for (const [name, { within }] of jobs) {
    waiting.set(name, within.length);
    for (const { job } of within) {
      if (!jobs.has(job)) throw new TypeError(`there is no job ${shown(job)} in the flow`);
      followers.set(job, [...(followers.get(job) ?? []), name]);
    }
  }
  const order = [...waiting.keys()].filter((name) => waiting.get(name) === 0);
  for (const done of order)
    for (const name of followers.get(done) ?? []) {
      const left = (waiting.get(name) ?? 0) - 1;
      waiting.set(name, left);
      if (left === 0) order.push(name);
    }
  const stuck = [...waiting].filter(([, left]) => left > 0).map(([name]) => name);
  if (stuck.length > 0)
    throw new TypeError(`jobs of the flow wait for each other: ${stuck.slice(0, 10).join(', ')}`);
  return order;
}
