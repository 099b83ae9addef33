import { announce } from '../../core/announcing.js';
import type { KeyColumn } from '../../core/key.js';
import { all, get, run, type Script } from '../../core/script.js';
import { removedAtOnce } from './evicting.js';
import { sql } from './flight-statements.js';

/**
 * What is being worked out, or has failed, is not to be stored, or told, any more: it may come of what has changed since. Who works it out finds its
 * row gone when it is done; who waits for that elsewhere is woken, and asks anew. With the structure locked.
 */
export function* cancel(structure: number, keys: readonly KeyColumn[]): Script<void> {
  for (const key of keys) {
    yield* get(sql.mark, structure, key, null);
    if ((yield* run(sql.remove, structure, key)) > 0) yield* announce(structure, [key]);
  }
}

/** The same for what is to have one of some tags, or to replace what has. */
export function* cancelTagged(structure: number, tags: readonly string[]): Script<void> {
  const list = JSON.stringify(tags);
  yield* get(sql.mark, structure, null, list);
  yield* announceRows(structure, yield* all(sql.removeTagged, structure, list, list));
}

/** The same for all; tells whether there may be more of them, since there were as many as a transaction is to remove. */
export function* cancelSome(structure: number): Script<boolean> {
  yield* get(sql.mark, structure, null, null);
  const rows = yield* all(sql.removeSome, structure, removedAtOnce);
  yield* announceRows(structure, rows);
  return rows.length === removedAtOnce;
}

function* announceRows(structure: number, rows: readonly (readonly [key: KeyColumn])[]): Script<void> {
  if (rows.length > 0)
    yield* announce(
      structure,
      rows.map(([key]) => key),
    );
}
