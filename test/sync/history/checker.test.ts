import { describe, expect, test } from 'vitest';
import { check, type Model, type Rule } from './checker.js';
import { parseLog } from './records.js';
import { bargingAllowed, strict } from './waiting.js';
import { grant, history, type Line } from './written.js';

const lock: Model = { capacity: 1, order: strict };
const barging: Model = { capacity: 1, order: bargingAllowed };
const semaphore: Model = { capacity: 4, order: strict };
const readWrite: Model = { capacity: 1_000, order: strict };

/** The rules that a history breaks. */
const broken = (model: Model, ...lines: readonly Line[]): string[] =>
  Object.keys(check(history(...lines), model).violations);

const only = (rule: Rule): Rule[] => [rule];

describe('what is held together', () => {
  test('two that hold a lock at a time are found', () => {
    expect(broken(lock, ...grant(1, 1, 1, [0, 1, 5]), ...grant(2, 1, 2, [0, 4, 6]))).toEqual(
      only('held together'),
    );
  });

  test('one that begins in the moment in which the other ends is no other', () => {
    expect(broken(lock, ...grant(1, 1, 1, [0, 1, 5]), ...grant(2, 1, 2, [0, 5, 6]))).toEqual([]);
  });

  test('one that asks, or releases, while the other holds is no other', () => {
    expect(broken(lock, ...grant(1, 1, 1, [0, 3, 4, 9]), ...grant(2, 1, 2, [1, 5, 6]))).toEqual([]);
  });

  test('one that is killed holds until the signal is sent, and not for longer', () => {
    const killed: Line[] = [
      [0, 1, 1, 'asking'],
      [1, 1, 1, 'holding', { fence: '1' }],
      [5, 1, 0, 'killing'],
      [8, 1, 0, 'dead'],
    ];
    expect(broken(lock, ...killed, ...grant(2, 1, 2, [0, 4, 9]))).toEqual(only('held together'));
    expect(broken(lock, ...killed, ...grant(2, 1, 2, [0, 6, 9]))).toEqual([]);
  });

  test('one that is killed after it began to release may be followed at once', () => {
    const killed: Line[] = [
      [0, 1, 1, 'asking'],
      [1, 1, 1, 'holding', { fence: '1' }],
      [2, 1, 1, 'releasing'],
      [5, 1, 0, 'killing'],
    ];
    expect(broken(lock, ...killed, ...grant(2, 1, 2, [0, 3, 4]))).toEqual([]);
  });

  test('one that is stopped holds still', () => {
    const stopped: Line[] = [
      [2, 1, 0, 'stopping'],
      [90, 1, 0, 'continued'],
    ];
    const lines = [...stopped, ...grant(1, 1, 1, [0, 1, 100]), ...grant(2, 1, 2, [5, 50, 51])];
    expect(broken(lock, ...lines)).toEqual(only('held together'));
  });

  test('a permit too many is found, by weight', () => {
    const two = [...grant(1, 1, 1, [0, 1, 9], 2), ...grant(2, 1, 2, [0, 2, 9], 2)];
    expect(broken(semaphore, ...two)).toEqual([]);
    expect(broken(semaphore, ...two, ...grant(3, 1, 3, [0, 3, 4], 1))).toEqual(only('held together'));
  });

  test('readers read together, and nobody writes meanwhile', () => {
    const readers = [...grant(1, 1, 1, [0, 1, 9]), ...grant(2, 1, 2, [0, 2, 8])];
    expect(broken(readWrite, ...readers)).toEqual([]);
    expect(broken(readWrite, ...readers, ...grant(3, 1, 3, [0, 8.5, 8.7], 1_000))).toEqual(
      only('held together'),
    );
    expect(broken(readWrite, ...readers, ...grant(3, 1, 3, [0, 9.5, 9.7], 1_000))).toEqual([]);
  });

  test('who upgrades reads all the time, until it writes', () => {
    const upgrade: Line[] = [
      [0, 1, 1, 'asking'],
      [1, 1, 1, 'holding', { fence: '1' }],
      [2, 1, 2, 'asking', { weight: 1_000, exchanges: 1, overtakes: true }],
      [6, 1, 2, 'holding', { fence: '3' }],
      [8, 1, 2, 'releasing'],
      [9, 1, 2, 'released', { held: true }],
    ];
    expect(broken(readWrite, ...upgrade, ...grant(2, 1, 2, [0, 3, 5]))).toEqual([]);
    expect(broken(readWrite, ...upgrade, ...grant(2, 1, 2, [0, 3, 5], 1_000))).toContain('held together');
    expect(broken(readWrite, ...upgrade, ...grant(2, 1, 4, [0, 7, 9]))).toEqual(only('held together'));
  });

  test('who downgrades may be joined by readers as soon as it asks, and by no writer', () => {
    const downgrade: Line[] = [
      [0, 1, 1, 'asking', { weight: 1_000 }],
      [1, 1, 1, 'holding', { fence: '1' }],
      [2, 1, 2, 'asking', { weight: 1, exchanges: 1, overtakes: true }],
      [6, 1, 2, 'holding', { fence: '2' }],
      [8, 1, 2, 'releasing'],
      [9, 1, 2, 'released', { held: true }],
    ];
    expect(broken(readWrite, ...downgrade, ...grant(2, 1, 3, [0, 3, 9]))).toEqual([]);
    expect(broken(readWrite, ...downgrade, ...grant(2, 1, 3, [0, 3, 5], 1_000))).toContain('held together');
  });

  test('who may not upgrade goes on to hold what it held', () => {
    const refused: Line[] = [
      [0, 1, 1, 'asking', { weight: 4 }],
      [1, 1, 1, 'holding', { fence: '1' }],
      [2, 1, 2, 'asking', { weight: 1, exchanges: 1, overtakes: true }],
      [3, 1, 2, 'ended', { code: 'refused' }],
      [8, 1, 1, 'releasing'],
      [9, 1, 1, 'released', { held: true }],
    ];
    expect(broken(semaphore, ...refused, ...grant(2, 1, 2, [0, 4, 5]))).toEqual(only('held together'));
  });
});

