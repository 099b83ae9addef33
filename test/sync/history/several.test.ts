import { expect, test } from 'vitest';
import { checkSeveral } from './several.js';
import { grant, history, type Line } from './written.js';

/** Locks that are taken as one, each with the fence 1 or another. */
const set = (
  process: number,
  first: number,
  parts: readonly number[],
  times: readonly [number, number, number],
  fence = 1,
): Line[] =>
  parts.flatMap((part, i) =>
    grant(process, first + i, fence, times).map(([at, by, op, kind, more]): Line => {
      const asked = kind === 'asking' ? { part, set: first } : {};
      return [at, by, op, kind, { ...more, ...asked }];
    }),
  );

const broken = (...lines: readonly Line[]): string[] =>
  Object.keys(checkSeveral(history(...lines)).violations);

test('locks that have none in common are held together, and those that have one are not', () => {
  const one = set(1, 1, [0, 2], [0, 1, 5]);
  expect(broken(...one, ...set(2, 1, [1, 3], [0, 2, 4]))).toEqual([]);
  expect(broken(...one, ...set(2, 1, [1, 2], [0, 2, 4], 2))).toEqual(['held together']);
  expect(broken(...one, ...set(2, 1, [1, 2], [0, 6, 7], 2))).toEqual([]);
});

test('each lock has fences of its own', () => {
  const one = set(1, 1, [0, 2], [0, 1, 5], 7);
  expect(broken(...one, ...set(2, 1, [1], [6, 7, 8], 6))).toEqual([]);
  expect(broken(...one, ...set(2, 1, [1, 2], [6, 7, 8], 6))).toEqual(['fences']);
});

test('who waits for two may wait while one of them is free, but not for ever', () => {
  const holder = set(1, 1, [0], [0, 1, 30_000]);
  expect(broken(...holder, ...set(2, 1, [0, 1], [2, 30_001, 30_002], 2))).toEqual([]);
  const free = [...set(1, 1, [0], [0, 1, 2]), ...set(2, 1, [0, 1], [2, 30_001, 30_002], 2)];
  expect(broken(...free)).toEqual(['forgotten']);
  const left: Line[] = [[90, 2, 0, 'leftOver']];
  expect(
    broken(...set(1, 1, [0], [0, 1, 2]), ...set(2, 1, [0, 1], [3, 4, 5], 2).slice(0, 1), ...left),
  ).toEqual(['forgotten']);
});

test('who was seen to hold a part of what it wants is found, unless it was killed', () => {
  const seen = (...holders: string[][]): Line => [3, 9, 1, 'seen', { seen: holders }];
  const held = set(1, 5, [2, 0], [0, 1, 8]);
  expect(broken(...held, seen(['1 5'], [], ['1 5'], []))).toEqual([]);
  expect(broken(...held, seen(['1 5'], [], [], []))).toEqual(['all or nothing']);
  expect(broken(...held, seen(['1 5'], ['1 5'], ['1 5'], []))).toEqual(['all or nothing']);
  expect(broken(...held, seen([], [], [], []))).toEqual([]);
  const killed: Line[] = [
    ...held.slice(0, 2),
    ...held.slice(4, 6),
    [2, 1, 0, 'killing'],
    [2.5, 1, 0, 'dead'],
  ];
  expect(broken(...killed, seen(['1 5'], [], [], []))).toEqual([]);
});
