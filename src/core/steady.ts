import { get, run, type Script } from './script.js';
import { Statement } from './statement.js';

/**
 * A clock for delays that outlive a reboot: in SQL, milliseconds. While the machine runs it goes with the monotonic clock, whatever is done to the
 * wall clock. It stood still while the machine was off, but for as long as the wall clock says; should that have been set back meanwhile,
 * that is no time at all. It never goes back. {@link windClock} must have run in this process before.
 */
export const steady = '(monotonic() + (SELECT ahead FROM clocks))';

/** Where it is after a boot. */
const now = 'CASE WHEN boot IS NULL OR wall() > wall THEN steady + wall() - wall ELSE steady END';

const sql = {
  wound: new Statement<[], [wound: number | null]>('SELECT boot = boot() FROM clocks'),
  /** After a boot: goes on where it was last seen, and adds what has passed since by the wall clock. The first time it begins as that. */
  wind: new Statement<[]>(
    `UPDATE clocks SET boot = boot(), wall = wall(), steady = ${now}, ahead = ${now} - monotonic()
     WHERE boot IS NULL OR boot <> boot()`,
  ),
  /** Remembers where it is. */
  note: new Statement<[within: number]>(
    `UPDATE clocks SET steady = monotonic() + ahead, wall = wall() WHERE monotonic() + ahead > steady + CAST(? AS double precision)`,
  ),
};

/** How long ago at most it was noted where the clock is, in milliseconds, before a reboot: so much may be counted wrong then. */
const notedEvery = 10_000;

/** Makes the clock right for this boot. */
export function* windClock(): Script<void> {
  yield* run(sql.wind);
}

/** Whether {@link windClock} has nothing to do. */
export function* isWound(): Script<boolean> {
  return (yield* get(sql.wound))?.[0] === 1;
}

/** Notes from time to time where the clock is; to be called by what writes anyway. */
export function* noteClock(): Script<void> {
  yield* run(sql.note, notedEvery);
}
