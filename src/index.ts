export { open, type OpenOptions } from './core/open.js';
export { HoldfastError, type ErrorCode } from './core/errors.js';
export type { Clock } from './core/clock.js';
export type { Key, KeyRange, StoredKey } from './core/key.js';
export type { Duration, IterationOptions, WaitOptions } from './core/options.js';
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
export { Deque, type AsyncDeque, type DequeOptions } from './structures/deque.js';
export { Averager, type AsyncAverager } from './sync/averager.js';
export { Barrier, type AsyncBarrier, type BarrierOptions } from './sync/barrier.js';
export { Counter, type AsyncCounter } from './sync/counter.js';
export { Latch, type AsyncLatch, type LatchOptions } from './sync/latch.js';
