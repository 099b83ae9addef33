import { Statement } from '../../core/statement.js';
import type { OwnerRow } from '../../core/store.js';

/** Someone who holds or waits, as stored. `weight` is 0 for who only observes. */
export type PersonRow = [
  owner: number,
  token: string,
  host: string,
  process: number,
  thread: number,
  age: number,
  label: string | null,
  weight: number,
  fence: number,
];

/** What a lock's holder is stored with. `lease` is in milliseconds, `null` without. */
export type Take = [structure: number, owner: number, lease: number | null, label: string | null];

/** What tells one grant from all others. */
export type Identity = [structure: number, slot: number, owner: number, fence: number];

/** Whether a hold counts: its owner is there, and its lease has not run out. */
const valid = `h.owner IS NOT NULL AND (h.until IS NULL OR h.until > monotonic())
  AND EXISTS (SELECT 1 FROM owners o WHERE o.id = h.owner)`;

const isGrant = 'structure = ? AND slot = ? AND owner = ? AND fence = ?';

const takenLock = 'VALUES (?, 0, ?, 1, 1, monotonic(), monotonic() + CAST(? AS double precision), ?)';

const takeLock = (condition: string, row = takenLock): string =>
  `INSERT INTO holds (structure, slot, owner, fence, weight, since, until, label)
   ${row}
   ON CONFLICT (structure, slot) DO UPDATE SET owner = excluded.owner, fence = holds.fence + 1,
     since = excluded.since, until = excluded.until, label = excluded.label ${condition}
   RETURNING fence`;

/** The slot stays, and keeps the fence. */
const freeLock = (condition: string): string =>
  `UPDATE holds SET owner = NULL, since = monotonic(), until = NULL, label = NULL WHERE ${condition}`;

const isValid = `SELECT CASE WHEN ${valid} THEN 1 ELSE 0 END FROM holds h WHERE ${isGrant}`;

/** Where nobody waits, nobody is to be woken, and none to be passed by. */
const unwatched = 'NOT EXISTS (SELECT 1 FROM structures s WHERE s.id = holds.structure AND s.waiting > 0)';

/** How long the first in line, of those ahead of a waiter, has waited; how long nothing was taken or given back. */
const ahead = (what: string): string =>
  `(SELECT ${what} FROM waiters w WHERE w.structure = ? AND w.id < ? AND w.mode > 0 ORDER BY w.id LIMIT 1)`;
const aheadWaited = ahead('monotonic() - w.since');
const idle = '(SELECT monotonic() - h.since FROM holds h WHERE h.structure = ? AND h.slot = 0)';
const heldWeight = `coalesce((SELECT sum(h.weight) FROM holds h WHERE h.structure = ? AND h.slot > 0 AND ${valid}), 0)`;

