// What must compile, and what must not. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import {
  Averager,
  Barrier,
  Counter,
  Latch,
  type AsyncAverager,
  type AsyncBarrier,
  type AsyncCounter,
  type AsyncLatch,
  type AsyncStore,
  type BarrierOptions,
  type ErrorCode,
  type LatchOptions,
  type Store,
} from 'holdfast';

declare const store: Store;
declare const server: AsyncStore;
const use = (..._: readonly unknown[]): void => {};

expectTypeOf<'ERR_BROKEN'>().toExtend<ErrorCode>();

/* Latch */

const latch = new Latch(store, 'latch', { count: 3 });
const theirLatch = new Latch(server, 'latch', { count: 3 } satisfies LatchOptions);
expectTypeOf(latch).toEqualTypeOf<Latch>();
expectTypeOf(theirLatch).toEqualTypeOf<AsyncLatch>();
expectTypeOf(latch.count).toEqualTypeOf<number>();
expectTypeOf(theirLatch.count).toEqualTypeOf<Promise<number>>();
expectTypeOf(latch.countDown()).toEqualTypeOf<number>();
expectTypeOf(theirLatch.countDown(2)).toEqualTypeOf<Promise<number>>();
expectTypeOf(latch.reset).returns.toBeVoid();
expectTypeOf(theirLatch.reset()).toEqualTypeOf<Promise<void>>();
// What waits returns a promise on both.
expectTypeOf(latch.wait({ timeout: '5s' })).toEqualTypeOf<Promise<void>>();
expectTypeOf(theirLatch.wait()).toEqualTypeOf<Promise<void>>();

// @ts-expect-error a count is needed
use(new Latch(store, 'latch'));
// @ts-expect-error a count is a number
use(new Latch(store, 'latch', { count: '3' }));
// @ts-expect-error a duration needs a unit
void latch.wait({ timeout: '5' });

/* Barrier */

const barrier = new Barrier(store, 'barrier', { parties: 2 });
const theirBarrier = new Barrier(server, 'barrier', { parties: 2 } satisfies BarrierOptions);
expectTypeOf(barrier).toEqualTypeOf<Barrier>();
expectTypeOf(theirBarrier).toEqualTypeOf<AsyncBarrier>();
expectTypeOf(barrier.parties).toEqualTypeOf<number>();
expectTypeOf(theirBarrier.parties).toEqualTypeOf<number>();
expectTypeOf(barrier.waiting).toEqualTypeOf<number>();
expectTypeOf(theirBarrier.waiting).toEqualTypeOf<Promise<number>>();
expectTypeOf(barrier.broken).toEqualTypeOf<boolean>();
expectTypeOf(theirBarrier.broken).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(barrier.reset).returns.toBeVoid();
expectTypeOf(theirBarrier.reset()).toEqualTypeOf<Promise<void>>();
expectTypeOf(barrier.wait()).toEqualTypeOf<Promise<number>>();
expectTypeOf(theirBarrier.wait({ timeout: 5 })).toEqualTypeOf<Promise<number>>();

// @ts-expect-error the parties are needed
use(new Barrier(store, 'barrier', {}));
// @ts-expect-error a misspelt option
use(new Barrier(store, 'barrier', { parties: 2, party: 1 }));
// @ts-expect-error a misspelt option
void barrier.wait({ timout: 1 });

/* Counter and Averager */

const counter = new Counter(store, 'counter');
const theirCounter = new Counter(server, 'counter');
expectTypeOf(counter).toEqualTypeOf<Counter>();
expectTypeOf(theirCounter).toEqualTypeOf<AsyncCounter>();
expectTypeOf(counter.add()).toEqualTypeOf<number>();
expectTypeOf(theirCounter.add(-1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(counter.pop()).toEqualTypeOf<number>();
expectTypeOf(theirCounter.get()).toEqualTypeOf<Promise<number>>();

const averager = new Averager(store, 'averager');
const theirAverager = new Averager(server, 'averager');
expectTypeOf(averager).toEqualTypeOf<Averager>();
expectTypeOf(theirAverager).toEqualTypeOf<AsyncAverager>();
expectTypeOf(averager.add(1)).toEqualTypeOf<number>();
expectTypeOf(averager.get()).toEqualTypeOf<number | undefined>();
expectTypeOf(theirAverager.pop()).toEqualTypeOf<Promise<number | undefined>>();
expectTypeOf(averager.count).toEqualTypeOf<number>();
expectTypeOf(theirAverager.sum).toEqualTypeOf<Promise<number>>();

// @ts-expect-error a bigint is no number
counter.add(1n);
// @ts-expect-error a value is needed
averager.add();
