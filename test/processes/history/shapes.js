// @ts-check
// What the histories are of, each seen as something with a capacity, of which a grant takes a weight.

/**
 * @typedef {object} Grant
 * @property {bigint} fence
 * @property {AbortSignal} [signal]
 * @property {() => unknown} release
 * @property {() => any} [tryUpgrade]
 * @property {() => any} [downgrade]
 */

/**
 * @typedef {object} Subject
 * @property {number} capacity
 * @property {(random: () => number) => number} weight How much the next attempt is to take.
 * @property {(weight: number, options: object) => Promise<Grant>} acquire
 * @property {(weight: number, options: object) => any} [tryAcquire]
 * @property {(weight: number, work: (grant: Grant) => Promise<void>, options: object) => Promise<void>} [use]
 * @property {() => any} [waiters]
 * @property {'counted' | 'let in'} [again] What becomes of who acquires again what it holds (and reads).
 */

/**
 * What has rounds of its own: it gives out no grants, such as a meeting point, or several at once. What they write down is checked by a
 * module of its own in `test/sync/history/`.
 *
 * @typedef {object} Other
 * @property {(random: () => number) => any} draw What chance decides of a round besides what it decides of all: `own` of its plan.
 * @property {(log: import('./log.js').Log, process: number) => OtherRounds} rounds For each task.
 * @property {() => void} [calm] Called when nobody begins another round but the last ones.
 */

/**
 * @typedef {object} OtherRounds
 * @property {(plan: import('./rounds.js').Plan) => Promise<void>} round
 * @property {(patient: () => import('./rounds.js').Plan) => Promise<void>} [finish] The last rounds, if they are not three as the others.
 */

/** @type {(lock: import('holdfast').AsyncLock | import('holdfast').AsyncRLock) => Subject} */
export const lockShape = (lock) => ({
  capacity: 1,
  weight: () => 1,
  acquire: (_, options) => lock.acquire(options),
  tryAcquire: (_, options) => lock.tryAcquire(options),
  use: (_, work, options) => lock.use(work, options),
  waiters: () => lock.waiters(),
});

/** What a writer takes: more than there are readers. */
const writeWeight = 1_000;

/** @type {(lock: import('holdfast').AsyncReadWriteLock) => Subject} */
export function readWriteShape(lock) {
  /** @param {number} weight */
  const side = (weight) => /** @type {any} */ (weight === 1 ? lock.read() : lock.write());
  return {
    capacity: writeWeight,
    weight: (random) => (random() < 0.3 ? writeWeight : 1),
    acquire: (weight, options) => side(weight).acquire(options),
    tryAcquire: (weight, options) => side(weight).tryAcquire(options),
    use: (weight, work, options) => side(weight).use(work, options),
    waiters: () => lock.waiters(),
    again: 'let in',
  };
}

/** @type {(semaphore: import('holdfast').AsyncBoundedSemaphore, permits: number) => Subject} */
export const semaphoreShape = (semaphore, permits) => ({
  capacity: permits,
  weight: (random) => (random() < 0.15 ? permits : 1 + Math.floor(random() * (permits - 1))),
  acquire: (weight, options) => semaphore.acquire({ ...options, weight }),
  tryAcquire: (weight, options) => semaphore.tryAcquire({ ...options, weight }),
  use: (weight, work, options) => semaphore.use(work, { ...options, weight }),
  waiters: () => semaphore.waiters(),
});

/** @type {(election: import('holdfast').AsyncElection) => Subject} */
export const electionShape = (election) => ({
  capacity: 1,
  weight: () => 1,
  acquire: (_, options) => election.campaign(options),
  waiters: () => election.candidates(),
});
