import { shown } from '../../core/options.js';
import type { EncodedJob } from './adding.js';
import { resolveDependency, type ChildLink, type Dependency, type JobRef } from './child-options.js';
import type { AddOptions, JobToAdd } from './options.js';

/** A job of a {@link Queue.flow}: `after` may also have the names of others of it. */
export interface FlowJob<Data, N extends string> extends Omit<JobToAdd<Data>, 'after'> {
  readonly after?: Iterable<N | JobRef | Dependency<N | JobRef>> | undefined;
}

type Given<Data> = Readonly<Record<string, FlowJob<Data, string>>>;

/** The jobs of a flow, each behind those that it is to run after. */
export function resolveFlow<Data>(
  jobs: Given<Data>,
  encoded: (data: Data, options: AddOptions) => EncodedJob,
): readonly (EncodedJob & { readonly label: string })[] {
  if (!isObject(jobs)) throw new TypeError(`flow() takes an object of jobs by name, not ${shown(jobs)}`);
  const names = inOrder(jobs);
  const places = new Map(names.map((name, place) => [name, place]));
  return names.map((label) => {
    const { data, after = [], ...options } = jobOf(jobs, label);
    const { within, outside } = split(after);
    const job = encoded(data, { ...options, after: outside });
    const links = within.map(({ job: name, policy }): ChildLink => {
      return { id: places.get(name) ?? 0, added: true, label: name, policy };
    });
    return { ...job, label, after: [...links, ...job.after] };
  });
}

function jobOf<Data>(jobs: Given<Data>, name: string): FlowJob<Data, string> {
  const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined;
  if (typeof job !== 'object') throw new TypeError(`there is no job ${shown(name)} in the flow`);
  return job;
}

const isObject = (given: unknown): boolean => typeof given === 'object' && given !== null;

/** What is named, and what is not of the flow. */
function split(after: Iterable<string | JobRef | Dependency<string | JobRef>>): {
  readonly within: ReturnType<typeof resolveDependency<string>>[];
  readonly outside: (JobRef | Dependency)[];
} {
  const within: ReturnType<typeof resolveDependency<string>>[] = [];
  const outside: (JobRef | Dependency)[] = [];
  for (const one of after) {
    const given = typeof one === 'string' || !('job' in one) ? { job: one } : one;
    const { job } = given;
    if (typeof job === 'string') within.push(resolveDependency({ ...given, job }));
    else outside.push({ ...given, job });
  }
  return { within, outside };
}

/** Each behind those that it waits for: Kahn, "Topological sorting of large networks", 1962. */
function inOrder<Data>(jobs: Given<Data>): string[] {
  const waiting = new Map<string, number>();
  const followers = new Map<string, string[]>();
  for (const name of Object.keys(jobs)) {
    const { within } = split(jobOf(jobs, name).after ?? []);
    waiting.set(name, within.length);
    for (const { job } of within) {
      jobOf(jobs, job);
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
