// @ts-check
import { BoundedSemaphore, Election, Lock, ReadWriteLock, RLock, Throttle } from 'holdfast';
import { meeting } from './barrier.js';
import { broken } from './broken.js';
import { brokenOthers } from './broken-others.js';
import { latches } from './latch.js';
import { several } from './several.js';
import { electionShape, lockShape, readWriteShape, semaphoreShape } from './shapes.js';
import { throttled, windows } from './throttle.js';

const name = 'tested';
const permits = 4;
const fair = true;

/**
 * What the histories are of, by the name that a test gives.
 *
 * @type {Record<string, (store: import('holdfast').AsyncStore, directory: string) => import('./shapes.js').Subject | import('./shapes.js').Other>}
 */
export const subjects = {
  lock: (store) => lockShape(new Lock(store, name)),
  'fair lock': (store) => lockShape(new Lock(store, name, { fair })),
  rlock: (store) => ({ ...lockShape(new RLock(store, name)), again: 'counted' }),
  'read-write lock': (store) => readWriteShape(new ReadWriteLock(store, name)),
  'fair read-write lock': (store) => readWriteShape(new ReadWriteLock(store, name, { fair })),
  semaphore: (store) => semaphoreShape(new BoundedSemaphore(store, name, { permits }), permits),
  'fair semaphore': (store) => semaphoreShape(new BoundedSemaphore(store, name, { permits, fair }), permits),
  election: (store) => electionShape(new Election(store, name)),
  'several locks': (store, directory) => several(store, directory),
  barrier: (store) => meeting(store),
  latch: (store, directory) => latches(store, directory),
  throttle: (store) => throttled(store),
  'sliding-window throttle': (store) => throttled(store, new Throttle(store, name, windows)),
  ...broken,
  ...brokenOthers,
};
