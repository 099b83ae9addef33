import { all, type Script } from '../../core/script.js';
import type { Kind, OwnerRow, Turn } from '../../core/store.js';
import { ringAll } from '../../core/waiting.js';
import { sql as atOnce } from './at-once-statements.js';
import type { Claimed, Room } from './delivery.js';
import { sql } from './statements.js';

/** How often whoever is first in line looks for the dead while others run jobs, in milliseconds; else it does when the store looks for lost rings. */
const lookEvery = 50;
/** How often it looks at least whether a handler hangs, in milliseconds; on a server, where it is told so, whether anything else was missed. */
const quietFor = { embedded: 1_000, server: 10_000 };

/** What was claimed; if nothing was, in how many milliseconds something may be, by itself. */
export interface Claims {
  readonly claimed: readonly Claimed[];
  readonly later: number;
}

/** What waiting for jobs asks of the queue. */
interface Jobs {
  readonly kind: Kind;
  takeOrSleep(structure: number, room: Room): Script<Claims>;
  /** In how many milliseconds something can be taken, by itself. */
  untilReady(structure: number): Script<number>;
  othersOf(structure: number): Script<readonly OwnerRow[]>;
}

/**
 * Waiting for jobs: `room` tells how many there is room for; `taking` hears what was claimed before that is committed, and so before anybody else can know, and none when
 * it is tried anew.
 */
export function turnFor(
  jobs: Jobs,
  room: () => Room,
  taking: (claimed: readonly Claimed[]) => void,
): Turn<readonly Claimed[]> {
  let due = -Infinity;
  let watches = true;
  return {
    mode: 1,
    within: () => Math.max(0, Math.min(watches ? lookEvery : Infinity, due - performance.now())),
    quiet: { time: quietFor[jobs.kind], state: atOnce.waitState },
    ready: function* (structure) {
      const later = yield* jobs.untilReady(structure);
      due = performance.now() + later;
      return later <= 0;
    },
    take: function* (structure) {
      taking([]);
      const { claimed, later } = yield* jobs.takeOrSleep(structure, room());
      taking(claimed);
      if (claimed.length > 0) return { value: claimed };
      due = performance.now() + later;
      return undefined;
    },
    passOn: wakeOne,
    hold: {
      holders: function* (structure) {
        const others = yield* jobs.othersOf(structure);
        watches = others.length > 0;
        return others;
      },
    },
  };
}

const everybody = Number.MAX_SAFE_INTEGER;

/** Rings all who wait for jobs: what keeps them from starting has changed. */
export function* wakeAll(structure: number): Script<void> {
  yield* ringAll(yield* all(sql.line, structure, everybody));
}

/** Rings whoever is first in line. */
export function* wakeOne(structure: number): Script<void> {
  yield* ringAll(yield* all(sql.line, structure, 1));
}
