import { describe, expect, test } from 'vitest';
import { checkThrottle } from './throttle.js';
import { history, type Line } from './written.js';

/** One by the millisecond, and three at once. */
const limits = { burst: 3, rate: 1, exact: true };

/** The rules that a history breaks. */
const broken = (...lines: readonly Line[]): string[] =>
  Object.keys(checkThrottle(history(...lines), limits).violations);

let calls = 0;
const call = (
  cost: number,
  [asked, ended]: readonly [number, number],
  kind: 'granted' | 'ended',
  code?: string,
): Line[] => {
  const op = ++calls;
  return [
    [asked, 1, op, 'asking', { weight: cost, part: 0 }],
    [ended, 1, op, kind, code === undefined ? {} : { code }],
  ];
};
const granted = (cost: number, times: readonly [number, number]): Line[] => call(cost, times, 'granted');
const ended = (cost: number, times: readonly [number, number], code: string): Line[] =>
  call(cost, times, 'ended', code);

describe('what is let through', () => {
  test('at once is the burst, and no more', () => {
    expect(broken(...granted(3, [0, 0.1]))).toEqual([]);
    expect(broken(...granted(3, [0, 0.1]), ...granted(1, [0.1, 0.2]))).toEqual(['too much']);
    expect(broken(...granted(3, [0, 0.1]), ...granted(1, [0.1, 1.1]))).toEqual([]);
  });

  test('in a longer time is what comes back in it, wherever the time begins', () => {
    const steady = Array.from({ length: 20 }, (_, i) => granted(1, [i, i + 0.5])).flat();
    expect(broken(...steady)).toEqual([]);
    expect(broken(...steady, ...granted(2, [10, 10.1]))).toEqual([]);
    expect(broken(...steady, ...granted(2, [10, 10.1]), ...granted(1, [11, 11.2]))).toEqual(['too much']);
  });

  test('was let through at any time between the asking and the answer', () => {
    const late = Array.from({ length: 20 }, (_, i) => granted(1, [i / 10, 20])).flat();
    expect(broken(...late)).toEqual([]);
    expect(broken(...late, ...granted(3, [0.3, 20]), ...granted(3, [0.3, 20]))).toEqual(['too much']);
  });

  test('of another key is let through besides', () => {
    const other = granted(3, [0, 0.1]).map(([at, process, op, kind, more]): Line => {
      return [at, process, op, kind, { ...more, ...(kind === 'asking' ? { part: 1 } : {}) }];
    });
    expect(broken(...granted(3, [0, 0.1]), ...other)).toEqual([]);
  });
});

describe('who is refused', () => {
  const refusedAt = (at: number, cost = 1): Line[] => ended(cost, [at, at + 0.1], 'refused');

  test('while there is room is found', () => {
    expect(broken(...refusedAt(5))).toEqual(['refused']);
    expect(broken(...granted(3, [0, 1]), ...refusedAt(1.5))).toEqual([]);
    expect(broken(...granted(3, [0, 1]), ...refusedAt(2.5))).toEqual(['refused']);
    expect(broken(...granted(3, [0, 1]), ...refusedAt(2.5, 3))).toEqual([]);
  });

  test('may have been so for what was taken meanwhile, and by whoever was killed or gave up', () => {
    expect(broken(...granted(3, [5, 9]), ...refusedAt(5.05))).toEqual([]);
    expect(broken(...granted(3, [5.2, 9]), ...refusedAt(5))).toEqual(['refused']);
    expect(broken(...ended(3, [4, 4.5], 'given up'), ...refusedAt(5))).toEqual([]);
    expect(broken(...ended(3, [4, 4.5], 'ERR_TIMEOUT'), ...refusedAt(5))).toEqual(['refused']);
    const killed: Line[] = [
      [3, 2, 1, 'asking', { weight: 3, part: 0 }],
      [4, 2, 0, 'killing'],
      [5, 2, 0, 'dead'],
    ];
    expect(broken(...killed, ...refusedAt(4))).toEqual([]);
    expect(broken(...killed, ...refusedAt(5.5))).toEqual([]);
    expect(broken(...killed, ...refusedAt(7))).toEqual(['refused']);
    const lines = history(...killed, ...refusedAt(7));
    expect(checkThrottle(lines, limits, 3).violations).toEqual({});
  });

  test('where windows only estimate it, nothing is said', () => {
    expect(checkThrottle(history(...refusedAt(5)), { ...limits, exact: false }).violations).toEqual({});
  });
});

test('one that was still waiting when all was calm is found', () => {
  const lines: Line[] = [
    [1, 1, 1, 'asking', { weight: 1, part: 0 }],
    [90, 1, 0, 'leftOver'],
    [91, 1, 0, 'dead'],
  ];
  expect(broken(...lines)).toEqual(['forgotten']);
});
