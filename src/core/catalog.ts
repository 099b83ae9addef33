import { HoldfastError } from './errors.js';
import { mostStructures, places } from './schema.js';
import { get, run, type Script } from './script.js';
import { Statement } from './statement.js';
import type { StructureInfo } from './store.js';

/** A structure as the engines know it: its number, once there is one. */
export interface StructureRef {
  readonly kind: string;
  readonly name: string;
  /** Whether it has rows whose numbers hold the structure's: see `places` in the schema. */
  readonly places: boolean;
  id: number | undefined;
}

/** How many structures are known by number at most: names are as many as a program's customers, and memory is not. */
const mostKnown = 10_000;

/** The structures that were asked for, each once: what is known of a structure is known wherever it is used. */
export class StructureRefs {
  readonly #refs = new Map<string, StructureRef>();

  of(kind: string, name: string, places: boolean): StructureRef {
    const key = `${kind}\0${name}`;
    let ref = this.#refs.get(key);
    if (ref === undefined) {
      for (const oldest of this.#refs.keys()) {
        if (this.#refs.size < mostKnown) break;
        this.#refs.delete(oldest);
      }
      ref = { kind, name, places, id: undefined };
      this.#refs.set(key, ref);
    }
    return ref;
  }
}

/** The number of a structure that has no places; it gets one if it has none. For a script that deals with several. */
export function* structureNumber(kind: string, name: string): Script<number> {
  const known = yield* get(catalog.find, kind, name);
  if (known !== undefined) return known[0];
  yield* run(catalog.createWithoutPlaces, kind, name);
  return (yield* get(catalog.find, kind, name))?.[0] ?? 0;
}

/** The statements of the engines themselves. */
export const catalog = {
  find: new Statement<[kind: string, name: string], [id: number]>(
    'SELECT id FROM structures WHERE kind = ? AND name = ?',
  ),
  create: new Statement<[kind: string, name: string]>(
    'INSERT INTO structures (kind, name) VALUES (?, ?) ON CONFLICT (kind, name) DO NOTHING',
  ),
  createWithoutPlaces: new Statement<[kind: string, name: string]>(
    `INSERT INTO structures (id, kind, name) VALUES (min(coalesce((SELECT min(id) FROM structures), 0), 0) - 1, ?, ?)
     ON CONFLICT (kind, name) DO NOTHING`,
    "INSERT INTO structures (id, kind, name) VALUES (nextval('negatives'), ?, ?) ON CONFLICT (kind, name) DO NOTHING",
  ),
  list: new Statement<[], [kind: string, name: string, entries: number, bytes: number]>(
    listing('s.size', 's.bytes'),
    // Kept in several rows there: see the schema.
    listing(
      '(SELECT coalesce(sum(t.size), 0) FROM tallies t WHERE t.structure = s.id)::bigint',
      's.bytes + (SELECT coalesce(sum(t.bytes), 0) FROM tallies t WHERE t.structure = s.id)::bigint',
    ),
  ),
  addOwner: new Statement<[token: string, host: string, process: number, thread: number, since: number]>(
    'INSERT INTO owners (token, host, process, thread, since) VALUES (?, ?, ?, ?, ?)',
  ),
  ownerOf: new Statement<[token: string], [id: number]>('SELECT id FROM owners WHERE token = ?'),
  tokenOf: new Statement<[id: number], [token: string]>('SELECT token FROM owners WHERE id = ?'),
  owners: new Statement<[], [id: number, token: string]>('SELECT id, token FROM owners'),
  /** Whoever is first in a line in which an owner waits or holds, but for itself, and who observes ahead of that: to be woken when that owner goes. */
  heirs: new Statement<[dead: number, dead: number, dead: number, dead: number], [owner: number]>(heirs('?')),
  /** PostgreSQL only: removes an owner, and wakes its heirs. */
  leave: new Statement<[id: number, prefix: string]>(
    `WITH gone AS (DELETE FROM owners WHERE id = ?), freed AS (${freed('= $1')})
     SELECT pg_notify(? || h.owner, '') FROM (${heirs('$1')}) h`,
  ),
  /** PostgreSQL only: the advisory lock by which an owner is known to live. */
  lockOwn: new Statement<[schema: string, id: number]>(
    'SELECT pg_advisory_lock(hashtext(?), CAST(? AS integer))',
  ),
  /** PostgreSQL only: true, and let go of at once, when nobody holds it. */
  lockOfDead: new Statement<[schema: string, id: number], [dead: boolean]>(
    'SELECT pg_try_advisory_xact_lock(hashtext(?), CAST(? AS integer))',
  ),
  /** PostgreSQL only. */
  removeDead: new Statement<[own: number, schema: string]>(
    `WITH gone AS (DELETE FROM owners WHERE id <> ? AND pg_try_advisory_xact_lock(hashtext(?), CAST(id AS integer)) RETURNING id)
     ${freed('IN (SELECT g.id FROM gone g)')}`,
  ),
  /** PostgreSQL only: its row keeps all others from changing the structure, see `lock`. */
  lockStructure: new Statement<[id: number]>('SELECT id FROM structures WHERE id = ? FOR UPDATE'),
  /** PostgreSQL only: heard when the transaction is committed. */
  notify: new Statement<[channel: string]>("SELECT pg_notify(?, '')"),
  /** What the dead held comes free now: it is kept for the first in line from then on. Nobody else has a use for it. */
  freedNow: new Statement<[dead: number]>(freed('= ?')),
  removeOwner: new Statement<[id: number]>('DELETE FROM owners WHERE id = ?'),
};

function freed(owner: string): string {
  return `UPDATE holds SET since = monotonic()
    WHERE structure IN (SELECT w.structure FROM waiters w) AND slot = 0 AND owner ${owner}`;
}

function heirs(dead: string): string {
  return `SELECT DISTINCT w.owner FROM waiters w WHERE w.owner <> ${dead}
    AND (EXISTS (SELECT 1 FROM waiters d WHERE d.structure = w.structure AND d.owner = ${dead})
      OR EXISTS (SELECT 1 FROM holds h WHERE h.structure = w.structure AND h.owner = ${dead}))
    AND NOT EXISTS (SELECT 1 FROM waiters a
      WHERE a.structure = w.structure AND a.mode >= 0 AND a.id < w.id AND a.owner <> ${dead})`;
}

/** The items of a structure, if it is a deque, are consecutive: their number and bytes are read off both ends. */
function listing(size: string, bytes: string): string {
  // Those with negative numbers have none. Beyond 2 million of them, their product would be out of range.
  const id = 'CASE WHEN s.id < 0 THEN -1 ELSE s.id END';
  const first = `(SELECT i.id FROM items i WHERE i.id >= (${id}) * ${places} ORDER BY i.id LIMIT 1)`;
  const last = `(SELECT i.id FROM items i WHERE i.id < ((${id}) + 1) * ${places} ORDER BY i.id DESC LIMIT 1)`;
  const within = `WHERE f.id = ${first} AND l.id = ${last} AND f.id <= l.id`;
  const items = `coalesce((SELECT l.id - f.id + 1 FROM items f, items l ${within}), 0)`;
  const itemBytes = `coalesce((SELECT l.upto - f.upto + f.span FROM items f, items l ${within}), 0)`;
  const jobs = (columns: string): string =>
    `(SELECT CAST(coalesce(sum(${columns}), 0) AS bigint) FROM job_counts c WHERE c.structure = s.id)`;
  const all = jobs('c.waiting + c.delayed + c.running + c.completed + c.failed + c.cancelled');
  return `SELECT s.kind, s.name, ${size} + ${items} + ${all}, ${bytes} + ${itemBytes} + ${jobs('c.bytes')}
    FROM structures s ORDER BY s.kind, s.name`;
}

/** A row of {@link catalog.list} for the user. */
export function structureInfo([kind, name, entries, bytes]: readonly [
  string,
  string,
  number,
  number,
]): StructureInfo {
  return { kind, name, entries, bytes };
}

/** @throws {@link HoldfastError} `ERR_FULL` when a structure's number leaves no room for its rows. */
export function checkNumber(structure: number): number {
  if (structure <= mostStructures) return structure;
  throw new HoldfastError(
    'ERR_FULL',
    `a store has room for ${mostStructures} structures; use keys of one index instead of many names`,
  );
}
