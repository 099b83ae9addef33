import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/processes.js';

/** Opens a store in a process whose SQLite gives itself out for another version; tells what came of it. */
function openWith(version: string, directory: string): string {
  const script = `
    import Database from 'better-sqlite3';
    const { prepare } = Database.prototype;
    let asked = 0;
    Database.prototype.prepare = function (sql) {
      if (sql.includes('sqlite_version()')) asked++;
      return prepare.call(this, sql.replace('sqlite_version()', ${JSON.stringify(`'${version}'`)}));
    };
    const { HoldfastError, open } = await import('holdfast');
    let result = 'opened';
    try {
      open(${JSON.stringify(directory)}).close();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      result = error.code + ' ' + error.message;
    }
    console.log(asked > 0 ? result : 'The version was not asked for.');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    encoding: 'utf8',
  });
  return stdout.trim() + stderr;
}

test.each(['3.51.2', '3.50.99', '3.9.0', '2.99.99'])(
  'open refuses SQLite %s with ERR_UNSUPPORTED_SQLITE, and leaves no file or directory behind',
  (version) => {
    const parent = temporaryDirectory();
    const answer = openWith(version, join(parent, 'new', 'store'));
    expect(answer).toMatch(/^ERR_UNSUPPORTED_SQLITE /);
    expect(answer).toContain(version);
    expect(answer).toContain('3.51.3');
    expect(readdirSync(parent)).toEqual([]);
  },
);

test.each(['3.51.3', '3.51.10', '3.52.0', '3.100.0', '4.0.0'])('open accepts SQLite %s', (version) => {
  expect(openWith(version, join(temporaryDirectory(), 'store'))).toBe('opened');
});
