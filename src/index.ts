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