describe('fences', () => {
  test('one that is given twice is found, also if its first holder was killed', () => {
    const killed: Line[] = [
      [0, 1, 1, 'asking'],
      [1, 1, 1, 'holding', { fence: '7' }],
      [2, 1, 0, 'killing'],
      [3, 1, 0, 'dead'],
    ];
    expect(broken(lock, ...killed, ...grant(2, 1, 7, [4, 5, 6]))).toEqual(only('fences'));
    expect(broken(lock, ...killed, ...grant(2, 1, 9, [4, 5, 6]))).toEqual([]);
  });

  test('one that is less than that of an earlier grant is found', () => {
    expect(broken(lock, ...grant(1, 1, 5, [0, 1, 2]), ...grant(2, 1, 4, [0, 3, 4]))).toEqual(only('fences'));
    expect(broken(semaphore, ...grant(1, 1, 5, [0, 1, 9]), ...grant(2, 1, 4, [2, 3, 4]))).toEqual(
      only('fences'),
    );
  });

  test('of two that may have been granted in either order, nothing is said', () => {
    expect(broken(semaphore, ...grant(1, 1, 5, [0, 1, 9]), ...grant(2, 1, 4, [0, 3, 4]))).toEqual([]);
  });

  test('one that grows when it is acquired again is found', () => {
    const again = (fence: string): Line => [2, 1, 1, 'again', { fence }];
    expect(broken(lock, ...grant(1, 1, 5, [0, 1, 9]), again('5'))).toEqual([]);
    expect(broken(lock, ...grant(1, 1, 5, [0, 1, 9]), again('6'))).toEqual(only('fences'));
  });
});

