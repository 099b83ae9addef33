// Histories that people write, to test what checks them.
import type { Entry } from './records.js';

/** A record as people write it: times in milliseconds. */
export type Line = readonly [
  at: number,
  process: number,
  op: number,
  kind: Entry['kind'],
  more?: Partial<Entry>,
];

/** The history that these records make. */
export const history = (...lines: readonly Line[]): Entry[] =>
  lines.map(([at, process, op, kind, more]) => ({ at: at * 1e6, process, op, kind, ...more }));

/** A grant that was asked for, held and released. */
export const grant = (
  process: number,
  op: number,
  fence: number,
  [asked, holding, releasing, released = releasing]: readonly [number, number, number, number?],
  weight = 1,
): Line[] => [
  [asked, process, op, 'asking', { weight }],
  [holding, process, op, 'holding', { fence: String(fence) }],
  [releasing, process, op, 'releasing'],
  [released, process, op, 'released', { held: true }],
];
