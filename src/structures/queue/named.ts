import type { StandardSchemaV1 } from '../../core/standard-schema.js';
import type { Kind, Result } from '../../core/store.js';
import type { FlowJob } from './flow.js';
import type { Handle } from './handle.js';
import type { Handler } from './job.js';
import type { ListOptions } from './listing.js';
import type { JobInfo } from './looking.js';
import type { AddOptions, JobToAdd, WorkOptions } from './options.js';
import type { Worker } from './worker.js';

/** The types of the jobs with one name. */
export interface JobTypes {
  readonly data: unknown;
  /** @defaultValue `void` */
  readonly result?: unknown;
}

/** The types of all jobs of a queue, by their name. */
export type TypesByName<M> = { readonly [N in keyof M]: JobTypes };

type DataOf<M, N extends keyof M> = M[N] extends { readonly data: infer Data } ? Data : never;
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a handler returns that returns nothing.
type ResultOf<M, N extends keyof M> = M[N] extends { readonly result: infer R } ? R : void;
type NameOf<M> = keyof M & string;
/** One of a kind of thing for each name. */
type Any<Things> = Things[keyof Things];

export type Schemas<M> = { readonly [N in NameOf<M>]: StandardSchemaV1<unknown, DataOf<M, N>> };
type ToAdd<M> = Any<{ [N in NameOf<M>]: JobToAdd<DataOf<M, N>> & { readonly name: N } }>;
type ToFlow<M, L extends string> = Any<{ [N in NameOf<M>]: FlowJob<DataOf<M, N>, L> & { readonly name: N } }>;
type Info<M> = Any<{ [N in NameOf<M>]: JobInfo<DataOf<M, N>, ResultOf<M, N>> & { readonly name: N } }>;
type AnyHandle<S extends Kind, M> = Handle<S, Any<{ [N in NameOf<M>]: DataOf<M, N> }>, AnyResult<M>>;
type AnyResult<M> = Any<{ [N in NameOf<M>]: ResultOf<M, N> }>;
/** A handler for the jobs of each name. */
export type NamedHandlers<S extends Kind, M> = {
  readonly [N in NameOf<M>]: Handler<S, DataOf<M, N>, ResultOf<M, N>>;
};

/** The methods of {@link NamedQueue} and {@link AsyncNamedQueue} that {@link Queue} has with other types. */
export interface NamedMethods<S extends Kind, M> {
  /** Adds a job: see {@link Queue.add}. Its name tells which data it has. */
  add<N extends NameOf<M>>(
    data: DataOf<M, N>,
    options: AddOptions & { readonly name: N },
  ): Result<S, Handle<S, DataOf<M, N>, ResultOf<M, N>>>;
  /** See {@link Queue.addMany}. */
  addMany(jobs: Iterable<ToAdd<M>>): Result<S, AnyHandle<S, M>[]>;
  /** See {@link Queue.flow}. */
  flow<L extends string>(
    jobs: Readonly<Record<L, ToFlow<M, NoInfer<L>>>>,
  ): Result<S, Record<L, AnyHandle<S, M>>>;
  /** See {@link Queue.handle}. */
  handle(id: number): AnyHandle<S, M>;
  /** Runs jobs: see {@link Queue.work}; with a handler for each name. */
  work(handlers: NamedHandlers<S, M>, options?: WorkOptions): Worker<S>;
  /** See {@link Queue.get}. */
  get(id: number): Result<S, Info<M> | undefined>;
  /** See {@link Queue.jobs}. */
  jobs(options?: ListOptions & { readonly name?: NameOf<M> | undefined }): Result<S, Info<M>[]>;
}