export const sql = {
  /** Takes a lock that is free and that nobody waits for. */
  takeLockUnwatched: new Statement<Take, [fence: number]>(
    takeLock(`WHERE holds.owner IS NULL AND ${unwatched}`),
    // To come upon a row that a guard has locked is to wait for its transaction: what is held is left alone.
    takeLock(
      `WHERE holds.owner IS NULL AND ${unwatched}`,
      `SELECT CAST(? AS bigint), 0, CAST(? AS bigint), 1, 1, monotonic(), monotonic() + CAST(? AS double precision), CAST(? AS text)
       WHERE NOT EXISTS (SELECT 1 FROM holds h WHERE h.structure = $1 AND h.slot = 0 AND h.owner IS NOT NULL)
         AND EXISTS (SELECT 1 FROM owners o WHERE o.id = $2)`,
    ),
  ),
  /** Takes a lock, whoever has it. */
  takeLock: new Statement<Take, [fence: number]>(takeLock('')),
  freeLockUnwatched: new Statement<Identity>(freeLock(`${isGrant} AND ${unwatched}`), undefined, {
    exclusive: true,
  }),
  freeLock: new Statement<Identity>(freeLock(isGrant)),
  /** Whether a lock is held, and what a waiter needs to know of those ahead of it. */
  lockState: new Statement<
    [structure: number, structure: number, waiter: number, structure: number],
    [held: number, aheadWaited: number | null, idle: number | null]
  >(
    `SELECT CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.structure = ? AND h.slot = 0 AND ${valid}) THEN 1 ELSE 0 END,
       ${aheadWaited}, ${idle}`,
  ),
  /** The same of permits: how many are held, and how much those ahead, and the first of them, wait for. */
  permitState: new Statement<
    [
      structure: number,
      structure: number,
      waiter: number,
      structure: number,
      waiter: number,
      structure: number,
      waiter: number,
      structure: number,
    ],
    [used: number, aheadWeight: number, headWeight: number, aheadWaited: number | null, idle: number | null]
  >(
    `SELECT CAST(${heldWeight} AS bigint),
       CAST(coalesce((SELECT sum(w.mode) FROM waiters w WHERE w.structure = ? AND w.id < ? AND w.mode > 0), 0) AS bigint),
       coalesce(${ahead('w.mode')}, 0), ${aheadWaited}, ${idle}`,
  ),
  capacity: new Statement<[structure: number], [capacity: number | null, waiting: number]>(
    'SELECT capacity, waiting FROM structures WHERE id = ?',
  ),
  setCapacity: new Statement<[capacity: number, structure: number]>(
    'UPDATE structures SET capacity = ? WHERE id = ?',
  ),
  /** Counts a grant of permits; gives back its fence. */
  countGrant: new Statement<[structure: number, weight: number], [fence: number]>(
    `INSERT INTO holds (structure, slot, fence, weight, since) VALUES (?, 0, 1, ?, monotonic())
     ON CONFLICT (structure, slot) DO UPDATE SET fence = holds.fence + 1, weight = holds.weight + excluded.weight,
       since = excluded.since
     RETURNING fence`,
  ),
  addGrant: new Statement<
    [
      structure: number,
      slot: number,
      owner: number,
      fence: number,
      weight: number,
      lease: number | null,
      label: string | null,
    ]
  >(
    `INSERT INTO holds (structure, slot, owner, fence, weight, since, until, label)
     VALUES (?, ?, ?, ?, ?, monotonic(), monotonic() + CAST(? AS double precision), ?)`,
  ),
  removeGrant: new Statement<Identity, [weight: number]>(
    `DELETE FROM holds WHERE ${isGrant} RETURNING weight`,
  ),
  label: new Statement<Identity, [label: string | null]>(`SELECT label FROM holds WHERE ${isGrant}`),
  /** Takes weight off what is counted. */
  uncount: new Statement<[weight: number, structure: number]>(
    'UPDATE holds SET weight = weight - CAST(? AS bigint), since = monotonic() WHERE structure = ? AND slot = 0',
  ),
  used: new Statement<[structure: number], [used: number]>(
    'SELECT weight FROM holds WHERE structure = ? AND slot = 0',
  ),
  /** The rows of those who are gone, and of leases that have run out. */
  removeVoid: new Statement<[structure: number]>(
    `DELETE FROM holds WHERE structure = ? AND slot > 0
     AND (until <= monotonic() OR NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = holds.owner))`,
  ),
  recount: new Statement<[structure: number, structure: number]>(
    `UPDATE holds SET since = monotonic(),
       weight = (SELECT CAST(coalesce(sum(g.weight), 0) AS bigint) FROM holds g WHERE g.structure = ? AND g.slot > 0)
     WHERE structure = ? AND slot = 0`,
  ),
  /** Whether the grant still holds: 1 or 0; no row when it is no more. */
  holds: new Statement<Identity, [valid: number]>(isValid),
  /** The same, and keeps it so until the transaction ends. */
  guard: new Statement<Identity, [valid: number]>(isValid, `${isValid} FOR SHARE`),
  renew: new Statement<[lease: number, ...Identity]>(
    `UPDATE holds SET until = monotonic() + CAST(? AS double precision) WHERE ${isGrant} AND until > monotonic()
     AND EXISTS (SELECT 1 FROM owners o WHERE o.id = holds.owner)`,
  ),
  holders: new Statement<[structure: number], OwnerRow>(
    `SELECT DISTINCT o.id, o.token FROM holds h JOIN owners o ON o.id = h.owner WHERE h.structure = ? AND ${valid}`,
  ),
  holdingPeople: new Statement<[structure: number], PersonRow>(
    `SELECT o.id, o.token, o.host, o.process, o.thread, monotonic() - h.since, h.label, h.weight, h.fence
     FROM holds h JOIN owners o ON o.id = h.owner WHERE h.structure = ? AND ${valid} ORDER BY h.fence`,
  ),
  waitingPeople: new Statement<[structure: number], PersonRow>(
    `SELECT o.id, o.token, o.host, o.process, o.thread, monotonic() - w.since, w.label, w.mode, 0
     FROM waiters w JOIN owners o ON o.id = w.owner WHERE w.structure = ? AND w.mode > 0 ORDER BY w.id`,
  ),
  /** The first in line, and what each waits for. */
  line: new Statement<[structure: number, count: number], [owner: number, weight: number]>(
    'SELECT owner, mode FROM waiters WHERE structure = ? AND mode > 0 ORDER BY id LIMIT ?',
  ),
  observers: new Statement<[structure: number], [owner: number]>(
    'SELECT DISTINCT owner FROM waiters WHERE structure = ? AND mode < 0',
  ),
  forceLock: new Statement<[structure: number]>(freeLock('structure = ? AND slot = 0 AND owner IS NOT NULL')),
  forcePermits: new Statement<[structure: number]>('DELETE FROM holds WHERE structure = ? AND slot > 0'),
};
