import {
  BoundedSemaphore,
  Election,
  HoldfastError,
  Index,
  Lock,
  open,
  ReadWriteLock,
  RLock,
  type Grant,
} from 'holdfast';
import { HoldfastStore } from 'holdfast/express-rate-limit';
import { connect } from 'holdfast/postgres';

interface User {
  name: string;
}

export function embedded(): string {
  using store = open('./data');
  const users = new Index<string, User>(store, 'users');
  users.set('ada', { name: 'Ada' });
  const user: User | undefined = users.get('ada');
  // @ts-expect-error What may be missing may be undefined.
  return users.get('ada').name ?? user?.name ?? '';
}

export async function server(): Promise<string> {
  await using store = await connect('postgres://localhost/test');
  const users = new Index<string, User>(store, 'users');
  await users.set('ada', { name: 'Ada' });
  try {
    const user: User | undefined = await users.get('ada');
    return user?.name ?? '';
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'ERR_CLOSED') return 'closed';
    throw error;
  }
}

export async function counted(): Promise<number> {
  using store = open('./data');
  const counts = new HoldfastStore(store, { prefix: 'site' });
  counts.init({ windowMs: 60_000 });
  return (await counts.increment('127.0.0.1')).totalHits;
}

export async function synchronized(): Promise<bigint> {
  using store = open('./data');
  const grant: Grant | undefined = new Lock(store, 'it').tryAcquire();
  grant?.release();
  const term = await new Election(store, 'it').campaign({ label: 'a' });
  await new BoundedSemaphore(store, 'it', { permits: 2 }).use(() => new RLock(store, 'it').use(() => 1));
  return new ReadWriteLock(store, 'it').read().use(({ fence }) => fence + term.fence);
}
