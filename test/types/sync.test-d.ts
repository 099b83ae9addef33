// What must compile, and what must not. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import {
  BoundedSemaphore,
  Election,
  Lock,
  ReadWriteLock,
  RLock,
  type AsyncBoundedSemaphore,
  type AsyncElection,
  type AsyncGrant,
  type AsyncLock,
  type AsyncReadGrant,
  type AsyncReadWriteLock,
  type AsyncRLock,
  type AsyncStore,
  type AsyncWriteGrant,
  type Grant,
  type Holder,
  type ReadGrant,
  type Store,
  type Waiter,
  type WriteGrant,
} from 'holdfast';

declare const store: Store;
declare const server: AsyncStore;
const use = (..._: readonly unknown[]): void => {};

/* What the constructors make */

expectTypeOf(new Lock(store, 'it')).toEqualTypeOf<Lock>();
expectTypeOf(new Lock(server, 'it')).toEqualTypeOf<AsyncLock>();
expectTypeOf(new RLock(store, 'it')).toEqualTypeOf<RLock>();
expectTypeOf(new RLock(server, 'it')).toEqualTypeOf<AsyncRLock>();
expectTypeOf(new ReadWriteLock(store, 'it')).toEqualTypeOf<ReadWriteLock>();
expectTypeOf(new ReadWriteLock(server, 'it')).toEqualTypeOf<AsyncReadWriteLock>();
expectTypeOf(new BoundedSemaphore(store, 'it', { permits: 2 })).toEqualTypeOf<BoundedSemaphore>();
expectTypeOf(new BoundedSemaphore(server, 'it')).toEqualTypeOf<AsyncBoundedSemaphore>();
expectTypeOf(new Election(store, 'it', { lease: '5s' })).toEqualTypeOf<Election>();
expectTypeOf(new Election(server, 'it')).toEqualTypeOf<AsyncElection>();

use(new Lock(store, 'it', { fair: true, lease: '30s' }));
// @ts-expect-error a misspelt option
use(new Lock(store, 'it', { fiar: true }));
// @ts-expect-error a duration needs a unit
use(new Lock(store, 'it', { lease: '30' }));
// @ts-expect-error only a semaphore has permits
use(new Lock(store, 'it', { permits: 1 }));
// @ts-expect-error an election is always fair
use(new Election(store, 'it', { fair: true }));

/* What is answered at once, and what waits */

expectTypeOf(new Lock(store, 'it').tryAcquire()).toEqualTypeOf<Grant | undefined>();
expectTypeOf(new Lock(server, 'it').tryAcquire()).toEqualTypeOf<Promise<AsyncGrant | undefined>>();
expectTypeOf(new Lock(store, 'it').acquire()).toEqualTypeOf<Promise<Grant>>();
expectTypeOf(new Lock(server, 'it').acquire()).toEqualTypeOf<Promise<AsyncGrant>>();
expectTypeOf(new Lock(store, 'it').holders()).toEqualTypeOf<Holder[]>();
expectTypeOf(new Lock(server, 'it').waiters()).toEqualTypeOf<Promise<Waiter[]>>();
expectTypeOf(new Lock(server, 'it').forceRelease()).toEqualTypeOf<Promise<number>>();
expectTypeOf(new BoundedSemaphore(store, 'it').available).toEqualTypeOf<number>();
expectTypeOf(new BoundedSemaphore(server, 'it').available).toEqualTypeOf<Promise<number>>();
expectTypeOf(new Election(store, 'it').leader()).toEqualTypeOf<Holder | undefined>();
expectTypeOf(new Election(server, 'it').leader()).toEqualTypeOf<Promise<Holder | undefined>>();
expectTypeOf(new Election(store, 'it').campaign()).toEqualTypeOf<Promise<Grant>>();
expectTypeOf(new Election(server, 'it').observe()).toEqualTypeOf<AsyncIterableIterator<Holder | undefined>>();
expectTypeOf(new Election(store, 'it').depose()).toEqualTypeOf<boolean>();

// @ts-expect-error what never waits has no timeout
new Lock(store, 'it').tryAcquire({ timeout: 1 });
// @ts-expect-error nor a signal
void new Lock(server, 'it').tryAcquire({ signal: AbortSignal.timeout(1) });
// @ts-expect-error a lock has no weight
void new Lock(store, 'it').acquire({ weight: 2 });
void new BoundedSemaphore(store, 'it').acquire({ weight: 2, timeout: '1s', label: 'a' });
new BoundedSemaphore(store, 'it').tryAcquire({ weight: 2 });
// @ts-expect-error it needs work
void new Lock(store, 'it').use();

expectTypeOf(new Lock(store, 'it').use(() => 1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(new Lock(server, 'it').use(async () => 'a')).toEqualTypeOf<Promise<string>>();
const add = new Lock(store, 'it').wrap((a: number, b: string) => a + b.length);
expectTypeOf(add).toEqualTypeOf<(a: number, b: string) => Promise<number>>();

/* Grants */

declare const grant: Grant;
declare const asyncGrant: AsyncGrant;
expectTypeOf(grant.fence).toEqualTypeOf<bigint>();
expectTypeOf(grant.signal).toEqualTypeOf<AbortSignal>();
expectTypeOf(grant.release()).toEqualTypeOf<boolean>();
expectTypeOf(asyncGrant.release()).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(grant.guard).returns.toBeVoid();
expectTypeOf(asyncGrant.guard()).toEqualTypeOf<Promise<void>>();
// @ts-expect-error it only grows, by itself
grant.fence = 1n;

export async function disposed(): Promise<void> {
  using atOnce = await new Lock(store, 'it').acquire();
  await using later = await new Lock(server, 'it').acquire();
  using perhaps = new Lock(store, 'it').tryAcquire();
  use(atOnce, later, perhaps);
}

expectTypeOf(new ReadWriteLock(store, 'it').read().acquire()).toEqualTypeOf<Promise<ReadGrant>>();
expectTypeOf(new ReadWriteLock(server, 'it').write().acquire()).toEqualTypeOf<Promise<AsyncWriteGrant>>();
declare const reading: ReadGrant;
declare const asyncReading: AsyncReadGrant;
declare const writing: WriteGrant;
declare const asyncWriting: AsyncWriteGrant;
expectTypeOf(reading.tryUpgrade()).toEqualTypeOf<WriteGrant | undefined>();
expectTypeOf(asyncReading.tryUpgrade()).toEqualTypeOf<Promise<AsyncWriteGrant | undefined>>();
expectTypeOf(writing.downgrade()).toEqualTypeOf<ReadGrant>();
expectTypeOf(asyncWriting.downgrade()).toEqualTypeOf<Promise<AsyncReadGrant>>();
// @ts-expect-error a reader has nothing to downgrade
use(reading.downgrade);
// @ts-expect-error a lock for readers and writers is acquired by one of its sides
use(new ReadWriteLock(store, 'it').acquire);
