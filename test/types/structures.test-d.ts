// What must compile, and what must not. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import {
  Deque,
  Index,
  Throttle,
  open,
  type AsyncDeque,
  type AsyncIndex,
  type AsyncStore,
  type AsyncThrottle,
  type Key,
  type Kind,
  type Result,
  type Store,
  type StoredKey,
  type StructureInfo,
  type ThrottleResult,
} from 'holdfast';
import { connect } from 'holdfast/postgres';

interface User {
  name: string;
}

declare const store: Store;
declare const server: AsyncStore;
declare const user: User;
const use = (..._: readonly unknown[]): void => {};

/* Stores */

expectTypeOf(open('.')).toEqualTypeOf<Store>();
expectTypeOf(connect('postgres://localhost')).toEqualTypeOf<Promise<AsyncStore>>();
expectTypeOf(store.structures()).toEqualTypeOf<StructureInfo[]>();
expectTypeOf(server.structures()).toEqualTypeOf<Promise<StructureInfo[]>>();
expectTypeOf(store.close).returns.toBeVoid();
expectTypeOf(server.close()).toEqualTypeOf<Promise<void>>();
expectTypeOf<Result<'embedded', number>>().toEqualTypeOf<number>();
expectTypeOf<Result<'server', number>>().toEqualTypeOf<Promise<number>>();
expectTypeOf<Kind>().toEqualTypeOf<'embedded' | 'server'>();

// @ts-expect-error a misspelt option
open('.', { readOnly: true });
// @ts-expect-error no such durability
open('.', { durability: 'disk' });
// @ts-expect-error a duration needs a unit
open('.', { busyTimeout: '5' });
open('.', { busyTimeout: '5s' });
// @ts-expect-error a misspelt option
void connect('postgres://localhost', { scheme: 'a' });

export function disposed(): void {
  using here = open('.');
  use(here);
}
export async function disposedLater(): Promise<void> {
  await using there = await connect('postgres://localhost');
  use(there);
}
export async function disposedAtOnce(): Promise<void> {
  // @ts-expect-error closing a server store takes `await using`
  using there = await connect('postgres://localhost');
  use(there);
}

/* Transactions */

