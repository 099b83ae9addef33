import { describe, expect, test } from 'vitest';
import { checkBarrier } from './barrier.js';
import type { Entry } from './records.js';
import { history, type Line } from './written.js';

/** The rules that a history of a barrier of three breaks. */
const broken = (...lines: readonly Line[]): string[] =>
  Object.keys(checkBarrier(history(...lines), 3).violations);

/** Of a process, which calls no more than once. */
const call = (
  process: number,
  asked: number,
  ended: number,
  kind: 'through' | 'ended',
  more: Partial<Entry>,
): Line[] => [
  [asked, process, 1, 'asking'],
  [ended, process, 1, kind, more],
];
const passes = (process: number, asked: number, ended: number, number: number): Line[] =>
  call(process, asked, ended, 'through', { value: number });
const fails = (process: number, asked: number, ended: number, code = 'ERR_BROKEN'): Line[] =>
  call(process, asked, ended, 'ended', { code });
const killed = (process: number, asked: number, at: number): Line[] => [
  [asked, process, 1, 'asking'],
  [at, process, 0, 'killing'],
  [at + 0.5, process, 0, 'dead'],
];
const reset = (process: number, from: number, to: number): Line[] => [
  [from, process, 1, 'resetting'],
  [to, process, 1, 'reset'],
];

describe('passing', () => {
  const two = [...passes(1, 0, 10, 0), ...passes(2, 1, 11, 1)];

  test('a round of three, each with a number of its own, is one', () => {
    expect(broken(...two, ...passes(3, 9, 9.5, 2))).toEqual([]);
    expect(broken(...two, ...passes(3, 9, 9.5, 3))).toContain('numbers');
  });

  test('who passes before the last has come is found', () => {
    expect(broken(...two, ...passes(3, 10.5, 12, 2))).toEqual(['passed early']);
    expect(broken(...two)).toEqual(['passed early']);
  });

  test('a number that is given twice is found', () => {
    expect(broken(...two, ...passes(3, 9, 9.5, 1))).toEqual(['passed early']);
  });

  test('one that learns it late passed with its own round, though many came after', () => {
    const late = [...passes(1, 0, 100, 0), ...passes(2, 1, 4, 1), ...passes(3, 2, 3, 2)];
    const next = [...passes(4, 5, 8, 0), ...passes(5, 5, 8, 1), ...passes(6, 7, 8, 2)];
    expect(broken(...late, ...next)).toEqual([]);
    expect(broken(...late, ...next.slice(0, 4))).toEqual(['passed early']);
  });

  test('those of one round count for no other', () => {
    const first = [...two, ...passes(3, 9, 9.5, 2)];
    const second = [...passes(4, 2, 12, 0), ...passes(5, 2, 12, 1)];
    expect(broken(...first, ...second)).toEqual(['passed early']);
    expect(broken(...first, ...second, ...passes(6, 11, 13, 2))).toEqual([]);
  });

  test('who gave up before is no party', () => {
    expect(broken(...two, ...fails(3, 5, 8, 'ERR_TIMEOUT'))).toEqual(['passed early']);
  });

  test('who was killed may have passed before, as one party, and not afterwards', () => {
    expect(broken(...two, ...killed(3, 9, 20))).toEqual([]);
    expect(broken(...two, ...killed(3, 10.5, 20))).toEqual(['passed early']);
    const one = passes(1, 5, 10, 0);
    expect(broken(...one, ...killed(3, 1, 20))).toEqual(['passed early']);
    expect(broken(...passes(1, 5, 10, 0), ...passes(2, 6, 11, 1), ...killed(3, 1, 3))).toEqual([
      'passed early',
    ]);
  });
});

describe('breaking', () => {
  const round = (from: number, process: number): Line[] => [
    ...passes(process, from, from + 3, 0),
    ...passes(process + 1, from, from + 3, 1),
    ...passes(process + 2, from, from + 3, 2),
  ];

  test('for nothing is found', () => {
    expect(broken(...fails(1, 0, 5), ...fails(2, 1, 6, 'ERR_TIMEOUT'))).toEqual([]);
    expect(broken(...fails(1, 0, 5), ...fails(2, 1, 6, 'given up'))).toEqual([]);
    expect(broken(...fails(1, 0, 5), ...killed(2, 1, 4))).toEqual([]);
    expect(broken(...fails(1, 0, 5), ...reset(2, 4, 6))).toEqual([]);
    expect(broken(...fails(1, 0, 5))).toEqual(['broken for nothing']);
    expect(broken(...fails(1, 0, 5), ...reset(2, 6, 7))).toEqual(['broken for nothing']);
    expect(broken(...fails(1, 0, 5), ...fails(2, 6, 7, 'ERR_TIMEOUT'))).toEqual(['broken for nothing']);
  });

  test('a reset mends what was broken before it began', () => {
    const left = fails(1, 0, 5, 'ERR_TIMEOUT');
    expect(broken(...left, ...fails(2, 20, 21))).toEqual([]);
    expect(broken(...left, ...reset(3, 6, 8), ...fails(2, 7, 21))).toEqual([]);
    expect(broken(...left, ...reset(3, 4, 8), ...fails(2, 20, 21))).toEqual([]);
    expect(broken(...left, ...reset(3, 6, 8), ...fails(2, 20, 21))).toEqual(['broken for nothing']);
  });

  test('who passes later, though nobody has mended it, is found', () => {
    const left = [...fails(1, 0, 5, 'ERR_TIMEOUT'), ...fails(2, 1, 6)];
    expect(broken(...left, ...round(10, 3))).toEqual(['passed though broken']);
    expect(broken(...left, ...reset(9, 7, 8), ...round(10, 3))).toEqual([]);
    expect(broken(...left, ...reset(9, 7, 12), ...round(10, 3))).toEqual([]);
    // It was mended before it was broken.
    expect(broken(...left, ...reset(9, 0, 0.5), ...round(10, 3))).toEqual(['passed though broken']);
    // It may have come before.
    expect(broken(...left, ...round(4, 3))).toEqual([]);
  });
});

test('one that was still waiting when all was calm is found', () => {
  const asking: Line = [1, 1, 1, 'asking'];
  expect(broken(asking, [90, 1, 0, 'leftOver'], [91, 1, 0, 'dead'])).toEqual(['forgotten']);
  expect(broken(asking, [91, 1, 0, 'dead'])).toEqual([]);
});
