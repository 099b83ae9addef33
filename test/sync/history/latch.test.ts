import { expect, test } from 'vitest';
import { checkLatches } from './latch.js';
import { history, type Line } from './written.js';

/** The rules that a history of latches of three breaks. */
const broken = (...lines: readonly Line[]): string[] =>
  Object.keys(checkLatches(history(...lines), 3).violations);

const counts = (
  process: number,
  n: number,
  [asked, ended]: readonly [number, number],
  left: number,
  part = 0,
): Line[] => [
  [asked, process, 1, 'counting', { value: n, part }],
  [ended, process, 1, 'counted', { value: left }],
];
const waits = (process: number, [asked, ended]: readonly [number, number], part = 0): Line[] => [
  [asked, process, 2, 'asking', { part }],
  [ended, process, 2, 'through'],
];
const two = counts(1, 2, [0, 2], 1);

test('who passes before the last count had begun is found', () => {
  const last = counts(2, 1, [5, 9], 0);
  expect(broken(...two, ...last, ...waits(3, [1, 6]))).toEqual([]);
  expect(broken(...two, ...last, ...waits(3, [1, 4]))).toEqual(['passed early']);
  expect(broken(...two, ...waits(3, [1, 4]))).toEqual(['passed early']);
});

test('who was killed while it counted down has done so or not', () => {
  const killed: Line[] = [
    [5, 2, 1, 'counting', { value: 1 }],
    [6, 2, 0, 'killing'],
    [7, 2, 0, 'dead'],
  ];
  expect(broken(...two, ...killed, ...waits(3, [1, 20]))).toEqual([]);
  for (const left of [0, 1])
    expect(broken(...two, ...killed, ...counts(3, 1, [8, 9], left))).toEqual(left ? ['miscounted'] : []);
  for (const left of [0, 1])
    expect(broken(...counts(1, 1, [0, 2], 2), ...killed, ...counts(3, 1, [8, 9], left))).toEqual([]);
});

test('a count that was lost, and one that counted twice, is found', () => {
  expect(broken(...two, ...counts(2, 1, [3, 4], 0))).toEqual([]);
  expect(broken(...two, ...counts(2, 1, [3, 4], 1))).toEqual(['miscounted']);
  expect(broken(...counts(1, 1, [0, 1], 1))).toEqual(['miscounted']);
  // In the same time it was either first.
  for (const left of [2, 0])
    expect(broken(...counts(1, 2, [0, 5], 1 - left / 2), ...counts(2, 1, [1, 3], left))).toEqual([]);
});

test('each latch counts for itself', () => {
  const other = [...counts(2, 1, [5, 6], 2, 1), ...waits(3, [1, 9], 1)];
  expect(broken(...two, ...other)).toEqual(['passed early']);
});

test('who comes when it is open, and does not wait, passes', () => {
  const once = (at: number): Line[] => [
    [at, 3, 2, 'asking', { timeout: 0 }],
    [at + 1, 3, 2, 'ended', { code: 'ERR_TIMEOUT' }],
  ];
  const open = [...two, ...counts(2, 1, [3, 5], 0)];
  expect(broken(...open, ...once(4))).toEqual([]);
  expect(broken(...open, ...once(6))).toEqual(['refused']);
});

test('one that was still waiting when all was calm is found', () => {
  expect(broken([1, 1, 1, 'asking'], [90, 1, 0, 'leftOver'], [91, 1, 0, 'dead'])).toEqual(['forgotten']);
});