expectTypeOf(store.transaction(() => 1)).toEqualTypeOf<number>();
expectTypeOf(store.transaction(() => ({ a: 'b' }))).toEqualTypeOf<{ a: string }>();
store.transaction(() => {});
// @ts-expect-error a transaction on an embedded store must not be async
void store.transaction(async () => 1);
// @ts-expect-error nor return a promise
void store.transaction(() => Promise.resolve());
expectTypeOf(server.transaction(async () => 1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(server.transaction(() => 1)).toEqualTypeOf<Promise<number>>();

/* Index */

const users = new Index<string, User>(store, 'users');
const theirs = new Index<string, User>(server, 'users');
expectTypeOf(users).toEqualTypeOf<Index<string, User>>();
expectTypeOf(theirs).toEqualTypeOf<AsyncIndex<string, User>>();

expectTypeOf(users.size).toEqualTypeOf<number>();
expectTypeOf(theirs.size).toEqualTypeOf<Promise<number>>();
expectTypeOf(users.get('a')).toEqualTypeOf<User | undefined>();
expectTypeOf(theirs.get('a')).toEqualTypeOf<Promise<User | undefined>>();
expectTypeOf(users.set).returns.toBeVoid();
expectTypeOf(theirs.set('a', user)).toEqualTypeOf<Promise<void>>();
expectTypeOf(users.has('a')).toEqualTypeOf<boolean>();
expectTypeOf(theirs.delete('a')).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(users.getMany(['a'])).toEqualTypeOf<(User | undefined)[]>();
expectTypeOf(theirs.getMany(new Set(['a']))).toEqualTypeOf<Promise<(User | undefined)[]>>();
expectTypeOf(users.setDefault('a', () => user)).toEqualTypeOf<User>();
expectTypeOf(theirs.setDefault('a', user)).toEqualTypeOf<Promise<User>>();
expectTypeOf(users.update('a', (one) => one && { name: one.name })).toEqualTypeOf<User | undefined>();
expectTypeOf(theirs.update('a', () => undefined)).toEqualTypeOf<Promise<User | undefined>>();
expectTypeOf(users.first()).toEqualTypeOf<[string, User] | undefined>();
expectTypeOf(theirs.popLast()).toEqualTypeOf<Promise<[string, User] | undefined>>();
expectTypeOf(users.deleteRange({ gte: 'a' })).toEqualTypeOf<number>();
expectTypeOf(theirs.clear()).toEqualTypeOf<Promise<number>>();
expectTypeOf(users.toMap()).toEqualTypeOf<Map<string, User>>();
expectTypeOf(theirs.toMap()).toEqualTypeOf<Promise<Map<string, User>>>();
expectTypeOf(users.watch('a')).toEqualTypeOf<AsyncIterableIterator<User | undefined>>();
expectTypeOf(theirs.watch({ prefix: 'a' })).toEqualTypeOf<AsyncIterableIterator<[string, User][]>>();

// @ts-expect-error a key of another type
users.get(1);
// @ts-expect-error a value of another type
users.set('a', { nam: 'Ada' });
// @ts-expect-error there is no value
users.set('a');
// @ts-expect-error entries of another type
users.setMany([['a', 1]]);
// @ts-expect-error the change gives another type
users.update('a', () => 1);
// @ts-expect-error `change` must not be async
users.update('a', async () => user);
// @ts-expect-error a bound of another type
users.range({ gte: 1 });
// @ts-expect-error a misspelt option
users.range({ from: 'a' });
// @ts-expect-error not an option of deleting
users.deleteRange({ limit: 1 });
// @ts-expect-error a misspelt option
users.keys({ revers: true });
// @ts-expect-error a misspelt option
users.watch('a', { timeout: 1 });
// @ts-expect-error a misspelt option
use(new Index<string, User>(store, 'users', { ordr: 'key' }));
// @ts-expect-error no such order
use(new Index<string, User>(store, 'users', { order: 'keys' }));
// @ts-expect-error there is no name
use(new Index<string, User>(store));
// @ts-expect-error not a store
use(new Index<string, User>({}, 'users'));
// @ts-expect-error a date is no key
use(new Index<Date, User>(store, 'users'));
// @ts-expect-error the size is not set
users.size = 3;

for (const [key, one] of users) expectTypeOf([key, one] as const).toEqualTypeOf<readonly [string, User]>();
for (const key of users.keys()) expectTypeOf(key).toEqualTypeOf<string>();
use(...users, ...users.range());
export async function iterated(): Promise<void> {
  for await (const [key, one] of theirs)
    expectTypeOf([key, one] as const).toEqualTypeOf<readonly [string, User]>();
  for await (const [key] of users) expectTypeOf(key).toEqualTypeOf<string>();
  for await (const one of theirs.values({ reverse: true })) expectTypeOf(one).toEqualTypeOf<User>();
}
// @ts-expect-error an AsyncIndex is iterated with `for await`
for (const entry of theirs) use(entry);
// @ts-expect-error and so are its sequences
for (const key of theirs.keys()) use(key);
// @ts-expect-error nor can it be spread
use(...theirs);
// @ts-expect-error a promise is no value
use(theirs.get('a').name);

/* Keys as they come back */

expectTypeOf<StoredKey<string>>().toEqualTypeOf<string>();
expectTypeOf<StoredKey<number>>().toEqualTypeOf<number>();
expectTypeOf<StoredKey<bigint>>().toEqualTypeOf<number | bigint>();
expectTypeOf<StoredKey<Buffer>>().toEqualTypeOf<Uint8Array>();
expectTypeOf<StoredKey<readonly [string, bigint]>>().toEqualTypeOf<readonly [string, number | bigint]>();
expectTypeOf<StoredKey<Key>>().toEqualTypeOf<Key>();
expectTypeOf<StoredKey<'a' | 'b'>>().toEqualTypeOf<'a' | 'b'>();

const counts = new Index<[string, bigint], number>(store, 'counts');
expectTypeOf(counts.first()).toEqualTypeOf<[[string, number | bigint], number] | undefined>();
counts.set(['a', 1n], 1);
counts.range({ prefix: ['a'] });
// @ts-expect-error a tuple of another shape
counts.set(['a'], 1);

/* Deque */

const jobs = new Deque<User>(store, 'jobs', { maxLength: 10 });
const theirJobs = new Deque<User>(server, 'jobs');
expectTypeOf(jobs).toEqualTypeOf<Deque<User>>();
expectTypeOf(theirJobs).toEqualTypeOf<AsyncDeque<User>>();
expectTypeOf(jobs.shift()).toEqualTypeOf<User | undefined>();
expectTypeOf(theirJobs.shift()).toEqualTypeOf<Promise<User | undefined>>();
expectTypeOf(jobs.popMany(2)).toEqualTypeOf<User[]>();
expectTypeOf(theirJobs.shiftMany(2)).toEqualTypeOf<Promise<User[]>>();
expectTypeOf(jobs.push).returns.toBeVoid();
expectTypeOf(theirJobs.unshift()).toEqualTypeOf<Promise<void>>();
expectTypeOf(jobs.size).toEqualTypeOf<number>();
expectTypeOf(jobs.at(-1)).toEqualTypeOf<User | undefined>();
expectTypeOf(jobs.indexOf(user)).toEqualTypeOf<number>();
expectTypeOf(theirJobs.remove(user)).toEqualTypeOf<Promise<boolean>>();
expectTypeOf(jobs.toArray()).toEqualTypeOf<User[]>();
expectTypeOf(theirJobs.toArray()).toEqualTypeOf<Promise<User[]>>();
// What waits returns a promise on both.
expectTypeOf(jobs.take()).toEqualTypeOf<Promise<User>>();
expectTypeOf(theirJobs.takeLast({ timeout: '5s' })).toEqualTypeOf<Promise<User>>();

// @ts-expect-error an item of another type
jobs.push({ nam: 'Ada' });
// @ts-expect-error one of the items is of another type
jobs.unshift(user, 1);
// @ts-expect-error an item of another type
jobs.set(0, 1);
// @ts-expect-error an index is a number
jobs.at('0');
// @ts-expect-error a count is needed
jobs.shiftMany();
// @ts-expect-error a misspelt option
void jobs.take({ timout: 1 });
// @ts-expect-error a duration needs a unit
void jobs.take({ timeout: '5' });
// @ts-expect-error a misspelt option
use(new Deque<User>(store, 'jobs', { maxlen: 1 }));
// @ts-expect-error a length is a number
use(new Deque<User>(store, 'jobs', { maxLength: '1' }));

for (const job of jobs) expectTypeOf(job).toEqualTypeOf<User>();
// @ts-expect-error an AsyncDeque is iterated with `for await`
for (const job of theirJobs) use(job);
// @ts-expect-error and so are its values
for (const job of theirJobs.values()) use(job);
export async function iteratedJobs(): Promise<void> {
  for await (const job of theirJobs) expectTypeOf(job).toEqualTypeOf<User>();
  for await (const job of jobs) expectTypeOf(job).toEqualTypeOf<User>();
}

/* Throttle */

const api = new Throttle(store, 'api', { limit: 100, per: '1m', burst: 10 });
const theirApi = new Throttle(server, 'api', { limit: 100, per: 1000, algorithm: 'fixed-window' });
expectTypeOf(api).toEqualTypeOf<Throttle>();
expectTypeOf(theirApi).toEqualTypeOf<AsyncThrottle>();
expectTypeOf(api.take()).toEqualTypeOf<ThrottleResult>();
expectTypeOf(theirApi.take({ key: ['a', 1], cost: 2 })).toEqualTypeOf<Promise<ThrottleResult>>();
expectTypeOf(api.peek({ key: 1n })).toEqualTypeOf<ThrottleResult>();
expectTypeOf(theirApi.penalize({ for: '1m' })).toEqualTypeOf<Promise<ThrottleResult>>();
expectTypeOf(api.reset).returns.toBeVoid();
expectTypeOf(theirApi.resetAll()).toEqualTypeOf<Promise<void>>();
expectTypeOf(api.wait({ timeout: '5s' })).toEqualTypeOf<Promise<void>>();
expectTypeOf(api.wrap(async (a: number) => String(a))).toEqualTypeOf<(a: number) => Promise<string>>();
expectTypeOf(api.wrap((a: number) => a)).toEqualTypeOf<(a: number) => Promise<number>>();
expectTypeOf(theirApi.headers(api.take())).toEqualTypeOf<Record<string, string>>();
expectTypeOf(api.take().resetAt).toEqualTypeOf<Date>();

// @ts-expect-error a limit is needed
use(new Throttle(store, 'api', { per: '1m' }));
// @ts-expect-error options are needed
use(new Throttle(store, 'api'));
// @ts-expect-error a duration needs a unit
use(new Throttle(store, 'api', { limit: 1, per: '1' }));
// @ts-expect-error no such algorithm
use(new Throttle(store, 'api', { limit: 1, per: '1s', algorithm: 'token-bucket' }));
// @ts-expect-error a date is no key
api.take({ key: new Date() });
// @ts-expect-error a misspelt option
api.take({ costs: 1 });
// @ts-expect-error taking does not wait
api.take({ timeout: 1 });
