import { readFileSync, mkdirSync } from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { driverCode, translated } from '../../src/core/errors.js';
import { HoldfastError } from '../../src/index.js';

const coded = (code: string): Error => Object.assign(new Error(`the driver said ${code}`), { code });

test.each([
  ['SQLITE_BUSY', 'ERR_BUSY'],
  ['SQLITE_BUSY_SNAPSHOT', 'ERR_BUSY'],
  ['SQLITE_LOCKED_SHAREDCACHE', 'ERR_BUSY'],
  ['SQLITE_FULL', 'ERR_FULL'],
  ['SQLITE_READONLY_DBMOVED', 'ERR_READONLY'],
  ['SQLITE_CORRUPT_INDEX', 'ERR_CORRUPT'],
  ['SQLITE_NOTADB', 'ERR_CORRUPT'],
  ['SQLITE_CANTOPEN', 'ERR_PERMISSION'],
  ['SQLITE_PERM', 'ERR_PERMISSION'],
  ['SQLITE_IOERR_WRITE', 'ERR_IO'],
  ['SQLITE_ERROR', 'ERR_IO'],
  ['ENOSPC', 'ERR_FULL'],
  ['EDQUOT', 'ERR_FULL'],
  ['EROFS', 'ERR_READONLY'],
  ['EACCES', 'ERR_PERMISSION'],
  ['EPERM', 'ERR_PERMISSION'],
  ['ENOTDIR', 'ERR_NOT_A_STORE'],
  ['EEXIST', 'ERR_NOT_A_STORE'],
  ['ENOENT', 'ERR_NOT_FOUND'],
  ['40001', 'ERR_CONFLICT'],
  ['40P01', 'ERR_CONFLICT'],
  ['55P03', 'ERR_BUSY'],
  ['57014', 'ERR_BUSY'],
  ['57P01', 'ERR_CONNECTION'],
  ['25006', 'ERR_READONLY'],
  ['53100', 'ERR_FULL'],
  ['53300', 'ERR_CONNECTION'],
  ['42501', 'ERR_PERMISSION'],
  ['28P01', 'ERR_PERMISSION'],
  ['3D000', 'ERR_NOT_FOUND'],
  ['XX001', 'ERR_CORRUPT'],
  ['08006', 'ERR_CONNECTION'],
  ['23505', 'ERR_IO'],
  ['ECONNREFUSED', 'ERR_CONNECTION'],
  ['ECONNRESET', 'ERR_CONNECTION'],
  ['EPIPE', 'ERR_CONNECTION'],
])('%s becomes %s, with its cause, and the place in the message', (code, expected) => {
  const cause = coded(code);
  const error = translated(cause, '/the/place') as HoldfastError;
  expect(error).toBeInstanceOf(HoldfastError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'HoldfastError', code: expected, cause });
  expect(error.message).toMatch(/^\/the\/place: /);
  expect(error.message).toContain(cause.message);
});

test.each([
  'Connection terminated unexpectedly',
  'Client has encountered a connection error and is not queryable',
  'timeout exceeded when trying to connect',
])('the words %j mean a lost connection', (words) => {
  expect(translated(new Error(words), 'here')).toMatchObject({ code: 'ERR_CONNECTION' });
});

test('errors of the user’s and of the library pass as they are', () => {
  const passing = [
    new Error('mine'),
    new TypeError('mine'),
    coded('MY_OWN_CODE'),
    coded('ERR_INVALID_ARG_TYPE'),
    new HoldfastError('ERR_BUSY', 'busy'),
    Object.assign(new Error('numbered'), { code: 5 }),
    'text',
    undefined,
    null,
    { code: 'SQLITE_BUSY' },
  ];
  for (const error of passing) expect(translated(error, 'here')).toBe(error);
});

test('whatever else the operating system refuses is an ERR_IO', () => {
  for (const attempt of [() => readFileSync('/'), () => mkdirSync(`/${'x'.repeat(300)}`)]) {
    let thrown: unknown;
    try {
      attempt();
    } catch (error) {
      thrown = error;
    }
    expect(translated(thrown, 'here')).toMatchObject({ code: 'ERR_IO', cause: thrown });
  }
});

test('what the drivers really throw has the codes that are looked for', () => {
  let thrown: unknown;
  try {
    new Database(':memory:').exec('nonsense');
  } catch (error) {
    thrown = error;
  }
  expect(driverCode(thrown)).toBe('SQLITE_ERROR');
  expect(driverCode(new Error('none'))).toBe(undefined);
  expect(driverCode({ code: 'ENOENT' })).toBe(undefined);
});

test('an error of the library is told by its code, and is shown with its name', () => {
  const error = new HoldfastError('ERR_TIMEOUT', 'too late', { cause: 'why' });
  expect(String(error)).toBe('HoldfastError: too late');
  expect(error.cause).toBe('why');
  expect(Object.keys(error)).toContain('code');
});