describe('lost updates', () => {
  const writing = (process: number, at: number, value: number, wrote = true): Line[] => [
    [at, process, 1, 'writing', { value }],
    ...(wrote ? [[at + 0.1, process, 1, 'wrote', { value: value + 1 }] as const] : []),
  ];
  const first = [...grant(1, 1, 1, [0, 1, 2]), ...writing(1, 1.5, 0)];

  test('who does not read what the one before it wrote is found', () => {
    expect(broken(lock, ...first, ...grant(2, 1, 2, [0, 3, 4]), ...writing(2, 3.5, 1))).toEqual([]);
    expect(broken(lock, ...first, ...grant(2, 1, 2, [0, 3, 4]), ...writing(2, 3.5, 0))).toEqual(
      only('lost updates'),
    );
  });

  test('who was killed while it wrote has written or not, but the same for all', () => {
    const killed: Line[] = [
      [0, 2, 1, 'asking'],
      [3, 2, 1, 'holding', { fence: '2' }],
      ...writing(2, 4, 1, false),
      [5, 2, 0, 'killing'],
    ];
    const reader = (process: number, fence: number, at: number, value: number): Line[] => [
      ...grant(process, 1, fence, [0, at, at + 0.5]),
      [at + 0.2, process, 1, 'read', { value }],
    ];
    for (const value of [1, 2])
      expect(broken(lock, ...first, ...killed, ...reader(3, 3, 6, value))).toEqual([]);
    for (const value of [0, 3])
      expect(broken(lock, ...first, ...killed, ...reader(3, 3, 6, value))).toEqual(only('lost updates'));
    const later = [...reader(3, 3, 6, 2), ...reader(4, 4, 7, 1)];
    expect(broken(lock, ...first, ...killed, ...later)).toEqual(only('lost updates'));
  });
});

describe('order', () => {
  const inLine = (process: number, at: number): Line => [at, process, 1, 'inLine'];
  const holder = grant(9, 1, 1, [0, 0.5, 30]);

  test('who is served before one that stood in line when it came is found', () => {
    const one = [...grant(1, 1, 3, [1, 40, 41]), inLine(1, 2)];
    expect(broken(lock, ...holder, ...one, ...grant(2, 1, 2, [3, 35, 36]))).toEqual(only('order'));
    // It may have come before the other joined the line.
    expect(broken(lock, ...holder, ...one, ...grant(2, 1, 2, [1.5, 35, 36]))).toEqual([]);
  });

  test('one that was never seen in line may have been anywhere', () => {
    const lines = [...grant(1, 1, 3, [1, 40, 41]), ...grant(2, 1, 2, [3, 35, 36])];
    expect(broken(lock, ...holder, ...lines)).toEqual([]);
  });

  test('one that gave up, or whose time was over, may be passed after that only', () => {
    const timedOut: Line[] = [
      [1, 1, 1, 'asking', { timeout: 31 }],
      inLine(1, 2),
      [60, 1, 1, 'ended', { code: 'ERR_TIMEOUT' }],
    ];
    expect(broken(lock, ...holder, ...timedOut, ...grant(2, 1, 2, [3, 31, 36]))).toEqual(only('order'));
    expect(broken(lock, ...holder, ...timedOut, ...grant(2, 1, 2, [3, 33, 36]))).toEqual([]);
    const gaveUp: Line[] = [
      [1, 1, 1, 'asking'],
      inLine(1, 2),
      [32, 1, 1, 'givingUp'],
      [60, 1, 1, 'ended', { code: 'given up' }],
    ];
    expect(broken(lock, ...holder, ...gaveUp, ...grant(2, 1, 2, [3, 31, 36]))).toEqual(only('order'));
    expect(broken(lock, ...holder, ...gaveUp, ...grant(2, 1, 2, [3, 33, 36]))).toEqual([]);
  });

  test('one that is stopped keeps its place, one that is killed until then', () => {
    const killed: Line[] = [[1, 1, 1, 'asking'], inLine(1, 2), [32, 1, 0, 'killing'], [33, 1, 0, 'dead']];
    expect(broken(lock, ...holder, ...killed, ...grant(2, 1, 2, [3, 31, 36]))).toEqual(only('order'));
    expect(broken(lock, ...holder, ...killed, ...grant(2, 1, 2, [3, 34, 36]))).toEqual([]);
  });

  test('where there is room for those ahead, too, nobody is passed', () => {
    const small = [...grant(1, 1, 2, [1, 8, 9], 2), inLine(1, 2)];
    expect(broken(semaphore, ...small, ...grant(2, 1, 1, [3, 4, 10], 2))).toEqual([]);
    const large = [...grant(1, 1, 2, [1, 18, 19], 3), inLine(1, 2)];
    expect(broken(semaphore, ...large, ...grant(2, 1, 1, [3, 4, 10], 2))).toEqual(only('order'));
  });

  test('who reads again passes a writer that waits for it', () => {
    const writer = [...grant(1, 1, 3, [1, 40, 41], 1_000), inLine(1, 2)];
    const again = grant(9, 2, 2, [3, 4, 5]);
    expect(broken(readWrite, ...holder, ...writer, ...again)).toEqual(only('order'));
    const [asking, ...rest] = again;
    const overtaking: Line = [
      ...(asking!.slice(0, 4) as unknown as [number, number, number, 'asking']),
      { overtakes: true },
    ];
    expect(broken(readWrite, ...holder, ...writer, overtaking, ...rest)).toEqual([]);
  });

  test('where newcomers may pass, they may not pass one that has waited for long', () => {
    const one = [...grant(1, 1, 3, [1, 40, 41]), inLine(1, 2)];
    expect(broken(barging, ...holder, ...one, ...grant(2, 1, 2, [3, 35, 36]))).toEqual([]);
    expect(broken(barging, ...holder, ...one, ...grant(2, 1, 2, [13, 35, 36]))).toEqual(only('order'));
  });

  test('where newcomers may pass, what is free is kept for a stopped one for a time, and no longer', () => {
    const one = [...grant(1, 1, 3, [1, 240, 241]), inLine(1, 2)];
    expect(broken(barging, ...holder, ...one, ...grant(2, 1, 2, [120, 125, 126]))).toEqual(only('order'));
    expect(broken(barging, ...holder, ...one, ...grant(2, 1, 2, [120, 140, 141]))).toEqual([]);
  });
});

