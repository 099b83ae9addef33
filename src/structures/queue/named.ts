import type { StandardSchemaV1 } from '../../core/standard-schema.js';
import type { Kind, Result } from '../../core/store.js';
import type { FlowJob } from './flow.js';
import type { AsyncHandle, Handle, HandleFor } from './handle.js';
import type { AsyncHandler, Handler } from './job.js';
import type { ListOptions } from './listing.js';
import type { JobInfo } from './looking.js';
import type { AddOptions, JobToAdd } from './options.js';
import type { WorkOptions } from './work-options.js';
import type { Worker } from './worker.js';

/** The types of the jobs with one name. */
export interface JobTypes {
  readonly data: unknown;
  /** @defaultValue `void` */
  readonly result?: unknown;
}

/** The types of all jobs of a queue, by their name. */
export type TypesByName<M> = { readonly [N in keyof M]: JobTypes };

/** The data of the jobs with a name. */
export type NamedData<M, N extends keyof M> = M[N] extends { readonly data: infer Data } ? Data : never;
/** The result of the jobs with a name. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a handler returns that returns nothing.
export type NamedResult<M, N extends keyof M> = M[N] extends { readonly result: infer R } ? R : void;
/** The names of jobs. */
export type JobName<M> = keyof M & string;
/** One of those that there are for each name. */
export type AnyOf<Things> = Things[keyof Things];

/** A schema for the data of each name. */
export type NamedSchemas<M> = { readonly [N in JobName<M>]: StandardSchemaV1<unknown, NamedData<M, N>> };
/** A job to be added by {@link NamedQueue.addMany}. */
export type NamedJobToAdd<M> = AnyOf<{ [N in JobName<M>]: JobToAdd<NamedData<M, N>> & { readonly name: N } }>;
/** A job of {@link NamedQueue.flow}. */
export type NamedFlowJob<M, L extends string> = AnyOf<{
  [N in JobName<M>]: FlowJob<NamedData<M, N>, L> & { readonly name: N };
}>;
/** What is known of a job: its name tells of which type its data and its result are. */
export type NamedJobInfo<M> = AnyOf<{
  [N in JobName<M>]: JobInfo<NamedData<M, N>, NamedResult<M, N>> & { readonly name: N };
}>;
/** A job of any name. */
export type NamedHandle<M> = Handle<AnyNamedData<M>, AnyNamedResult<M>>;
/** {@link NamedHandle} of a server store. */
export type AsyncNamedHandle<M> = AsyncHandle<AnyNamedData<M>, AnyNamedResult<M>>;
/** The data of a job of any name. */
export type AnyNamedData<M> = AnyOf<{ [N in JobName<M>]: NamedData<M, N> }>;
/** The result of a job of any name. */
export type AnyNamedResult<M> = AnyOf<{ [N in JobName<M>]: NamedResult<M, N> }>;
/** A handler for the jobs of each name. */
export type NamedHandlers<M> = {
  readonly [N in JobName<M>]: Handler<NamedData<M, N>, NamedResult<M, N>>;
};
/** {@link NamedHandlers} for a queue in a server store. */
export type AsyncNamedHandlers<M> = {
  readonly [N in JobName<M>]: AsyncHandler<NamedData<M, N>, NamedResult<M, N>>;
};

/** {@link NamedHandle}, by the kind of its store. */
type NamedHandleFor<S extends Kind, M> = HandleFor<S, AnyNamedData<M>, AnyNamedResult<M>>;

/** The methods of {@link NamedQueue} and {@link AsyncNamedQueue} that {@link Queue} has with other types. */
export interface NamedMethods<S extends Kind, M> {
  /** Adds a job: see {@link Queue.add}. Its name tells which data it has. */
  add<N extends JobName<M>>(
    data: NamedData<M, N>,
    options: AddOptions & { readonly name: N },
  ): Result<S, HandleFor<S, NamedData<M, N>, NamedResult<M, N>>>;
  /** See {@link Queue.addMany}. */
  addMany(jobs: Iterable<NamedJobToAdd<M>>): Result<S, NamedHandleFor<S, M>[]>;
  /** See {@link Queue.flow}. */
  flow<L extends string>(
    jobs: Readonly<Record<L, NamedFlowJob<M, NoInfer<L>>>>,
  ): Result<S, { [N in L]: NamedHandleFor<S, M> }>;
  /** See {@link Queue.handle}. */
  handle(id: number): NamedHandleFor<S, M>;
  /** Runs jobs: see {@link Queue.work}; with a handler for each name. */
  work(
    handlers: { embedded: NamedHandlers<M>; server: AsyncNamedHandlers<M> }[S],
    options?: WorkOptions,
  ): Worker;
  /** See {@link Queue.get}. */
  get(id: number): Result<S, NamedJobInfo<M> | undefined>;
  /** See {@link Queue.jobs}. */
  jobs(options?: ListOptions & { readonly name?: JobName<M> | undefined }): Result<S, NamedJobInfo<M>[]>;
}
