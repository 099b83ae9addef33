import { expect, test } from 'vitest';
import * as options from '../../src/core/options.js';

const ms = (value: unknown, most?: number): number => options.milliseconds('wait', value, most);

test.each<[unknown, number]>([
  [0, 0],
  [-0, -0],
  [1.5, 1.5],
  [Infinity, Infinity],
  ['0ms', 0],
  ['0s', 0],
  ['0.0h', 0],
  ['00d', 0],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
  ['1w', 604_800_000],
  ['30 s', 30_000],
  ['0.5ms', 0.5],
  ['5 minutes', 300_000],
])('a duration of %j is %d milliseconds', (value, expected) => {
  expect(ms(value)).toBe(expected);
});

test.each([
  '',
  ' ',
  's',
  '5',
  '0',
  '5x',
  '0x',
  '0.5parsecs',
  '-5s',
  '+5s',
  '1e3ms',
  '5s 3ms',
  '1,5h',
  'Infinity',
  'NaN',
  '٣s',
  null,
  undefined,
  true,
  5n,
  [5],
  {},
  new Date(5),
  () => 5,
])('what is no duration is refused (%#)', (value) => {
  expect(() => ms(value)).toThrow(TypeError);
  expect(() => ms(value)).toThrow("wait must be milliseconds or a string such as '250ms'");
});

test.each([-1, NaN, -Infinity, -Number.MIN_VALUE])('a duration of %d is out of range', (value) => {
  expect(() => ms(value)).toThrow(RangeError);
  expect(() => ms(value)).toThrow(String(value));
});

test('a duration has a bound where one is set, in whatever unit', () => {
  expect(ms('1h', 3_600_000)).toBe(3_600_000);
  for (const value of ['61m', 3_600_001, Infinity]) expect(() => ms(value, 3_600_000)).toThrow(RangeError);
});

test('an option that is misspelt is refused by its name, with those that exist', () => {
  const check = (given: unknown): void => {
    options.knownKeys('options of wait()', given, ['timeout', 'signal']);
  };
  check({});
  check({ timeout: 1, signal: undefined });
  check(Object.create(null));
  expect(() => check({ timeOut: 1 })).toThrow(
    new TypeError('options of wait() has no option "timeOut"; it has timeout, signal'),
  );
  for (const given of [null, undefined, 5, 'timeout', [], () => {}])
    expect(() => check(given)).toThrow(TypeError);
});

test.each([{ reverse: 1 }, { revers: true }, null, [], 'reverse'])(
  'iteration refuses the options %j',
  (given) => {
    expect(() => options.resolveReverse(given as never)).toThrow(TypeError);
  },
);

test('a wait has a timeout and a signal, checked', () => {
  const signal = new AbortController().signal;
  expect(options.resolveWaitOptions('wait', { timeout: '2s', signal })).toEqual({ timeout: 2_000, signal });
  expect(options.resolveWaitOptions('wait')).toEqual({ timeout: Infinity, signal: undefined });
  expect(options.resolveWaitOptions('wait', { timeout: undefined, signal: undefined })).toEqual({
    timeout: Infinity,
    signal: undefined,
  });
  for (const given of [
    { timeout: 'soon' },
    { timeout: null },
    { signal: {} },
    { signal: null },
    { limit: 1 },
    null,
  ]) {
    expect(() => options.resolveWaitOptions('wait', given as never)).toThrow(TypeError);
  }
  expect(() => options.resolveWaitOptions('wait', { timeout: -1 })).toThrow(RangeError);
});

test('a name is well-formed text of 1 to 512 characters', () => {
  const check = (name: unknown): void => {
    options.nameString('name', name);
  };
  for (const name of ['a', 'x'.repeat(512), '日本', '😀', ' ', '../../etc']) check(name);
  for (const name of ['', 'x'.repeat(513), 'a\0b', '\ud800']) expect(() => check(name)).toThrow(RangeError);
  for (const name of [undefined, null, 5, {}, Symbol('name')]) expect(() => check(name)).toThrow(TypeError);
});

test('a whole number has bounds', () => {
  const check = (value: unknown): void => {
    options.wholeNumber('limit', value, 1, 10);
  };
  check(1);
  check(10);
  for (const value of [0, 11, 1.5, NaN, Infinity]) expect(() => check(value)).toThrow(RangeError);
  for (const value of ['5', 5n, null, undefined]) expect(() => check(value)).toThrow(TypeError);
  expect(() => check(0)).toThrow('limit must be a whole number from 1 to 10, not 0');
});

test.each([
  ['a'.repeat(50), `"${'a'.repeat(40)}…"`],
  [5n, '5n'],
  [Symbol('secret'), 'a symbol'],
  [() => 1, 'a function'],
  [[], 'an array'],
  [
    {
      toString: () => {
        throw new Error('never');
      },
    },
    'an object',
  ],
  [null, 'null'],
  [undefined, 'undefined'],
  [NaN, 'NaN'],
])('a message shows a value briefly and without calling it (%#)', (value, expected) => {
  expect(options.shown(value)).toBe(expected);
});