describe('who waits', () => {
  test('one that was still waiting when all was calm is found', () => {
    const lines: Line[] = [
      [1, 1, 1, 'asking'],
      [90, 1, 0, 'leftOver'],
      [91, 1, 0, 'killing'],
      [92, 1, 0, 'dead'],
    ];
    expect(broken(lock, ...lines)).toEqual(only('forgotten'));
    expect(broken(lock, ...lines.filter(([, , , kind]) => kind !== 'leftOver'))).toEqual([]);
  });

  test('a long time in which nobody holds what somebody waits for is found, unless a process is stopped', () => {
    const lines = [...grant(1, 1, 1, [0, 1, 2]), ...grant(2, 1, 2, [1, 20_000, 20_001])];
    expect(broken(lock, ...lines)).toEqual(only('forgotten'));
    expect(broken(lock, ...lines, [3, 3, 0, 'stopping'], [19_999, 3, 0, 'continued'])).toEqual([]);
    expect(check(history(...lines), lock).summary.longestQuiet).toBe(19_998);
  });
});

test('who is told that it lost what nobody took from it is found', () => {
  const robbed: Line[] = [...grant(1, 1, 1, [0, 1, 2]).slice(0, 3), [3, 1, 1, 'released', { held: false }]];
  expect(broken(lock, ...robbed)).toEqual(only('told wrong'));
  expect(broken(lock, ...grant(1, 1, 1, [0, 1, 3]), [2, 1, 1, 'lost'])).toEqual(only('told wrong'));
});

test('a record that was cut off is left aside', () => {
  const whole = '{"at":1,"kind":"asking","op":1}\n';
  expect(parseLog(`${whole}{"at":2,"kin`, 3)).toEqual([{ at: 1, kind: 'asking', op: 1, process: 3 }]);
  expect(parseLog('', 3)).toEqual([]);
});
