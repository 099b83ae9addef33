import type { KeyColumn } from '../../core/key.js';
import { insertUsage as insert } from '../../core/rate/usage.js';
import { Statement, type Row } from '../../core/statement.js';

/** How long ago `t` was written, by the clocks that `now` names: the monotonic one, and over a reboot the wall clock. */
const elapsed = (greater: string, now: { monotonic: string; wall: string; boot: string }): string =>
  `CASE WHEN t.boot = ${now.boot} THEN ${greater}(0, ${now.monotonic} - t.monotonic) ELSE ${greater}(0, ${now.wall} - t.wall) END`;

const excluded = { monotonic: 'excluded.monotonic', wall: 'excluded.wall', boot: 'excluded.boot' };
const debt = `max(0, t.used - (${elapsed('max', excluded)}) * ?) + excluded.used`;
/** One boot there, and one clock. */
const serverDebt = (now: string): string =>
  `greatest(0, t.used - greatest(0, ${now} - t.monotonic) * ?) + excluded.used`;

type Addition = [
  structure: number,
  key: KeyColumn,
  cost: number,
  rate: number,
  rateAgain: number,
  most: number,
];

function adding<R extends Row>(returning: string): Statement<Addition, R> {
  return new Statement(
    `${insert('?, ?, ?, 0, 0')}
     ON CONFLICT (structure, key) DO UPDATE SET used = ${debt}, previous = 0, phase = 0,
       monotonic = excluded.monotonic, wall = excluded.wall, boot = excluded.boot
     WHERE ${debt} <= ?
     RETURNING ${returning.replaceAll('t.', '')}`,
    // The time of VALUES is that before the row was locked: by it, what others meanwhile counted as passed would pass again. And it is
    // asked for once for both columns, or some of it would be lost each time.
    `${insert('?, ?, ?, 0, 0')}
     ON CONFLICT (structure, key) DO UPDATE SET previous = 0, phase = 0,
       (used, monotonic, wall) = (SELECT ${serverDebt('c.now')}, c.now, c.now FROM (SELECT monotonic() AS now) AS c)
     WHERE ${serverDebt('monotonic()')} <= ?
     RETURNING ${returning}`,
  );
}

const idle = `t.structure = ? AND t.key >= ? AND t.key <= ?
  AND (CASE WHEN t.boot = ? THEN ? - t.monotonic ELSE ? - t.wall END) + t.phase * ? >= t.used * ? + ?`;

export const sql = {
  /** Adds to the debt of a key, unless it would be more than `most`. A take needs one column of it, which is read faster than three. */
  add: adding<[used: number]>('t.used'),
  reserve: adding<[used: number, monotonic: number, boot: string]>('t.used, t.monotonic, t.boot'),
  remove: new Statement<[structure: number, key: KeyColumn]>(
    'DELETE FROM throttles WHERE structure = ? AND key = ?',
  ),
  /** The key that lies `offset` keys behind another. */
  keyBehind: new Statement<[structure: number, from: KeyColumn, offset: number], [key: KeyColumn]>(
    'SELECT key FROM throttles WHERE structure = ? AND key >= ? ORDER BY key LIMIT 1 OFFSET ?',
    undefined,
    { bigints: true },
  ),
  lastKey: new Statement<[structure: number], [key: KeyColumn]>(
    'SELECT key FROM throttles WHERE structure = ? ORDER BY key DESC LIMIT 1',
    undefined,
    { bigints: true },
  ),
  now: new Statement<[], [monotonic: number, wall: number, boot: string]>(
    'SELECT monotonic(), wall(), boot()',
  ),
  /**
   * Removes the keys from `from` to `to`, inclusive, that are as good as new: see `idle` of the rules. The time is given, not asked for
   * with each row.
   */
  sweep: new Statement<
    [
      structure: number,
      from: KeyColumn,
      to: KeyColumn,
      boot: string,
      monotonic: number,
      wall: number,
      phase: number,
      used: number,
      time: number,
    ]
  >(
    `DELETE FROM throttles AS t WHERE ${idle}`,
    // What somebody is using is not idle: to wait for it could be a deadlock.
    `DELETE FROM throttles WHERE (structure, key) IN (SELECT t.structure, t.key FROM throttles AS t WHERE ${idle} FOR UPDATE SKIP LOCKED)`,
  ),
  removeRange: new Statement<[structure: number, from: KeyColumn, to: KeyColumn]>(
    'DELETE FROM throttles WHERE structure = ? AND key >= ? AND key <= ?',
  ),
};
