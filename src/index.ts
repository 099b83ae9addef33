export { open, type OpenOptions } from './core/open.js';
export type { CheckOptions, CheckReport, Finding, FindingCode } from './core/checking.js';
export { restore } from './core/sqlite-restore.js';
export type { Compaction } from './core/sqlite-compact.js';
export type { CopyOptions, CopyProgress } from './core/sqlite-copy.js';
export { HoldfastError, type ErrorCode } from './core/errors.js';
export type { Clock } from './core/clock.js';
export type { AsyncUpkeep, Upkeep } from './core/upkeep.js';
export { json, msgpack, raw, type Codec } from './core/codecs.js';
export type { CodingOptions } from './core/coding.js';
export type { CompressionAlgorithm, CompressionOptions } from './core/compression.js';
export { float16 } from './core/float16.js';
export type { Key, KeyRange, StoredKey } from './core/key.js';
export type { Duration, IterationOptions, Size, WaitOptions } from './core/options.js';
export type {
  AsyncStore,
  Kind,
  Result,
  Sequence,
  Store,
  StoreOf,
  StructureInfo,
  SyncSequence,
} from './core/store.js';
export { Index, type AsyncIndex, type IndexOptions, type RangeOptions } from './structures/index-map.js';
export { Cache, type AsyncCache } from './structures/cache.js';
export type {
  CacheKeysOptions,
  CacheLimits,
  CacheOptions,
  CacheStats,
  Eviction,
  GetOrSetOptions,
  IncrementOptions,
  SetOptions,
  WriteOptions,
} from './structures/cache/options.js';
export type { ByteSource, Stream } from './core/byte-streams.js';
export type {
  DecorateAsync,
  DecorateAtOnce,
  MemoizeDecorator,
  Memoized,
  MemoizeOptions,
} from './structures/cache/memoize.js';
export type { ReshardOptions } from './structures/cache/resharding.js';
export type { Produce } from './structures/cache/parts.js';
export type { CacheEntry } from './structures/cache/scripts.js';
export { Deque, type AsyncDeque, type DequeOptions } from './structures/deque.js';
export { NamedQueue, Queue, type AsyncNamedQueue, type AsyncQueue } from './structures/queue.js';
export type { AsyncHandle, Handle } from './structures/queue/handle.js';
export type {
  AsyncHandler,
  AsyncHandlers,
  AsyncJob,
  Handled,
  Handler,
  Handlers,
  Job,
} from './structures/queue/job.js';
export type { GroupLimits, LimitOptions, RateOptions } from './structures/queue/limits.js';
export type {
  AnyNamedData,
  AnyNamedResult,
  AnyOf,
  AsyncNamedHandle,
  AsyncNamedHandlers,
  JobName,
  JobTypes,
  NamedData,
  NamedFlowJob,
  NamedHandle,
  NamedHandlers,
  NamedJobInfo,
  NamedJobToAdd,
  NamedResult,
  NamedSchemas,
  TypesByName,
} from './structures/queue/named.js';
export type { NamedSchemaOptions, SchemaOptions } from './structures/queue/validating.js';
export type { Dependency, JobRef } from './structures/queue/child-options.js';
export type { EventFacts, EventOptions, JobEvent } from './structures/queue/events.js';
export type { TracedEvent } from './structures/queue/recording.js';
export type { FailedJob } from './structures/queue/forwarding.js';
export type { FlowJob } from './structures/queue/flow.js';
export type { JobFilter, ListOptions } from './structures/queue/listing.js';
export type { Child, JobCounts, JobInfo, JobState } from './structures/queue/looking.js';
export type {
  AddOptions,
  Backoff,
  BackoffOptions,
  JobDefaults,
  JobToAdd,
  Keep,
  KeepOptions,
  OnDuplicate,
  QueueOptions,
} from './structures/queue/options.js';
export type { StopOptions, WorkOptions } from './structures/queue/work-options.js';
export type { FailOptions } from './structures/queue/telling.js';
export type {
  CronScheduleOptions,
  PeriodicScheduleOptions,
  ScheduleJobOptions,
  ScheduleOptions,
} from './structures/queue/schedule-options.js';
export type { ScheduleInfo } from './structures/queue/schedules.js';
export type { StopOnOptions, StopSignal } from './structures/queue/stop-on.js';
export type { JobFacts, ThreadJob } from './structures/queue/thread.js';
export type { ThreadOptions } from './structures/queue/threads.js';
export type { TroubleOptions } from './structures/queue/trouble.js';
export type { Worker } from './structures/queue/worker.js';
export { Lock, type AsyncLock, type LockOptions } from './sync/lock.js';
export { Election, type AsyncElection, type ElectionOptions, type ObserveOptions } from './sync/election.js';
export { RLock, type AsyncRLock, type RLockOptions } from './sync/rlock.js';
export {
  BoundedSemaphore,
  type AcquirePermitsOptions,
  type AsyncBoundedSemaphore,
  type SemaphoreOptions,
  type TryAcquirePermitsOptions,
} from './sync/semaphore.js';
export { ReadWriteLock, type AsyncReadWriteLock, type ReadWriteLockOptions } from './sync/read-write-lock.js';
export type {
  AsyncReadGrant,
  AsyncWriteGrant,
  ReadGrant,
  WriteGrant,
} from './sync/read-write-lock/grants.js';
export type { AsyncGrant, Grant } from './sync/grants/grant.js';
export type { AcquireOptions, GrantingOptions, TryAcquireOptions } from './sync/grants/options.js';
export type { Holder, Waiter } from './sync/grants/people.js';
export type { Acquirer } from './sync/grants/acquirer.js';
export type { AsyncLockSet, LockSet } from './sync/lock/set.js';
export type { AsyncGrantSet, GrantSet } from './sync/lock/grant-set.js';
export type { Acquiring } from './sync/grants/acquiring.js';
export { Averager, type AsyncAverager } from './sync/averager.js';
export { Barrier, type AsyncBarrier, type BarrierOptions } from './sync/barrier.js';
export { Counter, type AsyncCounter } from './sync/counter.js';
export { Latch, type AsyncLatch, type LatchOptions } from './sync/latch.js';
export {
  Throttle,
  type AsyncThrottle,
  type PenalizeOptions,
  type RefundOptions,
  type ResetOptions,
  type TakeOptions,
  type ThrottleOptions,
  type ThrottleResult,
  type ThrottleWaitOptions,
} from './sync/throttle.js';
